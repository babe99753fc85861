"""Operators for internationalised mail: domains and local parts in UTF-8, and in the ASCII that stands for them."""

from __future__ import annotations

from policyd.errors import ExpansionError
from policyd.language.registry import operator
from policyd.language.source import BLANKS
from policyd.mail.octets import from_unicode
from policyd.resolver.names import a_labels
from policyd.words.quoting import escaped

PREFIX = "xn--"


@operator("utf8_domain_to_alabel")
def _domain_to_alabel(text: str) -> str:
    """A domain in UTF-8 as DNS has it, its labels in ASCII (``xn--…``, RFC 5891)."""
    name = text if text.isascii() else a_labels(text)
    if text and not name:
        raise ExpansionError(f"error converting utf8 ({escaped(text)}) to alabel: string encoding error")
    return name


@operator("utf8_domain_from_alabel")
def _domain_from_alabel(text: str) -> str:
    """A domain in UTF-8, from labels in ASCII (``xn--…``)."""
    labels = text.strip(BLANKS).split(".")
    return ".".join(_unicode(label, text) if label.startswith(PREFIX) else label for label in labels)


@operator("utf8_localpart_to_alabel")
def _local_part_to_alabel(text: str) -> str:
    """A local part in UTF-8 as ASCII that stands for it (``xn--…``)."""
    if text.isascii():
        return text
    try:
        return PREFIX + text.encode("latin-1").decode("utf-8").encode("punycode").decode("ascii")
    except UnicodeError:
        raise ExpansionError(f"error converting utf8 ({escaped(text)}) to alabel: l_u2a: bad UTF-8 input") from None


@operator("utf8_localpart_from_alabel")
def _local_part_from_alabel(text: str) -> str:
    """A local part in UTF-8, from ASCII that stands for it."""
    if not text.startswith(PREFIX):
        raise ExpansionError(f"error converting alabel ({escaped(text)}) to utf8: bad alabel prefix")
    return _unicode(text, text)


def _unicode(label: str, text: str) -> str:
    """What an A-label stands for (RFC 3492), in UTF-8. Raises `ExpansionError`."""
    try:
        return from_unicode(label[len(PREFIX) :].encode("ascii").decode("punycode"))
    except UnicodeError:
        raise ExpansionError(f"error converting alabel ({escaped(text)}) to utf8: Invalid input") from None
