"""What DMARC will ask, told before it is evaluated: all levels at once, where a walk takes one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from policyd.checks.dmarc import Rules, authors_of, mail_domain
from policyd.checks.dmarc_discovery import Method, steps
from policyd.resolver import Question


def questions(fields: Sequence[str], identifiers: Iterable[str], rules: Rules) -> list[Question]:
    """Every record that `policyd.checks.dmarc.evaluate` may look for, all levels at once.

    *identifiers*: domains that other checks may speak for. The organization of
    those that may be aligned with an author is looked for, too.
    """
    authors = authors_of(fields, rules.several)
    ends = {_end(author) for author in authors.domains}
    akin = [domain for domain in map(mail_domain, identifiers) if _end(domain) in ends]
    starts = (*authors.domains, *akin) if authors.complete else ()
    names = dict.fromkeys([name for start in starts for name in _levels(start, rules)])
    return [Question("TXT", f"_dmarc.{name}") for name in names]


def _end(domain: str) -> tuple[str, ...]:
    """What two domains of one organization have in common, mostly."""
    return tuple(domain.rsplit(".", 2)[-2:])


def _levels(start: str, rules: Rules) -> Iterable[str]:
    return steps(start) if rules.method is Method.RFC9989 else (start, rules.registered(start) or start)
