"""``sqlite``: a real database, with others who lock it, replace it and break it."""

from __future__ import annotations

import sqlite3

import pytest

from policyd.pools import MAX_IDLE
from tests.lookups.conftest import SCHEMA, at_most, at_once

VALUES = """\
CREATE TABLE kinds (k, v);
INSERT INTO kinds VALUES ('null', NULL), ('real', 1.5), ('whole', 3.0), ('huge', 1e20), ('sum', 0.1 + 0.2);
INSERT INTO kinds VALUES ('tiny', 1.5e-7), ('inf', 9e999), ('-inf', -9e999), ('blob', x'ff00'), ('empty', '');
INSERT INTO kinds VALUES ('text', 'caf\u00e9'), ('int', 9223372036854775807);
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "t.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(SCHEMA + VALUES)
    connection.close()
    return path


@pytest.fixture
def ask(looking, file):
    look = looking(f"sqlite_dbfile = {file}\nsqlite_lock_timeout = 1")
    return lambda query, tx=None: look(f"${{lookup sqlite{{{query}}}{{[$value]}}{{none}}}}", tx)


@pytest.mark.parametrize(
    "query, want",
    [
        ("select name from people where quota = 250", "[bob]"),
        ("select * from people where quota = 250", '[name=bob quota=250 note="two words" ]'),
        ("select quota from people where name = 'al'", "[<NULL>]"),
        ("select name, quota from people", "[name=bob quota=250 \nname=al quota=<NULL> \nname=o'hara quota=7 ]"),
        ("select name from people where name = 'nobody'", "none"),
        ("select '' as a, 'x y' as b, 'q\"r' as c, '\"q' as d, 'b\\\\ s' as e, 'k=v' as f", None),
        ("select name from people where name = 'o''hara'", "[o'hara]"),
        ("update people set quota = 251 where name = 'bob'", "none"),
        ("select 1; select 2;", "[1\n2]"),
        ("select ';' ; select 'a;b'", "[;\na;b]"),
        ("select v from kinds where k = 'real'", "[1.5]"),
        ("select v from kinds where k = 'whole'", "[3.0]"),
        ("select v from kinds where k = 'huge'", "[1.0e+20]"),
        ("select v from kinds where k = 'sum'", "[0.3]"),
        ("select v from kinds where k = 'tiny'", "[1.5e-07]"),
        ("select v from kinds where k = 'inf'", "[Inf]"),
        ("select v from kinds where k = '-inf'", "[-Inf]"),
        ("select v from kinds where k = 'blob'", "[\xff\0]"),
        ("select v from kinds where k = 'empty'", "[]"),
        ("select v from kinds where k = 'int'", "[9223372036854775807]"),
        ("select v from kinds where k = 'text'", "[caf\xc3\xa9]"),
        ("select k from kinds where v = 'caf\xc3\xa9'", "[text]"),
        ("select v as caf\xc3\xa9, k from kinds where k = 'real'", "[caf\xc3\xa9=1.5 k=real ]"),
        ("", "none"),
        ("  ;  ", "none"),
    ],
)
def test_query(ask, query, want):
    assert ask(query) == (want or '[a="" b="x y" c=q"r d="\\"q" e="b\\\\ s" f=k=v ]')


FORMS = ["sqlite,file={file}{{{query}}}", "sqlite{{{file} {query}}}", "sqlite{{ {file}  {query}}}"]


@pytest.mark.parametrize("form", FORMS)
def test_where_the_database_is(look, file, form):
    text = form.format(file=file, query="select quota from people where name = 'bob'")
    assert look(f"${{lookup {text}}}") == "250"


@pytest.mark.parametrize(
    "text, want",
    [
        ("sqlite{select 1}", 'ExpansionError: absolute file name expected for "sqlite" lookup'),
        ("sqlite,file=relative{select 1}", 'ExpansionError: absolute file name expected for "sqlite" lookup'),
        ("sqlite{relative select 1}", 'ExpansionError: absolute file name expected for "sqlite" lookup'),
        ("sqlite,file={here}/none/x{select 1}", "ExpansionError: unable to open database file: {here}/none/x"),
        ("sqlite,file={file}{select nosuch from people}", "DEFER: sqlite: no such column: nosuch"),
        ("sqlite,file={file}{select '\\0'}", "DEFER: sqlite: the query contains a null character"),
        ("sqlite,file={file}{select '\xff'}", "DEFER: sqlite: 'utf-8' codec can't decode"),
        ("sqlite,file={here}/junk{select 1 from x}", "DEFER: sqlite: file is not a database"),
        ("sqlite{/a\\0b select 1}", "DEFER: sqlite: /a\0b: "),
    ],
)
def test_failure(look, file, tmp_path, text, want):
    (tmp_path / "junk").write_text("no database\n" * 100)
    text, want = (part.replace("{here}", str(tmp_path)).replace("{file}", str(file)) for part in (text, want))
    assert want in look.failure(f"${{lookup {text}}}")


INJECTIONS = [
    "' OR '1'='1",
    "'; DROP TABLE people; --",
    "' UNION SELECT secret FROM secrets --",
    "\\' OR 1=1 --",
    "'' OR ''='",
    '" OR ""="',
    "x' || (SELECT secret FROM secrets) || '",
    "caf\xc3\xa9' OR 1=1 --",
    "x" * 65536,
]


@pytest.mark.parametrize("attack", INJECTIONS, ids=range(len(INJECTIONS)))
def test_injection_through_the_quoting_operator(looking, file, attack):
    """What was quoted is data: it comes back as it was, and changes nothing."""
    look = looking(f"sqlite_dbfile = {file}")
    tx = look.message()
    tx.acl_variables["acl_m_attack"] = attack
    assert look("${lookup sqlite{select '${quote_sqlite:$acl_m_attack}'}}", tx) == attack
    found = "${lookup sqlite{select quota from people where name = '${quote_sqlite:$acl_m_attack}'}{found}{none}}"
    assert look(found, tx) == "none"
    assert look("${lookup sqlite{select count(*) from people}}") == "3"


def test_a_statement_makes_what_was_known_stale(looking, file):
    look = looking(f"sqlite_dbfile = {file}")
    tx = look.message()
    read = "${lookup sqlite{select quota from people where name = 'bob'}}"
    assert look(read, tx) == "250"
    with sqlite3.connect(file) as other:
        other.execute("update people set quota = 300 where name = 'bob'")
    other.close()
    assert look(read, tx) == "250"  # asked once per message
    assert look(read.replace("sqlite{", "sqlite,cache=no{"), tx) == "300"
    assert look(read, tx) == "250"
    assert look(read.replace("sqlite{", "sqlite,cache=no_rd{"), tx) == "300"
    assert look(read, tx) == "300"
    look("${lookup sqlite{update people set quota = 1 where name = 'bob'}}", tx)
    assert look(read, tx) == "1"
    assert look(read) == "1"


def test_a_lock_is_waited_for_and_then_defers(looking, file):
    look = looking(f"sqlite_dbfile = {file}\nsqlite_lock_timeout = 1")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with at_most(4):  # by default, 5 s
        assert look.failure("${lookup sqlite{select 1 from people}}").endswith("sqlite: database is locked")
    patient = looking(f"sqlite_dbfile = {file}\nsqlite_lock_timeout = 60\nlookup_timeout = 60s")
    with at_most(10):  # the phase has no more time
        patient.failure("${lookup sqlite{select 1 from people}}", patient.message(seconds=0.3))
    other.execute("ROLLBACK")
    assert look("${lookup sqlite{select quota from people where name = 'bob'}}") == "250"
    other.close()


def test_an_endless_query_ends_in_time(looking, file):
    look = looking(f"sqlite_dbfile = {file}\nlookup_timeout = 0.3s")
    endless = "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    with at_most(10):
        assert look.failure(f"${{lookup sqlite{{{endless}}}}}").endswith("sqlite: interrupted")
    assert look("${lookup sqlite{select 1}}") == "1"


def test_a_database_that_is_replaced(looking, file, tmp_path):
    look = looking(f"sqlite_dbfile = {file}")
    text = "${lookup sqlite{select quota from people where name = 'bob'}}"
    assert look(text) == "250"
    with sqlite3.connect(tmp_path / "new") as fresh:
        fresh.executescript(SCHEMA.replace("250", "999"))
    fresh.close()
    (tmp_path / "new").rename(file)
    assert look(text) == "999"


def test_a_transaction_left_open_is_nobody_elses(looking, file):
    look = looking(f"sqlite_dbfile = {file}\nsqlite_lock_timeout = 1")
    look("${lookup sqlite{begin; update people set quota = 5}}")
    assert look("${lookup sqlite{select quota from people where name = 'bob'}}") == "250"
    look("${lookup sqlite{update people set quota = 6 where name = 'bob'}}")
    assert look("${lookup sqlite{select quota from people where name = 'bob'}}") == "6"


def test_twenty_threads(looking, file):
    look = looking(f"sqlite_dbfile = {file}")
    expand = look.policy.expansion("${lookup sqlite{select quota from people where name = '$acl_m_name'}}")

    def work(number):
        name, want = [("bob", "250"), ("o''hara", "7")][number % 2]
        tx = look.message()
        tx.acl_variables["acl_m_name"] = name
        for _ in range(50):
            tx.facts.clear()
            if expand(tx) != want:
                return False
        return True

    assert at_once(20, work) == [True] * 20
    assert 0 < sum(len(idle) for idle in look.services.pools._idle.values()) <= MAX_IDLE


def test_it_is_made_if_need_be(look, tmp_path):
    file = tmp_path / "new.db"
    look(f"${{lookup sqlite,file={file}{{create table t (a); insert into t values (1)}}}}")
    assert look(f"${{lookup sqlite,file={file}{{select a from t}}}}") == "1"
