"""A whole load: every problem, each in its place; what runs at which phase."""

from __future__ import annotations

import pytest

from policyd import config, words
from policyd.errors import PolicyError, Severity
from policyd.policy import Phase
from policyd.transaction import Client, Connection, Transaction


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    words.load()
    monkeypatch.chdir(tmp_path)


def load(text, **others):
    for name, content in {**others, "policy": text}.items():
        with open(name, "w", encoding="latin-1", newline="") as file:
            file.write(content)
    return config.load("policy")


def problems_of(text, **others):
    with pytest.raises(PolicyError) as refusal:
        load(text, **others)
    return refusal.value.problems


@pytest.mark.parametrize(
    "text, shown",
    [
        (
            "\tstrict_acl_var = yes\n",
            'policy:1:2: unknown option "strict_acl_var"\n'
            "    \tstrict_acl_var = yes\n"
            "    \t^\n"
            '    did you mean "strict_acl_vars"?',
        ),
        (
            "dns_timeout = \\\n    5\n",
            'policy:2:5: "5" is not a time\n'
            "        5\n"
            "        ^\n"
            "    numbers, each with its unit w, d, h, m or s, and no blanks: 1h30m",
        ),
        (
            "SECONDS = 5\n  dns_timeout =  SECONDS\n",
            'policy:2:18: "5" is not a time\n'
            "      dns_timeout =  SECONDS\n"
            "                     ^\n"
            "    numbers, each with its unit w, d, h, m or s, and no blanks: 1h30m",
        ),
        (
            "begin acl\nx:\n  deny message = a \\\n       # a comment\n    ${lc:b} \\\n    c ${lcc:d}\n",
            'policy:6:7: unknown expansion operator "lcc"\n        c ${lcc:d}\n          ^\n    did you mean "lc"?',
        ),
        (
            "LOWER = ${lcc:x}\nbegin acl\nx:\n  deny message = a LOWER b\n",
            'policy:4:20: unknown expansion operator "lcc"\n'
            "      deny message = a LOWER b\n"
            "                       ^\n"
            '    did you mean "lc"?',
        ),
        (
            "LOWER = lc\nbegin acl\nx:\n  deny message = LOWER LOWER ${LOWERx:a}\n",
            'policy:4:30: unknown expansion operator "lcx"\n'
            "      deny message = LOWER LOWER ${LOWERx:a}\n"
            "                                 ^\n"
            '    did you mean "lc"?',
        ),
    ],
    ids=["tab", "continued", "macro", "expansion, continued", "expansion in a macro", "macro in an expansion"],
)
def test_the_place_of_a_problem(text, shown):
    assert [str(problem) for problem in problems_of(text)] == [shown]


def test_the_place_of_a_problem_in_an_included_line():
    [problem] = problems_of("dns_timeout = \\\n.include part\n", part="# five\n  5\n")

    assert problem.where.exact == "part:2:3"


def test_every_problem_of_a_load_in_the_order_of_the_files():
    text = (
        "FOO = 1\n"
        "FOO = 2\n"
        "nonsense = 1\n"
        "begin acl\n"
        "x:\n"
        "  denyy\n"
        ".include part\n"
        "  accept foo = FOO\n"
        ".endif\n"
        "acl_check_rcpt:\n"
        "  accept acl = nowhere\n"
    )
    problems = problems_of(text, part="  deny message = ${foo:x}\nbegin xyzzy\nbegin acl\n")

    assert [problem.where.exact for problem in problems] == [
        "policy:2:1",
        "policy:3:1",
        "policy:6:3",
        "policy:8:10",
        "policy:9:1",
        "policy:11:16",
        "part:1:18",
        "part:2:1",
        "part:3:1",
    ]


def test_warnings_go_with_the_errors_and_alone_do_not_refuse():
    warning = 'option "tls_crl" has no effect in a milter'
    assert [problem.severity for problem in problems_of("tls_crl = x\nfoo = x\n")] == [Severity.WARNING, Severity.ERROR]
    assert [problem.message for problem in load("tls_crl = x\n").warnings] == [warning]


SEED = """\
begin acl
acl_check_connect:
  # Set max number of connections per host
  LIMIT = 5
  # Or do some kind of IP lookup in a flat file or database
  # LIMIT = ${lookup{$sender_host_address}iplsearch{/etc/exim/proxy_limits}}

  defer message = Too many connections from this IP right now
        condition = LIMIT
  accept
"""


def test_a_macro_inside_an_acl_gets_one_helpful_error():
    assert [str(problem) for problem in problems_of(SEED)] == [
        "policy:8:3: this line belongs to no ACL: the definition of LIMIT at policy:4 ended ACL "
        '"acl_check_connect"\n'
        "      defer message = Too many connections from this IP right now\n"
        "      ^\n"
        "    move the definition of LIMIT above the ACL, or into the main section"
    ]


def test_what_follows_the_macro_is_still_checked():
    assert [problem.where.exact for problem in problems_of(SEED + "  denyy\n")] == ["policy:8:3", "policy:11:3"]


def test_the_same_above_the_acl_loads():
    load(SEED.replace("  LIMIT = 5\n", "").replace("begin acl\n", "begin acl\nLIMIT = 5\n"))


@pytest.mark.parametrize("phase", list(Phase), ids=lambda phase: phase.name.lower())
@pytest.mark.parametrize(
    "option, named, runs",
    [(False, False, False), (True, False, True), (False, True, True), (True, True, True)],
    ids=["neither", "option", "name", "both"],
)
def test_what_runs_at_a_phase(phase, option, named, runs):
    name = phase.name.lower()
    policy = load(
        (f"acl_smtp_{name} = other\n" if option else "")
        + f"begin acl\nother:\n  accept\n{f'acl_check_{name}' if named else 'unused'}:\n  accept\n"
    )

    assert (phase in policy.phases) is runs
    assert len(policy.phases) == runs


def test_a_missing_acl_is_reported_where_the_option_names_it():
    [problem] = problems_of("NAME = x\nacl_smtp_rcpt = NAME\n")

    assert (problem.where.exact, problem.message) == ("policy:2:17", 'there is no ACL named "x"')


def test_a_list_that_is_used_must_be_defined():
    text = "begin acl\nacl_check_rcpt:\n  accept domains = +mine\n"

    load("domainlist mine = a.example\n" + text)
    [problem] = problems_of("domainlist mina = a.example\n" + text)
    assert (problem.where.line, problem.message) == (4, 'unknown named domain list "+mine"')
    assert problem.expected == 'did you mean "mina"?'


def test_an_option_set_to_nothing_is_an_acl_that_denies():
    assert Phase.RCPT in load("acl_smtp_rcpt =\n").phases


def test_a_string_expands_as_if_it_stood_in_the_configuration():
    policy = load("WORD = Hello\nWORD == HELLO\n")
    tx = Transaction(None, policy.settings, Connection(Client()))

    assert policy.expansion("${lc:WORD} ${if eq{WORD}{HELLO}{yes}{no}}")(tx) == "hello yes"


@pytest.mark.parametrize(
    "text, message",
    [
        ("${lc:a", "missing"),
        ("$nowhere", 'unknown variable name "nowhere"'),
    ],
)
def test_a_wrong_string_is_refused(text, message):
    with pytest.raises(PolicyError) as refusal:
        load("").expansion(text)

    assert message in refusal.value.problems[0].message
