"""The shell around libmilter: processes, sockets, signals, and callbacks that only translate."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from policyd.server.channel import Channel


def serve(path: str | os.PathLike[str], *, drain: float | None = None) -> int:
    """Run the daemon with the configuration at *path* until it is told to stop; the exit code.

    SIGHUP reloads the policy. SIGTERM or SIGINT lets open connections end
    first, for at most *drain* seconds; a second one does not.
    """
    from policyd import words
    from policyd.config import load
    from policyd.errors import PolicyError
    from policyd.journal import Journal
    from policyd.server.supervisor import DRAIN, Supervisor
    from policyd.server.worker import Worker

    log = Journal()

    def export(sock: socket.socket, channel: Channel, directory: str) -> int:
        from policyd.server import exporter

        return exporter.export(sock, channel, directory, log)

    words.load()
    supervisor = Supervisor(
        load=lambda: load(path),
        work=lambda policy, post: Worker(policy, post, log).run(),
        export=export,
        log=log,
        drain=DRAIN if drain is None else drain,
    )
    try:
        return supervisor.run()
    except (PolicyError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
