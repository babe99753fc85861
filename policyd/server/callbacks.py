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
from policyd.server.agreement import Agreement, agree
from policyd.server.listener import NAME
from policyd.server.session import Host, Session

CURRENT: ContextVar[Session] = ContextVar("CURRENT")
"""The session whose callback runs: pymilter keeps a thread state, and with it a context, per connection."""

LARGEST = (1 << 20) - 1
"""Octets of a packet: by itself libmilter ends a connection over 65535, and Postfix passes fields of 102400."""

BROKEN = 70  # EX_SOFTWARE


def install(host: Host) -> None:
    """Have libmilter open a `Session` of *host* for every connection."""
    agreements: list[Agreement] = []  # the different ones so far

    def negotiate(ctx: Any, options: list[int]) -> int:
        talk = host.conversation()
        agreed = agree(ctx, options, talk.needs)
        if agreed not in agreements:
            agreements.append(agreed)
        begin(ctx, Session(ctx, host, talk, agreed))
        return int(milter.CONTINUE)

    def begin(ctx: Any, session: Session) -> Session:
        ctx.setpriv(session)
        CURRENT.set(session)
        return session

    def connect(ctx: Any, *client: Any) -> int:
        """The protocol allows another client on the same channel (SMFIC_QUIT_NC), under what was agreed before.

        pymilter forgets a channel with its first client. So that has to be what everybody has agreed to so far.
        """
        if session := ctx.getpriv():
            return int(session.connect(*client))
        talk = host.conversation()
        session = begin(ctx, Session(ctx, host, talk, agreements[0]))
        known = [agreed.needs for agreed in agreements] == [talk.needs]
        return session.connect(*client) if known else session.refuse()

    milter.set_connect_callback(connect)
    milter.set_helo_callback(lambda ctx, name: ctx.getpriv().helo(name))
    milter.set_envfrom_callback(lambda ctx, *words: ctx.getpriv().envfrom(*words))
    milter.set_envrcpt_callback(lambda ctx, *words: ctx.getpriv().envrcpt(*words))
    milter.set_header_callback(Session.header)
    milter.set_eoh_callback(lambda ctx: ctx.getpriv().eoh())
    milter.set_body_callback(lambda ctx, chunk: ctx.getpriv().body(chunk))
    milter.set_eom_callback(lambda ctx: ctx.getpriv().eom())
    milter.set_abort_callback(lambda ctx: ctx.getpriv().abort())
    milter.set_close_callback(lambda ctx: ctx.getpriv().close())
    milter.register(NAME, data=lambda ctx: ctx.getpriv().data(), negotiate=negotiate)
    raise_packet_limit()
    _catch(host)


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
