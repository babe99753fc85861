"""``policyd check``: is this configuration right, and what is in it?"""

from __future__ import annotations

from collections.abc import Iterator

import click

from policyd import config, words
from policyd.cli.options import complain, reporting, say
from policyd.language.verdict import Acl, Step
from policyd.policy import Phase, Policy


@click.command(help="Load a configuration; print what is wrong with it and what is suspicious.")
@click.option("-c", "--config", "path", required=True, metavar="CONF", help="A file, a conf.d directory, or a tree.")
@click.option("--list", "listing", is_flag=True, help="Show each ACL in effect, statement by statement.")
def command(path: str, listing: bool) -> None:
    """Problems go to standard error. Exit status 1 when the configuration cannot be used."""
    words.load()
    with reporting():
        policy = config.load(path)
    complain(policy.warnings)
    if not policy.phases and not policy.settings.gateway_listen:
        complain([f"{path}: warning: no ACL is in effect, so everything is accepted"])
    say(listed(policy) if listing else [summary(path, policy)])


def summary(path: str, policy: Policy) -> str:
    """How much was read."""
    files, acls = len(policy.snapshot.texts), len(policy.acls)
    return f"{path}: {files} {'file' if files == 1 else 'files'}, {acls} {'ACL' if acls == 1 else 'ACLs'}: OK"


def listed(policy: Policy) -> Iterator[str]:
    """Which ACL runs at which phase, then every ACL with the places of its statements."""
    for phase in Phase:
        if phase in policy.phases:
            yield f"{str(phase.name).lower()}: {_runs(phase, policy)}"
    for acl in policy.acls.values():
        yield ""
        yield from _acl(acl)


def _runs(phase: Phase, policy: Policy) -> str:
    name = str(phase.name).lower()
    source = getattr(policy.settings, f"acl_smtp_{name}")
    return f"{source.text or '(nothing: denies)'}  ({source.where()})" if source is not None else f"acl_check_{name}"


def _acl(acl: Acl) -> Iterator[str]:
    yield f"{acl.name}:  ({acl.where})"
    for statement in acl.statements:
        yield f"  {statement.where}: {statement.verb}"
        for step in statement.steps:
            yield f"  {step.where}:   {_item(step)}"


def _item(step: Step) -> str:
    """A condition or modifier as it was written."""
    if step.role in ("message", "log_message"):
        return f"{step.role} = {step.label}"
    return f"{'! ' if step.negated else ''}{step.label}"
