"""Lists that are indexed: they answer what they answer item by item, and do not go through all of it."""

from __future__ import annotations

import time
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts.expanding import Silence

from policyd import words
from policyd.errors import Defer
from policyd.language import index, lists
from policyd.language.compiler import Compiler
from policyd.language.frame import Frame
from policyd.language.lists import NamedList, compile_list
from policyd.language.scanning import search
from policyd.language.source import Source
from policyd.metrics import NoMetrics
from policyd.policy import Phase
from policyd.resolver.zone import ZoneResolver
from policyd.settings import Settings
from policyd.stores import MemoryStore
from policyd.transaction import Client, Connection, Services, Transaction

words.load()

DOMAINS = ["y.org", "Y.org", "x.y.org", "x", "org", "", ".org", "y.org.", "\xe9.org", "a@b"]
LOCALS = ["a", "A", "b.c", "", "*a", "x@y", "!a", '"a@b"']
ENDS = [
    *["*", "*.org", "*.y.org", "*.Y.ORG", "*y.org", "*.", "*..", "*.x*.org"],
    *["^y", "^.*[.]org", "@", "@[]", "!y.org", "lsearch;/none"],
]
NAMES = st.sampled_from([*DOMAINS, *ENDS])
LISTS = st.sampled_from(["+named", "/lines"])
ADDRESSES = st.one_of(
    NAMES,
    st.builds("{}@{}".format, st.sampled_from(["*", "*a", *LOCALS]), NAMES).filter(lambda item: item[:2] != "@@"),
    st.sampled_from(["^a@", "^.*@y", "@@lsearch;/none"]),
)
NETWORKS = st.sampled_from(
    [
        *[
            "192.0.2.1",
            "192.0.2.0/24",
            "192.0.2.77/24",
            "192.0.2.0/25",
            "0.0.0.0/0",
            "10.0.0.0/8",
            "192.0.2.0/31",
        ],
        *["192.0.2.0/024", "2001:db8::1", "2001:db8::/32", "::/0", "::ffff:192.0.2.1", "::ffff:0:0/96"],
        *["", "*", "@[]", "net-lsearch;/none", "net24-lsearch;/none"],
    ]
)
NAMED_HOSTS = st.sampled_from(["@", "1.example", "*.example", "^example", "+named", "/lines", "lsearch;/none"])
WRONG = ["192.0.2", "192.0.2.1/33", "fe80::1%e", "2001:db8::1%e", "2001:db8::/129", "^(", "none;x"]
MODES = st.sampled_from(["+include_unknown", "+ignore_unknown", "+include_defer", "+ignore_defer"])
CLIENTS = ["192.0.2.1", "192.0.2.200", "10.1.2.3", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1", "::1"]
MAILBOXES = st.builds("{}@{}".format, st.sampled_from(LOCALS), st.sampled_from(DOMAINS))
KINDS = {
    "string": (NAMES, st.sampled_from(DOMAINS)),
    "local_part": (st.one_of(NAMES, LISTS, st.just("+caseful")), st.sampled_from(DOMAINS + LOCALS)),
    "domain": (st.one_of(NAMES, LISTS), st.sampled_from(DOMAINS)),
    "address": (
        st.one_of(ADDRESSES, LISTS, st.just("+caseful")),
        st.one_of(
            st.builds("{}@{}".format, st.sampled_from(LOCALS), st.sampled_from(DOMAINS)), st.sampled_from(DOMAINS)
        ),
    ),
    "host": (st.one_of(NETWORKS, NAMED_HOSTS, MODES), st.sampled_from([None, *map(ip_address, CLIENTS)])),
    "ip": (NETWORKS, st.sampled_from([None, *map(ip_address, CLIENTS)])),
}  # kind of list: its items, and whom it is asked about


class Texts(dict):
    """Files that are nowhere."""

    def read(self, path):
        return self.get(path, "x.y.org\n!b.c@y.org\n")

    def parsed(self, path, parser, purpose=""):
        raise Defer(f"no {path}")


def transaction(files):
    services = Services(ZoneResolver([]), MemoryStore(), NoMetrics(), Silence(), files=files)
    return Transaction(services, Settings(primary_hostname="y.org"), Connection(Client()), phase=Phase.MAIL)


def answer(matcher, subject, files):
    """What a list says, and what it leaves behind."""
    tx = transaction(files)
    tx.frame = Frame(captures=("before",))
    try:
        said = matcher(tx, subject)
    except Exception as error:
        said = repr(error)
    return said, tx.frame.matched, tx.frame.captures


def slowly(kind, items):
    """What `searcher` makes of lists with modes and files, for all lists."""
    return lambda ctx, subject: search(kind, items, ctx, subject)


def compiled(kind, text, few, searcher):
    """A list, indexed if it has more than *few* items that can be."""
    compiler = Compiler()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "FEW", few)
        patch.setattr(lists, "searcher", searcher)
        if kind not in ("string", "ip"):
            named = Source.of("192.0.2.1" if kind == "host" else "y.org", "policy", 1)
            compiler.lists[kind, "named"] = NamedList.compile(kind, "named", named, cached=False, compiler=compiler)
        return compile_list(kind, Source.of(text, "policy", 2), compiler)


def each_way(kind, text, subject, file="x.y.org\n!b.c@y.org\n"):
    """The answers with an index and without one, and without any short cut, from files read meanwhile."""
    answers = []
    for few, searcher in ((0, lists.searcher), (10**9, lists.searcher), (10**9, slowly)):
        matcher = compiled(kind, text, few, searcher)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(index, "FEW", few)
            answers.append(answer(matcher, subject, Texts({"/lines": file})))
    return answers


SIGNS = st.sampled_from(["", "", "", "!", "! "])


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_written_lists(kind, data):
    items, subjects = KINDS[kind]
    chosen = data.draw(st.lists(st.builds("{}{}".format, SIGNS, items), min_size=1, max_size=14))
    text = "<; " + " ; ".join(item.replace(";", ";;") for item in chosen) + " ;"
    indexed, in_turn, slow = each_way(kind, text, data.draw(subjects))
    assert indexed == in_turn == slow


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_files(kind, data):
    items, subjects = KINDS[kind]
    lines = st.builds("{}{}".format, SIGNS, st.one_of(items, st.sampled_from(WRONG)))
    text = "".join(f"{line}\n" for line in data.draw(st.lists(lines, max_size=14)))
    before = data.draw(st.sampled_from(["", "!", "x.y.org : ", "y.org : !" if kind != "ip" else "!"]))
    if kind in ("host", "ip"):
        before = before.replace("x.y.org", "192.0.2.9").replace("y.org", "192.0.2.8")
    indexed, in_turn, slow = each_way(kind, f"{before}/lines", data.draw(subjects), text)
    assert indexed == in_turn == slow


MANY = 100_000

LONG = [  # kind of list; a line, by its number; whom it is about, and what is left behind
    ("address", "user{0}@d{0}.example", "user77777@D77777.example", "user77777@d77777.example"),
    ("address", "*@d{0}.example", "b@d77777.example", "*@d77777.example"),
    ("address", "*@*.d{0}.example", "b@a.d77777.example", "*@*.d77777.example"),
    ("address", "d{0}.example", "b@d77777.example", "@d77777.example"),
    ("domain", "d{0}.example", "d77777.EXAMPLE", "d77777.example"),
    ("domain", "*.d{0}.example", "b.d77777.example", "*.d77777.example"),
    ("local_part", "user{0}", "user77777", "user77777"),
    ("string", "user{0}", "user77777", "user77777"),
    ("host", "10.{1}.{2}.{3}", ip_address("10.3.9.27"), "10.3.9.27"),
    ("host", "10.{1}.{2}.{3}/31", ip_address("10.3.9.27"), "10.3.9.26/31"),
    ("host", "2001:db8:{2}:{3}::/64", ip_address("2001:db8:9:27::9"), "2001:db8:9:27::/64"),
]


@pytest.mark.parametrize(("kind", "line", "subject", "left"), LONG)
def test_long_files(kind, line, subject, left):
    """Finding a line takes no longer in a file of 100,000 than it takes Python to do a few hundred things."""
    text = "".join(
        f"{line.format(number, number // 25600, number // 100 % 256, number % 100)}\n" for number in range(MANY)
    )
    matcher, tx = compile_list(kind, Source.of("/lines", "policy", 1), Compiler()), transaction(Texts({"/lines": text}))
    assert matcher(tx, subject) == left
    start = time.thread_time()
    for _ in range(100):
        matcher(tx, subject)
    assert (time.thread_time() - start) / 100 < 0.0005
