"""Who the sender really is: SPF."""

from __future__ import annotations

import time
from collections.abc import Iterable

from policyd.checks.spf import SpfOutcome, check_host, undecided
from policyd.checks.spf_ahead import questions
from policyd.checks.spf_identity import Identity, SpfResult, is_macro_string
from policyd.errors import Defer, ExpansionError, ForcedFail
from policyd.handover import awaited
from policyd.language.compiler import Compiler
from policyd.language.cutting import cut
from policyd.language.expand import Getter
from policyd.language.lists import listed
from policyd.language.marks import client_controlled
from policyd.language.registry import condition, variable
from policyd.language.scanning import Matcher
from policyd.language.source import Source
from policyd.policy import AFTER_MAIL, Phase
from policyd.resolver import Question
from policyd.transaction import Transaction, fact

OLD_NAMES = {SpfResult.TEMPERROR: "err_temp", SpfResult.PERMERROR: "err_perm"}  # before Exim 4.91
AT_THE_END = Phase.QUIT | Phase.NOTQUIT


def checked(tx: Transaction, sender: str, guess_record: str = "") -> SpfOutcome:
    """One SPF check, within ``spf_timeout`` and this phase's time, counted."""
    handover = tx.connection.handover
    if handover and handover.trouble:
        return undecided(Identity(None, tx.connection.helo, sender), tx.settings.primary_hostname, handover.trouble)
    identity = _claimed(tx, sender)
    resolver = tx.resolver_until(time.monotonic() + tx.settings.spf_timeout)
    outcome = check_host(resolver, identity, tx.settings.primary_hostname, guess_record, _template(tx))
    if not guess_record:
        label = "mfrom" if outcome.identity == "mailfrom" else "helo"
        tx.services.metrics.count("spf_results_total", label, str(outcome.result))
        tx.services.metrics.observe("spf_lookups", outcome.lookups)
    return outcome


def _claimed(tx: Transaction, sender: str) -> Identity:
    """Whom the client claims to be; made once for what is asked ahead and for the check."""
    client, helo = tx.connection.client, tx.connection.helo
    last: Identity | None = tx.facts.get("claimed")
    if last is None or last.sender != sender or last.helo != helo or last.address is not client.address:
        last = tx.facts["claimed"] = Identity(client.address, helo, sender, client.text)
    return last


def _template(tx: Transaction) -> str:
    """The main option ``spf_smtp_comment_template``; empty where it is unset or wrong."""
    option = tx.settings.spf_smtp_comment_template
    if option is None:
        return ""
    try:
        text = option(tx)
    except (ForcedFail, Defer, ExpansionError) as error:
        tx.complain(f"expansion of spf_smtp_comment_template option failed: {error}")
        return ""
    if not is_macro_string(text):
        tx.complain(f"spf_smtp_comment_template has a wrong macro: {text}")
        return ""
    return text


def sender_questions(tx: Transaction) -> Iterable[Question]:
    """What `sender_policy` will ask, told once, whichever words will want to know. Of a relay's client: nothing yet."""
    if tx.connection.handover or "spf_foreseen" in tx.facts:
        return ()
    tx.facts["spf_foreseen"] = True
    return questions(_claimed(tx, tx.sender.text if tx.sender else ""))


def helo_questions(tx: Transaction) -> Iterable[Question]:
    """What `helo_policy` will ask."""
    return () if tx.connection.handover else questions(_claimed(tx, ""))


@fact
def sender_policy(tx: Transaction) -> SpfOutcome:
    """SPF of the sender; of postmaster at the HELO name for the null sender."""
    return checked(tx, tx.sender.text if tx.sender else "")


@fact
def guessed_policy(tx: Transaction) -> SpfOutcome:
    """The same, by a record that fits most domains where there is none."""
    outcome: SpfOutcome = sender_policy(tx)
    if outcome.result is not SpfResult.NONE:
        return outcome
    return checked(tx, tx.sender.text if tx.sender else "", tx.settings.spf_guess)


@fact
def helo_policy(tx: Transaction) -> SpfOutcome:
    """SPF of the HELO name."""
    return checked(tx, "")


def _is_awaited(tx: Transaction, check: str) -> bool:
    """Whether a trusted relay has not told its client yet. Where it never will, the result is ``temperror``."""
    try:
        return awaited(tx, check)
    except Defer:
        return False


def _listed(tx: Transaction, matches: Matcher, result: SpfResult) -> bool:
    """Whether a result is in a list, under its old name too: the one that the list names decides."""
    found = matches(tx, result) is not None
    if result in OLD_NAMES and found == (matches(tx, "") is not None):
        return matches(tx, OLD_NAMES[result]) is not None
    return found


def results(source: Source, compiler: Compiler) -> Getter:
    """The argument strategy of a list of results, with a warning for one that reads like what it is not."""
    getter = listed("string")(source, compiler)
    negated = [item.startswith("!") for _, item in cut(source.text)]
    if any(negated) and len(negated) > 1:
        compiler.warn(
            source.where(),
            f'"{source.text}" is an Exim list: the first item that matches decides, and after a last negative item '
            "everything else matches",
            "old versions of Exim took such a list for a choice: name the results that are meant, without !",
        )
    return getter


@condition(
    "spf",
    argument=results,
    phases=AFTER_MAIL | AT_THE_END,
    prefetch={Phase.MAIL: sender_questions},
    judges=("spf_result",),
)
def _spf(tx: Transaction, matches: Matcher) -> bool:
    """Whether the sender's SPF result is in the list.

    Results are ``pass``, ``fail``, ``softfail``, ``neutral``, ``none``,
    ``permerror`` and ``temperror``; the last two may be called ``err_perm`` and
    ``err_temp``. For the null sender the name in HELO is checked. Sets the
    ``$spf_…`` variables.
    """
    if _is_awaited(tx, "spf"):
        return False
    tx.facts["spf"] = outcome = sender_policy(tx)
    return _listed(tx, matches, outcome.result)


@condition(
    "spf_guess",
    argument=results,
    phases=AFTER_MAIL | AT_THE_END,
    prefetch={Phase.MAIL: sender_questions},
    judges=("spf_result",),
)
def _spf_guess(tx: Transaction, matches: Matcher) -> bool:
    """Like ``spf``; a domain without a record is judged by the main option ``spf_guess``."""
    if _is_awaited(tx, "spf_guess"):
        return False
    tx.facts["spf"] = outcome = guessed_policy(tx)
    return _listed(tx, matches, outcome.result)


@condition(
    "spf_helo",
    argument=listed("string"),
    phases=Phase.HELO | AFTER_MAIL | AT_THE_END,
    prefetch={Phase.HELO: helo_questions},
    extension=True,
)
def _spf_helo(tx: Transaction, matches: Matcher) -> bool:
    """Whether the SPF result of the name in HELO is in the list. Sets ``$spf_helo_result``."""
    if _is_awaited(tx, "spf_helo"):
        return False
    if tx.phase is Phase.HELO:  # one that was refused does not begin a new message
        tx.facts.pop("helo_policy", None)
    tx.facts["spf_helo"] = outcome = helo_policy(tx)
    return _listed(tx, matches, outcome.result)


def _last(tx: Transaction) -> SpfOutcome | None:
    outcome: SpfOutcome | None = tx.facts.get("spf")
    return outcome


@variable("spf_result")
def _spf_result(tx: Transaction) -> str:
    """The result of the last ``spf`` or ``spf_guess``; like all ``$spf_…`` variables empty until one was met."""
    outcome = _last(tx)
    return str(outcome.result) if outcome else ""


@variable("spf_result_guessed")
def _spf_result_guessed(tx: Transaction) -> str:
    """``yes`` when the result is a guess: the domain has no record; otherwise ``no``."""
    outcome = _last(tx)
    return "yes" if outcome and outcome.guessed else "no"


@client_controlled
@variable("spf_header_comment")
def _spf_header_comment(tx: Transaction) -> str:
    """The result in words, for a header field."""
    outcome = _last(tx)
    return outcome.comment if outcome else ""


@client_controlled
@variable("spf_received")
def _spf_received(tx: Transaction) -> str:
    """A whole ``Received-SPF:`` header field; meant for the top of the message (``:at_start:``)."""
    outcome = _last(tx)
    return outcome.received if outcome else ""


@client_controlled
@variable("spf_smtp_comment")
def _spf_smtp_comment(tx: Transaction) -> str:
    """A text for the client: after ``fail`` the domain owner's own explanation, if there is one."""
    outcome = _last(tx)
    return outcome.explanation if outcome else ""


@client_controlled
@variable("spf_used_domain")
def _spf_used_domain(tx: Transaction) -> str:
    """The domain that was checked: the sender's, or for the null sender the name in HELO."""
    outcome = _last(tx)
    return outcome.domain if outcome else ""


@variable("spf_guess")
def _spf_guess_record(tx: Transaction) -> str:
    """The main option of this name: the record that the condition uses for a domain without one."""
    return tx.settings.spf_guess


@variable("spf_helo_result", extension=True)
def _spf_helo_result(tx: Transaction) -> str:
    """The result of the last ``spf_helo``; empty until one was met."""
    outcome: SpfOutcome | None = tx.facts.get("spf_helo")
    return str(outcome.result) if outcome else ""
