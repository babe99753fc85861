"""String expansions: text to tree, and where mistakes are found."""

from __future__ import annotations

import pytest

from policyd import words
from policyd.errors import PolicyError, Where
from policyd.language.complaints import YES_OR_NO
from policyd.language.items import words as command_words
from policyd.language.limits import MAX_DEPTH
from policyd.language.parser import parse
from policyd.language.registry import VOCABULARY
from policyd.language.source import Source
from policyd.language.syntax import (
    Capture,
    Command,
    Comparison,
    Defined,
    Every,
    Extract,
    If,
    Item,
    Join,
    Literal,
    Lookup,
    Not,
    Operator,
    Some,
    Variable,
)

words.load()


def tree(text):
    return parse(Source.of(text), VOCABULARY)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", ""),
        ("abc", "abc"),
        ("a}b{c", "a}b{c"),
        (r"\n\$\}\\", "\n$}\\"),
        (r"a\N$x}\n\Nb", r"a$x}\nb"),
        (r"\N$x", "$x"),
        (r"\N\N", ""),
        ("\xff", "\xff"),
    ],
)
def test_literal_text(text, want):
    assert tree(text) == Literal(want)


@pytest.mark.parametrize(("text", "number"), [("$0", 0), ("$12", 12), ("${3}", 3), ("$9999999999", 999999999)])
def test_numbers(text, number):
    assert tree(text) == Capture(number)


@pytest.mark.parametrize(
    ("text", "word", "suffix"),
    [
        ("$value", "value", "value"),
        ("${value}", "value", "value"),
        ("$acl_m_x", "acl_m", "acl_m_x"),
        ("${acl_c0}", "acl_c", "acl_c0"),
        ("$h_subject:", "h_", "subject"),
        ("$header_x-a_b:", "header_", "x-a_b"),
        ("$rh_to", "rh_", "to"),
        ("$h_a}b", "h_", "a}b"),
        ("$h_:", "h_", ""),
    ],
)
def test_variables(text, word, suffix):
    node = tree(text)
    assert isinstance(node, Variable)
    assert (node.word.name, node.suffix, node.where.column) == (word, suffix, 1)


def test_what_follows_a_name_is_text():
    node = tree("a$value-b$h_x: c${1}1")
    assert isinstance(node, Join)
    assert [type(part) for part in node.parts] == [Literal, Variable, Literal, Variable, Literal, Capture, Literal]


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("${lc:A}", "lc", ()),
        ("${substr_1_2:A}", "substr", ("1", "2")),
        ("${substr_-1:A}", "substr", ("-1",)),
        ("${substr_:A}", "substr", ("",)),
        ("${local_part:A}", "local_part", ()),
        ("${quote_local_part:A}", "quote_local_part", ()),
        ("${quote_lsearch:A}", "quote_lsearch", ()),
        ("${h_5:A}", "h", ("5",)),
    ],
)
def test_operators(text, name, arguments):
    node = tree(text)
    assert isinstance(node, Operator)
    assert (node.word.name, node.arguments, node.subject) == (name, arguments, Literal("A"))


@pytest.mark.parametrize(
    ("text", "count", "yes", "no", "fail"),
    [
        ("${env{A}}", 1, None, None, False),
        ("${env {A} {y} {n} }", 1, Literal("y"), Literal("n"), False),
        ("${env{A}{y}}", 1, Literal("y"), None, False),
        ("${env{A}{}{}}", 1, Literal(""), Literal(""), False),
        ("${env{A}{y}fail}", 1, Literal("y"), None, True),
        ("${listextract{1}{a}{y} fail }", 2, Literal("y"), None, True),
    ],
)
def test_items_with_a_tail(text, count, yes, no, fail):
    node = tree(text)
    assert isinstance(node, Item)
    assert (len(node.arguments), node.tail.yes, node.tail.no, node.tail.fail) == (count, yes, no, fail)


def test_items_without_a_tail():
    node = tree("${sg {a} {b}\n{c} }")
    assert node.arguments == (Literal("a"), Literal("b"), Literal("c"))
    assert node.tail is None


def test_extract():
    node = tree("${extract json {a}{b} {y} fail}")
    assert isinstance(node, Extract)
    assert (node.form, len(node.arguments), node.fail) == ("json", 3, True)


def test_lookup():
    node = tree("${lookup {k} partial2-lsearch*,ret=key {/f}{y}}")
    assert isinstance(node, Lookup)
    assert (node.key, node.type, node.subject) == (Literal("k"), "partial2-lsearch*,ret=key", Literal("/f"))
    assert (node.tail.name, node.where.column) == ("lookup", 14)
    assert tree("${lookup dnsdb{a=b}}").key is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("/bin/a b", ["/bin/a", "b"]),
        ("  a\t b\n", ["a", "b"]),
        ("'a b' c", ["a b", "c"]),
        ("''", [""]),
        ("'a", ["a"]),
        ('"a b"', ["a b"]),
        (r'"a\"b \\ \x41"', ['a"b \\ A']),
        ('"a', ["a"]),
        ('"a\\', ["a\\"]),
        ("a'b c'", ["a'b", "c'"]),
        ('"a"b', ["a", "b"]),
        ("'$x' $y", ["$x", "$y"]),
    ],
)
def test_words_of_a_command(text, parts):
    assert [word.text for word in command_words(Source.of(text))] == parts


def test_run_is_cut_into_words_as_it_is_written():
    command = tree("${run {/bin/echo $value '$1 b'}}").arguments[0]
    assert isinstance(command, Command)
    assert [type(part) for part in command.parts] == [Literal, Variable, Join]
    assert not command.whole
    assert tree("${run,preexpand{/bin/echo $value}}").arguments[0].whole


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("${if eq{a}{b}}", Comparison),
        ("${if ={1}{2}}", Comparison),
        ("${if <= {1} {2} }", Comparison),
        ("${if first_delivery}", Comparison),
        ("${if acl{{a}{b} } }", Comparison),
        ("${if forany{a}{eq{b}{c}}}", Comparison),
        ("${if match_domain{a}{$x}}", Comparison),
        ("${if !eq{a}{b}}", Not),
        ("${if ! ! eq{a}{b}}", Comparison),
        ("${if and{}}", Every),
        ("${if and {{eq{a}{b}} {eq{c}{d} } }{y}}", Every),
        ("${if or{{and{{eq{a}{b}}}}}}", Some),
        ("${if def:value}", Defined),
        ("${if def:h_subject:{y}}", Defined),
        ("${if def:acl_m_x}", Defined),
    ],
)
def test_conditions(text, kind):
    node = tree(text)
    assert isinstance(node, If)
    assert isinstance(node.test, kind)


def test_dollars_are_plain_in_the_lists_of_conditions():
    assert tree(r"${if match_ip{$value}{$x\n}}").test.arguments[1] == Literal("$x\n")


WRONG = [  # a string, the column of the mistake, what is said of it
    ("a\\", 2, "\\ at end of string"),
    ("a$", 2, "$ not followed by letter, digit, or {"),
    ("$ a", 1, "$ not followed by letter, digit, or {"),
    ("x$nosuch", 2, 'unknown variable name "nosuch"'),
    ("$acl_x", 1, 'unknown variable name "acl_x" (user-defined ACL variables must start acl_c or acl_m)'),
    (
        "$acl_mx",
        1,
        'unknown variable name "acl_mx" (6th character of a user-defined ACL variable must be a digit or underscore)',
    ),
    ("${nosuch}", 1, 'unknown variable in "${nosuch}"'),
    ("${h_subject}", 1, 'unknown variable in "${h_subject}"'),
    ("${nosuch:x}", 1, 'unknown expansion operator "nosuch"'),
    ("${nosuch_1:x}", 1, 'unknown expansion operator "nosuch_1"'),
    ("${:x}", 1, "letter or digit expected after ${"),
    ("${nosuch{x}}", 1, '"${nosuch" is not a known operator (or a } is missing in a variable reference)'),
    ("${", 1, "letter or digit expected after ${"),
    ("${1x}", 4, "} expected after number"),
    ("${lc:a", 7, "missing } at end of string"),
    ("${lc_1:a}", 1, 'unexpected arguments in "lc_1"'),
    ("${length:a}", 9, "Not enough arguments for 'length' (min is 2)"),
    ("${sg{a}{b}}", 11, "Not enough arguments for 'sg' (min is 3)"),
    ("${sg{a}{b}{c}{d}}", 14, "Too many arguments for 'sg' (max is 3)"),
    ("${sg{a}{b}{c}x}", 14, "missing '}' after 'sg'"),
    ("${sg{a}{b}{c", 13, "missing } at end of string"),
    ("${map{a}", 9, "missing '{' for last arg of map"),
    (
        "${filter{a}{eq{b}{c} x}}",
        22,
        'missing } at end of condition or expression inside "filter"; could be an unquoted } in the content',
    ),
    ("${env{a}x}", 9, f"{YES_OR_NO}'yes' part did not start with '{{'\n remaining string is 'x}}'"),
    ("${env{a}{y}{n}{z}}", 15, f"{YES_OR_NO}did not close with '}}'\n remaining string is '{{z}}}}'"),
    ("${env{a}{y} no}", 13, 'syntax error in "env" item - "fail" expected'),
    ("${env{a}", 9, f"{YES_OR_NO}'yes' part did not start with '{{'\n remaining string is ''"),
    ("${extract}", 10, "missing '{' for arg 1 of extract"),
    ("${extract{a}{b}{c}{d}{e}{f}}", 25, 'syntax error in "extract" item - "fail" expected'),
    ("${lookup{a}}", 12, "missing lookup type"),
    ("${lookup{a}9x{b}}", 12, "missing lookup type"),
    ("${lookup{a}lsearch}", 20, "missing '{' for lookup file-or-query arg"),
    ("${run}", 6, "missing '{' for command arg of run"),
    ("${run,x{a}}", 6, "missing '{' for command arg of run"),
    ("${run{a $nosuch}}", 9, 'unknown variable name "nosuch"'),
    ("${if}", 5, 'condition name expected, but found "}"'),
    ("${if {a}}", 6, 'condition name expected, but found "{a}}"'),
    ("${if nosuch{a}}", 6, 'unknown condition "nosuch"'),
    ("${if eq}", 8, 'missing { after "eq"'),
    ("${if eq{a}}", 11, 'missing 2nd string in {} after "eq"'),
    ("${if eq{a}{b}x}", 14, f"{YES_OR_NO}'yes' part did not start with '{{'\n remaining string is 'x}}'"),
    ("${if acl{a}}", 10, "too few arguments or bracketing error for acl"),
    ("${if acl a}", 10, 'missing { after "acl"'),
    ("${if acl{{a}b}}", 13, "missing '}' after 'acl'"),
    ("${if and eq{a}{b}}", 10, 'missing { after "and"'),
    ("${if and{eq{a}{b}}}", 10, 'each subcondition inside an "and{...}" condition must be in its own {}'),
    ("${if or{{eq{a}{b}}", 19, 'each subcondition inside an "or{...}" condition must be in its own {}'),
    ("${if def}", 9, '":" expected after "def"'),
    ("${if def:}", 6, 'variable name omitted after "def:"'),
    ("${if def:1}", 10, 'unknown variable "1" after "def:"'),
    ("${if def:nosuch}", 10, 'unknown variable "nosuch" after "def:"'),
    ("${if match_domain{a}b}", 21, 'missing 2nd string in {} after "match_domain"'),
]


@pytest.mark.parametrize(("text", "column", "message"), WRONG)
def test_mistakes(text, column, message):
    with pytest.raises(PolicyError) as error:
        tree(text)
    [problem] = error.value.problems
    assert (problem.message, problem.where) == (message, Where("<text>", 0, column))


HINTS = [
    ("$sender_adress", 'did you mean "sender_address"?'),
    ("${strlenn:x}", 'did you mean "strlen"?'),
    ("${lsitextract{1}{a}}", 'did you mean "listextract"?'),
    ("${if mach{a}{b}}", 'did you mean "match"?'),
    ("${if zzz{a}{b}}", "a condition such as eq, match or def"),
    ("${lc_1:x}", "${lc:…} takes none"),
    ("${substr_1_2_3:x}", "it takes 1 to 2"),
    ("${length_1_2:x}", "it takes 1"),
    ("${perl{x}}", "policyd loads no code of others into its processes;"),
    ("$spam_score", "policyd does not scan for spam or viruses;"),
    ("${if pam{x}}", "clients authenticate with the MTA:"),
    ("${qualify_recipient}", "this is known when a message is delivered,"),
]


@pytest.mark.parametrize(("text", "hint"), HINTS)
def test_hints(text, hint):
    with pytest.raises(PolicyError) as error:
        tree(text)
    assert error.value.problems[0].expected.startswith(hint)


def test_nesting_has_an_end():
    deepest = "${lc:" * MAX_DEPTH + "}" * MAX_DEPTH
    assert isinstance(tree(deepest), Operator)
    for opening, closing in (("${lc:", "}"), ("${if eq{a}{a}{", "}}"), ("${map{a}{", "}}")):
        with pytest.raises(PolicyError, match=f"nested more than {MAX_DEPTH} deep"):
            tree(opening * (MAX_DEPTH + 1) + closing * (MAX_DEPTH + 1))
    with pytest.raises(PolicyError, match=f"nested more than {MAX_DEPTH} deep"):
        tree("${if " + "and{{" * MAX_DEPTH + "eq{a}{b}" + "}}" * MAX_DEPTH + "}")
