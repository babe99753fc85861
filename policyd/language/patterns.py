"""Regular expressions: PCRE2 itself, on octets, and never for long.

A policy's author writes for PCRE, so PCRE2 it is, and nothing is translated:
neither Python's ``re`` nor ``regex`` means the same by ``\\h``, ``(?|…)``,
``(*SKIP)``, ``\\Q…\\E`` or ``$``, and ``re`` has no way to stop. Of the bindings on
PyPI, ``pcre2`` compiles with ALT_BSUX (so that ``\\x{41}`` is no ``A``), cannot
set a limit, and keeps the interpreter's lock while it matches: its
``(*LIMIT_MATCH=100000)`` let ``\\s+$`` run for a minute on 64 kB of blanks, because
PCRE2 counts steps anew at every place where it tries a match. libpcre2 itself
is on every Debian system, gets Debian's security updates, is what Exim uses,
and has all the limits there are; a dozen of its functions are enough.

How long a search may take:

* At first every place in the subject gets an equal share of `STEPS`, and a
  long subject is searched in several calls, so that none looks at more than
  `OCTETS` again and again. Nearly always one call is the whole search.
* If a share was not enough, the search goes on with a pattern in which all that
  is done counts as steps, and fewer places are tried per call, each with a
  larger share; the last resort is `MOST_STEPS` for one place.
* Between calls the clock is read: when a search has used more of this thread's
  own time than it may, it fails, as it does when a single place takes all its
  steps, or `policyd.language.pcre2.HEAP_KIBIBYTES`.

The just-in-time compiler is not used: it needs memory that is writable and
executable, which systemd can forbid to a service, and refuses long subjects.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache

from policyd.errors import ExpansionError
from policyd.language import pcre2
from policyd.language.limits import MAX_TEXT

STEPS = 100_000  # of one call: a few milliseconds
MOST_STEPS = 400_000  # for one place
SHARE = 10  # of a place, at least
OCTETS = 50_000_000  # that one call may look at: about 20 ms
NARROWEST = 100  # places in one call, for subjects so long that they would be fewer
NARROWER = 16  # how many times fewer places are tried when a share was not enough
WIDER = 4
SECONDS, SECONDS_PER_OCTET = 0.02, 4e-7  # for a search: 46 ms at most for a header of 64 kB
MOST_SECONDS = 0.5  # for files and other long texts of the policy's own
SECONDS_PER_MATCH = 1e-5  # more for every match that a substitution has found

Captures = tuple[str, ...]


class Pattern:
    """A compiled regular expression. Subjects and captures are text of one character per octet."""

    def __init__(self, text: str, caseless: bool = False) -> None:
        """Compile. Raises ValueError with what is wrong and where."""
        self.text = text
        self._caseless = caseless
        try:
            self.code = pcre2.Code(text.encode("latin-1"), caseless)
        except ValueError as error:
            raise ValueError(f'regular expression error in "{text}": {error}') from None

    @cached_property
    def countable(self) -> pcre2.Code:
        """The same, slower: for subjects that take many steps."""
        return pcre2.Code(self.text.encode("latin-1"), self._caseless, countable=True)

    def search(self, subject: str) -> Captures | None:
        """``$0``, ``$1`` …, or None. Raises `ExpansionError` when the search takes too long."""
        search = Search(self, subject.encode("latin-1"))
        try:
            spans = search.next(0)
            return None if spans is None else search.captures(spans)
        finally:
            search.end()

    def substitute(self, subject: str, replacement: Callable[[Captures], str]) -> str:
        """Every match replaced, as Perl's ``s/…/…/g`` does. Raises `ExpansionError`, also for an enormous result."""
        search = Search(self, subject.encode("latin-1"))
        try:
            return "".join(_substituted(search, subject, replacement))
        finally:
            search.end()


def _substituted(search: Search, subject: str, replacement: Callable[[Captures], str]) -> list[str]:
    """The parts of the result. After an empty match, a match at the same place must not be empty."""
    parts: list[str] = []
    at = size = 0
    search.start()
    spans = search.next(0)
    while spans is not None:
        start, end = spans[0], spans[1]
        with search.paused():
            parts += [subject[at:start], replacement(search.captures(spans))]
        at = end
        size += len(parts[-2]) + len(parts[-1])
        if size > MAX_TEXT:
            raise ExpansionError(f"result longer than {MAX_TEXT} octets")
        spans = search.next(at) if start < end else search.beyond(at)
    parts.append(subject[at:])
    return parts


class Search:
    """One search through one subject, or a series of them: its working memory, and the time it may take."""

    def __init__(self, pattern: Pattern, subject: bytes) -> None:
        self.seconds = min(SECONDS + SECONDS_PER_OCTET * len(subject), MOST_SECONDS)
        self._pattern = pattern
        self._subject = subject
        self._steps = min(STEPS, OCTETS // (len(subject) + 1))
        self._widest = max(self._steps // SHARE, NARROWEST)
        self._scratch = pcre2.take()
        self._started = 0.0  # by the thread's own clock; 0: no search has been slow

    def start(self) -> None:
        """Watch the clock from the first match on: there may be many."""
        self._started = time.thread_time()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done meanwhile takes none of the time; and a match earns a little for the next one."""
        self._check_time()
        before = time.thread_time()
        yield
        self._started += time.thread_time() - before + SECONDS_PER_MATCH

    def end(self) -> None:
        """Give the working memory back."""
        pcre2.give_back(self._scratch, self._subject)

    def captures(self, spans: list[int]) -> Captures:
        """The whole match and every group; one that took no part is empty."""
        subject = self._subject
        texts = [subject[start:end] for start, end in zip(spans[::2], spans[1::2], strict=True)]
        return tuple([text.decode("latin-1") for text in texts])

    def next(self, at: int) -> list[int] | None:
        """Where the first match from *at* on begins and ends, and each of its groups."""
        end = len(self._subject) + 1
        code, steps = self._pattern.code, self._steps
        width = min(end - at, self._widest)
        while at < end:
            limits = (max(steps // width, 1), at + width - 1)
            found = self._scratch.match(code, self._subject, at, 0, limits)
            if found == pcre2.NO_MATCH:
                at += width
                width = max(min(width * WIDER, end - at, self._widest), 1)
                steps = min(steps, STEPS)
            elif found != pcre2.MATCH_LIMIT or steps == MOST_STEPS:
                return self._spans(found)
            elif code is self._pattern.code:
                code, steps = self._pattern.countable, STEPS
            elif width > 1:
                width = max(width // NARROWER, 1)
            else:
                steps = MOST_STEPS
            if at < end:
                self._check_time()
        return None

    def beyond(self, at: int) -> list[int] | None:
        """The next match after an empty one at *at*."""
        if at == len(self._subject):
            return None
        options = pcre2.ANCHORED | pcre2.NOT_EMPTY
        found = self._scratch.match(self._pattern.countable, self._subject, at, options, (STEPS, pcre2.NO_LIMIT))
        if found == pcre2.NO_MATCH:
            return self.next(at + 1)
        self._check_time()
        return self._spans(found)

    def _spans(self, found: int) -> list[int]:
        if found < 0:
            raise self._failure(pcre2.message(found))
        return self._scratch.groups(found or pcre2.GROUPS)

    def _check_time(self) -> None:
        now = time.thread_time()
        if not self._started:
            self._started = now  # the call that has just been slow goes free
        elif now - self._started > self.seconds:
            raise self._failure("takes too long")

    def _failure(self, reason: str) -> ExpansionError:
        return ExpansionError(f'regular expression "{self._pattern.text}": {reason}')


@lru_cache(maxsize=2000)
def compiled(text: str, caseless: bool = False) -> Pattern:
    """The pattern of *text*, compiled once. Raises `ExpansionError`."""
    try:
        return Pattern(text, caseless)
    except ValueError as error:
        raise ExpansionError(str(error)) from None
