"""DKIM as a live Exim sees it: the same ACLs, the same messages, the same keys, in a network of their own.

Where policyd differs, docs/differences-from-exim.md says why: `DIFFERENT`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from parts.differences import explained
from parts.nsd import ROOT, SERVER, ZONE
from parts.programs import environment, program
from parts.signing import ed25519, rsa, signed

from policyd import words
from policyd.cli.dialogue import Dialogue
from policyd.config import load
from policyd.conversation import Conversation
from policyd.metrics import NoMetrics
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Services

KEY, WEAK, ED = rsa(2048), rsa(1024), ed25519()
MESSAGE = (
    b"From: Joe <joe@a.test>\r\nTo: x@y.test\r\nSubject: hello  there\r\n"
    b"Date: Fri, 20 Nov 2026 10:00:00 +0000\r\n\r\nHello  world \r\n\r\nbye\r\n\r\n\r\n"
)
KEYS = {
    "s": f"v=DKIM1; k=rsa; p={KEY.public}",
    "weak": f"v=DKIM1; k=rsa; t=y; n=my notes; s=email; g=us*; p={WEAK.public}",
    "e": f"v=DKIM1; k=ed25519; p={ED.public}",
    "revoked": "v=DKIM1; k=rsa; p=",
    "syntax": "v=DKIM1; k=rsa; p=!!!",
    "version": f"v=DKIM2; k=rsa; p={KEY.public}",
    "service": f"v=DKIM1; s=other; k=rsa; p={KEY.public}",
    "strict": f"v=DKIM1; t=s; p={KEY.public}",
}
PASS = signed(MESSAGE, KEY)
SEVERAL = signed(
    signed(signed(MESSAGE, ED, s="e", a="ed25519-sha256", i="Joe@a.test"), WEAK, s="weak", d="b.test", i="j@x.b.test"),
    KEY,
    i="@a.test",
)
MESSAGES = {
    "unsigned": MESSAGE,
    "good": PASS,
    "simple": signed(MESSAGE, KEY, c="simple/simple", i="@a.test"),
    "mixed": signed(MESSAGE, KEY, c="simple/relaxed"),
    "ed25519": signed(MESSAGE, ED, s="e", a="ed25519-sha256"),
    "several": SEVERAL,
    "two of one domain": signed(PASS, WEAK, s="weak", i="joe@a.test"),
    "upper case": signed(PASS, KEY, d="A.test"),
    "header changed": PASS.replace(b"hello", b"jello"),
    "body changed": PASS + b"footer\r\n",
    "blanks changed": PASS.replace(b"Hello  world ", b"Hello world"),
    "with times": signed(MESSAGE, KEY, t="1700000000", x="9000000000"),
    "whole body by length": signed(MESSAGE, KEY, l="20"),
    "no key": signed(MESSAGE, KEY, s="nosuch"),
    "key revoked": signed(MESSAGE, KEY, s="revoked"),
    "key of nonsense": signed(MESSAGE, KEY, s="syntax"),
    "key of another version": signed(MESSAGE, KEY, s="version"),
    "another From on top": PASS.replace(b"From:", b"X-From: x\r\nFrom:"),
    "sha1": signed(MESSAGE, KEY, a="rsa-sha1"),
    "sha1 on top": signed(PASS, KEY, a="rsa-sha1"),
    "sha1 below": signed(signed(MESSAGE, KEY, a="rsa-sha1"), KEY),
    "subdomain": signed(MESSAGE, KEY, i="joe@sub.a.test"),
    "one good, one bad": signed(PASS.replace(b"hello", b"jello"), KEY),
}
DIFFERENT = {  # a message, and words of the row that explains it
    "l= leaves something out": (signed(MESSAGE, KEY, l="5"), "`l=` that leaves octets unsigned"),
    "no subdomains": (signed(MESSAGE, KEY, s="strict", i="joe@sub.a.test"), "`t=s` is not enforced"),
    "expired": (signed(MESSAGE, KEY, x="1700000000"), "`x=` in the past passes"),
    "From is not signed": (signed(MESSAGE, KEY, h="to:subject"), "From need not be signed"),
    "no b=": (PASS.replace(b"; b=", b"; y="), "without `b=`"),
}
ACLS = """\
begin acl
acl_check_rcpt:
  accept logwrite = message $sender_address_local_part
acl_check_dkim:
  warn dkim_status = none : pass
       logwrite = none or pass
  warn !dkim_status = pass
       logwrite = not pass
  warn dkim_signers = a.test
       logwrite = by a.test
  warn logwrite = $dkim_cur_signer|$dkim_verify_status|$dkim_verify_reason|$dkim_domain|$dkim_identity|$dkim_selector
  warn logwrite = $dkim_algo|$dkim_canon_body|$dkim_canon_headers|$dkim_bodylength|$dkim_created|$dkim_expires
  warn logwrite = $dkim_headernames|$dkim_key_testing|$dkim_key_nosubdomains|$dkim_key_granularity|$dkim_key_notes
  warn logwrite = $dkim_signers
  accept add_header = X-Signer: $dkim_cur_signer
acl_check_data:
  accept logwrite = $dkim_verify_status|$dkim_signers|$h_X-Signer:|$headers_added
"""
OPTIONS = [
    "",
    "dkim_verify_hashes = sha1 : sha256\n",
    "dkim_verify_keytypes = rsa : ed25519\n",
    "dkim_verify_keytypes = rsa\n",
    "dkim_verify_min_keysizes = rsa=2048 ed25519=250\n",
    "dkim_verify_minimal\n",
    "dkim_verify_signers = x.test:B.test:JOE@a.test:a.test\n",
    "dkim_verify_signers = <; a.test; ;a.test;$sender_address_domain\n",
]
NAMES = "".join(f"acl_smtp_{phase} = acl_check_{phase}\n" for phase in ("rcpt", "dkim", "data"))


class Log(list):
    """The lines of the main log."""

    def write(self, target, text):
        if target == "main":
            self.append(text)


@pytest.fixture(scope="module")
def zone() -> Iterator[Path]:
    """The keys of two domains, in a directory that a name server may read."""
    directory = Path(tempfile.mkdtemp(prefix="policyd-dkim-"))
    records = []
    for domain in ("a.test", "b.test"):
        for selector, text in KEYS.items():
            strings = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
            records.append(f"{selector}._domainkey.{domain}. 60 TXT {strings}\n")
    (directory / "root.zone").write_text(ROOT + "".join(records))
    yield directory / "root.zone"
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def secluded(exim, zone: Path):
    """The live Exim, in a network in which the only name server knows nothing but *zone*."""
    if subprocess.run(["unshare", "-mn", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no network of one's own here")
    directory, server = zone.parent, program("nsd")
    (directory / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    (directory / "nsd.conf").write_text(SERVER.format(port=53, here=directory) + ZONE.format(name=".", file=zone))
    script = directory / "exim"
    libraries = environment(server).get("LD_LIBRARY_PATH", "")
    script.write_text(INSIDE.format(directory=directory, nsd=server, libraries=libraries, exim=exim.program))
    script.chmod(0o755)
    return replace(exim, program=script)


INSIDE = """\
#!/bin/sh
# Exim with these arguments, where DNS is what {directory} says.
[ -n "$SECLUDED" ] || SECLUDED=yes exec unshare -mn "$0" "$@"
outside=$LD_LIBRARY_PATH; unset LD_LIBRARY_PATH
ip link set lo up
mount --bind {directory}/resolv.conf /etc/resolv.conf
LD_LIBRARY_PATH={libraries} {nsd} -d -c {directory}/nsd.conf >{directory}/nsd.log 2>&1 &
until ss -lnu 2>/dev/null | grep -q 127.0.0.1:53 || [ $((tries += 1)) -gt 100 ]; do sleep 0.02; done
LD_LIBRARY_PATH=$outside {exim} "$@"
status=$?
kill $!
wait
exit $status
"""


def dialogue(messages: Mapping[str, bytes]) -> str:
    """One session with all of them; the sender tells which is which."""
    lines = ["EHLO client.test\r\n"]
    for number, message in enumerate(messages.values()):
        lines.append(f"MAIL FROM:<{number}@a.test>\r\nRCPT TO:<x@y.test>\r\nDATA\r\n")
        lines.append(re.sub(rb"(?m)^\.", b"..", message).decode("latin-1") + ".\r\n")
    return "".join([*lines, "QUIT\r\n"])


def of_exim(exim, policy: str, messages: Mapping[str, bytes]) -> dict[str, list[str]]:
    """What the ACLs log about each message."""
    lines = exim.session(NAMES + policy, "192.0.2.1", dialogue(messages)).log
    shown = [re.sub(r"^[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4} ", "", line) for line in lines]
    return parts([line for line in shown if not line.startswith(("DKIM: ", "<= "))], messages)


def of_policyd(file: Path, policy: str, messages: Mapping[str, bytes], zone: Path) -> dict[str, list[str]]:
    """The same."""
    words.load()
    file.write_text(policy)
    log = Log()
    services = Services(ZoneResolver([zone]), MemoryStore(), NoMetrics(), log)
    talk = Conversation(load(file), services)
    Dialogue(talk, "mx.test", dialogue(messages).encode("latin-1").splitlines(keepends=True), lambda _: None).run(
        Client(ip_address("192.0.2.1"))
    )
    return parts(log, messages)


def parts(lines: list[str], messages: Mapping[str, bytes]) -> dict[str, list[str]]:
    """The lines of each message, by its name."""
    found: dict[str, list[str]] = {name: [] for name in messages}
    names, current = list(messages), ""
    for line in lines:
        if line.startswith("message "):
            current = names[int(line.removeprefix("message "))]
        else:
            found[current].append(line)
    return found


@pytest.mark.parametrize("options", OPTIONS)
def test_the_acls_say_the_same(secluded, zone: Path, tmp_path: Path, options: str) -> None:
    theirs = of_exim(secluded, options + ACLS, MESSAGES)
    ours = of_policyd(tmp_path / "policy.conf", options + ACLS, MESSAGES, zone)
    for name in MESSAGES:
        assert ours[name] == theirs[name], name
    assert theirs["unsigned"]


def test_what_is_different(secluded, zone: Path, tmp_path: Path) -> None:
    messages = {name: message for name, (message, _) in DIFFERENT.items()}
    theirs = of_exim(secluded, ACLS, messages)
    ours = of_policyd(tmp_path / "policy.conf", ACLS, messages, zone)
    for name in messages:
        assert "|pass|" in theirs[name][0] + theirs[name][1] + theirs[name][2] or name == "no b=", theirs[name]
        assert ours[name] != theirs[name], name
        assert explained("Who sent it", DIFFERENT[name][1])
        assert any("|invalid|" in line for line in ours[name]), ours[name]
