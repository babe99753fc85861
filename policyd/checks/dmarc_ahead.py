"""What DMARC will ask, told before it is evaluated: all levels at once, where a walk takes one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from policyd.checks.dmarc import Rules, authors_of, mail_domain
from policyd.checks.dmarc_discovery import Method, steps
from policyd.resolver import Question

_RFC9989 = Method.RFC9989  # a member read off its class takes longer
FEW = 4  # domains of a message that are remembered with all their levels; a message mostly has one


def questions(fields: Sequence[str], identifiers: Iterable[str], rules: Rules) -> Sequence[Question]:
    """Every record that `policyd.checks.dmarc.evaluate` may look for, all levels at once.

    *identifiers*: domains that other checks may speak for. The organization of
    those that may be aligned with an author is looked for, too.
    """
    authors = authors_of(fields, rules.several)
    if not authors.complete:
        return ()
    starts = authors.domains
    others = [identifier for identifier in identifiers if identifier not in starts]  # mostly none
    if others:
        others = [domain for domain in map(mail_domain, others) if domain not in starts]
        ends = {_end(author) for author in starts}
        starts += tuple(domain for domain in others if _end(domain) in ends)
    if rules.method is _RFC9989:
        return (_known_walks if len(starts) <= FEW else _walks)(starts)
    return _records(name for start in starts for name in (start, rules.registered(start) or start))


def _end(domain: str) -> tuple[str, ...]:
    """What two domains of one organization have in common, mostly."""
    return tuple(domain.rsplit(".", 2)[-2:])


def _walks(starts: tuple[str, ...]) -> tuple[Question, ...]:
    return _records(name for start in starts for name in steps(start))


_known_walks = lru_cache(maxsize=512)(_walks)


def _records(names: Iterable[str]) -> tuple[Question, ...]:
    return tuple([Question("TXT", f"_dmarc.{name}") for name in dict.fromkeys(names)])
