"""What a policy has an MTA tell, and wait for: by its text, and on the wire."""

from __future__ import annotations

import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import milter
import pytest
from milter_client import MilterClient
from parts.ports import wait_until
from parts.serving import Daemon
from parts.worker import Worker

from policyd import words
from policyd.config import load
from policyd.language.registry import VOCABULARY
from policyd.server.agreement import EVENTS, terms_of
from policyd.server.macros import ALWAYS, STAGES

words.load()


def needs(directory: Path, text: str) -> frozenset[str]:
    """Of a policy that consists of *text*."""
    path = directory / "policy"
    path.write_text(text)
    return load(path).needs


def shown(steps: int) -> str:
    """The callbacks that these steps leave: ``(name)`` where nobody waits for an answer."""
    return " ".join(
        f"({event.name})" if steps & event.silent else event.name for event in EVENTS if not steps & event.never
    )


def acl(phase: str, *lines: str) -> str:
    return "\n".join(["begin acl", f"acl_check_{phase}:", *lines, "  accept", ""])


QUIET = "connect helo envfrom"
RATE = "  defer ratelimit = 30 / 1m / per_conn / strict"
EVERYTHING = "connect helo envfrom envrcpt data (header) (eoh) (body)"
MESSAGE = "(envrcpt) (header) (eoh)"


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("", "(connect)"),
        (acl("connect"), "(connect)"),  # it accepts whatever comes
        (acl("connect", RATE), QUIET),
        (acl("connect", RATE, "  warn delay = 1s"), "connect helo envfrom"),
        (acl("helo", "  deny condition = ${if eq{$sender_helo_name}{x}}"), "(connect) helo envfrom"),
        (acl("mail", "  deny senders = :"), "(connect) (helo) envfrom"),
        (acl("mail", "  warn add_header = X: y"), f"(connect) (helo) envfrom {MESSAGE}"),
        (acl("mail", "  warn message = X: y"), f"(connect) (helo) envfrom {MESSAGE}"),
        (acl("mail", "  warn log_message = y"), "(connect) (helo) envfrom"),
        (acl("mail", "  warn remove_header = X"), f"(connect) (helo) envfrom {MESSAGE}"),
        (acl("rcpt", "  deny recipients = a@b"), "(connect) (helo) (envfrom) envrcpt"),
        (acl("rcpt", "  deny ratelimit = 1 / 1h / per_rcpt"), "(connect) (helo) (envfrom) envrcpt"),
        (
            acl("rcpt", "  deny condition = ${if >{$message_size}{9}}"),
            "(connect) (helo) (envfrom) envrcpt (header) (eoh) (body)",
        ),
        (acl("predata", "  deny condition = $recipients_count"), "(connect) (helo) (envfrom) (envrcpt) data"),
        (acl("data", "  deny condition = ${if def:h_x:}"), f"(connect) (helo) (envfrom) {MESSAGE}"),
        (acl("data", "  deny regex = x"), f"(connect) (helo) (envfrom) {MESSAGE} (body)"),
        (acl("data", "  deny dkim_status = fail"), f"(connect) (helo) (envfrom) {MESSAGE} (body)"),
        (acl("data", "  warn ratelimit = 9M / 1h / per_byte"), f"(connect) (helo) (envfrom) {MESSAGE} (body)"),
        (acl("dkim"), f"(connect) (helo) (envfrom) {MESSAGE} (body)"),
        (acl("quit", "  warn logwrite = $sender_address"), "(connect) (helo) (envfrom) (envrcpt)"),
        (acl("quit", "  warn logwrite = $smtp_command_history"), "(connect) (helo) (envfrom) (envrcpt) (data)"),
        (acl("connect", "  warn acl = a$acl_c_1"), EVERYTHING),
        (acl("connect", "  warn set acl_c_1 = ${expand:$acl_c_2}"), EVERYTHING),
        ("acl_smtp_connect = /etc/acl\n", EVERYTHING),
        (f"hosts_proxy = 192.0.2.1\n{acl('rcpt', '  deny recipients = a@b')}", f"{QUIET} envrcpt"),
        (f"hosts_trusted_relays = 192.0.2.1\n{acl('mail', '  deny senders = a@b')}", f"{QUIET} {MESSAGE}"),
        (f"gateway_listen = 127.0.0.1:2525\n{acl('rcpt', '  deny recipients = a@b')}", f"{QUIET} envrcpt"),
    ],
)  # fmt: skip
def test_what_is_told(tmp_path, policy, told):
    assert shown(terms_of(needs(tmp_path, policy)).steps) == told


@pytest.mark.parametrize(
    ("policy", "actions"),
    [
        (acl("connect", RATE), 0),
        (acl("mail", "  warn add_header = X: y"), milter.ADDHDRS),
        (acl("mail", "  warn message = X: y"), milter.ADDHDRS),
        (acl("data", "  warn remove_header = X"), milter.CHGHDRS),
        (acl("data", "  warn authresults = me"), milter.ADDHDRS | milter.CHGHDRS),
        (acl("data", "  warn control = freeze"), milter.QUARANTINE),
        (acl("rcpt", "  discard recipients = a@b"), milter.DELRCPT),
        ("acl_smtp_mail = /etc/acl\n", milter.ADDHDRS | milter.CHGHDRS | milter.DELRCPT | milter.QUARANTINE),
    ],
)
def test_what_may_be_done(tmp_path, policy, actions):
    assert terms_of(needs(tmp_path, policy)).actions == actions


@pytest.mark.parametrize(
    ("policy", "macros"),
    [
        (acl("mail", "  deny senders = :"), set()),
        (acl("mail", "  deny !encrypted = *"), {"{tls_version}", "{cipher}", "{cipher_bits}"}),
        (acl("mail", "  require verify = certificate"), {"{verify}", "{cert_subject}"}),
        (acl("mail", "  warn logwrite = $tls_in_peerdn"), {"{cert_subject}"}),
        (acl("data", "  warn authresults = me"), {"{auth_author}"}),
        ("acl_smtp_mail = /etc/acl\n", {name for names in STAGES.values() for name in names} - ALWAYS),
    ],
)
def test_macros(tmp_path, policy, macros):
    wanted = terms_of(needs(tmp_path, policy)).macros
    assert {name for names in wanted.values() for name in names} - ALWAYS == macros


def test_every_macro_that_a_word_needs_has_its_stage():
    needed = {need for word in VOCABULARY for need in word.traits.get("needs", "").split() if need.startswith("{")}
    assert needed
    assert needed <= {name for names in STAGES.values() for name in names}


def asked(mta: MilterClient) -> dict[int, bytes]:
    """The macros that a milter wants, by stage."""
    packet, found = mta.wanted[12:], {}
    while packet:
        names, _, rest = packet[4:].partition(b"\0")
        found[struct.unpack("!I", packet[:4])[0]] = names
        packet = rest
    return found


def agreed(mta: MilterClient) -> tuple[int, str]:
    """The actions, and what is told."""
    _, actions, steps = struct.unpack("!III", mta.wanted[:12])
    return actions & ~milter.SETSYMLIST, shown(steps)


def test_each_connection_has_the_terms_of_its_policy(start):
    daemon: Daemon = start(workers=1)
    daemon.serving(1)
    with MilterClient(daemon.socket) as before:
        assert agreed(before) == (0, "(connect) (helo) envfrom")
        assert asked(before) == {
            milter.M_CONNECT: b"v {daemon_addr} {daemon_port} {if_addr}",
            milter.M_HELO: b"",
            milter.M_ENVFROM: b"i {auth_type} {auth_authen}",
            milter.M_ENVRCPT: b"i",
            milter.M_DATA: b"i",
            milter.M_EOM: b"i",
        }
        text = daemon.policy.read_text()
        daemon.policy.write_text(f"acl_smtp_rcpt = other\n{text}\nother:\n  discard !encrypted = *\n")
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: negotiated(daemon)[1] == "(connect) (helo) envfrom envrcpt", "the new policy")
        assert negotiated(daemon)[0] == milter.DELRCPT
        before.connect()
        assert (before.helo(), before.mail(b"<a@example.org>")) == ("continue", "550 5.7.1 first")


def negotiated(daemon: Daemon) -> tuple[int, str]:
    """With a new connection."""
    with MilterClient(daemon.socket) as mta:
        return agreed(mta)


def test_a_failure_where_nobody_waits_is_told_where_somebody_does(tmp_path):
    """RCPT has no answer here; its failure is the end of the message's."""
    with scripted(tmp_path, "data", script={"rcpt": "raise"}) as mta:
        assert (mta.helo(), mta.mail(b"<a@b>"), mta.rcpt(b"<b@c>")) == ("continue", "continue", "continue")
        assert mta.ask("E") == "451 4.3.0 Temporary local problem - please try later"


def test_a_refusal_where_nobody_waits_for_the_greeting(tmp_path):
    script = {"connect": ["FAIL", 550, "", "go away"]}
    with scripted(tmp_path, "connect", script=script) as mta:
        assert [mta.helo(), mta.mail(b"<a@b>")] == ["550 5.7.1 go away"] * 2


@contextmanager
def scripted(directory: Path, *needs: str, script: dict[str, Any]) -> Iterator[MilterClient]:
    """A client of a conversation that needs no more than *needs*."""
    worker = Worker(directory, *needs)
    try:
        with worker.connect(script) as mta:
            yield mta
    finally:
        worker.stop()
