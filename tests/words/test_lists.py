"""Items, operators and conditions for lists."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

CONFIG = """
domainlist local = a.b : +more : x::y
domainlist more = <; c ; d:e
hostlist local = 192.0.2.1
domainlist round = +round
"""
expand = Expander(CONFIG)

CASES = [
    ("${map{a:b}{[$item]}}", "[a]:[b]"),
    ("${map{}{x}}", ""),
    ("${map{a:b}{}}", ": "),
    ("${map{a:b}{$item:$item}}", "a::a:b::b"),
    ("${map{<, a,b}{$item}}", "a,b"),
    ("${map{a:b}{${map{c:d}{$item}}$item}}", "c::da:c::db"),
    ("${map{a:b}{$item}}[$item]", "a:b[]"),
    ("${map{a}{:x}}", "::x"),
    ("${map{a:b}{:x}}", "::x: ::x"),
    ("${filter{a:b:a}{eq{$item}{a}}}", "a:a"),
    ("${filter{<; a;b}{!eq{$item}{a}}}", "b"),
    ("${filter{a: :b}{eq{$item}{}}}", ""),
    ("${filter{a:b}{match{$item}{(.)}}}$1", "a:bb"),
    ("${reduce{1:2:3}{0}{${eval:$value+$item}}}", "6"),
    ("${reduce{}{x}{$item}}", "x"),
    ("${reduce{a:b}{}{$item$value}}[$value]", "ba[]"),
    ("${sort{3:1:2}{<}{$item}}", "1:2:3"),
    ("${sort{3:1:2}{<=}{$item}}", "1:2:3"),
    ("${sort{3:1:2}{>}{$item}}", "3:2:1"),
    ("${sort{3:1:2}{>=}{$item}}", "3:2:1"),
    ("${sort{b1:a2:B1:a1}{lt}{$item}}", "B1:a1:a2:b1"),
    ("${sort{b1:a2:b2:a1}{le}{${length_1:$item}}}", "a1:a2:b2:b1"),
    ("${sort{b1:a2:b2:a1}{gt}{${length_1:$item}}}", "b1:b2:a2:a1"),
    ("${sort{b1:a2:b2:a1}{ge}{${length_1:$item}}}", "b2:b1:a1:a2"),
    ("${sort{b1:a2:B1:a1}{lti}{${length_1:$item}}}", "a2:a1:b1:B1"),
    ("${sort{b1:a2:B1:a1}{lei}{${length_1:$item}}}", "a1:a2:B1:b1"),
    ("${sort{b1:a2:B1:a1}{gti}{${length_1:$item}}}", "b1:B1:a2:a1"),
    ("${sort{b1:a2:B1:a1}{gei}{${length_1:$item}}}", "B1:b1:a1:a2"),
    ("${sort{<, b,a}{lt}{$item}}", "a,b"),
    ("${sort{}{lt}{$item}}", ""),
    ("${sort{b:a}{lt x}{$item}}", "a:b"),
    (
        "${sort{b:a}{eq}{$item}}",
        "Failed: comparator not handled for sort",
    ),
    (
        "${sort{b:a}{ lt}{$item}}",
        "Failed: comparator not handled for sort",
    ),
    ("${sort{b:a}{lt}{}}", 'Failed: field-extract in sort: ""'),
    ("${if forany{a:b}{eq{$item}{b}}{y}{n}}", "y"),
    ("${if forany{a:b}{eq{$item}{c}}{y}{n}}", "n"),
    ("${if forany{}{eq{a}{a}}{y}{n}}", "n"),
    ("${if forall{a:a}{eq{$item}{a}}{y}{n}}", "y"),
    ("${if forall{a:b:a}{eq{$item}{a}}{y}{n}}", "n"),
    ("${if forall{}{eq{a}{a}}{y}{n}}", "n"),
    ("${if !forall{}{eq{a}{a}}{y}{n}}", "y"),
    ('${if forany_json{["a","b"]}{eq{$item}{"b"}}{y}{n}}', "y"),
    ("${if forall_json{[ 1 , 1 ]}{eq{$item}{1 }}{y}{n}}", "y"),
    ('${if forany_jsons{["a","b"]}{eq{$item}{b}}{y}{n}}', "y"),
    (
        '${if forall_jsons{["a",1]}{eq{$item}{a}}{y}{n}}',
        "Failed: missing '\"' wrapping string result for extract jsons",
    ),
    ("${if forall_json{[]}{eq{a}{a}}{y}{n}}", "n"),
    ("${if inlist{b}{a:b}{[$value]}{n}}[$value]", "[b][]"),
    ("${if inlist{B}{a:b}{y}{n}}", "n"),
    ("${if inlist{}{:}{y}{n}}", "y"),
    ("${if inlist{a:b}{a::b}{y}{n}}", "y"),
    ("${if inlisti{B}{a:b}{[$value]}{n}}", "[b]"),
    ("${if !inlist{a}{a}{y}{[$value]}}", "[a]"),
    ("${listextract{2}{a:b:c}}", "b"),
    ("${listextract{ -1 }{a:b:c}}", "c"),
    ("${listextract{0}{a:b:c}}", ""),
    ("${listextract{9}{a:b:c}{y}{n}}", "n"),
    ("${listextract{-9}{a:b:c}{y}{n}}", "n"),
    ("${listextract{2}{a: :c}{[$value]}{no}}", "[]"),
    ("${listextract{2}{<, a,b}{y$value} fail}", "yb"),
    ("${listextract{3}{<, a,b}{y$value} fail}", 'Failed: "listextract" failed and "fail" requested'),
    ("${listextract{x}{a:b}}", 'Failed: first argument of "listextract" must be numeric'),
    ("${listextract{}{a:b}}", 'Failed: first argument of "listextract" must not be empty'),
    ("${listquote{:}{a:b}}", "a::b"),
    ("${listquote{,}{}}", " "),
    ("${listquote{}{a}}", "a"),
    ("${listquote{ab}{ab}}", "aab"),
    ("${listcount:a:b:c}", "3"),
    ("${listcount:}", "0"),
    ("${listcount:<, a,b}", "2"),
    ("${listcount: a : : }", "2"),
    ("${listnamed:local}", "a.b : c : d::e : x::y"),
    ("${listnamed:+more}", "c : d::e"),
    ("${listnamed_d:local}", "a.b : c : d::e : x::y"),
    ("${listnamed_h:local}", "192.0.2.1"),
    ("${listnamed_a:local}", 'Failed: "local" is not a named address list'),
    ("${listnamed_x:local}", 'Failed: bad suffix on "list" operator'),
    ("${listnamed_:local}", 'Failed: bad suffix on "list" operator'),
    ("${listnamed:nosuch}", 'Failed: "nosuch" is not a named list'),
    ("${listnamed:round}", 'Failed: the list "round" holds itself'),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_lists(string, want):
    assert expand(string) == want
