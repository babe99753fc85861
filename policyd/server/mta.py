"""Where the two MTAs differ in what a milter asks of them. Each tells which it is in the macro ``v``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mta:
    """*own_fields*: those that it has put on top of a message, and tells no milter of. *end*: the place to append at.

    *xtext*: the macros, without braces, that it encodes as RFC 3461 section 4 has it.
    """

    own_fields: int
    end: int
    xtext: frozenset[str] = frozenset()


POSTFIX = Mta(own_fields=1, end=-1)
"""Its Received. -1 makes libmilter send what appends a field; an inserted one would do as well."""

SENDMAIL = Mta(own_fields=8, end=(1 << 31) - 1, xtext=frozenset({"auth_authen", "auth_author", "cert_subject"}))
"""One for each H line of its configuration, in use or not; but it inserts behind the field of the number it is given.

A field that is appended goes above the first one of its name, if there is one: so it has to be inserted.
"""


def mta(version: str) -> Mta:
    """By the macro ``v``: ``8.17.1.9`` of Sendmail, ``Postfix 3.7.11``."""
    return SENDMAIL if version[:1].isdigit() else POSTFIX
