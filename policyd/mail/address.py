"""Envelope addresses: RFC 5321 paths, taken apart.

All text is one character per octet (latin-1): the language works on octets.
"""

from __future__ import annotations

import re

from policyd.values import value_class

QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"?', re.DOTALL)
PAIR = re.compile(r"\\(.)", re.DOTALL)


@value_class
class Address:
    """An envelope address without its angle brackets; empty is the null sender."""

    text: str = ""

    @classmethod
    def parse(cls, path: str, qualify_domain: str = "") -> Address:
        """From the argument of MAIL or RCPT: ``<a@b>``, ``a@b``, ``<@relay:a@b>``. Never raises.

        A local part alone gets *qualify_domain*, if there is one.
        """
        text = path.strip(" \t\r\n")
        if text.startswith("<"):
            text = text[1:]
            text = text.removesuffix(">")
        if text.startswith("@") and ":" in text:  # a source route, RFC 5321 appendix C: ignored
            text = text.partition(":")[2]
        if text and "@" not in text and qualify_domain:
            text = f"{text}@{qualify_domain}"
        return cls(text)

    @property
    def local_part(self) -> str:
        """What stands before the last ``@``, or all of it, as written."""
        local, at, _ = self.text.rpartition("@")
        return local if at else self.text

    @property
    def unquoted_local_part(self) -> str:
        """The local part that a quoted one stands for (RFC 5321 4.1.2): ``"a b"`` is ``a b``."""
        return QUOTED.sub(lambda found: PAIR.sub(r"\1", found[1]), self.local_part)

    @property
    def domain(self) -> str:
        """What stands after the last ``@``, as written; empty when there is none."""
        _, at, domain = self.text.rpartition("@")
        return domain if at else ""
