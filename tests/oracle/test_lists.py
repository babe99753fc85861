"""The lists of tests/parts/list_cases.py, put to a live Exim."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from parts.differences import explained
from parts.list_cases import ROWS, client, config, dialogue, shown, write_files


@pytest.fixture(scope="module")
def files():
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)  # Exim reads it as a user of its own
    write_files(directory)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.parametrize("condition, subject, text, ours, exims", ROWS)
def test_list(condition, subject, text, ours, exims, exim, files):
    transcript = exim.session(
        config(condition, text, files), client(condition, subject), f"{dialogue(condition, subject)}\n"
    )
    answer = transcript.log[-1].replace(str(files), "{dir}")
    assert shown(answer) == exims
    assert ours == exims or explained("Lookups and DNS lists", "`$recipients_data`")
