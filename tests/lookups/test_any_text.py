"""Whatever octets come, from a file, a query or a key: an answer, a deferral or a stated mistake; never a crash."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policyd.errors import Defer, ExpansionError
from policyd.lookups import dnsdb, redis, sqlite
from policyd.lookups.clients.sqlite import statements
from policyd.lookups.iplsearch import Networks
from policyd.lookups.json import parsed
from policyd.lookups.lsearch import index
from policyd.lookups.servers import Service, read
from policyd.lookups.wildlsearch import expanded_keys
from policyd.words import dnslists, seen
from tests.lookups.conftest import Look

OCTETS = st.text(st.characters(max_codepoint=255), max_size=200)
SYNTAX = st.lists(
    st.sampled_from(
        [*"<>:;,/=&!+-_*@^\"'\\ \t\n\r\0#.[](){}$|", "a", "mx", "defer_", "retry_1", "\xe9", "127.0.0.1", "::"]
    ),
    max_size=30,
).map("".join)
TEXT = OCTETS | SYNTAX


class NoError(Exception):
    """What is never raised."""


@given(TEXT)
@pytest.mark.parametrize(
    "reader, errors",
    [
        (dnsdb.read, Defer),
        (redis.words, ExpansionError),
        (dnslists.parse, NoError),
        (seen.parse, ValueError),
        (index, NoError),
        (Networks, NoError),
        (expanded_keys, NoError),
        (parsed, NoError),
        (lambda text: list(statements(text)), ValueError),
        (lambda text: read(text, Service("redis", "Redis", 2, lambda *_: None)), Defer),
    ],
    ids=["dnsdb", "redis", "dnslists", "seen", "lsearch", "iplsearch", "wildlsearch", "json", "sqlite", "servers"],
)
def test_readers(reader, errors, text):
    with suppress(errors):
        reader(text)


@pytest.fixture(scope="module")
def look():
    with tempfile.TemporaryDirectory() as here:
        yield Look(Path(here)), Path(here)


TYPES = [
    "lsearch",
    "lsearch*@",
    "partial-lsearch",
    "iplsearch",
    "wildlsearch",
    "nwildlsearch",
    "cdb",
    "dsearch",
    "json",
]


@given(TEXT, TEXT, st.sampled_from(TYPES))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
def test_files_and_keys(look, content, key, type_):
    expand, here = look
    (here / "file").write_text(content, encoding="latin-1", newline="")
    tx = expand.message()
    tx.acl_variables["acl_m_key"] = key
    with suppress(Defer, ExpansionError):
        expand(f"${{lookup{{$acl_m_key}}{type_}{{{here}/file}}}}", tx)


@given(TEXT)
def test_what_redis_is_told_is_what_was_quoted(text):
    assert redis.words(f"GET {redis._quote(text)}") == (["GET", text] if text else ["GET"])


@given(st.text(max_size=100))
def test_what_sqlite_is_told_is_what_was_quoted(text):
    connection = sqlite3.connect(":memory:")
    try:
        text = text.replace("\0", "").encode("utf-8", "replace").decode()
        assert connection.execute(f"select '{sqlite._quote(text)}'").fetchone() == (text,)
    finally:
        connection.close()
