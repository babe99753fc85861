"""The shell around libmilter: processes, sockets, signals, and callbacks that only translate."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from policyd.policy import Policy
    from policyd.server.channel import Channel
    from policyd.server.worker import Post


def serve(path: str | os.PathLike[str], *, drain: float | None = None, milter: bool = True) -> int:
    """Run the daemon with the configuration at *path* until it is told to stop; the exit code.

    Without *milter* it is only the gateway. SIGHUP reloads the policy. SIGTERM or SIGINT lets open connections end
    first, for at most *drain* seconds; a second one does not.
    """
    from policyd import words
    from policyd.config import load
    from policyd.errors import PolicyError
    from policyd.journal import Journal, Style
    from policyd.server.supervisor import DRAIN, Lives, Supervisor
    from policyd.server.worker import Worker

    log = Journal()

    def read() -> Policy:
        policy = load(path)
        settings = policy.settings
        log.settle(Style(settings.log_format, settings.log_file, settings.log_selector))
        return policy

    def export(sock: socket.socket, channel: Channel, directory: str) -> int:
        from policyd.server import exporter

        return exporter.export(sock, channel, directory, log)

    def relay(policy: Policy, post: Post, sock: socket.socket) -> int:
        from policyd.server.gateway import GatewayProcess

        return GatewayProcess(policy, post, log, sock).run()

    def work(policy: Policy, post: Post) -> int:
        return Worker(policy, post, log).run()

    words.load()
    lives = Lives(work if milter else None, relay, export)
    supervisor = Supervisor(read, lives, log, DRAIN if drain is None else drain)
    try:
        return supervisor.run()
    except (PolicyError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
