"""Messages whose senders are authenticated, or not, in every way that matters; and the DNS they need."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from parts.opendkim import Signer
from parts.signing import Pair, ed25519, parted, rsa, signed

KEY, MIDDLING, ED = rsa(2048), rsa(1024), ed25519()
OWN, FORWARDER, LIST, STRANGER = "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.99"

POLICIES = {  # under test.: what _dmarc says; each allows OWN to send
    "home": "p=reject",
    "a": "p=reject",
    "none": "p=none",
    "quarantine": "p=quarantine",
    "trial": "p=reject; t=y",
    "strict": "p=reject; adkim=s; aspf=s",
    "parent": "p=reject; sp=none; np=quarantine",
    "sub": "p=none; sp=reject",
    "half": "p=reject; pct=0",
    "broken": "p=sometimes",
    "reporting": "p=sometimes; rua=mailto:r@reporting.test",
}
KEYS = {
    "s": f"v=DKIM1; k=rsa; p={KEY.public}",
    "bare": f"p={KEY.public}",
    "middling": f"v=DKIM1; k=rsa; p={MIDDLING.public}",
    "e": f"v=DKIM1; k=ed25519; p={ED.public}",
    "revoked": "v=DKIM1; k=rsa; p=",
    "syntax": "v=DKIM1; k=rsa; p=!!!",
    "version": f"v=DKIM2; k=rsa; p={KEY.public}",
    "service": f"v=DKIM1; s=other; k=rsa; p={KEY.public}",
    "testing": f"v=DKIM1; t=y; k=rsa; p={KEY.public}",
    "narrow": f"v=DKIM1; t=s; k=rsa; p={KEY.public}",
    "sha1": f"v=DKIM1; h=sha1; k=rsa; p={KEY.public}",
}
SENDERS = {  # name under test.: SPF
    "forwarder": f"v=spf1 ip4:{FORWARDER} -all",
    "list": f"v=spf1 ip4:{LIST} -all",
    "soft": "v=spf1 ~all",
    "neutral": "v=spf1 ?all",
    "malformed": "v=spf1 ipv4:192.0.2.1 -all",
    "loop": "v=spf1 include:loop.test -all",
    "redirected": "v=spf1 redirect=home.test",
    "macro": "v=spf1 exists:%{i}.allowed.test -all",
    "voids": "v=spf1 a:v1.test a:v2.test a:v3.test -all",
    "nowhere": "v=spf1 redirect=unknown.test",
    "child.parent": f"v=spf1 ip4:{OWN} -all",
    "child.sub": f"v=spf1 ip4:{OWN} -all",
    "child.home": f"v=spf1 ip4:{OWN} -all",
    "child.strict": f"v=spf1 ip4:{OWN} -all",
    "client": f"v=spf1 ip4:{OWN} -all",
}


def _txt(name: str, text: str) -> str:
    strings = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
    return f"{name}.test. 60 TXT {strings}\n"


ZONE = "".join(
    [
        *(_txt(name, f"v=spf1 ip4:{OWN} -all") for name in POLICIES),
        *(_txt(f"_dmarc.{name}", f"v=DMARC1; {text}") for name, text in POLICIES.items()),
        *(_txt(f"{selector}._domainkey.{name}", text) for name in POLICIES for selector, text in KEYS.items()),
        *(_txt(name, text) for name, text in SENDERS.items()),
        _txt("s._domainkey.list", KEYS["s"]),
        _txt("twice", "v=spf1 -all") + _txt("twice", "v=spf1 +all"),
        f"{OWN}.allowed.test. 60 A 127.0.0.2\n",
    ]
)


@dataclass(frozen=True)
class Case:
    """A message with CRLF line ends, and who brings it in which name."""

    name: str
    message: bytes
    client: str = OWN
    sender: str = "joe@home.test"
    helo: str = "client.test"


def text(author: str = "Joe <joe@home.test>", *fields: str) -> bytes:
    """A message from *author*; with nobody as its author when that is empty."""
    head = [*([f"From: {author}"] if author else []), *fields, "To: x@here.test", "Subject: hello  there"]
    head += ["Date: Fri, 20 Nov 2026 10:00:00 +0000", "Message-ID: <1@home.test>"]
    return "\r\n".join([*head, "", "Hello  world ", "", "bye", ""]).encode("latin-1")


def signed_by_home(message: bytes, pair: Pair = KEY, **tags: str | None) -> bytes:
    """*message* under a signature of home.test, unless *tags* say otherwise."""
    return signed(message, pair, **({"d": "home.test"} | tags))


PLAIN = text()
SIGNED = signed_by_home(PLAIN, KEY)
STRANGE = {"client": FORWARDER, "sender": "bounce@forwarder.test"}


def of_dkimpy(algorithm: str, selector: str, private: bytes, canonical: str) -> bytes:
    """`PLAIN` as dkimpy signs it."""
    methods = tuple(method.encode() for method in canonical.split("/"))
    names = [b"from", b"to", b"subject", b"date"]
    field = dkim.sign(
        PLAIN,
        selector.encode(),
        b"home.test",
        private,
        canonicalize=methods,
        include_headers=names,
        signature_algorithm=algorithm.encode(),
    )
    return field + PLAIN


def of_opendkim(canonical: str, pair: Pair = KEY) -> bytes:
    """`PLAIN` as Debian's OpenDKIM signs it."""
    private, algorithm, selector = pair.private, "rsa-sha256", "s"
    if pair is ED:
        key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private))
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        algorithm, selector = "ed25519-sha256", "e"
    fields, body = parted(PLAIN)
    with Signer(private, canonical, algorithm, "home.test", selector) as signer:
        name, value = signer.signature(fields, body)
    return f"{name}:{value}\r\n".replace("\r\n", "\n").replace("\n", "\r\n").encode("latin-1") + PLAIN


def sealed(message: bytes, results: str, domain: str = "list.test") -> bytes:
    """*message* as a host passes it on that has seen *results*."""
    seen = f"Authentication-Results: {domain}; {results}\r\n".encode() + message
    return b"".join(dkim.arc_sign(seen, b"s", domain.encode(), KEY.private, domain.encode())) + message


def cases() -> list[Case]:
    """All of them. Their names are what the table shows."""
    return [*_senders(), *_signatures(), *_broken(), *_policies(), *_authors(), *_travels()]


def _senders() -> Iterator[Case]:
    """SPF, without a signature."""
    yield Case("SPF allows the client", PLAIN)
    yield Case("SPF forbids the client", PLAIN, STRANGER)
    for name in ("soft", "neutral", "malformed", "loop", "redirected", "macro", "voids", "nowhere", "twice", "unknown"):
        yield Case(f"SPF: {name}", PLAIN, sender=f"joe@{name}.test")
    yield Case("null sender, HELO allowed", PLAIN, sender="")
    yield Case("null sender, HELO forbidden", PLAIN, STRANGER, sender="")
    yield Case("null sender, HELO aligned", PLAIN, sender="", helo="child.home.test")
    yield Case("sender of an aligned subdomain", PLAIN, sender="joe@child.home.test")


def _signatures() -> Iterator[Case]:
    """Good ones."""
    for canonical in ("simple/simple", "relaxed/relaxed"):
        yield Case(
            f"signed by dkimpy, RSA, {canonical}", of_dkimpy("rsa-sha256", "s", KEY.private, canonical), **STRANGE
        )
        yield Case(f"signed by opendkim, RSA, {canonical}", of_opendkim(canonical), **STRANGE)
    ed = of_dkimpy("ed25519-sha256", "e", ED.private, "relaxed/relaxed")
    yield Case("signed by dkimpy, Ed25519", ed, **STRANGE)
    yield Case("signed by opendkim, Ed25519", of_opendkim("relaxed/relaxed", ED), **STRANGE)
    tags: list[tuple[str, dict[str, str]]] = [
        ("key without v=", {"s": "bare"}),
        ("key in testing, t=y", {"s": "testing"}),
        ("key for its domain only, t=s, i= in it", {"s": "narrow", "i": "joe@home.test"}),
        ("l= covers the whole body", {"l": "20"}),
        ("i= in a subdomain", {"i": "joe@sub.home.test"}),
        ("signed by a stranger", {"d": "none.test"}),
    ]
    for name, changes in tags:
        yield Case(name, signed_by_home(PLAIN, KEY, **changes), **STRANGE)
    yield Case("key of 1024 bits", signed_by_home(PLAIN, MIDDLING, s="middling"), **STRANGE)
    yield Case("two signatures, RSA and Ed25519", signed_by_home(ed, KEY), **STRANGE)


def _broken() -> Iterator[Case]:
    """Signatures that prove nothing, or not all."""
    tags: list[tuple[str, dict[str, str | None]]] = [
        ("no key", {"s": "nosuch"}),
        ("key revoked", {"s": "revoked"}),
        ("key of nonsense", {"s": "syntax"}),
        ("key of another version", {"s": "version"}),
        ("key for another service", {"s": "service"}),
        ("key for SHA-1 only", {"s": "sha1"}),
        ("key for its domain only, i= elsewhere", {"s": "narrow", "i": "joe@sub.home.test"}),
        ("rsa-sha1", {"a": "rsa-sha1"}),
        ("unknown algorithm", {"a": "rsa-md5"}),
        ("expired", {"t": "1600000000", "x": "1700000000"}),
        ("From is not signed", {"h": "to:subject"}),
        ("l= leaves something out", {"l": "5"}),
        ("l= is too much", {"l": "5000"}),
        ("i= is not in d=", {"i": "joe@none.test"}),
        ("another version", {"v": "2"}),
        ("no d=", {"d": None}),
        ("no bh=", {"bh": None}),
    ]
    for name, changes in tags:
        yield Case(name, signed_by_home(PLAIN, KEY, **changes), **STRANGE)
    yield Case("subject changed", SIGNED.replace(b"hello", b"jello"), **STRANGE)
    yield Case("body changed", SIGNED + b"footer\r\n", **STRANGE)
    yield Case("one good, one bad", signed_by_home(SIGNED.replace(b"hello", b"jello"), KEY), **STRANGE)
    yield Case("signature of nonsense", b"DKIM-Signature: nonsense\r\n" + PLAIN, **STRANGE)
    yield Case("b= of nonsense", SIGNED.replace(b"; b=", b"; b=!!"), **STRANGE)


def _policies() -> Iterator[Case]:
    """DMARC records, for messages that are aligned and that are not."""
    for name in (*POLICIES, "child.parent", "gone.parent", "child.sub", "child.strict", "soft"):
        author = text(f"joe@{name}.test")
        yield Case(f"DMARC {name}: aligned by SPF", author, sender=f"joe@{name}.test")
        yield Case(f"DMARC {name}: not aligned", author, **STRANGE)
    yield Case(
        "DMARC child.strict: aligned with its parent only", text("joe@child.strict.test"), sender="j@strict.test"
    )
    yield Case(
        "DMARC strict: signed by itself", signed_by_home(text("joe@strict.test"), KEY, d="strict.test"), **STRANGE
    )


def _authors() -> Iterator[Case]:
    """From in all its forms."""
    forms = {
        "two addresses of one domain": "joe@home.test, ann@home.test",
        "two addresses of two domains": "joe@home.test, joe@none.test",
        "an address in a name": '"joe@none.test" <joe@home.test>',
        "a group": "friends: joe@home.test;",
        "an empty group": "friends:;",
        "no domain": "joe",
        "no address": "Joe",
        "a comment": "joe@(none.test)home.test (joe@none.test)",
        "upper case": "JOE@HOME.TEST",
        "an address literal": "joe@[192.0.2.1]",
        "a quoted local part": '"joe@none.test"@home.test',
        "a trailing dot": "joe@home.test.",
    }
    for name, author in forms.items():
        yield Case(f"From: {name}", text(author))
    yield Case("From: missing", text(""))
    yield Case("From: twice", text("joe@home.test", "From: joe@none.test"))


def _travels() -> Iterator[Case]:
    """What forwarders and lists do to a message."""
    footed = SIGNED + b"-- \r\nthe list\r\n"
    by_list = {"client": LIST, "sender": "bounce@list.test"}
    yield Case("forwarded as it was", SIGNED, FORWARDER)
    yield Case("forwarded with another sender", SIGNED, **STRANGE)
    yield Case("list without a footer", SIGNED, **by_list)
    yield Case("list with a footer", footed, **by_list)
    yield Case("list with a footer, ARC", sealed(footed, "dkim=pass header.d=home.test; arc=none"), **by_list)
    twice = sealed(sealed(SIGNED, "dkim=pass; arc=none"), "arc=pass", "home.test")
    yield Case("two hops with ARC", twice, **by_list)
    yield Case("ARC, then changed", sealed(SIGNED, "dkim=pass; arc=none") + b"more\r\n", **by_list)
    yield Case("list signs anew", signed_by_home(footed, KEY, d="list.test"), **by_list)
    yield Case(
        "list takes over From", signed_by_home(text("Joe via list <talk@list.test>"), KEY, d="list.test"), **by_list
    )
    forged = b"".join(
        b"Authentication-Results: %s; spf=pass; dmarc=pass\r\n" % name for name in (b"peers.test", b"policyd.test")
    )
    yield Case("forged results", forged + PLAIN, STRANGER)
