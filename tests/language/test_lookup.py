"""Lookup types as they are written, the keys they try, and what they leave behind. (All of it was seen in Exim.)"""

from __future__ import annotations

import pytest

from policyd import words
from policyd.errors import Defer, ExpansionError, PolicyError, Unopened, Where
from policyd.language.compiler import Compiler
from policyd.language.frame import Frame
from policyd.language.lookup import attempts, find, find_type, finder, query
from policyd.language.registry import Kind, Vocabulary, Word

HERE = Where("policy", 1)


class Context:
    """Nothing but a frame, and what has happened."""

    def __init__(self, *captures):
        self.frame = Frame(captures=captures)
        self.events = []

    def happened(self, name, data):
        self.events.append((name, data))


def vocabulary(run, style="single", options=(), requires=None):
    found = Vocabulary()
    traits = {"style": style, "options": options, "requires": requires}
    found.add(Word(Kind.LOOKUP, "table", run, traits=traits))
    return found


def table(**entries):
    """A lookup type that knows these keys; ``_`` in a name is a dot, ``STAR`` a star, ``AT`` an at sign."""
    spelled = {key.replace("STAR", "*").replace("AT", "@").replace("_", "."): data for key, data in entries.items()}
    return vocabulary(lambda _ctx, _source, key, _options: spelled.get(key))


def typed(text, found=None):
    return find_type(text, HERE, Compiler(words=found or table()))


@pytest.mark.parametrize(
    "text, least, affix, star, options",
    [
        ("table", None, "*.", "", ()),
        ("table*", None, "*.", "*", ()),
        ("table*@", None, "*.", "*@", ()),
        ("partial-table", 2, "*.", "", ()),
        ("partial3-table*", 3, "*.", "*", ()),
        ("partial0-table", 0, "*.", "", ()),
        ("partial(.)table", 2, ".", "", ()),
        ("partial1()table*@", 1, "", "*@", ()),
        ("partial12(-*-.)table", 12, "-*-.", "", ()),
        ("table,ret=key", None, "*.", "", ("ret=key",)),
        ("table*,ret=key,cache=no", None, "*.", "*", ("ret=key", "cache=no")),
        ("table,", None, "*.", "", ()),
    ],
)
def test_reading_a_type(text, least, affix, star, options):
    found = typed(text)
    assert (found.least, found.affix, found.star, found.options) == (least, affix, star, options)


@pytest.mark.parametrize(
    "text, message",
    [
        ("nosuch", 'unknown lookup type "nosuch"'),
        ("TABLE", 'unknown lookup type "TABLE"'),
        ("-table", 'unknown lookup type "-table"'),
        ("partial(.)-table", 'unknown lookup type "-table"'),
        ("partial(abc)table", 'format error in lookup type "partial(abc)table"'),
        ("partial(table", 'format error in lookup type "partial(table"'),
        ("table,nosuch", 'lookup type "table" has no option "nosuch"'),
        ("table,ret=full", 'lookup type "table" has no option "ret=full"'),
    ],
)
def test_a_type_that_is_none(text, message):
    with pytest.raises(PolicyError) as caught:
        typed(text)
    assert caught.value.problems[0].message == message


@pytest.mark.parametrize(
    "text, message", [("partial-table", "partial"), ("table*", "defaults"), ("table*@", "defaults")]
)
def test_a_query_has_no_key_to_change(text, message):
    with pytest.raises(PolicyError, match=f'{message}.*permitted for lookup type "table"'):
        typed(text, vocabulary(None, style="query"))


def test_options_of_a_type():
    found = vocabulary(None, options=("ret=full", "servers="))
    assert typed("table,ret=full,servers=a:b", found).options == ("ret=full", "servers=a:b")
    with pytest.raises(PolicyError, match='did you mean "ret=full"'):
        typed("table,ret=ful", found)


def test_a_package_that_is_missing():
    with pytest.raises(PolicyError) as caught:
        typed("table", vocabulary(None, requires=("policyd.no_such_module", "extra")))
    problem = caught.value.problems[0]
    assert problem.expected == 'pip install "policyd[extra]"'
    assert "No module named 'policyd.no_such_module'" in problem.message


def test_exim_has_it_and_we_do_not():
    found = table()
    found.refuse(Kind.LOOKUP, "use something else", "ldap", "ldapm")
    with pytest.raises(PolicyError) as caught:
        typed("ldapm", found)
    problem = caught.value.problems[0]
    assert (problem.message, problem.expected) == ('lookup type "ldapm" is not offered', "use something else")


@pytest.mark.parametrize(
    "type_, key, want",
    [
        ("table", "a.b", ["a.b"]),
        ("table*", "a.b", ["a.b", "*"]),
        ("table*@", "u@a.b", ["u@a.b", "*@a.b", "*"]),
        ("table*@", "u@v@a.b", ["u@v@a.b", "*@a.b", "*"]),
        ("table*@", "@a.b", ["@a.b", "*"]),
        ("table*@", "a.b", ["a.b", "*"]),
        ("partial-table", "w.x.y.z", ["w.x.y.z", "*.w.x.y.z", "*.x.y.z", "*.y.z"]),
        ("partial-table", "z", ["z", "*.z"]),
        ("partial3-table", "w.x.y.z", ["w.x.y.z", "*.w.x.y.z", "*.x.y.z"]),
        ("partial1-table", "x.y", ["x.y", "*.x.y", "*.y"]),
        ("partial0-table", "x.y", ["x.y", "*.x.y", "*.y", "*"]),
        ("partial0(.)table", "x.y", ["x.y", ".x.y", ".y", "."]),
        ("partial0(-.)table", "x", ["x", "-.x", "-"]),
        ("partial0(--)table", "x", ["x", "--x", "--"]),
        ("partial1()table", "w.x.y", ["w.x.y", "x.y", "y"]),
        ("partial0()table", "x.y", ["x.y", "y"]),
        ("partial-table*", "x.y.z", ["x.y.z", "*.x.y.z", "*.y.z", "*"]),
    ],
)
def test_keys_to_try(type_, key, want):
    assert [attempt.key for attempt in attempts(typed(type_), key)] == want


@pytest.mark.parametrize(
    "type_, key, before, want, captures",
    [
        ("table", "a", ("s", "1"), "A", ("s", "1")),
        ("table*", "a", ("s", "1"), "A", ("s", "1")),
        ("table*", "zz", (), "star", ("", "zz", "")),
        ("table*", "zz", ("s", "1", "2", "3"), "star", ("s", "zz", "")),
        ("table*@", "u@d.x", (), "at", ("", "u", "")),
        ("partial-table", "a.b.c", (), "abc", ("", "", "a.b.c")),
        ("partial-table", "w.x.d.e", (), "de", ("", "w.x", "d.e")),
        ("partial-table", "d.e", (), "de", ("", "", "d.e")),
        ("partial0-table", "x.q", (), "star", ("", "x.", "")),
        ("partial-table", "nothing", ("s", "1"), None, ("s", "1")),
        ("table*", "", (), "star", ("", "", "")),
        ("table", "", (), None, ()),
        ("table*,ret=key", "zz", (), "zz", ("", "zz", "")),
    ],
)
def test_what_is_found_and_left_behind(type_, key, before, want, captures):
    ctx = Context(*before)
    found = table(a="A", STAR="star", STARATd_x="at", a_b_c="abc", STAR_d_e="de")
    assert find(ctx, typed(type_, found), "source", key) == want
    assert ctx.frame.captures == captures


def test_a_query():
    asked = []
    type_ = typed("table", vocabulary(lambda _, text, options: asked.append((text, options)) or "found", style="query"))
    assert query(Context(), type_, "select") == "found"
    assert query(Context(), type_, "") is None
    assert asked == [("select", ())]


@pytest.mark.parametrize("answer, want", [("found", "select"), ("", "select"), (None, None)])
def test_a_query_that_gives_its_key(answer, want):
    type_ = typed("table,ret=key", vocabulary(lambda *_: answer, style="query"))
    assert query(Context(), type_, "select") == want


def failing(error):
    def run(*_):
        raise error

    return run


@pytest.mark.parametrize(
    "error, want",
    [
        (Defer("down"), 'Defer: lookup of "key" gave DEFER: down'),
        (Unopened("failed to open x"), "ExpansionError: failed to open x"),
        (ExpansionError("bad"), "ExpansionError: bad"),
    ],
)
def test_failures_of_an_expansion(error, want):
    run = finder(typed("table", vocabulary(failing(error))), lambda _: "source", lambda _: "key")
    with pytest.raises((Defer, ExpansionError)) as caught:
        run(Context())
    assert f"{type(caught.value).__name__}: {caught.value}" == want


def test_a_query_that_fails_is_quoted_and_an_event():
    type_, context = typed("table", vocabulary(failing(Defer("down")), style="query")), Context()
    run = finder(type_, lambda _: "select 1", None)
    with pytest.raises(Defer, match='lookup of "select 1" gave DEFER: down'):
        run(context)
    assert context.events == [("lookup:fail", "select 1:down")]


def test_a_file_has_an_absolute_name():
    """Where it is known only when mail flows; in a constant it is an error at load."""
    run = finder(typed("table", vocabulary(lambda *_: "found", style="file")), lambda _: "relative", lambda _: "key")
    with pytest.raises(ExpansionError, match='absolute file name expected for "table" lookup: "relative"'):
        run(Context())


def test_every_type_has_a_quoting_operator_and_a_manual():
    vocabulary = words.load()
    for word in vocabulary:
        if word.kind is Kind.LOOKUP:
            assert word.documentation
            quoting = vocabulary.find(Kind.OPERATOR, f"quote_{word.name}")
            assert quoting is not None
            assert quoting.documentation
