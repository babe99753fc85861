"""Variables of the language itself, of the host and of the time."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

from policyd import __version__
from policyd.errors import ExpansionError
from policyd.language.marks import client_controlled
from policyd.language.registry import prefix, variable
from policyd.transaction import Transaction

MAX_ACL_ARGUMENTS = 9


@variable("value")
def _value(tx: Transaction) -> str:
    """What the lookup, extraction or condition around this text has found."""
    return tx.frame.value


@variable("item")
def _item(tx: Transaction) -> str:
    """The current item of ``filter``, ``map``, ``reduce``, ``sort``, ``forall`` and ``forany``."""
    return tx.frame.item


@prefix("acl_c")
def _acl_c(tx: Transaction, name: str) -> str:
    """A variable that ``set acl_c…`` gave a value; it lasts as long as the connection."""
    return _acl_variable(tx, name)


@prefix("acl_m")
def _acl_m(tx: Transaction, name: str) -> str:
    """A variable that ``set acl_m…`` gave a value; it lasts as long as the message."""
    return _acl_variable(tx, name)


def _acl_variable(tx: Transaction, name: str) -> str:
    value = tx.variables(name).get(name)
    if value is None and tx.settings.strict_acl_vars:
        raise ExpansionError(f'unknown variable name "{name}" (strict_acl_vars is set)')
    return value or ""


def _acl_argument(number: int) -> None:
    def run(tx: Transaction) -> str:
        arguments = tx.frame.arguments
        return arguments[number - 1] if number <= len(arguments) else ""

    run.__doc__ = f"Argument {number} of the ``acl = NAME …`` that called this ACL."
    variable(f"acl_arg{number}")(run)


for _number in range(1, MAX_ACL_ARGUMENTS + 1):
    _acl_argument(_number)


@variable("acl_narg")
def _acl_narg(tx: Transaction) -> str:
    """How many arguments the ``acl = NAME …`` that called this ACL has."""
    return str(len(tx.frame.arguments))


@client_controlled
@variable("acl_verify_message")
def _acl_verify_message(tx: Transaction) -> str:
    """Inside ``message`` and ``log_message``: the text that a condition produced."""
    return tx.frame.verify_message


@variable("address_data")
def _address_data(_: Transaction) -> str:
    """Always empty: in Exim, what a router left behind."""
    return ""


@variable("primary_hostname")
def _primary_hostname(tx: Transaction) -> str:
    """The main option of this name."""
    return tx.settings.primary_hostname


@variable("smtp_active_hostname")
def _smtp_active_hostname(tx: Transaction) -> str:
    """The name the server shows to clients: ``primary_hostname``."""
    return tx.settings.primary_hostname


@variable("qualify_domain")
def _qualify_domain(tx: Transaction) -> str:
    """The main option of this name; ``primary_hostname`` when it is not set."""
    return tx.settings.qualify_domain or tx.settings.primary_hostname


@variable("pid")
def _pid(_: Transaction) -> str:
    """The number of the process."""
    return str(os.getpid())


@variable("version_number")
def _version_number(_: Transaction) -> str:
    """The version of policyd."""
    return __version__


@variable("exim_version")
def _exim_version(_: Transaction) -> str:
    """The version of policyd."""
    return __version__


@variable("tod_epoch")
def _tod_epoch(tx: Transaction) -> str:
    """Seconds since 1970."""
    return str(int(tx.services.clock()))


@variable("tod_epoch_l")
def _tod_epoch_l(tx: Transaction) -> str:
    """Microseconds since 1970."""
    return str(int(tx.services.clock() * 1_000_000))


def _local(tx: Transaction) -> datetime:
    return datetime.fromtimestamp(tx.services.clock(), UTC).astimezone()


@variable("received_time")
def _received_time(tx: Transaction) -> str:
    """When the message was received, in seconds since 1970; 0 before that."""
    return str(int(tx.services.clock())) if tx.message.complete else "0"


@variable("tod_full")
def _tod_full(tx: Transaction) -> str:
    """Date and time as in a Date: field: ``Fri, 07 Apr 2000 14:25:48 +0100``."""
    now = _local(tx)
    return f"{DAYS[now.weekday()]}, {now.day:02} {MONTHS[now.month - 1]} {now:%Y %H:%M:%S %z}"


@variable("tod_bsdinbox")
def _tod_bsdinbox(tx: Transaction) -> str:
    """Date and time as mailbox files have it: ``Thu Oct 17 17:14:09 1995``."""
    now = _local(tx)
    return f"{DAYS[now.weekday()]} {MONTHS[now.month - 1]} {now.day:02} {now:%H:%M:%S %Y}"


@variable("tod_log")
def _tod_log(tx: Transaction) -> str:
    """Date and time as in the log: ``1995-10-12 15:32:29``."""
    return f"{_local(tx):%Y-%m-%d %H:%M:%S}"


@variable("tod_logfile")
def _tod_logfile(tx: Transaction) -> str:
    """The date, for names of log files: ``19951012``."""
    return f"{_local(tx):%Y%m%d}"


@variable("tod_zone")
def _tod_zone(tx: Transaction) -> str:
    """The offset of the local time zone: ``+0100``."""
    return f"{_local(tx):%z}"


@variable("tod_zulu")
def _tod_zulu(tx: Transaction) -> str:
    """The time in UTC, as X.509 has it: ``20030221154023Z``."""
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(tx.services.clock()))


DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
