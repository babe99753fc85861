"""libpcre2, the library itself, through its C interface: as much of it as `policyd.language.patterns` needs.

Only the calls whose C types stand here can be made. Every pointer stays inside this module.
"""

from __future__ import annotations

import ctypes
import weakref
from collections import deque
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint32, c_void_p

LIBRARY = "libpcre2-8.so.0"  # Debian's package libpcre2-8-0; stable since 2015
GROUPS = 100  # capture groups that a match reports, the whole match included
HEAP_KIBIBYTES = 16 * 1024  # what one match may use to remember where it can go back to
LARGE = 4096  # octets: the working memory of a longer subject is given back at once
MAX_IDLE = 64  # pieces of working memory kept for the next match

# Options and errors, as pcre2.h numbers them.
CASELESS, NO_AUTO_POSSESS, OFFSET_LIMIT = 0x00000008, 0x00004000, 0x00800000
ANCHORED, NOT_EMPTY = 0x80000000, 0x00000004
NO_MATCH, MATCH_LIMIT, NO_LIMIT = -1, -47, 2**64 - 1


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(LIBRARY)
    for name, result, arguments in (
        ("compile", c_void_p, [c_char_p, c_size_t, c_uint32, POINTER(c_int), POINTER(c_size_t), c_void_p]),
        ("code_free", None, [c_void_p]),
        ("match_data_create", c_void_p, [c_uint32, c_void_p]),
        ("match_data_free", None, [c_void_p]),
        ("get_ovector_pointer", POINTER(c_size_t), [c_void_p]),
        ("match_context_create", c_void_p, [c_void_p]),
        ("match_context_free", None, [c_void_p]),
        ("set_match_limit", c_int, [c_void_p, c_uint32]),
        ("set_heap_limit", c_int, [c_void_p, c_uint32]),
        ("set_offset_limit", c_int, [c_void_p, c_size_t]),
        ("match", c_int, [c_void_p, c_char_p, c_size_t, c_size_t, c_uint32, c_void_p, c_void_p]),
        ("get_error_message", c_int, [c_int, c_char_p, c_size_t]),
    ):
        function = getattr(library, f"pcre2_{name}_8")
        function.restype, function.argtypes = result, arguments
    return library


_PCRE2 = _library()
_compile, _match = _PCRE2.pcre2_compile_8, _PCRE2.pcre2_match_8
_set_match_limit, _set_offset_limit = _PCRE2.pcre2_set_match_limit_8, _PCRE2.pcre2_set_offset_limit_8


class Code:
    """A compiled pattern. Immutable: threads may match with it at the same time."""

    def __init__(self, pattern: bytes, caseless: bool, countable: bool = False) -> None:
        """Raises ValueError with what is wrong and where.

        PCRE2 makes some repetitions possessive. That is fast, but what they
        swallow does not count as steps; a *countable* pattern has none.
        """
        error, offset = c_int(), c_size_t()
        options = OFFSET_LIMIT | (CASELESS if caseless else 0) | (NO_AUTO_POSSESS if countable else 0)
        self.pointer = _compile(pattern, len(pattern), options, byref(error), byref(offset), None)
        if not self.pointer:
            raise ValueError(f"{message(error.value)} at offset {offset.value}")
        weakref.finalize(self, _PCRE2.pcre2_code_free_8, self.pointer).atexit = False


class Scratch:
    """The working memory of one match at a time, its limits, and where its groups were found."""

    def __init__(self) -> None:
        self._data = _PCRE2.pcre2_match_data_create_8(GROUPS, None)
        self._context = _PCRE2.pcre2_match_context_create_8(None)
        self._groups = _PCRE2.pcre2_get_ovector_pointer_8(self._data)
        self._limits = (0, 0)
        _PCRE2.pcre2_set_heap_limit_8(self._context, HEAP_KIBIBYTES)
        weakref.finalize(self, _PCRE2.pcre2_match_data_free_8, self._data).atexit = False
        weakref.finalize(self, _PCRE2.pcre2_match_context_free_8, self._context).atexit = False

    def match(self, code: Code, subject: bytes, at: int, options: int, limits: tuple[int, int]) -> int:
        """Search from *at* on: how many groups there are, or an error below zero. Other threads run meanwhile.

        *limits*: the steps that may be taken from each place at which a match
        is tried, and the last such place.
        """
        if limits != self._limits:
            self._limits = limits
            _set_match_limit(self._context, limits[0])
            _set_offset_limit(self._context, limits[1])
        found: int = _match(code.pointer, subject, len(subject), at, options, self._data, self._context)
        return found

    def groups(self, number: int) -> list[int]:
        """Beginning and end of each of the first *number* groups; both are enormous for one that took no part."""
        offsets: list[int] = self._groups[: 2 * number]
        return offsets


_idle: deque[Scratch] = deque(maxlen=MAX_IDLE)


def take() -> Scratch:
    """Working memory for this thread alone."""
    try:
        return _idle.pop()
    except IndexError:
        return Scratch()


def give_back(scratch: Scratch, subject: bytes) -> None:
    """Keep it for the next match, unless *subject* may have made it large."""
    if len(subject) <= LARGE:
        _idle.append(scratch)


def message(error: int) -> str:
    """What PCRE2 calls one of its errors."""
    buffer = ctypes.create_string_buffer(256)
    _PCRE2.pcre2_get_error_message_8(error, buffer, len(buffer))
    return buffer.value.decode("latin-1")
