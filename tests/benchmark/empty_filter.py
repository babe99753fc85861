"""A pymilter filter that does nothing: what any filter in Python costs at least.

``python empty_filter.py SOCKET WORKERS [headers|silent|connect|sender]``

*headers*: no answers to header fields; *silent*: nor to their end and the body; *connect*: connections alone;
*sender*: these, HELO and MAIL.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import Milter
import milter

from policyd.server.descriptors import listening


class Filter(Milter.Base):
    """Every callback, and each says: go on."""

    def connect(self, *_: Any) -> int:
        return int(Milter.CONTINUE)

    def hello(self, _: str) -> int:
        return int(Milter.CONTINUE)

    def envfrom(self, *_: str) -> int:
        return int(Milter.CONTINUE)

    def envrcpt(self, *_: str) -> int:
        return int(Milter.CONTINUE)

    def data(self) -> int:
        return int(Milter.CONTINUE)

    def header(self, *_: str) -> int:
        return int(Milter.CONTINUE)

    def eoh(self) -> int:
        return int(Milter.CONTINUE)

    def body(self, _: bytes) -> int:
        return int(Milter.CONTINUE)

    def eom(self) -> int:
        return int(Milter.CONTINUE)

    def abort(self) -> int:
        return int(Milter.CONTINUE)

    def close(self) -> int:
        return int(Milter.CONTINUE)


UNANSWERED = {"headers": ("header",), "silent": ("header", "eoh", "body")}
UNWANTED = {
    "connect": ("hello", "envfrom", "envrcpt", "data", "header", "eoh", "body"),
    "sender": ("envrcpt", "data", "header", "eoh", "body"),
}


def restrict(mode: str) -> None:
    """Negotiate less."""
    for decorate, table in ((Milter.noreply, UNANSWERED), (Milter.nocallback, UNWANTED)):
        for name in table.get(mode, ()):
            setattr(Filter, name, decorate(getattr(Filter, name)))


def main(socket: str, workers: int, mode: str = "") -> None:
    """Serve, from so many processes; one serves from this one."""
    restrict(mode)
    Milter.factory = Filter
    Milter.set_flags(Milter.ADDHDRS + Milter.CHGHDRS)
    milter.setconn(socket)
    milter.setbacklog(1024)
    milter.register("empty")
    milter.opensocket(True)
    for descriptor in listening():
        os.set_blocking(descriptor, False)  # a worker that loses the race for a connection must not sleep in accept()
    if workers == 1 or 0 in (os.fork() for _ in range(workers)):
        Milter.runmilter("empty", socket, 240, rmsock=False)
    else:
        os.wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
