"""Running an ACL from inside an expansion."""

from __future__ import annotations

from policyd.errors import ExpansionError, ForcedFail
from policyd.language.calls import call
from policyd.language.compiler import Compiler
from policyd.language.marks import ACL_NAME, keeps_out
from policyd.language.registry import item, test
from policyd.language.source import BLANKS
from policyd.language.verdict import Outcome, Verdict, run_acl
from policyd.transaction import Transaction

FAILURES = {Outcome.DROP: "FAIL_DROP", Outcome.DISCARD: "DISCARD", Outcome.ERROR: "ERROR"}
"""What a verdict is called that is neither yes nor no."""

MAX_ARGUMENTS = 10  # the name, and $acl_arg1 to $acl_arg9


@keeps_out(ACL_NAME, 0)
@item("acl", arguments=(1, MAX_ARGUMENTS), shape=("acl",), compiler=True)
def _acl_item(compiler: Compiler, tx: Transaction, name: str, *arguments: str) -> str:
    """``${acl{name}{argument}…}``: run an ACL; the result is its ``message``, whether it accepts or denies.

    A deferral is a forced failure.
    """
    return _verdict(compiler, tx, name, arguments).text or ""


@keeps_out(ACL_NAME, 0)
@test("acl", arguments=(1, MAX_ARGUMENTS), shape=("acl",), compiler=True)
def _acl_test(compiler: Compiler, tx: Transaction, name: str, *arguments: str) -> bool:
    """``acl{{name}{argument}…}``: whether an ACL accepts; ``$value`` is its ``message``.

    A deferral is a forced failure.
    """
    verdict = _verdict(compiler, tx, name, arguments)
    tx.frame.value = verdict.text or ""
    return verdict.outcome is Outcome.OK


def _verdict(compiler: Compiler, tx: Transaction, name: str, arguments: tuple[str, ...]) -> Verdict:
    """The verdict of an ACL that accepts or denies; its messages are not those of the statement that asks."""
    acl = compiler.acls.get(name.lstrip(BLANKS))
    if acl is None:
        raise ExpansionError(f'there is no ACL named "{name}"')
    frame = tx.frame
    saved = frame.guarded, frame.user_message, frame.log_message
    frame.guarded = True
    try:
        verdict = call(lambda ctx: run_acl(acl, ctx), arguments, tx)
    except RecursionError:  # expansions and ACLs that lead to one another
        raise ExpansionError("nested too deeply") from None
    finally:
        frame.guarded, frame.user_message, frame.log_message = saved
    if verdict.outcome is Outcome.DEFER:
        raise ForcedFail(f'DEFER from acl "{name}"')
    if verdict.outcome not in (Outcome.OK, Outcome.FAIL):
        raise ExpansionError(f'{FAILURES[verdict.outcome]} from acl "{name}"')
    return verdict
