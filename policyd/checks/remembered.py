"""Records that many messages lead to are read once: what a text means does not change, however often DNS repeats it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MOST = 4096  # texts for each reader: the domains that a busy host hears of within their TTL
LONGEST = 1024  # characters: a key of 4096 bits takes 750, and nobody may fill the memory with more


def remembered(read: Callable[Concatenate[str, P], T]) -> Callable[Concatenate[str, P], T]:
    """*read*, a pure function of a text with a result that nobody changes; it need not repeat itself. Not of errors."""
    known = lru_cache(maxsize=MOST)(read)

    @wraps(read)
    def found(text: str, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if len(text) > LONGEST:
            return read(text, *args, **kwargs)
        return known(text, *args, **kwargs)  # type: ignore[arg-type]  # flags, which are hashable

    return found
