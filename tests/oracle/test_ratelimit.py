"""``ratelimit`` and ``seen``, generated, put to a live Exim and to policyd at the same times of day."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from oracle.conftest import USER
from oracle.sequences import OPTIONS, Sequence
from oracle.timed import TimedExim, faketime, policyd

from policyd import config, words
from policyd.stores import MemoryStore

NUMBERS = range(200)
POLICY = OPTIONS + "begin acl\n" + "".join(Sequence(number).acls() for number in NUMBERS)


@pytest.fixture(scope="module")
def timed(exim):
    """A live Exim that is told the time."""
    if faketime() is None:
        pytest.skip("libfaketime is not here: `make setup` unpacks it")
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # Exim syncs its database at every check
    with TemporaryDirectory(prefix="policyd-exim-", dir=memory) as name:
        directory = Path(name)
        directory.chmod(0o755)
        shutil.chown(directory, USER)
        with TimedExim(exim.program, exim.libraries, directory, POLICY) as daemon:
            yield daemon


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    words.load()
    path = tmp_path_factory.mktemp("policy") / "policy.conf"
    path.write_text(POLICY)
    return config.load(path)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_same_verdicts_and_rates(timed, loaded, number):
    clock = [0.0]
    store = MemoryStore(lambda: clock[0])
    sequence = Sequence(number)
    sequence.acls()
    for session in sequence.sessions():
        assert policyd(loaded, store, clock, session) == timed.run(session)
