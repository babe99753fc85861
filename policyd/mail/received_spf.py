"""Received-SPF fields, RFC 7208 9.1: read so that nothing hides whose they are. `policyd.checks.spf` writes them."""

from __future__ import annotations

import re

from policyd.mail.lexical import uncommented, unquoted

FIELD = "Received-SPF"

MAX_FIELD = 65536  # octets; real ones are lines

RECEIVER = re.compile(r'receiver[ \t\r\n]*=[ \t\r\n]*(?:"((?:[^"\\]|\\.)*+)"|([^ \t\r\n;"]+))', re.I | re.A | re.S)
SPEAKER = re.compile(r"[^(]*\([ \t\r\n]*([^ \t\r\n:()]+)[ \t\r\n]*:")  # "(mx.test: domain of ...)"


def claimed_receivers(value: str) -> tuple[str, ...]:
    """Whose result a field says it has: every ``receiver``, and who speaks in its comment; none when it does not say.

    Nor does one of more than `MAX_FIELD` octets.
    """
    if len(value) > MAX_FIELD:
        return ()
    speaker = SPEAKER.match(value)
    found = [
        unquoted(quoted) or plain for text in (uncommented(value), value) for quoted, plain in RECEIVER.findall(text)
    ]
    return tuple(dict.fromkeys(filter(None, [*found, speaker[1] if speaker else ""])))
