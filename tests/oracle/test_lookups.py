"""Lookups put to a live Exim and to policyd: the same files, the same servers, the same questions."""

from __future__ import annotations

import os
import random
import sqlite3
import tempfile
from pathlib import Path

import pytest
from parts.differences import explained
from parts.mariadb import MariaDB
from parts.ports import free_port
from parts.postgres import Postgres

from policyd import words
from policyd.config import load
from policyd.errors import Defer, ExpansionError, ForcedFail, PolicyError
from policyd.metrics import NoMetrics
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Connection, Services, Transaction
from tests.lookups.conftest import SCHEMA, Log
from tests.lookups.test_cdb import RECORDS, cdb

SECTION = "Lookups and DNS lists"


class Pair:
    """Exim and policyd, with the same settings and the same files."""

    def __init__(self, exim, directory, settings=""):
        words.load()
        self.exim, self.here, self.settings = exim, directory, settings
        (directory / "policy.conf").write_text(f"primary_hostname = mx.example.org\n{settings}")
        self.policy = load(directory / "policy.conf")
        self.services = Services(ZoneResolver([]), MemoryStore(), NoMetrics(), Log())

    def write(self, name, content):
        path = self.here / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("latin-1"))
        return path

    def differences(self, strings):
        """The strings that the two do not agree on, with what each of them says. All failures are equal."""
        theirs = self.exim.expand(strings, self.settings)
        both = zip(strings, map(shown, theirs), [shown(self.expand(string)) for string in strings], strict=True)
        return [(string, their, our) for string, their, our in both if their != our]

    def expand(self, string):
        tx = Transaction(self.services, self.policy.settings, Connection(Client(None)))
        try:
            return self.policy.expansion(string)(tx)
        except (Defer, ExpansionError, ForcedFail, PolicyError) as error:
            return f"Failed: {error}"


def shown(result):
    """A failure is a failure, and what reads Exim's output takes CR for the end of a line."""
    return "Failed" if result.startswith("Failed: ") else result.replace("\r\n", "\n").replace("\r", "\n")


@pytest.fixture
def pair(exim):
    """One directory that Exim, too, can read: it gives up being root."""
    made = []

    def make(settings=""):
        directory = Path(tempfile.mkdtemp(dir=exim.directory))
        directory.chmod(0o755)
        made.append(Pair(exim, directory, settings))
        return made[-1]

    yield make
    for one in made:
        one.services.pools.close()


def lookups(keys, types, file, tail="{[$value|$0|$1|$2]}{none}"):
    return [f"${{lookup{{{key}}}{type_}{{{file}}}{tail}}}" for key in keys for type_ in types]


LSEARCH = """\
# comment
alpha: one
Beta:  two words\x20\x20
gamma three
"quoted key": four
"esc\\"q\\x41": five
delta:six
   cont1
# inner comment

   cont2
eps
eps2:
   only cont
colon::x
colon2 : y
"q":: d
a.b.c: abc
*.d.e: wild de
*.f: wild f
f: bare f
.g.h: dot gh
*@dom.x: star at
*: star
alpha: second
tab\t: tabbed
"unclosed: x
 "lead": skip
empty:
crlf: v\r
8bit\xe9: \xff
last: no line end"""


def words_of(text):
    """A list of names is easier to read as text."""
    return text.split()


KEYS = words_of("""alpha ALPHA beta gamma delta eps eps2 colon colon2 q a.b.c d.e x.d.e x.y.d.e x.f f x.g.h u@dom.x
u@v@dom.x @dom.x u@other tab unclosed lead empty crlf last nope x.q e x.y. . unclosed:\\_x quoted\\_key 8bit\xe9""")

TYPES = words_of("""lsearch lsearch* lsearch*@ partial-lsearch partial1-lsearch partial0-lsearch partial(.)lsearch
partial1()lsearch partial-lsearch* lsearch,ret=full lsearch,ret=key partial-lsearch*,ret=key
lsearch,cache=no lsearch,cache=no_rd""")


def test_lsearch(pair):
    both = pair()
    file = both.write("file", LSEARCH)
    strings = lookups([key.replace("\\_", " ") for key in KEYS], TYPES, file)
    strings += lookups([""], [type_ for type_ in TYPES if "partial0" not in type_], file)  # there, Exim falls over
    assert both.differences(strings) == []


def test_captures_around_a_lookup(pair):
    both = pair()
    file = both.write("file", LSEARCH)
    outer = "${if match{abc}{(b)(c)(d?)}{%s-$0$1$2$3}}"
    strings = [outer % string for string in lookups(["alpha", "x.d.e", "nope", "u@dom.x"], TYPES, file)]
    assert both.differences(strings) == []


PIECES = [*'abA:\t"\\#*.@|\r\xe9 ', "key", ": ", '"a b"', "\\n", "\\x41"]


@pytest.mark.parametrize("seed", range(40))
def test_random_lsearch_files(pair, seed):
    """Lines out of what matters to the reader, and keys out of the same."""
    chance = random.Random(seed)

    def text(most):
        return "".join(chance.choices(PIECES, k=chance.randint(0, most)))

    lines = [chance.choice(["", "", "  ", "#", "key: "]) + text(6) for _ in range(25)]
    both = pair()
    file = both.write("file", "\n".join(lines) + chance.choice(["", "\n"]))
    keys = {text(3) for _ in range(30)} | {"key", "a", "b", "ab", "*", "a b"}
    quoted = ["\\N" + key.replace("\\N", "") + "\\N" for key in sorted(keys)]
    strings = lookups(quoted, ["lsearch", "lsearch,ret=full"], file, "{[$value]}{none}")
    assert both.differences([string for string in strings if "\r" not in string]) == []


IPLSEARCH = """\
192.0.2.1: exact
192.0.2.0/24: net24
192.0.0.0/8: net8
"2001:db8::1": v6
"2001:db8::/32": v6net
*: star
1.2.3.4
 c
10.1/16: short
10.2.0.0/99: badmask
10.3.4.5/16: hostbits
010.4.0.1: lead0
host.name: name
"::ffff:1.2.3.9": mapped
"""


def test_iplsearch(pair):
    both = pair()
    file = both.write("file", IPLSEARCH)
    keys = words_of("""192.0.2.1 192.0.2.2 192.9.2.2 192.0.2.0/24 192.0.2.7/24 2001:db8::1 2001:db8::2 2001:0DB8:0:0::2
    * 9.9.9.9 1.2.3.4 10.1.2.3 10.2.0.0 10.2.0.1 10.3.9.9 10.4.0.1 host.name notip 1.2.3.9 ::ffff:1.2.3.9
    ::ffff:192.0.2.1 192.0.2 [192.0.2.1] 192.0.2.1%eth0""")
    types = ["iplsearch", "iplsearch*", "iplsearch,ret=full", "iplsearch,ret=key"]
    assert both.differences(lookups([*keys, "192.0.2.1 ", ""], types, file)) == []


@pytest.mark.parametrize("seed", range(10))
def test_random_networks(pair, seed):
    chance = random.Random(seed)

    def address():
        return ".".join(str(chance.choice([0, 1, 127, 128, 192, 255])) for _ in range(4))

    networks = [f"{address()}/{chance.randint(0, 32)}" for _ in range(30)]
    both = pair()
    file = both.write("file", "".join(f"{network}: {number}\n" for number, network in enumerate(networks)))
    assert both.differences(lookups([address() for _ in range(60)], ["iplsearch"], file)) == []


WILD = """\
^ab+c\\$: regex
*.tail.x: tail
Literal: lit
"^\\\\\\\\d+:x\\\\$": digits
^(\\\\w+)\\\\.cap\\$: cap
$primary_hostname: host
"${lc:UPPER}": up
*zz: Z $0 $1
@: at
"with space": ws
!*tive: negated
"""

PLAIN = """\
^(ab)+c$: regex
lsearch;{file}: lk
@: at
*zz: Z
"with space": ws
+named: nm
{file}: file
Lit: 1
lit: 2
"""

WILD_KEYS = ["abbbc", "ababc", "a.tail.x", ".tail.x", "tail.x", "literal", "12:x", "foo.cap", "mx.example.org", "upper"]
WILD_KEYS += ["UPPER", "azz", "AZZ", "@", "with space", "negative", "other", "alpha", "LIT", "+named", "f", "a.b.c", ""]


@pytest.mark.parametrize("type_, text", [("wildlsearch", WILD), ("nwildlsearch", PLAIN)])
def test_wild_keys(pair, type_, text):
    both = pair()
    other = both.write("other", LSEARCH.replace("\xff", ""))
    file = both.write("file", text.replace("{file}", str(other)))
    types = [type_, f"{type_},ret=full", f"{type_},ret=key"]
    strings = lookups(WILD_KEYS, types, file)
    assert both.differences(strings) == []
    strings = lookups(["foo.cap", "ababc"], [type_], file) + lookups(["negative"], [f"{type_},ret=full"], file)
    within = [f"${{if match{{q}}{{(q)}}{{{string}-$1}}}}" for string in strings]
    assert both.differences(within) == []  # a process of its own: Exim forgets captures only when it has to look


def test_cdb(pair):
    both = pair()
    many = [(f"key{number}".encode(), b"x" * number) for number in range(300)]
    file = both.write("t.cdb", cdb([*RECORDS, (b"*.d.e", b"wild"), *many]))
    octets = file.read_bytes()
    both.write("header", octets[:100])
    both.write("short", octets[:2100])
    both.write("empty", b"")
    keys = ["one", "ONE", "One", "dup", "empty", "nope", "x.d.e", "*", "key0", "key299", "key300", "\xe9", ""]
    strings = lookups(keys, ["cdb", "cdb*", "partial-cdb", "cdb,ret=key"], file)
    for name in ("header", "short", "empty", "none", ""):
        strings += lookups(["one"], ["cdb"], both.here / name)
    assert both.differences(strings) == []


def test_dsearch(pair):
    both = pair()
    (both.here / "sub").mkdir()
    (both.here / "link").symlink_to("file")
    (both.here / "dangling").symlink_to("nowhere")
    os.mkfifo(both.here / "pipe")
    both.write("file", "x")
    both.write("sp ace", "x")
    keys = ["file", "FILE", "sub", "link", "dangling", "pipe", "sp ace", "none", "sub/x", "../x", "x" * 300]
    types = ["dsearch", "dsearch,ret=full", "dsearch,ret=key", "dsearch*"]
    strings = [string for path in (both.here, f"{both.here}/", f"{both.here}/file", f"{both.here}/none", "relative")
               for string in lookups(keys, types, path)]  # fmt: skip
    assert both.differences(strings + lookups([""], types, both.here)) == []
    filters = ["dsearch,filter=file", "dsearch,filter=dir", "dsearch,filter=subdir", "dsearch,filter=dir,ret=full"]
    for string in lookups(["file", "sub", "link", "pipe", "none"], filters, both.here):
        assert both.differences([string]) == []  # a process of its own: Exim looks at what errno was before
    dots = lookups([".", ".."], ["dsearch"], both.here, "{$value}{none}")
    assert [(their, our) for _, their, our in both.differences(dots)] == [(".", "none"), ("..", "none")]
    assert explained(SECTION, "`dsearch` finds `.` and `..`")


def test_passwd_and_quoting(pair):
    text = "it's \x22a\x22 \\\\ b\\n\\t\\r\\b % _ \xe9"
    types = words_of("lsearch iplsearch wildlsearch nwildlsearch cdb dsearch dnsdb passwd sqlite mysql pgsql nosuch")
    strings = [f"${{quote_{type_}:{text}}}" for type_ in types] + [f"${{quote_{type_}_x:{text}}}" for type_ in types]
    strings += [f"${{lookup passwd{{{name}}}{{[$value]}}{{none}}}}" for name in ("root", "daemon", "no-such-user")]
    both = pair()
    assert [string for string, *_ in both.differences(strings)] == []


QUERIES = [
    "select name from people where name = 'bob'",
    "select quota from people where name = 'bob'",
    "select * from people order by name",
    "select quota from people where name = 'al'",
    "select quota, name from people where name = 'al'",
    "select note from people where name = 'al'",
    "select name from people where name = 'nobody'",
    "select nosuch from people",
    "select nonsense",
    "update people set quota = 251 where name = 'bob'",
    "update people set quota = 250 where name = 'bob'",
    "update people set quota = 250 where name = 'nobody'",
    "select 1 as a, '' as b, 'x y' as c, 'q\"r' as d, '\"q' as e, null as h, 'b=c' as j",
    "select 'a\\\\b' as f, 'a\\\\ b' as g, 'x\"\\\\ y' as i",
    "select 'n\\nl' as g, 'a\\nb\\tc' as h, '\\tt' as i",
    "",
    "select 1;",
    "create table made (a int)",
    "insert into made values (1), (2)",
    "select count(*) from made",
    "delete from made",
    "drop table made",
    "select '${quote_%:it's \"x\" \\\\\\\\ y\\n%}' as a",
    "select 'caf\xc3\xa9'",
    "select 'a' || 'b', 1.50",
]


def put(type_, options="", queries=QUERIES):
    return [f"${{lookup {type_}{options}{{{query.replace('%', type_)}}}{{[$value]}}{{none}}}}" for query in queries]


def test_sqlite(pair):
    both = pair()
    with sqlite3.connect(both.here / "t.db") as connection:
        connection.executescript(SCHEMA)
        connection.execute("create table kinds (v)")
        values = [None, 1.5, 3.0, 1e20, 1e15, 1e14, 0.1 + 0.2, 1.5e-7, float("inf"), 2**63 - 1, -1, "", "text"]
        connection.executemany("insert into kinds values (?)", [(value,) for value in values])
    connection.close()
    (both.here / "t.db").chmod(0o666)
    both.here.chmod(0o777)
    queries = [query for query in QUERIES if "nosuch" not in query and "nonsense" not in query]
    strings = put("sqlite", f",file={both.here}/t.db", [*queries, "select v from kinds", "select 1; select 2", ";"])
    strings += put("sqlite", "", [f"{both.here}/t.db select 5", f"  {both.here}/t.db   select 5", "relative select 1"])
    strings += put("sqlite", ",file=relative", ["select 1"]) + put("sqlite", ",file=/nonexistent/x", ["select 1"])
    strings += put("sqlite", f",file={both.here}/t.db,ret=key", ["select 1", "select 1 where 0"])
    assert both.differences(strings) == []
    failing = put("sqlite", f",file={both.here}/t.db", ["select nosuch from people", "nonsense"])
    assert [(their, our) for _, their, our in both.differences(failing)] == [("none", "Failed")] * 2
    assert explained(SECTION, "errors of SQLite")


@pytest.fixture(scope="module")
def databases():
    with Postgres(SCHEMA) as postgres, MariaDB(SCHEMA) as mariadb:
        yield {"pgsql": postgres, "mysql": mariadb}


LOGIN = "mail/policyd/secret"


@pytest.mark.parametrize("type_", ["pgsql", "mysql"])
def test_sql_servers(pair, databases, type_):
    server = databases[type_]
    host = f"127.0.0.1::{server.port}"
    both = pair(f"{type_}_servers = 127.0.0.1::{free_port()}/{LOGIN} : {host}/{LOGIN}\n")
    strings = put(type_)
    for options in (
        f",servers={host}",
        f",servers={host}/{LOGIN}",
        f",servers=127.0.0.1::1/{LOGIN}:{host}",
        ",servers=127.0.0.1",
        ",servers=nosuch",
        ",servers=127.0.0.1/mail/policyd",
        ",ret=key",
    ):
        strings += put(type_, options, ["select 1", "select 1 where 1 = 0"])
    strings += put(type_, "", [f"servers={host}; select 1", f"servers = {host}/{LOGIN} : x ; select 1"])
    assert both.differences(strings) == []
    wrong = put(type_, f",servers={host}/mail/policyd/bad", ["select 1"])
    assert both.differences(wrong) == []  # a process of its own: Exim would use a connection that it has


@pytest.mark.parametrize("type_", ["pgsql", "mysql"])
def test_sql_by_socket_and_without_servers(pair, databases, type_):
    socket = databases[type_].socket
    entry = f"({socket})/{LOGIN}" if type_ == "pgsql" else f"localhost({socket})/{LOGIN}"
    assert pair(f"{type_}_servers = {entry}\n").differences(put(type_, "", ["select 1"])) == []
    assert pair().differences(put(type_, "", ["select 1"])) == []


MISUSES = [
    "${lookup{x}nosuch{/x}}",
    "${lookup{x}-lsearch{/x}}",
    "${lookup{x}LSEARCH{/x}}",
    "${lookup{x}pgsql{x}}",
    "${lookup lsearch{/x}}",
    "${lookup partial-pgsql{x}}",
    "${lookup pgsql*{x}}",
    "${lookup{x}partialx-lsearch{/x}}",
    "${lookup{x}partial(abc)lsearch{/x}}",
    "${lookup{x}partial(.)-lsearch{/x}}",
    "${lookup{x}lsearch , ret=key{/x}}",
    "${lookup{x}*lsearch{/x}}",
    "${lookup{x}lsearch{relative}}",
    "${lookup{x}lsearch{/etc}}",
    "${lookup{x}lsearch{/nonexistent}{y}{n}}",
    "${lookup{x}lsearch{/etc/passwd}fail}",
    "${lookup{x}lsearch{/etc/passwd}{y}fail}",
    "a${lookup{x}lsearch{/etc/passwd}}b",
    "a${lookup{root}lsearch{/etc/passwd}{$value}{n}}b",
]


def test_misuse(pair):
    assert pair().differences(MISUSES) == []


def test_unknown_options_are_refused_here_only(pair):
    """Exim ignores what it does not know."""
    assert explained(SECTION, "an unknown lookup option")
    strings = ["${lookup{root}lsearch,bogus{/etc/passwd}{y}{n}}", "${lookup{x}cdb,ret=full{/nonexistent}}"]
    assert [(their, our) for _, their, our in pair().differences(strings)] == [("y", "Failed")]
