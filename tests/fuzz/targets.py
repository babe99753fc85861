"""What is fuzzed: everything that reads octets of strangers. A target raises for what must not be."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from policyd.checks import arc
from policyd.checks.canonical import BodyHashes, BodyMethod, Fields, canonical_field
from policyd.checks.dkim_key import public_key
from policyd.checks.dkim_proof import Rules
from policyd.checks.dkim_signature import signature
from policyd.checks.dkim_tags import Unverifiable
from policyd.checks.dmarc_record import parse_record
from policyd.checks.spf import check_host
from policyd.checks.spf_identity import Identity
from policyd.mail.author import author_domains
from policyd.mail.authres import AuthResult, authentication_results, claimed_ids
from policyd.mail.mailboxes import mailbox, mailboxes
from policyd.mail.message import Message
from policyd.mail.octets import upper
from policyd.mail.proxy import LONGEST, Malformed, parse, wanted
from policyd.mail.received_spf import claimed_receivers
from policyd.mail.rfc2047 import decoded, unknown_charset
from policyd.resolver import Answer

NOW = 1_700_000_000
METHODS = [BodyMethod(form, "sha256", length) for form in ("simple", "relaxed") for length in (None, 3)]
CLIENT = Identity(ip_address("192.0.2.1"), "mx.client.test", "user@v.test")


@dataclass(frozen=True, slots=True)
class Target:
    """*run* takes one input; *seeds* are what inputs are made of."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


TARGETS: dict[str, Target] = {}


def target(*seeds: bytes) -> Callable[[Callable[[bytes], None]], Callable[[bytes], None]]:
    """A function that is a target, named like it."""

    def enter(run: Callable[[bytes], None]) -> Callable[[bytes], None]:
        TARGETS[run.__name__] = Target(run, seeds)
        return run

    return enter


@target(b'"A, B" <a@one.test>, (c) b@[192.0.2.1]', b"g: <@a,@b:c@d.test>, e@f.test;", b'a\\@b@c, "x" (\\))@y')
def author(octets: bytes) -> None:
    assert all(isinstance(domain, str) for domain in author_domains(octets.decode("latin-1")))


@target(
    b"PROXY TCP4 192.0.2.1 198.51.100.2 4242 25\r\n",
    b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c" + bytes(12),
    b"PROXY UNKNOWN\r\n",
)
def proxy_header(octets: bytes) -> None:
    taken = 0
    with suppress(Malformed):
        while missing := wanted(octets[:taken]):
            if taken >= len(octets):
                return
            taken = min(taken + missing, len(octets))
            assert taken <= LONGEST
        assert parse(octets[:taken]).version in (1, 2)


@target(b'"A, B" <a@one.test>, (c) b@[192.0.2.1]', b"g: <@a,@b:c@d.test>, e@f.test;", b"a..b@c, \\")
def addresses(octets: bytes) -> None:
    text = octets.decode("latin-1")
    for found in (mailbox(text), *mailboxes(text)):
        assert bool(found.address) != bool(found.error)
        assert found.domain in found.address


@target(b'mx.test 1; spf=pass (a\\)) smtp.mailfrom="a b"', b'"mx" . (c) test; none', b"\r\n (")
def results(octets: bytes) -> None:
    text = octets.decode("latin-1")
    assert "" not in claimed_ids(text)
    field = authentication_results(text, [AuthResult("spf", "pass", (("smtp.mailfrom", text),), text)])
    assert field.replace("\n\t", "").isascii()
    assert field.replace("\n\t", "").replace("\t", "").isprintable()


@target(b"pass (mx.test: a) receiver=mx.test; helo=a", b'fail (a (b) \\)) receiver (c) = "mx\\.test"', b"(receiver=")
def received_spf(octets: bytes) -> None:
    assert all(claimed_receivers(octets.decode("latin-1")))


@target(b"=?utf-8?q?=C3=A9_?= =?iso-8859-1*de?B?6Q==?=", b"=?x?q?=?=", b"=?utf-16?b?//4=?=", b"=?idna?q?xn--?=")
def encoded_words(octets: bytes) -> None:
    text = octets.decode("latin-1")
    assert "\0" not in decoded(text) + decoded(text, convert=False)
    unknown_charset(text)
    decoded(text).encode("latin-1")


@target(b"Subject: a\n b\nsubject:c\n\nbody\r\nline", b":\n:\n")
def message(octets: bytes) -> None:
    header, _, body = octets.partition(b"\n\n")
    received = Message()
    for line in header.decode("latin-1").split("\n"):
        name, _, value = line.partition(":")
        received.receive([(name, value)])
        assert received.find(upper(name))[-1].value == value
    received.keep_body()
    received.body(body)
    assert len(list(received.lines())) >= received.header_lines + 1
    received.close()


@target(
    b"v=1; a=rsa-sha256; c=relaxed/simple; d=a.test; s=s; i=@x.a.test; h=from:to; l=1; t=1; x=9; bh=AA==; b=AA==",
    b"a=ed25519-sha256; q=dns/txt; i==40a.test; z=From:a|To:b; b=\r\n A",
)
def dkim_signature(octets: bytes) -> None:
    said = signature(octets.decode("latin-1"), 0, NOW)
    if said.flaw:
        assert said.flaw.reason.isascii()
        assert said.flaw.reason.isprintable()
    else:
        assert said.key_name.endswith(f"._domainkey.{said.domain}")


@target(b"i=1; a=rsa-sha256; cv=none; d=a.test; s=s; h=from; bh=AA==; b=AA==", b"i=2; a.test; spf=pass", b"i = 01;\r\n")
def arc_chain(octets: bytes) -> None:
    """Each of the three fields says the same."""
    fields = Fields([(name, octets.decode("latin-1")) for name in arc.NAMES])
    chain = arc.examine(fields, Rules(), NOW, BodyHashes())
    assert chain.trouble or len(chain.sets) == 1
    assert chain.trouble.isprintable()


@target(
    b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=; t=y:s",
    b"p=MEgCQQDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAgMBAAE=",
    b"h=sha256; s=email; g=*; n=a; p=",
)
def dkim_key(octets: bytes) -> None:
    with suppress(Unverifiable):
        assert public_key(octets.decode("latin-1")).bits > 0


@target(
    b"v=DMARC1; p=reject; sp=none; np=quarantine; psd=y; t=y; rua=mailto:a@b.test!10m,x; fo=1:d; pct=5", b"v=DMARC1"
)
def dmarc_record(octets: bytes) -> None:
    record = parse_record(octets.decode("latin-1"))
    if record:
        assert {record.for_domain, record.for_existing, record.for_nonexistent} <= {"none", "quarantine", "reject"}


@target(b"\x03a \t b \r\n\r\n", b"\x01\r\r\n\n \r\n", b"\x02 \t\r\n\r")
def body(octets: bytes) -> None:
    """Every way of cutting a body gives the same hashes: the first octet says how."""
    size, text = (octets[0] or 1) if octets else 1, octets[1:]
    whole, cut = BodyHashes(), BodyHashes()
    for method in METHODS:
        whole.want(method)
        cut.want(method)
    whole.feed(text)
    for at in range(0, len(text), size):
        cut.feed(text[at : at + size])
    assert [whole.result(method) for method in METHODS] == [cut.result(method) for method in METHODS]


@target(b"Subject:  a \t b\r\n c ", b"X : \n")
def field(octets: bytes) -> None:
    name, _, value = octets.decode("latin-1").partition(":")
    relaxed = canonical_field((name, value), "relaxed")
    assert b"  " not in relaxed.partition(b":")[2]
    assert canonical_field((name, value), "simple").endswith(b"\r\n")


class Everywhere:
    """Every name has this TXT record, and addresses."""

    def __init__(self, record: bytes) -> None:
        self._records = {"TXT": ((record,),), "A": ("192.0.2.9",), "MX": ((1, "a.test"),), "PTR": ("a.test",)}

    def lookup(self, rtype: str, name: str) -> Answer:
        return Answer(self._records.get(rtype, ()))

    def until(self, deadline: float) -> Everywhere:
        return self


@target(
    b"v=spf1 a:%{d2}.test/24//64 mx ptr:x.test exists:%{ir}.%{v}.%{l1r-} ip4:192.0.2.0/24 -all exp=why.test",
    b"v=spf1 ip6:2001:db8::/32 include:b.test ?all",
    b"v=spf1 redirect=_spf.%{o} unknown=%{h}",
)
def spf_record(octets: bytes) -> None:
    got = check_host(Everywhere(octets), CLIENT, "mx.here.test")
    assert "internal" not in got.comment
    assert all(text.isascii() and text.isprintable() for text in (got.explanation, got.comment, got.received))
