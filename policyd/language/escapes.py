"""Backslashes: what stands for which octet."""

from __future__ import annotations

import re

ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{0,2})|(.))", re.DOTALL)
CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def unescape(text: str) -> str:
    """Backslash escapes resolved and nothing else: a text whose dollars are plain. Never raises."""
    return ESCAPE.sub(octet, text)


def octet(found: re.Match[str]) -> str:
    """What one escape stands for: up to three octal digits, ``x`` and up to two hexadecimal ones, or a character."""
    octal, hexadecimal, other = found.groups()
    if octal:
        return chr(int(octal, 8) & 0xFF)
    if hexadecimal is not None:
        return chr(int(hexadecimal or "0", 16))
    return CONTROLS.get(other, other)
