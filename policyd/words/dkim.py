"""DKIM in policies: ``dkim_status``, ``dkim_signers``, and what acl_smtp_dkim is told of each signature."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from policyd.checks.dkim import DkimSignature
from policyd.checks.dkim_proof import is_accepted
from policyd.checks.dkim_signature import Signature
from policyd.checks.dkim_tags import KEY_TOO_SHORT, DkimResult
from policyd.errors import Defer, ExpansionError, ForcedFail
from policyd.language.cutting import cut
from policyd.language.expand import expanded
from policyd.language.lists import listed
from policyd.language.marks import client_controlled
from policyd.language.registry import condition, modifier, variable
from policyd.language.scanning import Matcher
from policyd.mail.octets import lower
from policyd.observers import repeat
from policyd.policy import Phase
from policyd.transaction import Transaction
from policyd.words.signatures import examined, overrule, rules, signatures

EXIM_WORDS = {DkimResult.PASS: "pass", DkimResult.FAIL: "fail", DkimResult.NONE: "none"}
INVALID = "invalid"  # Exim's word for the others, but one


@dataclass(slots=True)
class Turn:
    """Where the DKIM ACL is.

    *signer*: for whom it runs now; *number*: about which of the `signatures`,
    None where the signer has none. *statuses*: what came of each run. *status*
    and *reason*: what the policy has set for a signature instead of our words.
    """

    signer: str = ""
    number: int | None = None
    statuses: list[str] = field(default_factory=list)
    status: dict[int | None, str] = field(default_factory=dict)
    reason: dict[int | None, str] = field(default_factory=dict)

    def begin(self, signer: str, number: int | None) -> None:
        """The next run."""
        self.signer, self.number = signer, number
        self.status.pop(None, None)
        self.reason.pop(None, None)


def turn_of(tx: Transaction) -> Turn:
    """Where it is now."""
    found: Turn = tx.facts.setdefault("dkim_turn", Turn())
    return found


def current(tx: Transaction) -> DkimSignature | None:
    """The signature that the ACL is about."""
    number = turn_of(tx).number
    return None if number is None else signatures(tx)[number]


# -- who has signed, and for whom the ACL runs


def _counts(tx: Transaction, said: Signature) -> bool:
    """Whether a signature is one that Exim takes notice of."""
    return bool(said.domain) and is_accepted(said, rules(tx.settings))


@client_controlled
@variable("dkim_signers", needs="dkim")
def _dkim_signers(tx: Transaction) -> str:
    """The domains (``d=``) and identities (``i=``) that have signed the message, as a list."""
    found = [said for said in examined(tx) if _counts(tx, said)]
    return _joined(name for said in found for name in (said.domain, said.identity) if name)


@variable("dkim_verify_signers", needs="dkim")
def _dkim_verify_signers(tx: Transaction) -> str:
    """The list of those for whom ``acl_smtp_dkim`` runs: the main option of this name."""
    option = tx.settings.dkim_verify_signers
    return _dkim_signers(tx) if option is None else option(tx)


def _joined(names: Iterable[str]) -> str:
    return ":".join(name.replace(":", "::") for name in names)


def _runs(tx: Transaction) -> Iterator[None]:
    """The runs of the DKIM ACL: one for each signature of each signer in the list; one for a signer without any."""
    if not tx.checks.dkim:
        return
    try:
        signers = dict.fromkeys(name for _, name in cut(_dkim_verify_signers(tx)) if name)
    except (ForcedFail, Defer, ExpansionError) as error:
        tx.complain(f"expansion of dkim_verify_signers option failed: {error}")
        return
    turn = turn_of(tx)
    for signer in signers:
        for number in _numbers(tx, signer):
            turn.begin(signer, number)
            yield
            turn.statuses.append(_status(tx, number))


repeat(Phase.DKIM, _runs)


def _numbers(tx: Transaction, signer: str) -> Sequence[int | None]:
    """Which signatures are by a domain or identity."""
    wanted = lower(signer)
    found = [
        number
        for number, one in enumerate(signatures(tx))
        if _counts(tx, one.signature) and wanted in (lower(one.signature.domain), lower(one.signature.identity))
    ]
    return found or [None]


@condition("dkim_signers", argument=listed("string"), phases=Phase.DKIM, judges=("dkim_cur_signer",))
def _dkim_signers_condition(tx: Transaction, matches: Matcher) -> bool:
    """Whether the domain or identity for which the ACL runs now is in the list."""
    return matches(tx, turn_of(tx).signer) is not None


# -- what came of it


def _status(tx: Transaction, number: int | None) -> str:
    """Exim's word for a result, unless the policy has set another one."""
    turn = turn_of(tx)
    if number in turn.status:
        return turn.status[number]
    return "none" if number is None else _exim_word(signatures(tx)[number])


def _exim_word(one: DkimSignature) -> str:
    flaw = one.proof.flaw
    if flaw and flaw.problem is KEY_TOO_SHORT:
        return "fail"
    return EXIM_WORDS.get(one.result, INVALID)


@condition(
    "dkim_status",
    argument=listed("string"),
    phases=Phase.DKIM | Phase.DATA,
    needs="dkim",
    judges=("dkim_verify_status", "dkim_verify_reason"),
)
def _dkim_status(tx: Transaction, matches: Matcher) -> bool:
    """Whether the result of the signature that the DKIM ACL is about is in the list; in the DATA ACL, of any signature.

    Results have Exim's names: ``pass``, ``fail``, ``invalid``, and ``none``
    where there is no signature (of this signer). What is ``invalid``, or fails
    only because its key is too short, may also be told apart as ``policy``,
    ``neutral``, ``permerror`` and ``temperror`` (RFC 8601).
    """
    return any(_listed(tx, matches, names) for names in _results(tx))


def _results(tx: Transaction) -> list[tuple[str, ...]]:
    """The names of each result in question, the most exact first."""
    turn = turn_of(tx)
    if tx.phase is Phase.DKIM:
        return [_names(tx, turn.number)]
    found = [_names(tx, number) for number in range(len(signatures(tx)))]
    return found if found and "none" not in turn.statuses else [*found, ("none",)]


def _names(tx: Transaction, number: int | None) -> tuple[str, ...]:
    if number is None or number in turn_of(tx).status:
        return (_status(tx, number),)
    one = signatures(tx)[number]
    return (str(one.result), _status(tx, number)) if _counts(tx, one.signature) else (str(one.result),)


def _listed(tx: Transaction, matches: Matcher, names: tuple[str, ...]) -> bool:
    """Whether a result is in a list: the first of its names that the list knows decides."""
    otherwise = matches(tx, "") is not None
    return next((not otherwise for name in names if (matches(tx, name) is not None) is not otherwise), otherwise)


@variable("dkim_verify_status", needs="dkim")
def _dkim_verify_status(tx: Transaction) -> str:
    """``pass``, ``fail``, ``invalid`` or ``none``: what came of the signature that the DKIM ACL is about.

    In the DATA ACL, a list: what came of each run of the DKIM ACL or, where
    there was none, of each signature.
    """
    turn = turn_of(tx)
    if tx.phase is Phase.DKIM:
        return _status(tx, turn.number)
    if tx.phase is not Phase.DATA:
        return ""
    found = [number for number, one in enumerate(signatures(tx)) if _counts(tx, one.signature)]
    return _joined(turn.statuses or [_status(tx, number) for number in found])


@client_controlled
@variable("dkim_verify_reason")
def _dkim_verify_reason(tx: Transaction) -> str:
    """A word that says why ``$dkim_verify_status`` is ``fail`` or ``invalid``; empty where it is neither.

    Exim's words are ``pubkey_unavailable``, ``pubkey_dns_syntax``,
    ``pubkey_der_syntax``, ``pubkey_too_short``, ``bodyhash_mismatch`` and
    ``signature_incorrect``. Others here are ``pubkey_mismatch``,
    ``pubkey_too_long``, ``signature_syntax``, ``signature_unknown``,
    ``signature_expired``, ``signature_future`` and ``body_partly_signed``.
    """
    turn, one = turn_of(tx), current(tx)
    flaw = one.proof.flaw if one else None
    return turn.reason.get(turn.number, flaw.problem.name if flaw else "")


@modifier("set dkim_verify_status", argument=expanded, phases=Phase.DKIM)
def _set_dkim_verify_status(tx: Transaction, text: str) -> None:
    """Say what came of this signature: from now on that is its result, for DMARC, too."""
    turn = turn_of(tx)
    turn.status[turn.number] = text
    _rule(tx, turn)


@modifier("set dkim_verify_reason", argument=expanded, phases=Phase.DKIM)
def _set_dkim_verify_reason(tx: Transaction, text: str) -> None:
    """Say why ``$dkim_verify_status`` is what it is."""
    turn = turn_of(tx)
    turn.reason[turn.number] = text
    _rule(tx, turn)


def _rule(tx: Transaction, turn: Turn) -> None:
    """What the policy has set becomes the signature's result."""
    if turn.number is not None and turn.number in turn.status:
        overrule(tx, turn.number, turn.status[turn.number], turn.reason.get(turn.number, "by local policy"))
