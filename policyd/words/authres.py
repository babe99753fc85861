"""The Authentication-Results field: what every check has said, in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from policyd.checks.iprev import Iprev, Result
from policyd.checks.spf import SpfOutcome
from policyd.errors import ExpansionError
from policyd.language.expand import expanded
from policyd.language.registry import item, modifier
from policyd.mail import authres, received_spf
from policyd.mail.authres import AuthResult, authentication_results, claimed_ids
from policyd.mail.octets import lower
from policyd.mail.received_spf import claimed_receivers
from policyd.policy import Phase
from policyd.resolver.names import MAX_SPELLING, ascii_name, in_a_labels
from policyd.transaction import Transaction

METHODS = ("iprev", "auth", "spf", "dkim", "dmarc", "arc")
"""In the order in which Exim lists them."""

Report = Callable[[Transaction], Iterable[AuthResult]]

_REPORTS: dict[str, Report] = dict.fromkeys(METHODS, lambda _: ())


def reports(method: str) -> Callable[[Report], Report]:
    """Mark the function that knows what *method*, one of `METHODS`, has found so far. It must not start a check."""

    def register(report: Report) -> Report:
        assert method in METHODS
        _REPORTS[method] = report
        return report

    return register


def field(tx: Transaction, authserv_id: str) -> str:
    """The whole field, from what has been checked so far."""
    results = [result for report in _REPORTS.values() for result in report(tx)]
    return authentication_results(authserv_id, results)


@item("authresults", arguments=(1, 1), needs="dkim {auth_author}")
def _authresults(tx: Transaction, authserv_id: str) -> str:
    """An ``Authentication-Results:`` field (RFC 8601) with everything that has been checked so far.

    The argument is the name under which this host's results are known, mostly
    ``$primary_hostname``. What has not been checked is not mentioned. Mostly the
    modifier ``authresults`` is the better choice: it removes forged fields, too.
    """
    return field(tx, _id(authserv_id))


@modifier("authresults", argument=expanded, phases=Phase.DATA, needs="dkim add change {auth_author}", extension=True)
def _authresults_modifier(tx: Transaction, authserv_id: str) -> None:
    """Put the field of ``${authresults{ID}}`` on top of the message, and remove those that claim to be ours.

    A field that came with the message is removed when it has this ID, in any
    spelling, or when nobody can tell whose it is; those of other hosts stay. The
    same goes for ``Received-SPF:``, where ``$primary_hostname`` is ours, too. Put
    it behind the checks: what has not been checked is not mentioned.
    """
    tx.add_header("at_start", field(tx, _id(authserv_id)))
    _remove_forged(tx, authres.FIELD, claimed_ids, authserv_id)
    _remove_forged(tx, received_spf.FIELD, claimed_receivers, authserv_id, tx.settings.primary_hostname)


def _remove_forged(tx: Transaction, name: str, claimed: Callable[[str], Iterable[str]], *names: str) -> None:
    """Remove the fields that came with the message, and say that they are by one of *names*."""
    key = lower(name)
    if not tx.message.arrived.named(key):  # mostly; the message itself may have one by now, of ours
        return
    ours = set(map(_spelled, names))
    forged = [header for header in tx.message.find(name) if header.number and is_ours(claimed(header.value), ours)]
    if forged:
        tx.unwanted_headers += forged
        tx.services.metrics.count("auth_results_headers_removed_total", key, amount=len(forged))


def _id(text: str) -> str:
    """An authserv-id, in A-labels where it can be. Raises `ExpansionError`."""
    if not text.strip(" \t\r\n"):
        raise ExpansionError("authresults: the name of this host is empty")
    return in_a_labels(text)


def is_ours(claimed: Iterable[str], ours: set[str]) -> bool:
    """Whether a field that claims to be of these hosts could be taken for one of *ours*, which are `_spelled`."""
    names = set(map(_spelled, claimed))
    return not names or not names.isdisjoint(ours)


def _spelled(name: str) -> str:
    return (ascii_name(name) if len(name) <= MAX_SPELLING else None) or name


# -- what other topics have found


@reports("iprev")
def _iprev(tx: Transaction) -> Sequence[AuthResult]:
    client, handover = tx.connection.client, tx.connection.handover
    if client.address is None or (handover and not handover.known):
        return ()
    address = (("smtp.remote-ip", client.text),)
    if client.name:  # the MTA has confirmed it, or we have
        return (AuthResult("iprev", "pass", address, client.name),)
    looked_up: Iprev | None = tx.connection.facts.get("reverse_dns")
    if looked_up is None:
        return ()
    return (AuthResult("iprev", "temperror" if looked_up.result is Result.TEMPERROR else "fail", address),)


@reports("auth")
def _auth(tx: Transaction) -> Sequence[AuthResult]:
    macros = tx.connection.macros
    mechanism = macros.get("auth_type", "")
    if not mechanism:
        return ()
    identity = macros.get("auth_authen", "")
    properties = (("smtp.auth", identity), ("smtp.mailfrom", macros.get("auth_author", "")))
    return (AuthResult("auth", "pass", properties, mechanism if identity else f"{mechanism}, no id saved"),)


@reports("spf")
def _spf(tx: Transaction) -> Iterator[AuthResult]:
    outcome: SpfOutcome | None = tx.facts.get("spf") or tx.facts.get("sender_policy")
    if outcome:
        yield _spf_result(outcome, "best guess record for domain" if outcome.guessed else "")
    of_helo: SpfOutcome | None = tx.facts.get("spf_helo")
    if of_helo and not (outcome and outcome.identity == "helo"):
        yield _spf_result(of_helo)


def _spf_result(outcome: SpfOutcome, comment: str = "") -> AuthResult:
    name = "smtp.mailfrom" if outcome.identity == "mailfrom" else "smtp.helo"
    return AuthResult("spf", str(outcome.result), ((name, outcome.domain),), comment)
