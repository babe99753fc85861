"""DKIM and ARC through the whole daemon: header fields and bodies as a real libmilter hands them on."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dkim
import pytest
from milter_client import MilterClient
from parts.daemon import Policyd
from parts.nsd import Nsd
from parts.opendkim import Signer
from parts.signing import ed25519, parted, rsa, signed

KEY, ED = rsa(2048), ed25519()
MESSAGE = (
    b"From: A <a@a.test>\r\nTo:b@b.test,\r\n\t c@b.test\r\nSubject:   two\t blanks \r\n\r\n"
    b" leading\r\ntrailing \t\r\n\r\n" + b"x y\tz  \r\n" * 30_000 + b"\r\n\r\n"
)
POLICY = """\
begin acl
acl_check_dkim:
  accept logwrite = $dkim_cur_signer $dkim_verify_status $dkim_verify_reason
acl_check_data:
  deny verify = arc
       message = 551 5.7.1 dkim=$dkim_verify_status arc=$arc_state $arc_domains
  deny message = 551 5.7.1 dkim=$dkim_verify_status
"""


def record(name: str, text: str) -> str:
    """A TXT record, in strings that are short enough."""
    strings = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
    return f"{name}. 60 TXT {strings}\n"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Policyd]:
    zone = "a.test. 60 SOA ns.test. h.test. 1 3600 600 86400 60\na.test. 60 NS ns.test.\n"
    zone += record("s._domainkey.a.test", f"p={KEY.public}") + record(
        "e._domainkey.a.test", f"k=ed25519; p={ED.public}"
    )
    with Nsd({"a.test": zone}) as dns, tempfile.TemporaryDirectory(prefix="policyd-signatures-") as socket:
        options = {"dns_servers": "127.0.0.1", "dns_port": str(dns.port), "workers": "1"}
        with Policyd(POLICY, f"unix:{socket}/socket", options) as running:
            yield running


def verdict(daemon: Policyd, fields: list[tuple[str, str]], body: bytes) -> str:
    with MilterClient(daemon.socket.removeprefix("unix:")) as mta:
        mta.connect()
        mta.helo()
        mta.mail(b"<a@a.test>")
        mta.rcpt(b"<b@b.test>")
        return mta.message([(name.encode(), value.encode("latin-1")) for name, value in fields], body)


@pytest.mark.parametrize("canonical", ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"])
def test_every_canonical_form(daemon: Policyd, canonical: str) -> None:
    assert verdict(daemon, *parted(signed(MESSAGE, KEY, c=canonical))) == "551 5.7.1 dkim=pass"
    fields, body = parted(MESSAGE)
    with Signer(KEY.private, canonical) as signer:
        field = signer.signature(fields, body)
    assert verdict(daemon, [field, *fields], body) == "551 5.7.1 dkim=pass"


def test_ed25519(daemon: Policyd) -> None:
    message = signed(MESSAGE, ED, s="e", a="ed25519-sha256")
    assert verdict(daemon, *parted(message)) == "551 5.7.1 dkim=pass"


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"x y", b"x  y", "pass"),
        (b"trailing", b"Trailing", "fail"),
        (b"two", b"three", "fail"),
        (b"s=s", b"s=t", "invalid"),
    ],
)
def test_changes(daemon: Policyd, old: bytes, new: bytes, status: str) -> None:
    message = signed(MESSAGE, KEY).replace(old, new)
    assert verdict(daemon, *parted(message)) == f"551 5.7.1 dkim={status}"


def test_arc(daemon: Policyd) -> None:
    seen = b"Authentication-Results: a.test; arc=none\r\n" + MESSAGE
    message = b"".join(dkim.arc_sign(seen, b"s", b"a.test", KEY.private, b"a.test")) + MESSAGE
    assert verdict(daemon, *parted(message)) == "551 5.7.1 dkim= arc=pass a.test"


def peak(pid: int) -> int:
    """The most memory that a process has had since it was last forgotten, in octets; forgets it."""
    status = Path(f"/proc/{pid}/status").read_text()
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def test_50_megabytes_take_no_memory(daemon: Policyd) -> None:
    """Two forms of the body are hashed, for DKIM and for ARC."""
    head, _, _ = MESSAGE.partition(b"\r\n\r\n")
    large = head + b"\r\n\r\n" + b"fifty octets of text  \t in a line of its own. \r\n" * 1_000_000
    message = signed(large, KEY, c="simple/simple")
    seen = b"Authentication-Results: a.test; arc=none\r\n" + message
    sealed = b"".join(dkim.arc_sign(seen, b"s", b"a.test", KEY.private, b"a.test")) + message
    assert verdict(daemon, *parted(signed(MESSAGE, KEY))) == "551 5.7.1 dkim=pass"  # everything is loaded
    (worker,) = daemon.workers()
    peak(worker)
    before = peak(worker)
    assert len(large) > 48_000_000
    assert verdict(daemon, *parted(sealed)) == "551 5.7.1 dkim=pass arc=pass a.test"
    assert peak(worker) - before < 4_000_000


def test_it_is_counted(daemon: Policyd) -> None:
    page = daemon.page("/metrics")
    assert 'policyd_dkim_signatures_total{algorithm="rsa-sha256",key_bits="2048",result="pass"}' in page
    assert 'policyd_arc_results_total{result="pass",trusted="false"}' in page
