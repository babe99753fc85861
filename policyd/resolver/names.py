"""Domain names as text of one character per octet, made ready to be asked for."""

from __future__ import annotations

import re
from functools import lru_cache

MAX_NAME = 253  # RFC 1035 2.3.4: 255 octets on the wire
MAX_SPELLING = 1000  # octets that such a name can have in U-labels

_NAME = re.compile(r"[^.\0]{1,63}(?:\.[^.\0]{1,63})*")  # NUL is legal in DNS, but only mischief puts it into a name


def ascii_name(text: str) -> str | None:
    """*text* in lower case, as A-labels, without a final dot; None when there can be no such name.

    The root is ``.`` and stays so.
    """
    return _known(text) if len(text) <= MAX_NAME else _ascii_name(text)


def _ascii_name(text: str) -> str | None:
    name = (text if text.isascii() else a_labels(text)).lower()
    if name == ".":
        return name
    name = name.removesuffix(".")
    return name if len(name) <= MAX_NAME and _NAME.fullmatch(name) else None


_known = lru_cache(maxsize=4096)(_ascii_name)  # one message asks for the same dozen names many times over


def a_labels(text: str) -> str:
    """The octets of *text* as an internationalised name in A-labels (RFC 5891, UTS 46); empty when they are none."""
    import idna  # few names need it

    try:
        name = idna.uts46_remap(text.encode("latin-1").decode("utf-8"), std3_rules=False)
        return ".".join(label if label.isascii() else idna.alabel(label).decode() for label in name.split("."))
    except UnicodeError:  # IDNAError is one, too
        return ""


def in_a_labels(text: str) -> str:
    """ASCII as it is; else the `ascii_name`, where there is one."""
    return text if text.isascii() else ascii_name(text) or text


def labels(name: str) -> tuple[bytes, ...]:
    """The labels of an `ascii_name`, the root's left out."""
    return () if name == "." else tuple(name.encode("ascii").split(b"."))
