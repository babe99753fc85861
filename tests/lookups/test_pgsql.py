"""``pgsql``: a real PostgreSQL, well and ill."""

from __future__ import annotations

from pathlib import Path

import pytest
from parts.ports import free_port, wait_until
from parts.postgres import DATABASE, PASSWORD, USER

from tests.lookups.conftest import asking, at_most, at_once, stopped

pytestmark = pytest.mark.xdist_group("postgres")

LOGIN = f"{DATABASE}/{USER}/{PASSWORD}"


@pytest.fixture
def server(postgres):
    return f"127.0.0.1::{postgres.port}/{LOGIN}"


@pytest.fixture
def sql(looking, server):
    return looking(f"pgsql_servers = {server}\nlookup_timeout = 20s")


asked = asking("pgsql")


@pytest.mark.parametrize(
    "query, want",
    [
        ("select name from people where quota = 250", "[bob]"),
        ("select * from people where quota = 250", '[name=bob quota=250 note="two words" ]'),
        ("select quota from people where name = 'al'", "[]"),
        ("select quota from people order by quota", "[7\n250\n]"),
        ("select name from people where name = 'nobody'", "none"),
        (
            "select 1 as a, '' as b, 'q\"r' as c, '\"q' as d, null as e, 'k=v' as f",
            '[a=1 b="" c=q"r d="\\"q" e="" f=k=v ]',
        ),
        ("select 'a\\\\b', 'a\\\\ b'", '[?column?=a\\b ?column?="a\\\\ b" ]'),
        ("select 'n\nl' as a, '\t' as b", '[a="n\nl" b="\t" ]'),
        ("update people set note = 'x' where name = 'o''hara'", "[1]"),
        ("update people set note = 'x' where name = 'nobody'", "[0]"),
        ("select 1; select 2", "[2]"),
        ("select 1;", "[1]"),
        ("create temporary table t (a int)", "none"),
        ("set application_name = 'x'", "none"),
        ("select 1.50, 'a' = 'A', current_date is not null", "[?column?=1.50 ?column?=f ?column?=t ]"),
        ("select 'caf\xc3\xa9'", "[caf\xc3\xa9]"),
        ("select length('caf\xc3\xa9')", "[4]"),
        ("select repeat('x', 100000)", f"[{'x' * 100000}]"),
        ("", "none"),
    ],
)
def test_query(sql, query, want):
    assert asked(sql, query) == want


@pytest.mark.parametrize(
    "query, want",
    [
        ("select nosuch from people", 'PGSQL: query failed: ERROR:  column "nosuch" does not exist'),
        ("select '\\xe9'", "invalid byte sequence for encoding"),
        ("select '\\0'", "PGSQL: query failed: there is a NUL in it"),
        ("copy people to stdout", "(PGRES_COPY_OUT) (copy people to stdout)"),
        ("select 1; select nosuch; select 2", 'column "nosuch" does not exist'),
        (";", "(PGRES_EMPTY_QUERY)"),
    ],
)
def test_failure(sql, query, want):
    failure = sql.failure(f"${{lookup pgsql{{{query}}}}}")
    assert failure.startswith("Defer: lookup of ")
    assert want in failure
    assert asked(sql, "select 1") == "[1]"  # and the next query is none the worse


def test_a_query_that_does_not_fit_into_the_socket(sql):
    tx = sql.message()
    tx.acl_variables["acl_m_long"] = "x" * 8_000_000
    assert sql("${lookup pgsql{select length('$acl_m_long')}}", tx) == "8000000"


def test_a_unix_socket(looking, postgres):
    look = looking(f"pgsql_servers = ({postgres.socket})/{LOGIN}")
    assert asked(look, "select 1") == "[1]"


def test_a_host_name(looking, postgres):
    look = looking(f"pgsql_servers = localhost::{postgres.port}/{LOGIN}")
    assert asked(look, "select 1") == "[1]"


@pytest.mark.parametrize(
    "options, want",
    [
        (",servers={host}", "[1]"),
        (",servers={server}", "[1]"),
        (",servers=127.0.0.1::{closed}/x/y/z:{host}", "[1]"),
        (",servers=nosuch", 'PostgreSQL server "nosuch" not found in pgsql_servers'),
        (",servers=127.0.0.1/mail/policyd", "incomplete PostgreSQL server data: 127.0.0.1"),
        (",servers={host}/mail/policyd/bad", "password authentication failed"),
        (",servers={host}/nosuch/policyd/secret", 'database "nosuch" does not exist'),
        (",servers=127.0.0.1::{closed}/x/y/z", "PGSQL connection failed: connection to server at"),
        (",servers=nosuch.invalid/x/y/z", "PGSQL connection failed: "),
        (",servers=(/nosuch/.s.PGSQL.5432)/x/y/z", "PGSQL connection failed: "),
    ],
)
def test_servers(sql, server, options, want):
    host = server.partition("/")[0]
    options = options.format(host=host, server=server, closed=free_port())
    if want == "[1]":
        assert asked(sql, "select 1", options) == want
    else:
        assert want in sql.failure(f"${{lookup pgsql{options}{{select 1}}}}")


def test_servers_in_the_query_itself(sql, server):
    assert asked(sql, f"servers = {server}; select 1") == "[1]"
    assert 'server "nosuch" not found' in sql.failure("${lookup pgsql{servers=nosuch; select 1}}")


def test_no_servers(look):
    assert look.failure("${lookup pgsql{select 1}}").endswith("no PostgreSQL servers defined (pgsql_servers option)")


def test_the_next_server_when_one_is_down(looking, server):
    look = looking(f"pgsql_servers = 127.0.0.1::{free_port()}/{LOGIN} : {server}")
    assert asked(look, "select 1") == "[1]"


def test_a_slow_server_is_given_its_share_of_the_time(looking, postgres, server):
    """Two entries, one server that does not move: each is waited for half of the time there is."""
    look = looking(f"pgsql_servers = {server} : {server}\nlookup_timeout = 2s")
    with stopped(postgres.pid), at_most(10):
        assert look.failure("${lookup pgsql{select 1}}").endswith("PGSQL connection failed: no answer in time")
    assert asked(look, "select 1") == "[1]"


def test_a_slow_server_and_the_end_of_the_phase(looking, postgres, server):
    look = looking(f"pgsql_servers = {server}\nlookup_timeout = 60s")
    with stopped(postgres.pid), at_most(10):
        look.failure("${lookup pgsql{select 1}}", look.message(seconds=0.3))


def test_a_connection_that_falls_silent(looking, server):
    """The very process that serves us stops in the middle."""
    sql = looking(f"pgsql_servers = {server}\nlookup_timeout = 2s")
    backend = int(sql("${lookup pgsql{select pg_backend_pid()}}"))
    with stopped(backend), at_most(10):
        assert "PGSQL: query failed: no answer in time (select 1)" in sql.failure("${lookup pgsql{select 1}}")
    assert int(sql("${lookup pgsql{select pg_backend_pid()}}")) != backend


def test_a_query_that_takes_too_long(sql):
    with at_most(10):
        assert "no answer in time" in sql.failure("${lookup pgsql{select pg_sleep(20)}}", sql.message(seconds=0.3))


def test_a_connection_is_kept(sql):
    first = sql("${lookup pgsql{select pg_backend_pid()}}")
    assert sql("${lookup pgsql{select pg_backend_pid()}}") == first


def test_a_connection_that_the_server_has_ended_is_not_used(sql, looking, server):
    first = sql("${lookup pgsql{select pg_backend_pid()}}")
    assert looking(f"pgsql_servers = {server}")(f"${{lookup pgsql{{select pg_terminate_backend({first})}}}}") == "t"
    wait_until(lambda: not Path(f"/proc/{first}").exists(), "the end of a backend")
    assert sql("${lookup pgsql{select pg_backend_pid()}}") != first


def test_a_transaction_left_open_is_nobody_elses(sql):
    asked(sql, "begin; update people set note = 'lost'")
    assert asked(sql, "select note from people where name = 'bob'") == "[two words]"


INJECTIONS = [
    "' OR '1'='1",
    "'; DROP TABLE people; --",
    "' UNION SELECT secret FROM secrets --",
    "\\' OR 1=1 --",
    "\\\\' OR 1=1 --",
    "$$; DROP TABLE people; $$",
    "' OR E'\\'",
    '" OR ""="',
    "x' || (SELECT secret FROM secrets) || '",
    "\r\n\t\b'; SELECT 1; --",
    "caf\xc3\xa9' OR 1=1 --",
    "x" * 65536,
]


@pytest.mark.parametrize("conforming", ["on", "off"])
@pytest.mark.parametrize("attack", INJECTIONS, ids=range(len(INJECTIONS)))
def test_injection_through_the_quoting_operator(looking, server, attack, conforming):
    """Whichever way the server reads backslashes, what was quoted stays within its quotes."""
    look = looking(f"pgsql_servers = {server}")
    tx = look.message()
    tx.acl_variables["acl_m_attack"] = attack
    mode = f"set standard_conforming_strings = {conforming}; set backslash_quote = on;"
    name = "'${quote_pgsql:$acl_m_attack}'"
    people = f"{mode} select quota from people where name = {name}"
    assert look(f"${{lookup pgsql{{{people}}}{{found}}{{none}}}}", tx) == "none"
    assert look(f"${{lookup pgsql{{{mode} select count(*) from (select {name}) as one}}}}", tx) == "1"
    assert look("${lookup pgsql{select count(*) from people}}") == "3"
    if conforming == "off":
        assert look(f"${{lookup pgsql{{{mode} select {name}}}}}", tx) == attack


def test_twenty_threads(looking, server):
    look = looking(f"pgsql_servers = {server}\nlookup_timeout = 20s")
    expand = look.policy.expansion("${lookup pgsql{select $acl_m_number, pg_backend_pid()}}")

    def work(number):
        seen = set()
        for step in range(25):
            tx = look.message()
            tx.acl_variables["acl_m_number"] = str(number * 1000 + step)
            found = expand(tx)
            if not found.startswith(f"?column?={number * 1000 + step} "):
                return found
            seen.add(found.split("pid=")[1])
        return seen

    found = at_once(20, work)
    assert all(isinstance(seen, set) for seen in found)
    assert len(set().union(*found)) <= 60
