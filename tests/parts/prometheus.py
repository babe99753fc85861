"""A real Prometheus that scrapes one target, on a free port of 127.0.0.1, with its data in a private directory."""

from __future__ import annotations

import json
import tempfile
import urllib.parse
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

from parts.ports import free_port
from parts.programs import Running, environment, program, remove, spawn, stop, until_ready

SETTINGS = """\
global:
  scrape_interval: 500ms
  evaluation_interval: 500ms
scrape_configs:
  - job_name: policyd
    static_configs:
      - targets: ["127.0.0.1:{target}"]
"""


class Prometheus(Running):
    """Runs while the ``with`` block does. *target*: the port of 127.0.0.1 where there is ``/metrics``."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._target = target
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-prometheus-"))

    def _start(self, undo: ExitStack) -> None:
        undo.callback(remove, self.directory)
        settings = self.directory / "prometheus.yml"
        settings.write_text(SETTINGS.format(target=self._target))
        executable, log = program("prometheus"), self.directory / "log"
        command = [
            executable,
            f"--config.file={settings}",
            f"--storage.tsdb.path={self.directory}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        self._process = spawn(command, log, environment(executable))
        undo.callback(stop, self._process)
        until_ready(self._process, "prometheus", self._is_ready, log.read_text)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series and values of an instant query; a mistake in it is a ValueError."""
        query = urllib.parse.urlencode({"query": expression})
        try:
            result: list[dict[str, Any]] = json.loads(self._get(f"/api/v1/query?{query}"))["data"]["result"]
        except HTTPError as error:
            raise ValueError(json.loads(error.read())["error"]) from None
        return result

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            content: bytes = answer.read()
        return content

    def _is_ready(self) -> bool:
        try:
            return bool(self._get("/-/ready"))
        except (URLError, ConnectionError):
            return False
