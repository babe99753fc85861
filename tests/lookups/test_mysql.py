"""``mysql``: a real MariaDB, well and ill."""

from __future__ import annotations

import pytest
from parts.mariadb import DATABASE, PASSWORD, USER
from parts.ports import free_port

from tests.lookups.conftest import asking, at_most, each_hears_itself, stopped

pytestmark = pytest.mark.xdist_group("mariadb")

LOGIN = f"{DATABASE}/{USER}/{PASSWORD}"


@pytest.fixture
def server(mariadb):
    return f"127.0.0.1::{mariadb.port}/{LOGIN}"


@pytest.fixture
def sql(looking, server):
    return looking(f"mysql_servers = {server}\nlookup_timeout = 20s")


asked = asking("mysql")


@pytest.mark.parametrize(
    "query, want",
    [
        ("select name from people where quota = 250", "[bob]"),
        ("select * from people where quota = 250", '[name=bob quota=250 note="two words" ]'),
        ("select quota from people where name = 'al'", "none"),
        ("select quota from people order by quota", "[7\n250]"),
        ("select quota from people order by quota desc", "[250\n7\n]"),
        ("select name, quota from people where name = 'al'", '[name=al quota="" ]'),
        ("select note from people where name = 'al'", "[]"),
        ("select name from people where name = 'nobody'", "none"),
        ("select 1 as a, '' as b, 'q\"r' as c, '\"q' as d, 'k=v' as f", '[a=1 b="" c=q"r d="\\"q" f=k=v ]'),
        ("select 'n\nl' as a, '\t' as b", '[a="n\nl" b="\t" ]'),
        ("update people set note = 'y' where name = 'o\\\\'hara'", "[1]"),
        ("update people set note = 'y' where name = 'nobody'", "[0]"),
        ("create temporary table t (a int)", "[0]"),
        ("select 1;", "[1]"),
        ("select 1.50, 'a' = 'A', current_date is not null", "[1.50=1.50 'a' = 'A'=1 current_date is not null=1 ]"),
        ("select 'caf\xc3\xa9'", "[caf\xc3\xa9]"),
        ("select char_length('caf\xc3\xa9')", "[4]"),
        ("select 1 as caf\xc3\xa9, 2 as b", "[caf\xc3\xa9=1 b=2 ]"),
        ("select repeat('x', 100000)", f"[{'x' * 100000}]"),
        ("select '\\xe9'", "[\xe9]"),
        ("select 'a\\0b'", "[a\0b]"),
        ("", "none"),
    ],
)
def test_query(sql, query, want):
    assert asked(sql, query) == want


@pytest.mark.parametrize(
    "query, want",
    [
        ("select nosuch from people", "MYSQL: query failed: Unknown column 'nosuch' in 'SELECT'"),
        ("select 1; select 2", "MYSQL: query failed: You have an error in your SQL syntax"),
    ],
)
def test_failure(sql, query, want):
    assert want in sql.failure(f"${{lookup mysql{{{query}}}}}")
    assert asked(sql, "select 1") == "[1]"


def test_a_unix_socket(looking, mariadb):
    look = looking(f"mysql_servers = localhost({mariadb.socket})/{LOGIN}")
    assert asked(look, "select 1") == "[1]"


@pytest.mark.parametrize("sockets, want", [((), "[1]"), (("/nosuch", "{socket}"), "[1]")])
def test_localhost_is_the_systems_socket_where_there_is_one(looking, mariadb, monkeypatch, sockets, want):
    found = tuple(path.format(socket=mariadb.socket) for path in sockets)
    monkeypatch.setattr("policyd.lookups.clients.mariadb.SOCKETS", found)
    port = "::1" if sockets else f"::{mariadb.port}"
    assert asked(looking(f"mysql_servers = localhost{port}/{LOGIN}"), "select 1") == want


@pytest.mark.parametrize(
    "options, want",
    [
        (",servers={host}", "[1]"),
        (",servers=127.0.0.1::{closed}/x/y/z:{host}", "[1]"),
        (",servers=nosuch", 'MySQL server "nosuch" not found in mysql_servers'),
        (",servers=127.0.0.1/mail/policyd", "incomplete MySQL server data: 127.0.0.1"),
        (",servers={host}/mail/policyd/bad", "MYSQL connection failed: Access denied for user 'policyd'@'127.0.0.1'"),
        (",servers={host}/nosuch/policyd/secret", "MYSQL connection failed: Access denied"),
        (",servers=127.0.0.1::{closed}/x/y/z", "MYSQL connection failed: Connection refused"),
        (",servers=nosuch.invalid/x/y/z", "MYSQL connection failed: "),
        (",servers=localhost(/nosuch)/x/y/z", "MYSQL connection failed: No such file or directory"),
        (",servers={host}[nosuch]/mail/policyd/secret", "[1]"),
    ],
)
def test_servers(sql, server, options, want):
    options = options.format(host=server.partition("/")[0], closed=free_port())
    if want == "[1]":
        assert asked(sql, "select 1", options) == want
    else:
        assert want in sql.failure(f"${{lookup mysql{options}{{select 1}}}}")


def test_no_servers(look):
    assert look.failure("${lookup mysql{select 1}}").endswith("no MySQL servers defined (mysql_servers option)")


def test_a_slow_server(looking, mariadb, server):
    look = looking(f"mysql_servers = {server}\nlookup_timeout = 1.5s")
    with stopped(mariadb.pid), at_most(10):
        assert "MYSQL connection failed: " in look.failure("${lookup mysql{select 1}}")
    assert asked(look, "select 1") == "[1]"
    with stopped(mariadb.pid), at_most(10):  # now there is a connection
        assert "MYSQL: query failed: " in look.failure("${lookup mysql{select 1}}")
    assert asked(look, "select 1") == "[1]"


def test_a_query_that_takes_too_long(sql):
    with at_most(10):
        assert "MYSQL: query failed: " in sql.failure("${lookup mysql{select sleep(20)}}", sql.message(seconds=0.3))


def test_a_connection_is_kept_until_the_server_ends_it(sql):
    first = sql("${lookup mysql{select connection_id()}}")
    assert sql("${lookup mysql{select connection_id()}}") == first
    assert "MYSQL: query failed: " in sql.failure(f"${{lookup mysql{{kill {first}}}}}")
    assert sql("${lookup mysql{select connection_id()}}") != first


def test_a_transaction_left_open_is_nobody_elses(sql):
    first = sql("${lookup mysql{select connection_id()}}")
    asked(sql, "start transaction")
    assert sql("${lookup mysql{select connection_id()}}") != first


INJECTIONS = [
    "' OR '1'='1",
    "'; DROP TABLE people; --",
    "' UNION SELECT secret FROM secrets -- ",
    "\\' OR 1=1 -- ",
    "\\\\' OR 1=1 -- ",
    "\xbf' OR 1=1 -- ",
    "\xbf\x5c' OR 1=1 -- ",
    '" OR ""="',
    "x' /*!50000 OR 1=1 */ -- ",
    "\0' OR 1=1 -- ",
    "\r\n\t\b\x1a'; SELECT 1; -- ",
    "caf\xc3\xa9' OR 1=1 -- ",
    "x" * 65536,
]


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("attack", INJECTIONS, ids=range(len(INJECTIONS)))
def test_injection_through_the_quoting_operator(sql, attack, quote):
    tx = sql.message()
    tx.acl_variables["acl_m_attack"] = attack
    name = quote + "${quote_mysql:$acl_m_attack}" + quote
    assert sql(f"${{lookup mysql{{select {name}}}}}", tx) == attack
    found = f"${{lookup mysql{{select quota from people where name = convert({name} using utf8mb4)}}{{found}}{{none}}}}"
    assert sql(found, tx) == "none"
    assert sql("${lookup mysql{select count(*) from people}}") == "3"


def test_a_server_that_does_not_know_backslashes_learns_them(looking, mariadb, server):
    """``quote_mysql`` escapes with backslashes; ``NO_BACKSLASH_ESCAPES`` would make them data, and ``'`` an end."""
    look = looking(f"mysql_servers = {server}")
    asked(look, "select 1")  # log in as usual, once
    root = looking(f"mysql_servers = localhost({mariadb.socket})/mysql/root/")
    asked(root, "set global sql_mode = 'NO_BACKSLASH_ESCAPES'")
    try:
        fresh = looking(f"mysql_servers = {server}")
        tx = fresh.message()
        tx.acl_variables["acl_m_attack"] = "' OR 1=1 -- "
        assert fresh("${lookup mysql{select '${quote_mysql:$acl_m_attack}'}}", tx) == "' OR 1=1 -- "
    finally:
        asked(root, "set global sql_mode = default")


def test_twenty_threads(looking, server):
    look = looking(f"mysql_servers = {server}\nlookup_timeout = 20s")
    assert each_hears_itself(look, "${lookup mysql{select '$acl_m_number'}}", times=25)
