from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.resolver.names import ascii_name, labels


def octets(text: str) -> str:
    """How policyd holds UTF-8: one character per octet."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("example.org", "example.org"),
        ("Example.ORG.", "example.org"),
        ("com", "com"),
        (".", "."),
        ("", None),
        ("..", None),
        ("example.org..", None),
        (".example.org", None),
        ("a..b", None),
        ("x" * 63 + ".org", "x" * 63 + ".org"),
        ("x" * 64 + ".org", None),
        ("x." * 126 + "x.", "x." * 126 + "x"),
        ("x." * 126 + "xx", None),
        ("a\0b.org", None),
        ("a b\n.org", "a b\n.org"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        (octets("bücher.example"), "xn--bcher-kva.example"),
        (octets("BÜCHER.Example."), "xn--bcher-kva.example"),
        (octets("_dmarc.bücher.example"), "_dmarc.xn--bcher-kva.example"),
        (octets("straße.example"), "xn--strae-oqa.example"),  # IDNA 2008: not strasse
        (octets("日本語。jp"), "xn--wgv71a119e.jp"),  # the ideographic full stop is a dot
        (octets("ü" * 60 + ".example"), None),
        (octets("a\u200bb.example"), "ab.example"),  # UTS 46 ignores it
        (octets("\u0300a.example"), None),  # begins with a combining mark
        ("\xff\xfe.example", None),  # not UTF-8
        ("b\xfccher.example", None),
        ("\u0100.example", None),  # not an octet
    ],
)
def test_ascii_name(text: str, name: str | None) -> None:
    assert ascii_name(text) == name


@given(st.text(st.characters(max_codepoint=255)) | st.text().map(octets))
def test_any_octets(text: str) -> None:
    name = ascii_name(text)
    assert name is None or (name.isascii() and sum(len(label) + 1 for label in labels(name)) <= 254)


@pytest.mark.parametrize(("name", "parts"), [(".", ()), ("org", (b"org",)), ("a.b", (b"a", b"b"))])
def test_labels(name: str, parts: tuple[bytes, ...]) -> None:
    assert labels(name) == parts
