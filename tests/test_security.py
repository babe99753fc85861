"""The threats that docs/security.md names, and the audit of what policyd is made of."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
THREATS = re.findall(r"^\| (.+) \| .+ \| (.+) \|$", (ROOT / "docs" / "security.md").read_text(), re.MULTILINE)
SHOWN = [(threat, shown) for threat, tests in THREATS for shown in re.findall(r"`(tests/[^`]+)`", tests)]
NOBODY = "http://127.0.0.1:1/"


@pytest.mark.parametrize(("threat", "shown"), SHOWN, ids=[shown for _, shown in SHOWN])
def test_each_threat_has_its_test(threat: str, shown: str) -> None:
    """A row of the table names a test that is there."""
    file, _, function = shown.partition("::")
    assert f"\ndef {function}(" in (ROOT / file).read_text(), threat


def test_no_threat_is_without_one() -> None:
    """Every row but the heads of tables, and the table of processes."""
    rows = (ROOT / "docs" / "security.md").read_text().partition("## Threats")[2].splitlines()
    bare = [row for row in rows if row.startswith("| ") and "`tests/" not in row]
    assert bare == ["| threat | what is done | shown by |"]


@pytest.fixture
def service() -> Iterator[str]:
    """Where something answers as PyPI does of a release with a weakness."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"vulnerabilities": [{"aliases": ["CVE-2014-1402"]}]}')

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def audit(pypi: str, auditor: str = "false") -> tuple[int, str]:
    """Exit status and output of ``.ci/audit``, with another program for pip-audit."""
    environment = {**os.environ, "AUDIT_PYPI": pypi, "AUDIT_OSV": NOBODY, "AUDITOR": auditor, "no_proxy": "*"}
    done = subprocess.run([ROOT / ".ci" / "audit"], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_what_the_audit_says(service: str) -> None:
    """It fails for a weakness, not for a network that is closed; but then it says that nothing is known."""
    status, output = audit(NOBODY)
    assert (status, "NOTHING WAS CHECKED" in output) == (0, True)
    assert audit(service, "/bin/true") == (0, "audit: asking pypi\n")
    assert audit(service, "/bin/false") == (1, "audit: asking pypi\n")
