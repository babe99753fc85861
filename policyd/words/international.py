"""Operators for internationalised mail: domains and local parts in UTF-8, and in the ASCII that stands for them."""

from __future__ import annotations

import encodings.idna
from collections.abc import Callable

from policyd.errors import ExpansionError
from policyd.language.registry import operator
from policyd.mail.octets import from_unicode

PREFIX = "xn--"


def _to_ascii(label: str) -> str:
    return encodings.idna.ToASCII(label).decode("ascii") if label and not label.isascii() else label


def _to_unicode(label: str) -> str:
    return encodings.idna.ToUnicode(label) if label[:4].lower() == PREFIX else label


def _with_prefix(label: str) -> str:
    if label[:4].lower() != PREFIX:
        raise UnicodeError(f"it does not begin with {PREFIX}")
    return _to_unicode(label)


def _by_label(name: str, convert: Callable[[str], str], separator: str | None, meaning: str) -> None:
    """An operator that converts each label; *separator* is what stands between two of them."""

    def run(text: str) -> str:
        try:
            unicode = text.encode("latin-1").decode("utf-8")
            labels = unicode.split(separator) if separator else [unicode]
            return from_unicode((separator or "").join(map(convert, labels)))
        except UnicodeError as error:
            raise ExpansionError(f"error converting {text!r}: {error}") from None

    run.__doc__ = meaning
    operator(name)(run)


_by_label(
    "utf8_domain_to_alabel",
    _to_ascii,
    ".",
    "A domain in UTF-8 as DNS has it, its labels in ASCII (``xn--…``, RFC 3490).",
)
_by_label("utf8_domain_from_alabel", _to_unicode, ".", "A domain in UTF-8, from labels in ASCII (``xn--…``).")
_by_label("utf8_localpart_to_alabel", _to_ascii, None, "A local part in UTF-8 as ASCII that stands for it (``xn--…``).")
_by_label("utf8_localpart_from_alabel", _with_prefix, None, "A local part in UTF-8, from ASCII that stands for it.")
