"""``run``: another program's output. A policy may use it only where a main option allows that."""

from __future__ import annotations

import os
import select
import signal
import time
from typing import TYPE_CHECKING

from policyd.errors import ExpansionError
from policyd.language.limits import MAX_TEXT
from policyd.language.marks import COMMAND, keeps_out
from policyd.language.registry import item, variable
from policyd.transaction import Transaction

if TYPE_CHECKING:
    from subprocess import Popen

MAX_SECONDS = 30.0  # that a program may take; never longer than the phase
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
NOT_EXECUTED = 127  # the exit status of what could not be started
CHUNK = 65536


@keeps_out(COMMAND, 0)
@item("run", arguments=(1, 1), shape=("command",), tail=True, enabled_by="allow_run")
def _run(tx: Transaction, command: list[str]) -> str | None:
    """``${run{program argument …}}``: what a program writes; *yes* if its exit status is 0, which is in ``$runrc``.

    No shell is involved. The command is cut into words before it is expanded,
    so that what a client sends stays one argument; with ``${run,preexpand`` it
    is expanded first. The name of the program is absolute. It gets nothing on
    its standard input, and may run for 30 seconds. The main option ``allow_run``
    has to be set.
    """
    allowed(tx.settings.allow_run, "run", "allow_run")
    until = min(time.monotonic() + MAX_SECONDS, tx.deadline)
    status, text = _outcome([word.encode("latin-1") for word in command], until)
    tx.frame.left["runrc"], tx.frame.value = str(status), text
    return text if status == 0 else None


def allowed(is_allowed: bool, name: str, option: str) -> None:
    """Raises `ExpansionError` unless the policy may use this item."""
    if not is_allowed:
        raise ExpansionError(f"${{{name}}} is not permitted: the main option {option} is not set")


def _outcome(command: list[bytes], until: float) -> tuple[int, str]:
    """The exit status and the output. Raises `ExpansionError` when the program is killed, or takes too long.

    It is made the leader of a process group, so that its children end with it.
    """
    import subprocess  # most policies run nothing

    if not command or not command[0].startswith(b"/"):
        return NOT_EXECUTED, ""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
            process_group=0,
        )
    except (OSError, ValueError):  # ValueError: a NUL in an argument
        return NOT_EXECUTED, ""
    with process:
        try:
            text = _output(process, until).decode("latin-1")
            status = process.wait(max(until - time.monotonic(), 0.0))
        except (subprocess.TimeoutExpired, ExpansionError) as error:
            os.killpg(process.pid, signal.SIGKILL)
            raise ExpansionError(str(error) or "command timed out") from None
    if status < 0:
        raise ExpansionError(f"command killed by signal {-status}")
    return status, text


def _output(process: Popen[bytes], until: float) -> bytes:
    """All that the program writes until it ends, even if a child of its goes on."""
    assert process.stdout is not None
    pipe, end = process.stdout.fileno(), os.pidfd_open(process.pid)
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    poll.register(end, select.POLLIN)
    text = b""
    try:
        while ready := dict(poll.poll(max(until - time.monotonic(), 0.0) * 1000)):
            chunk = os.read(pipe, CHUNK) if pipe in ready else b""
            if not chunk:
                return text
            text += chunk
            if len(text) > MAX_TEXT:
                raise ExpansionError(f"the command writes more than {MAX_TEXT} octets")
    finally:
        os.close(end)
    raise ExpansionError("command timed out")


@variable("runrc")
def _runrc(tx: Transaction) -> str:
    """The exit status of the program that the last ``run`` ran; 0 before the first."""
    return tx.frame.left.get("runrc", "0")
