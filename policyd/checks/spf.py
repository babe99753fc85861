"""SPF: may this client send mail in this domain's name?  RFC 7208."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from policyd.checks.spf_identity import Evaluation, Identity, SpfResult
from policyd.checks.spf_memory import evaluation
from policyd.mail.octets import visible
from policyd.resolver import Resolver
from policyd.values import value_class

MAX_EXPLANATION = 400  # characters: with what a policy adds, still within a reply line (RFC 5321 4.5.3.1.5)
MAX_VALUE = 255
MAX_LINE = 998  # RFC 5322 2.1.1

ERRORS = {SpfResult.PERMERROR, SpfResult.TEMPERROR}
_FAIL, _NONE = SpfResult.FAIL, SpfResult.NONE  # a member read off its class takes longer
COMMENTS: dict[SpfResult, Callable[[str, str, str], str]] = {  # RFC 7208 9.1 has the first two
    SpfResult.PASS: lambda mailbox, address, _: f"domain of {mailbox} designates {address} as permitted sender",
    SpfResult.FAIL: lambda mailbox, address, _: f"domain of {mailbox} does not designate {address} as permitted sender",
    SpfResult.SOFTFAIL: lambda mailbox, address, _: f"domain of {mailbox} does not expect mail from {address}",
    SpfResult.NEUTRAL: lambda mailbox, address, _: f"{address} is neither permitted nor denied by domain of {mailbox}",
    SpfResult.NONE: lambda mailbox, _, __: f"domain of {mailbox} has no SPF record",
    SpfResult.PERMERROR: lambda mailbox, _, problem: f"error in the SPF record of domain of {mailbox}: {problem}",
    SpfResult.TEMPERROR: lambda mailbox, _, problem: f"DNS error while checking domain of {mailbox}: {problem}",
}
"""In words: of which mailbox, from which address, and what the problem is."""
DEFAULT_EXPLANATION = "Please send mail from {domain} through a server that {domain} designates"

_DOT_ATOM = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)


@value_class
class SpfOutcome:
    """What SPF says about an `Identity`. The texts for people are single lines of printable ASCII.

    *domain*: the one that was asked, in A-labels and lower case; as it came when
    it can be no domain. *explanation*: for an SMTP reply. *comment*: for a
    header. *received*: a whole ``Received-SPF:`` field. *lookups*: terms that
    asked DNS. *guessed*: the domain has no record, another one was used.
    """

    result: SpfResult
    identity: str
    domain: str
    explanation: str
    comment: str
    received: str
    lookups: int = 0
    guessed: bool = False


def check_host(
    resolver: Resolver, identity: Identity, receiver: str, guess_record: str = "", template: str = ""
) -> SpfOutcome:
    """Evaluate the record of the identity's domain or, where it has none, *guess_record* (unless empty).

    *receiver* is the name of this host. *template*: the explanation of a domain that has none of its own, a macro
    string (RFC 7208 section 7). Never raises: when *resolver* gives up, the result is ``temperror``.
    """
    if flaw := identity.flaw:
        return _outcome(identity, receiver, Evaluation(SpfResult.NONE, problem=flaw))
    return _outcome(identity, receiver, evaluation(resolver, identity, receiver, guess_record, template))


def undecided(identity: Identity, receiver: str, problem: str) -> SpfOutcome:
    """``temperror``, without a check: *problem* is why there can be none."""
    return _outcome(identity, receiver, Evaluation(SpfResult.TEMPERROR, problem=problem))


def _outcome(identity: Identity, receiver: str, found: Evaluation) -> SpfOutcome:
    domain, result = identity.mailbox[1], found.result
    text = found.problem
    if not text or (result is not _NONE and identity.address is not None):
        text = COMMENTS[result]("@".join(identity.mailbox), identity.client_text, text)
    if found.guessed:
        text = f"best guess: {text}"
    default = DEFAULT_EXPLANATION.format(domain=domain) if result is _FAIL else text
    comment = f"{receiver}: {text}".replace("(", "?").replace(")", "?").replace("\\", "?")
    comment = _plain(comment, MAX_EXPLANATION)
    return SpfOutcome(
        result,
        identity.kind,
        domain,
        _plain(found.explanation or default, MAX_EXPLANATION),
        comment,
        _received(identity, receiver, found, comment),
        found.lookups,
        found.guessed,
    )


def _plain(text: str, limit: int) -> str:
    """One line of printable ASCII, whatever somebody else put into *text*."""
    return visible(text[:limit])


def _received(identity: Identity, receiver: str, found: Evaluation, comment: str) -> str:
    """The ``Received-SPF:`` field, RFC 7208 9.1. What does not fit into a line is left out."""
    texts = _pairs(
        ("client-ip", identity.client_text),
        ("envelope-from", "@".join(identity.mailbox) if identity.sender else ""),
        ("helo", identity.helo),
    )
    problem = found.problem[:MAX_VALUE] if found.result in ERRORS else ""
    texts += _last_pairs(identity.kind, receiver, found.mechanism[:MAX_VALUE], problem)
    head = f"Received-SPF: {found.result!s} ({comment}) "
    field = head + "; ".join(texts)
    return field if len(field) <= MAX_LINE else head + _fitting(texts, MAX_LINE - len(head))


@lru_cache(maxsize=1024)  # a domain's, not a message's
def _last_pairs(kind: str, receiver: str, mechanism: str, problem: str) -> tuple[str, ...]:
    return tuple(_pairs(("identity", kind), ("receiver", receiver), ("mechanism", mechanism), ("problem", problem)))


def _pairs(*pairs: tuple[str, str]) -> list[str]:
    return [f"{key}={_value(value[:MAX_VALUE])}" for key, value in pairs if value]


def _fitting(texts: list[str], room: int) -> str:
    """Those of *texts* that there is still room for, the first ones first."""
    fitting: list[str] = []
    for text in texts:
        if len("; ".join([*fitting, text])) <= room:
            fitting.append(text)
    return "; ".join(fitting)


@lru_cache(maxsize=4096)  # mostly names, addresses and mechanisms that come again
def _value(text: str) -> str:
    """A dot-atom as it is, anything else as a quoted string."""
    plain = visible(text)
    if _DOT_ATOM.fullmatch(plain):
        return plain
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
