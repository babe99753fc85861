"""Whatever octets a configuration holds, it loads or is refused with a place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from policyd import config, words
from policyd.errors import PolicyError
from policyd.policy import Snapshot

words.load()

LINES = [
    "begin acl", "begin routers", "acl_check_rcpt:", "x :", ".ifdef FOO", ".ifndef FOO", ".elifdef FOO", ".else",
    ".endif", ".include b", ".include_if_exists /c", "FOO = BAR", "FOO == x FOO", "BAR = ${lc:FOO}", "BARS = 1",
    "# comment", "", "qualify_domain = FOO BAR", "no_strict_acl_vars", 'log_selector = "a\\x41\\', "workers = 5K",
    "domainlist d = a : +d", "hide hostlist h = <; ::1", "dns_servers = 192.0.2.1", "host_lookup = FOO", "accept",
    "deny message = FOO", "  condition = ${if eq{FOO}{}}", "set acl_m_x = BAR", "!acl = x", "endpass", "exim_user = x",
]  # fmt: skip
LINE = st.one_of(
    st.sampled_from(LINES),
    st.text(st.characters(max_codepoint=255), max_size=40),
    st.text('AFOB_=.:\\"# ${}ax', max_size=20),
)
TEXT = st.lists(st.builds("{}{}{}".format, LINE, st.sampled_from(["", " ", "\\", "\\ ", "\r"]), st.just("\n"))).map(
    "".join
)


def compile_texts(a, b):
    snapshot = Snapshot((("a",),), {"a": a, "b": b}, {}, {})
    return config.compile(snapshot)


@given(TEXT, TEXT)
def test_any_text_compiles_or_is_refused_with_a_place(a, b):
    try:
        compile_texts(a, b)
    except PolicyError as error:
        lines = {"a": a.split("\n"), "b": b.split("\n")}
        for problem in error.problems:
            where = problem.where
            assert 1 <= where.line <= len(lines[where.file])
            text = lines[where.file][where.line - 1]
            assert where.text == text.rstrip("\r")
            assert 1 <= where.column <= len(text) + 1


@given(st.binary(max_size=200))
def test_any_octets_compile_or_are_refused(octets):
    try:
        compile_texts(octets.decode("latin-1"), "")
    except PolicyError as error:
        assert all(problem.where.line for problem in error.problems)
