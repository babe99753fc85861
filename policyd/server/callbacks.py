"""Sessions, made known to libmilter: one per connection, and a net below them."""

from __future__ import annotations

import ctypes
import os
import sys
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import milter

from policyd.journal import report
from policyd.server import macros
from policyd.server.listener import NAME
from policyd.server.session import Host, Session

CURRENT: ContextVar[Session] = ContextVar("CURRENT")
"""The session whose callback runs: pymilter keeps a thread state, and with it a context, per connection."""

ACTIONS = milter.ADDHDRS | milter.CHGHDRS | milter.DELRCPT | milter.QUARANTINE | milter.SETSYMLIST
STEPS = milter.P_NR_HDR | milter.P_NR_EOH | milter.P_NR_BODY | milter.P_HDR_LEADSPC | milter.P_NOUNKNOWN
"""No answer to header fields and body, the exact octets of fields, and no unknown commands."""

LARGEST = (1 << 20) - 1
"""Octets of a packet: by itself libmilter ends a connection over 65535, and Postfix passes fields of 102400."""

BROKEN = 70  # EX_SOFTWARE


def install(host: Host) -> None:
    """Have libmilter open a `Session` of *host* for every connection."""
    leading_space = False

    def negotiate(ctx: Any, options: list[int]) -> int:
        nonlocal leading_space
        leading_space = bool(options[1] & milter.P_HDR_LEADSPC)
        agree(ctx, options)
        begin(ctx)
        return int(milter.CONTINUE)

    def begin(ctx: Any) -> Session:
        session = Session(ctx, host, leading_space)
        ctx.setpriv(session)
        CURRENT.set(session)
        return session

    def connect(ctx: Any, *client: Any) -> int:
        """The protocol allows another client on the same channel (SMFIC_QUIT_NC), under what was agreed before."""
        return (ctx.getpriv() or begin(ctx)).connect(*client)

    milter.set_connect_callback(connect)
    milter.set_helo_callback(lambda ctx, name: ctx.getpriv().helo(name))
    milter.set_envfrom_callback(lambda ctx, *words: ctx.getpriv().envfrom(*words))
    milter.set_envrcpt_callback(lambda ctx, *words: ctx.getpriv().envrcpt(*words))
    milter.set_header_callback(lambda ctx, name, value: ctx.getpriv().header(name, value))
    milter.set_eoh_callback(lambda ctx: ctx.getpriv().eoh())
    milter.set_body_callback(lambda ctx, chunk: ctx.getpriv().body(chunk))
    milter.set_eom_callback(lambda ctx: ctx.getpriv().eom())
    milter.set_abort_callback(lambda ctx: ctx.getpriv().abort())
    milter.set_close_callback(lambda ctx: ctx.getpriv().close())
    milter.register(NAME, data=lambda ctx: ctx.getpriv().data(), negotiate=negotiate)
    raise_packet_limit()
    _catch(host)


def agree(ctx: Any, options: list[int]) -> None:
    """Settle with the MTA what is done and sent. *options*: actions and steps it offers, and two that mean nothing."""
    actions, steps = options[:2]
    if actions & milter.SETSYMLIST:
        macros.ask(ctx)
    options[:] = [actions & ACTIONS, steps & STEPS, 0, 0]


def raise_packet_limit() -> None:
    """Take larger packets, where this libmilter can; pymilter has no word for it."""
    library = ctypes.CDLL(milter.__file__)  # and with it the libmilter that it is linked to
    if hasattr(library, "smfi_setmaxdatasize"):
        library.smfi_setmaxdatasize(ctypes.c_size_t(LARGEST))


def _catch(host: Host) -> None:
    """Deal with what no session can catch: pymilter fails before it calls one.

    It does when a HELO name, or the name of a header field, is not UTF-8; the
    session then learns of it here. libmilter goes on: were it told to refuse a
    header field, which has no answer, it would never answer the end of the
    message, either. For anything else going on would let mail pass unjudged;
    better to have one worker less.
    """

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        session = CURRENT.get(None)
        if session is not None and isinstance(error, UnicodeDecodeError):
            session.missed(error)
            return
        report(host.log.write, "a callback of libmilter", error)
        os._exit(BROKEN)

    milter.set_exception_policy(milter.CONTINUE)
    sys.excepthook = hook
