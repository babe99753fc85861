"""What the command line defines, built-in names, and where the text of a macro says that it is."""

from __future__ import annotations

import pytest

from policyd.config.builtins import builtin_macros
from policyd.config.macros import LONGEST_LINE, Macros
from policyd.config.splice import physical_line
from policyd.errors import PolicyError
from policyd.language.registry import Kind, Vocabulary, Word


def line(text, number=1):
    return physical_line(text, "policy", number)


def macros(*definitions, given=None, builtin=()):
    table = Macros.beginning(builtin, given or {})
    for number, definition in enumerate(definitions, 1):
        table.define(line(definition, number))
    return table


@pytest.mark.parametrize(
    "definitions",
    [[], ["FOO = 2"], ["FOO = 2", "FOO = 3"], ["FOO == 2"], ["FOO = 2", "FOO == 3"]],
    ids=lambda definitions: "; ".join(definitions) or "not in the files",
)
def test_the_command_line_wins_silently(definitions):
    assert macros(*definitions, given={"FOO": "1"}).replaced(line("xFOO"))[0].text == "x1"


def test_the_command_line_comes_first():
    assert macros("BAR = 1", given={"FOO": "BAR"}).replaced(line("FOO"))[0].text == "1"


def test_a_given_name_may_not_be_part_of_a_defined_one():
    with pytest.raises(PolicyError, match='"FOOBAR" contains the name of macro "FOO" \\(the command line\\)'):
        macros("FOOBAR = 1", given={"FOO": "1"})


def test_a_refused_definition_names_the_first():
    with pytest.raises(PolicyError) as refusal:
        macros("FOO = 1", "BAR = 1", "  FOO = 2".strip())

    assert str(refusal.value) == (
        'policy:3:1: macro "FOO" is already defined\n    FOO = 2\n    ^\n    at policy:1; "FOO == …" redefines it'
    )


@pytest.mark.parametrize(
    "text, replaced",
    [
        ("a _HAVE_X b", True),
        ("_HAVE_X", True),
        ("_HAVE", False),
        ("X _HAVE_X", False),  # the first thing like a macro has no underscore
        ("x_HAVE_X", True),
        ("nothing", False),
    ],
)
def test_built_in_names_are_worth_y(text, replaced):
    line_after, found = macros(builtin=["_HAVE_X"]).replaced(line(text))

    assert found is replaced
    assert line_after.text == (text.replace("_HAVE_X", "y") if replaced else text)


def test_the_longer_built_in_name_is_replaced_first():
    assert macros(builtin=["_HAVE_T", "_HAVE_TLS"]).replaced(line("_HAVE_TLS"))[0].text == "y"


@pytest.mark.parametrize(
    "offset, column",
    [(0, 1), (3, 4), (4, 5), (8, 5), (9, 8), (13, 12), (14, 13), (18, 13), (19, 16)],
    ids=["start", "before", "in the macro", "at its end", "behind it", "later", "second", "its end", "the end"],
)
def test_replaced_text_points_at_the_name_of_the_macro(offset, column):
    replaced, _ = macros("FOO = 12345").replaced(line("abc FOO def FOO"))

    assert replaced.text == "abc 12345 def 12345"
    assert (replaced.where(offset).line, replaced.where(offset).column) == (1, column)


def test_text_of_a_macro_in_a_macro_points_at_the_outer_name():
    replaced, _ = macros("FOO = a BAR b", "BAR = 123").replaced(line("x FOO y"))

    assert replaced.text == "x a 123 b y"
    assert [replaced.where(at).column for at in (2, 4, 6, 8, 10)] == [3, 3, 3, 3, 7]


def test_macros_that_double_each_other_end_at_the_limit():
    table = Macros.beginning((), {})
    with pytest.raises(PolicyError, match="the line is too long once its macros are replaced"):
        for number in range(60):
            previous = f"M{number - 1:02}" if number else "x"
            definition = line(f"M{number:02} = {previous}{previous}")
            table.define(table.replaced(definition, len("M00 ="))[0])
    assert max(len(macro.text) for macro in table.defined.values()) <= LONGEST_LINE


def test_built_in_names_come_from_the_vocabulary_and_the_options():
    words = Vocabulary()
    for kind, name in [(Kind.CONDITION, "spf"), (Kind.TEST, "eq"), (Kind.TEST, "<="), (Kind.LOOKUP, "lsearch")]:
        words.add(Word(kind, name, print))

    names = set(builtin_macros(words))

    assert {"_ACL_COND_SPF", "_HAVE_SPF", "_EXP_COND_EQ", "_HAVE_LOOKUP_LSEARCH", "_HAVE_IPV6"} <= names
    assert "_OPT_MAIN_ACL_SMTP_RCPT" in names
    assert not names & {"_HAVE_DMARC", "_EXP_COND_<=", "_OPT_MAIN_TLS_CERTIFICATE"}
