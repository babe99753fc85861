"""``policyd judge``: what would become of a message, and why."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, BinaryIO

import click

from policyd import config, words
from policyd.cli.dialogue import feed_headers
from policyd.cli.options import octets, reporting, say, say_safely
from policyd.cli.session import endpoint
from policyd.cli.world import for_anybody, services
from policyd.conversation import Conversation
from policyd.edits import AddHeader, ChangeHeader, DeleteRecipient, Edit
from policyd.explanations import Archive, Explanation, Witness
from policyd.explanations.archive import explanation
from policyd.language.verdict import Outcome, Verdict
from policyd.replies import Reply
from policyd.stores import MemoryStore
from policyd.transaction import Client

AN_HOUR = 3600.0


@click.command(help="Judge the message in FILE (-: standard input) as if it were coming in now, and say why.")
@click.option("-c", "--config", "path", required=True, metavar="CONF", help="A file, a conf.d directory, or a tree.")
@click.option("--client", required=True, metavar="IP[:PORT]", help="Who brings it; IPv6 as [ADDRESS]:PORT.")
@click.option("--helo", default="", metavar="NAME", help="What the client calls itself; otherwise its address.")
@click.option("--from", "sender", default="", metavar="ADDRESS", help="The envelope sender; empty for a bounce.")
@click.option(
    "--to", "recipients", multiple=True, required=True, metavar="ADDRESS", help="A recipient; may be repeated."
)
@click.option("--zone", "zones", multiple=True, metavar="FILE", help="Answer all DNS from this master file, offline.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.argument("file", type=click.File("rb"))
def command(path: str, as_json: bool, **options: Any) -> None:
    """Exit status 0 when the message would be accepted, for at least one recipient; otherwise 1."""
    words.load()
    with reporting(2):
        policy = config.load(path)
        world = for_anybody(services(policy.settings, options["zones"]), policy.settings)
    witness = Witness(Archive(MemoryStore(), AN_HOUR), policy.snapshot.digest)
    trial = Trial(Conversation(policy, world, witness=witness), witness)
    trial.run(options)
    if as_json:
        say([json.dumps(trial.summary())])
    else:
        say_safely(trial.lines())
    sys.exit(0 if trial.accepted else 1)


class Trial:
    """One message, from connect to its verdict. It ends with the first refusal that leaves no recipient.

    *accepted*: whether it goes on to a recipient. *discarded*: whether the client is told so, and it does not.
    """

    def __init__(self, talk: Conversation, witness: Witness) -> None:
        self._talk = talk
        self._witness = witness
        self._refusals: list[Reply] = []  # and what is discarded, or would be refused if this were no dry run
        self.accepted = self.discarded = False

    def run(self, options: dict[str, Any]) -> None:
        """Judge ``client``, ``helo``, ``sender``, ``recipients`` and ``file``, as the command line names them."""
        address, port = endpoint(options["client"])
        talk, helo = self._talk, octets(options["helo"]) or f"[{address}]"
        sender = octets(options["sender"])
        self.accepted = (
            self._passes(talk.connect(Client(address, port)))
            and self._passes(talk.helo(helo))
            and self._passes(talk.mail(f"<{sender}>"))
            and self._some(options["recipients"])
            and self._passes(talk.predata())
            and self._passes(self._message(options["file"]))
            and not self.discarded
        )

    def _some(self, recipients: tuple[str, ...]) -> bool:
        passed = [self._passes(self._talk.rcpt(f"<{octets(recipient)}>")) for recipient in recipients]
        return True in passed

    def _message(self, file: BinaryIO) -> Reply:
        lines = message_lines(file.read())
        body = feed_headers(self._talk, lines)
        self._talk.end_of_headers()
        self._talk.body(b"".join(line + b"\r\n" for line in lines[body:]))
        return self._talk.end_of_message()

    def _passes(self, reply: Reply) -> bool:
        self.discarded = reply.outcome is Outcome.DISCARD
        passes = self.discarded or reply.outcome is Outcome.OK
        if reply.explanation or not passes:
            self._refusals.append(reply)
        return passes

    def summary(self) -> dict[str, Any]:
        """For programs."""
        return {
            "accepted": self.accepted,
            "discarded": self.discarded,
            "refusals": [asdict(one) for one in self._explanations()],
            "edits": [_edit(edit) for edit in self._talk.edits] if self.accepted else [],
            "story": self._witness.story.lines,
        }

    def lines(self) -> Iterator[str]:
        """For reading."""
        for one in self._explanations():
            yield from one.lines()
            yield ""
        yield "accepted" if self.accepted else "discarded" if self.discarded else "refused"
        if self.accepted:
            yield from (f"  {_edit(edit)}" for edit in self._talk.edits)
            yield ""
            yield from self._witness.story.lines

    def _explanations(self) -> Iterator[Explanation]:
        """Why what was refused was; no ACL has anything to say of a client whose address could not be found out."""
        for reply in self._refusals:
            if reply.explanation:
                yield self._witness.found(reply.explanation)
            else:
                tx, verdict = self._talk.tx, Verdict(reply.outcome)
                yield explanation("-", tx, verdict, reply, self._witness.story)


def message_lines(octets: bytes) -> list[bytes]:
    """The lines of a message, without their ends: LF or CRLF, while a lone CR is a character. An mbox's line goes."""
    lines = [line.removesuffix(b"\r") for line in octets.removesuffix(b"\n").split(b"\n")]
    return lines[1:] if lines[0].startswith(b"From ") else lines


def _edit(edit: Edit) -> str:
    if isinstance(edit, AddHeader):
        return f"added: {edit.name}:{edit.value}"
    if isinstance(edit, ChangeHeader):
        return f"{'removed' if edit.value is None else 'changed'}: {edit.name} {edit.index}"
    return f"recipient removed: {edit.path}" if isinstance(edit, DeleteRecipient) else f"held: {edit.reason}"
