"""A Postfix of our own: every directory private, one high port on 127.0.0.1, the host's MTA untouched.

Debian's package is only unpacked, never installed: that could remove the MTA
the host has. So the accounts ``postfix`` and ``postdrop`` may be missing, and
two that every Debian has stand in for them. All mail, to any domain, goes to
one `Sink`; no name is looked up.
"""

from __future__ import annotations

import json
import os
import shutil
import smtplib
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from parts.ports import free_port, is_listening, wait_until
from parts.programs import Running, environment, program, remove, spawn, stop

OWNER, GROUP = "daemon", "mail"  # for postfix and postdrop: distinct, unprivileged, and nobody else's queue

QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "saved", "trace")
OWNED = ("data", "log", *(f"queue/{name}" for name in (*QUEUES, "private", "public")))

MAIN = """\
compatibility_level = 3.6
queue_directory = {here}/queue
data_directory = {here}/data
daemon_directory = {daemons}
command_directory = {commands}
shlib_directory = {libraries}
meta_directory = {here}
mail_owner = {owner}
setgid_group = {group}
default_privs = nobody
import_environment = LD_LIBRARY_PATH MAIL_CONFIG TZ
maillog_file = {here}/log/mail.log
maillog_file_prefixes = {here}/log
myhostname = mx.postfix.test
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_dns_support_level = disabled
smtp_connection_cache_on_demand = no
relay_domains = static:all
relay_transport = smtp:[127.0.0.1]:{sink}
smtpd_peername_lookup = no
smtpd_relay_restrictions = reject_unauth_destination
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_milters = {milter}
milter_default_action = tempfail
"""

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
smtp unix - - n - - smtp
showq unix n - n - - showq
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""

GUARD = """trap 'kill $!' TERM; setsid "$@" & wait $!; wait $!"""
"""master changes its effective user, and so loses the signal that a parent's death would bring: its shell gets it."""


class Postfix(Running):
    """Runs while the ``with`` block does.

    *sink*: the port of 127.0.0.1 to deliver to. *milter* as in
    ``smtpd_milters``; by default it is whoever listens on `socket`, which lies
    where the unprivileged processes of Postfix can reach it. *main_cf*: further
    parameters. *master_cf*: further lines.
    """

    def __init__(
        self, sink: int, milter: str | None = None, main_cf: Mapping[str, str] | None = None, master_cf: str = ""
    ) -> None:
        if os.geteuid():
            raise PermissionError("Postfix changes users, and so must be started by root: use sudo")
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-postfix-"))
        self.socket = f"unix:{self.directory}/milter.sock"
        self.milter = self.socket if milter is None else milter
        self.sink = sink
        self.main_cf = dict(main_cf or {})
        self.master_cf = master_cf

    def _start(self, undo: ExitStack) -> None:
        undo.callback(remove, self.directory)
        master = program("master")
        self._environment = environment(master) | {"MAIL_CONFIG": str(self.directory)}
        self._lay_out(master.parent)
        command: list[str | Path] = ["sh", "-c", GUARD, "sh", master, "-d", "-c", self.directory]
        undo.callback(stop, spawn(command, self.directory / "master.log", self._environment))
        wait_until(lambda: is_listening(("127.0.0.1", self.port)), "Postfix")

    def _lay_out(self, daemons: Path) -> None:
        """What Debian's package and ``postfix start`` would create."""
        self.directory.chmod(0o755)
        for name in (*OWNED, "queue/pid"):
            (self.directory / name).mkdir(parents=True)
        for name in OWNED:
            shutil.chown(self.directory / name, OWNER)
            (self.directory / name).chmod(0o755 if name == "queue/public" else 0o700)
        values = {
            "here": self.directory,
            "daemons": daemons,
            "commands": program("postqueue").parent,
            "libraries": daemons.parent,
            "owner": OWNER,
            "group": GROUP,
            "port": self.port,
            "sink": self.sink,
            "milter": self.milter,
        }
        extra = "".join(f"{name} = {value}\n" for name, value in self.main_cf.items())
        (self.directory / "master.cf").write_text(MASTER.format_map(values) + self.master_cf)
        usual = MAIN.format_map(values).splitlines(keepends=True)
        # what stands twice is complained of by every process, also by postlogd to itself: it waits for ever when its
        # socket is full of other complaints
        kept = [line for line in usual if line.partition(" =")[0] not in self.main_cf]
        (self.directory / "main.cf").write_text("".join(kept) + extra)
        os.utime(self.directory / "main.cf", (0, 0))  # every process waits until it is some seconds old

    @contextmanager
    def client(self, address: str = "", **attributes: str) -> Iterator[smtplib.SMTP]:
        """An SMTP client; with *address*, as if it came from there (XCLIENT; *attributes* such as NAME and PORT)."""
        with smtplib.SMTP("127.0.0.1", self.port, "client.example.org", timeout=40) as smtp:
            if address:
                literal = f"IPV6:{address}" if ":" in address else address
                words = {"NAME": "[UNAVAILABLE]", "ADDR": literal} | attributes
                smtp.docmd("XCLIENT", " ".join(f"{name}={value}" for name, value in words.items()))
            yield smtp

    def log(self) -> str:
        """The mail log so far."""
        path = self.directory / "log" / "mail.log"
        return path.read_text("latin-1") if path.exists() else ""

    def queue(self) -> list[dict[str, Any]]:
        """What postqueue says of each message: ``queue_name`` (hold, deferred …), ``queue_id``, ``recipients``…"""
        return [json.loads(line) for line in self._run("postqueue", "-j").splitlines()]

    def queued_message(self, queue_id: str) -> str:
        """Header and body of a queued message."""
        return self._run("postcat", "-q", "-h", "-b", queue_id)

    def delete(self, queue_id: str) -> None:
        """Take a message out of the queue."""
        self._run("postsuper", "-d", queue_id)

    def _run(self, name: str, *arguments: str) -> str:
        """What a Postfix command prints."""
        command = [str(program(name)), *arguments]
        return subprocess.run(
            command, env=self._environment, check=True, capture_output=True, encoding="latin-1"
        ).stdout
