"""Regular expressions and lists in conditions."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

expand = Expander(
    "hostlist near = !1.2.3.9 : 1.2.3.0/24\n"
    "hostlist names = *.example.org : 1.2.3.4\n"
    "hostlist ignoring = +ignore_unknown : mx.example.org : +near\n"
    "hostlist keys = iplsearch;/nonexistent\n"
)

CASES = [
    ("${if match{abc}{b}{y}{n}}", "y"),
    ("${if match{abc}{B}{y}{n}}", "n"),
    ("${if match{abc}{(?i)B}{y}{n}}", "y"),
    ("${if match{abc}{(a)(x)?(b)}{[$0|$1|$2|$3|$4]}{n}}", "[ab|a||b|]"),
    ("${if match{abc}{x}{y}{n}}", "n"),
    (r"${if match{A}{\N^\x{41}$\N}{y}{n}}", "y"),
    (r"${if match{a\n}{\Na$\N}{y}{n}}", "y"),
    (r"${if match{\xe9}{\N^\W$\N}{y}{n}}", "y"),
    ("${if match{abc}{(}{y}{n}}", 'Failed: regular expression error in "(": missing closing parenthesis at offset 1'),
    ("${if match_domain{a.B}{*.b}{[$value|$1]}{n}}", "[*.b|a]"),
    ("${if match_domain{a.b}{x:!a.b}{y}{n}}", "n"),
    ("${if match_domain{a}{$x}{y}{n}}", "n"),
    (r"${if match_domain{\$x}{\$x}{y}{n}}", "y"),
    ("${if match_domain{a}{+nosuch}{y}{n}}", 'Failed: unknown named domain list "+nosuch"'),
    ("${if match_local_part{abc}{^A(b)}{[$1]}{n}}", "[b]"),
    ("${if match_local_part{A}{+caseful:a}{y}{n}}", "n"),
    ("${if match_address{a@b}{*@b}{y}{n}}", "y"),
    ("${if match_address{}{:}{y}{n}}", "y"),
    ("${if match_address{a@b}{c@d}{y}{n}}", "n"),
    ("${if match_ip{1.2.3.4}{1.2.3.0/24}{[$value]}{n}}", "[]"),
    ("${if match_ip{::ffff:1.2.3.4}{1.2.3.4}{y}{n}}", "y"),
    ("${if match_ip{::1}{<; ::1}{y}{n}}", "y"),
    ("${if match_ip{}{:}{y}{n}}", "y"),
    ("${if match_ip{}{*}{y}{n}}", "y"),
    ("${if match_ip{}{1.2.3.4}{y}{n}}", "n"),
    ("${if match_ip{x}{*}{y}{n}}", 'Failed: "x" is not an IP address'),
    ("${if match_ip{1.2.3.4}{+near}{y}{n}}", "y"),
    ("${if match_ip{1.2.3.9}{10.0.0.0/8 : +near}{y}{n}}", "n"),
    ("${if match_ip{1.2.3.4}{!+near}{y}{n}}", "n"),
    ("${if match_ip{1.2.3.4}{+names}{y}{n}}", "n"),  # whether it has such a name cannot be known
    ("${if match_ip{1.2.3.4}{+ignoring}{y}{n}}", "y"),
    (
        "${if match_ip{1.2.3.4}{+keys}{y}{n}}",
        "Failed: failed to open /nonexistent for linear search: No such file or directory",
    ),
    ("${if match_ip{1.2.3.4}{+nosuch}{y}{n}}", 'Failed: unknown named host list "+nosuch"'),
    ("${if match_address{a}{*}{y}{n}}", "n"),
    ("${if match_address{a}{^a}{y}{n}}", "n"),
    ("${if match_address{a}{!*}{y}{n}}", "y"),
    (
        "${if match_ip{1.2.3.4}{$x}{y}{n}}",
        'Failed: "$x" is not an address, a network or a lookup',
    ),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_matching(string, want):
    assert expand(string) == want
