"""Debian's own policy, from its package exim4-config: it loads, and judges as Exim does."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from oracle.conftest import Exim
from oracle.side_by_side import log, policyd, replies
from parts.differences import explained
from parts.programs import PRIVATE

from policyd import config, words
from policyd.errors import PolicyError

ANSWERS = """\
MAIN_LOCAL_DOMAINS = @:localhost:example.org
MAIN_RELAY_TO_DOMAINS = relay.example
MAIN_RELAY_NETS = 127.0.0.1
MAIN_HARDCODE_PRIMARY_HOSTNAME = mx.example.org
"""
"""What Debian's installer would have asked."""

REFUSED = {  # the statements that need the MTA's routing, and what is said of them
    "    !verify = sender/callout\n": '"verify = sender" has no option "callout"',
    "    verify = recipient\n": 'verification "recipient" is not offered',
    "    !verify = recipient/callout\n": 'verification "recipient" is not offered',
}

ROUTING = re.compile(
    r"^  (deny|require)\n(    .*\n)*?    !?verify = (sender/callout|recipient(/callout)?)\n|^    verify = recipient\n",
    re.MULTILINE,
)

LISTS = {
    "local_host_blacklist": "!203.0.113.7\n203.0.113.0/24\n",
    "local_sender_blacklist": "bad@spam.example\n*@worse.example\n",
    "local_host_whitelist": "203.0.113.9\n",
    "local_sender_whitelist": "friend@worse.example\n",
}

MESSAGE = "Subject: test\nFrom: a@client.example\n\nbody\n.\n"
DIALOGUES = {
    "to a local domain": "MAIL FROM:<a@client.example>\nRCPT TO:<user@example.org>\nDATA\n" + MESSAGE,
    "relaying": "MAIL FROM:<a@client.example>\nRCPT TO:<user@elsewhere.example>\nRCPT TO:<user@relay.example>\n",
    "odd local parts": "MAIL FROM:<a@client.example>\n"
    + "".join(f"RCPT TO:<{local}@example.org>\n" for local in (".dot", "a/b", "a|b", "ok", "a%b", "a!b", "../x"))
    + "".join(f"RCPT TO:<{local}@relay.example>\n" for local in (".dot", "/a", "a/../b", "a!b", "ok")),
    "a blocked sender": "MAIL FROM:<bad@spam.example>\nRCPT TO:<user@example.org>\nRCPT TO:<postmaster@example.org>\n",
    "a blocked domain": "MAIL FROM:<any@worse.example>\nRCPT TO:<user@example.org>\n",
    "a friend of a blocked domain": "MAIL FROM:<friend@worse.example>\nRCPT TO:<user@example.org>\n",
    "a bounce": "MAIL FROM:<>\nRCPT TO:<user@example.org>\nDATA\n" + MESSAGE,
    "too many bad recipients": "MAIL FROM:<a@client.example>\nRCPT TO:<ok@example.org>\n"
    + "".join(f"RCPT TO:<u{n}@elsewhere.example>\n" for n in range(12)),
    "a line that is too long": "MAIL FROM:<a@client.example>\nRCPT TO:<user@example.org>\nDATA\n"
    + MESSAGE.replace("body", "x" * 1200),
    "several messages": ("MAIL FROM:<a@client.example>\nRCPT TO:<user@example.org>\nDATA\n" + MESSAGE) * 2,
}
CLIENTS = ("192.0.2.1", "203.0.113.5", "203.0.113.7", "203.0.113.9")
BLOCKED = "203.0.113.5"  # gets no recipient, and so may not send DATA


@pytest.fixture(scope="module")
def tree(exim: Exim, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's ``conf.d`` with the installer's answers, and its own directory for lists."""
    package = PRIVATE / "etc/exim4/conf.d"
    if not package.exists():
        pytest.skip("no policy of Debian's: `.ci/setup test` unpacks exim4-config")
    tree = tmp_path_factory.mktemp("debian") / "conf.d"
    shutil.copytree(package, tree)
    lists = exim.directory / "lists"  # where the user that Exim becomes can read them
    lists.mkdir()
    for name, text in LISTS.items():
        (lists / name).write_text(text)
    (tree / "main/000_answers").write_text(ANSWERS)
    macros = tree / "main/01_exim4-config_listmacrosdefs"
    macros.write_text(macros.read_text().replace("CONFDIR = /etc/exim4", f"CONFDIR = {lists}"))
    return tree


def without_routing(text: str) -> str:
    """A policy without the statements that are refused."""
    return ROUTING.sub("", text)


def joined(tree: Path) -> str:
    """The two parts that a milter can have, as one configuration."""
    files = [file for part in ("main", "acl") for file in sorted((tree / part).iterdir())]
    return "".join(file.read_text() for file in files)


def test_what_is_refused(tree: Path) -> None:
    """Only what needs routing, each at its line."""
    assert explained("What a milter cannot do", "`verify = recipient`")
    words.load()
    with pytest.raises(PolicyError) as caught:
        config.load(tree)
    refusals = [problem for problem in caught.value.problems if problem.severity.value == "error"]
    for problem in refusals:
        line = Path(problem.where.file).read_text().splitlines(keepends=True)[problem.where.line - 1]
        assert problem.message == REFUSED.get(line)
        assert problem.expected
    assert len(refusals) == 4


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("name", DIALOGUES)
def test_sessions(tree: Path, name: str, client: str, exim: Exim, tmp_path: Path) -> None:
    """The same answers and the same log."""
    dialogue = "EHLO client.example\n" + DIALOGUES[name] + "QUIT\n"
    if client == BLOCKED:
        dialogue = re.sub(r"DATA\n.*?\n\.\n", "RSET\n", dialogue, flags=re.DOTALL)
    text = without_routing(joined(tree))
    file = tmp_path / "policy.conf"
    file.write_text(text)
    transcript = exim.session(text, client, dialogue)
    answers, logged = policyd(file, dialogue, client)
    assert replies(answers) == replies(transcript.replies.split("\n"))
    assert log(logged) == log(transcript.log)
