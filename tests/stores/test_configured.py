"""The main options of stores: what they make, and what is said about mistakes."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from parts.exchange import Counts, World, exchange, problems
from parts.redis_sets import SecureRedis

from policyd import config, words
from policyd.checks.counting import Counting
from policyd.checks.ratelimit import Event, Update
from policyd.errors import Defer
from policyd.stores import LmdbStore
from policyd.stores.configured import configured

RATE = Counting(Event(limit=9, period=3600, update=Update.STRICT))
NOBODY = "redis://127.0.0.1:1"


@pytest.fixture
def made(tmp_path):
    """The store that a configuration describes; what it tells is in ``told``."""
    words.load()
    stores = []

    def make(text):
        file = tmp_path / "policy"
        file.write_text(f"state_directory = {tmp_path}/state\n{text}\n")
        make.told = []
        stores.append(configured(config.load(file).settings, Counts(), make.told.append))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def rates(store, count=3):
    answers = []
    for _ in range(count):
        try:
            answers.append(round(store.update(b"k", RATE, 60), 1))
        except Defer as error:
            answers.append(str(error))
    return answers


def test_lmdb_unless_told_otherwise(made, tmp_path):
    assert isinstance(made(""), LmdbStore)
    assert isinstance(made("store_error = defer"), LmdbStore)
    assert rates(made("")) == [1, 2, 3]
    assert (tmp_path / "state" / "store" / "data.mdb").exists()


def test_redis(made, redis_server, tmp_path):
    redis_server.ask("FLUSHALL")
    store = made(f"store = redis://127.0.0.1:{redis_server.port}/1\nstore_error = defer")
    store.open()
    assert rates(store) == [1, 2, 3]
    assert redis_server.ask("EXISTS", "policyd:{k}") == 0  # that is another database
    assert not (tmp_path / "state").exists()


def test_tls(made, tmp_path):
    with SecureRedis(tmp_path) as server:
        text = f"hide store = rediss://127.0.0.1:{server.port}\nstore_error = defer\n"
        files = f"store_tls_verify_certificates = {server.authority}\nstore_tls_certificate = {server.client}\n"
        assert rates(made(text + files)) == [1, 2, 3]
        assert "certificate verify failed" in rates(made(text), 1)[0]


@pytest.mark.parametrize(
    "options, want",
    [
        ("", [1, 2, 3]),
        ("store_error = local", [1, 2, 3]),
        ("store_nodes = 4", [4, 8, 12]),
        ("store_error = defer", [f"{NOBODY}: Connection refused"] * 3),
        ("store_error = accept", [0, 0, 0]),
    ],
)
def test_without_redis(made, options, want):
    store = made(f"store = {NOBODY}\n{options}")
    store.open()
    assert rates(store) == want
    word = options.rpartition("= ")[2] if "error" in options else "local"
    assert made.told == [f"store not available, store_error = {word}: {NOBODY}: Connection refused"]


def test_lmdb_that_does_not_work(made, tmp_path):
    (tmp_path / "state").touch()
    why = f"{tmp_path}/state/store: Not a directory"
    assert rates(made("")) == [why] * 3
    assert rates(made("store_error = defer")) == [why] * 3
    store = made("store_error = accept")
    store.open()
    assert rates(store) == [0, 0, 0]
    assert made.told == [why, f"store_error = accept: {why}"]


GREYLIST = """
acl_smtp_mail = check
begin acl
check:
  deny ratelimit = 1.5 / 1h / per_cmd / strict
       message   = too many
  defer !seen    = -5m
       message   = later
  accept
"""


@pytest.mark.parametrize(
    "options, want",
    [
        ("store_error = local", ["451 later", "550 too many", "550 too many"]),
        ("store_nodes = 2", ["550 too many"] * 3),
        ("store_error = accept", ["250 OK"] * 3),
        ("store_error = defer", ["451 Temporary local problem"] * 3),
    ],
)
def test_policies_without_redis(made, options, want):
    store = made(f"store = {NOBODY}\n{options}")
    world = World()
    world.services = replace(world.services, store=store)
    said = exchange(GREYLIST, "EHLO x", *["RSET", "MAIL FROM:<a@example.org>"] * 3, world=world).replies
    assert [answer.partition(" - ")[0] for answer in said[-5::2]] == want


@pytest.mark.parametrize(
    "line, problem",
    [
        ("store = localhost", "1:9: not the URL of a Redis | redis://[USER:PASSWORD@]HOST[:PORT][/NUMBER]"),
        ("hide store = redis://a,b", "1:14: several hosts are a cluster"),
        ("store = redis://h/x", '1:9: "x" is not the number of a database'),
        ("store_error = open", '1:15: "open" is not what to do without a store | local, defer or accept'),
        ("store_nodes = 0", "1:15: 0 is out of range | store_nodes is from 1 to 10000"),
        ("store_timeout = 1", '1:17: "1" is not a time'),
        ("store_tls_certificate = x.pem", '1:25: "x.pem" is not an absolute path'),
    ],
)
def test_mistakes(line, problem):
    (found,) = problems(line + "\n")
    assert found.startswith(problem)


def test_a_missing_package_is_a_mistake(monkeypatch):
    monkeypatch.setitem(sys.modules, "hiredis", None)
    monkeypatch.delitem(sys.modules, "policyd.links.redis")
    (found,) = problems("store = redis://h\n")
    assert found.startswith("1:9: a Redis needs a Python package that cannot be imported: ")
    assert found.endswith('| pip install "policyd[redis]"')


def test_an_empty_url_is_lmdb(made):
    assert isinstance(made("store ="), LmdbStore)
