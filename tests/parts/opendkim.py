"""Debian's OpenDKIM as a signer: a milter of its own, asked over a private socket."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Self

from milter_client import MilterClient
from parts.ports import is_listening
from parts.programs import environment, program, spawn, stop, until_ready

SETTINGS = """\
Mode s
Domain {domain}
Selector {selector}
KeyFile {directory}/key.pem
Canonicalization {canonical}
SignatureAlgorithm {algorithm}
Socket local:{directory}/socket
PidFile {directory}/pid
RequireSafeKeys no
InternalHosts 192.0.2.1
Syslog no
"""


class Signer:
    """Signs for one domain while the ``with`` block runs. *private*: a key in PEM."""

    def __init__(
        self,
        private: bytes,
        canonical: str,
        algorithm: str = "rsa-sha256",
        domain: str = "a.test",
        selector: str = "s",
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-opendkim-"))
        (self.directory / "key.pem").write_bytes(private)
        values = {"domain": domain, "selector": selector, "canonical": canonical, "algorithm": algorithm}
        (self.directory / "conf").write_text(SETTINGS.format(directory=self.directory, **values))

    def __enter__(self) -> Self:
        server = program("opendkim")
        command = [server, "-f", "-x", self.directory / "conf"]
        self._server = spawn(command, self.directory / "log", environment(server))
        log = self.directory / "log"
        until_ready(self._server, "opendkim", lambda: is_listening(f"{self.directory}/socket"), log.read_text)
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._server, patience=0.1)  # it would finish its poll of 5 s first
        shutil.rmtree(self.directory)

    def signature(self, fields: list[tuple[str, str]], body: bytes) -> tuple[str, str]:
        """The field that it would have the MTA put on top."""
        with MilterClient(str(self.directory / "socket")) as client:
            client.connect("192.0.2.1")
            client.helo()
            client.mail(b"<user@a.test>")
            client.rcpt(b"<user@here.test>")
            client.message([(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields], body)
            for kind, data in client.edits:
                if kind == "i":
                    name, value, _ = data[4:].split(b"\0")
                    return name.decode("latin-1"), value.decode("latin-1")
        raise AssertionError(f"opendkim did not sign: {client.edits}")
