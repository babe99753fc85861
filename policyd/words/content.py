"""``regex``: what the message says."""

from __future__ import annotations

from policyd.errors import Defer, ExpansionError
from policyd.language.cutting import cut
from policyd.language.expand import parsed
from policyd.language.marks import client_controlled
from policyd.language.patterns import Pattern
from policyd.language.registry import VOCABULARY, Kind, condition, variable
from policyd.mail.octets import lower
from policyd.policy import Phase
from policyd.transaction import Transaction

MAX_GROUPS = 9
LINES_AT_ONCE = 1000  # between two looks at the clock


def expressions(text: str) -> list[Pattern]:
    """The items of a ``regex`` list. Raises ValueError for one that is no regular expression."""
    return [Pattern(item) for _, item in cut(text) if item != "0" and lower(item) != "false"]


@condition("regex", argument=parsed(expressions), phases=Phase.DATA, needs="body")
def _regex(tx: Transaction, patterns: list[Pattern]) -> bool:
    """Whether a line of the message, header or body, matches one of a list of regular expressions.

    Lines are looked at one by one, as they came; a line of the header that is
    folded is several. The expression that matched is then in
    ``$regex_match_string``, and its groups are in ``$regex1`` … ``$regex9``.
    A list of nothing but ``0`` and ``false`` matches nothing.
    """
    facts = tx.facts
    facts["regex_match_string"], facts["regex_groups"] = "", ()
    if patterns and tx.message.kept_body is None:
        raise ExpansionError("regex: the body was not kept, as no ACL that was known at load looks at it")
    for number, line in enumerate(tx.message.lines() if patterns else ()):
        if number % LINES_AT_ONCE == 0 and tx.expired():
            raise Defer("regex: the time for this phase is over")
        if _matches(tx, patterns, line):
            return True
    return False


def _matches(tx: Transaction, patterns: list[Pattern], line: str) -> bool:
    for pattern in patterns:
        found = pattern.search(line)
        if found is not None:
            tx.facts["regex_match_string"], tx.facts["regex_groups"] = pattern.text, found[1:]
            return True
    return False


@client_controlled
@variable("regex_match_string")
def _regex_match_string(tx: Transaction) -> str:
    """The regular expression of the last ``regex`` that matched."""
    return str(tx.facts.get("regex_match_string", ""))


def _group(number: int) -> None:
    def run(tx: Transaction) -> str:
        groups: tuple[str, ...] = tx.facts.get("regex_groups", ())
        return groups[number - 1] if number <= len(groups) else ""

    run.__doc__ = f"Group {number} of the last ``regex`` that matched."
    variable(f"regex{number}")(run)


for _number in range(1, MAX_GROUPS + 1):
    _group(_number)


INSTEAD = "policyd does not scan content: chain a milter that does, such as rspamd or clamav-milter"
VOCABULARY.refuse(Kind.CONDITION, INSTEAD, "malware", "spam")
VOCABULARY.refuse(Kind.CONDITION, "policyd does not take MIME parts apart: regex looks at the raw lines", "mime_regex")
VOCABULARY.refuse(Kind.CONDITION, "policyd does not take MIME parts apart", "decode")
VOCABULARY.refuse(Kind.CONDITION, "a milter is not asked about ATRN", "atrn_domains")
