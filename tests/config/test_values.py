"""The types of main options."""

from __future__ import annotations

import pytest

from policyd.config.values import PARSERS, dequoted
from policyd.errors import PolicyError
from policyd.language.source import Source
from policyd.settings import Kind


@pytest.mark.parametrize(
    "kind, text, value",
    [
        (Kind.BOOLEAN, "true", True),
        (Kind.BOOLEAN, "YES", True),
        (Kind.BOOLEAN, "", True),  # as Exim takes it
        (Kind.BOOLEAN, "No", False),
        (Kind.BOOLEAN, "false", False),
        (Kind.INTEGER, "0", 0),
        (Kind.INTEGER, "500", 500),
        (Kind.INTEGER, "-5", -5),
        (Kind.INTEGER, "+5", 5),
        (Kind.INTEGER, "0x1F", 31),
        (Kind.INTEGER, "010", 8),
        (Kind.INTEGER, "10k", 10240),
        (Kind.INTEGER, "3M", 3 * 1024**2),
        (Kind.INTEGER, "1G", 1024**3),
        (Kind.FIXED, "10", 10.0),
        (Kind.FIXED, "+5", 5.0),
        (Kind.FIXED, "1.5", 1.5),
        (Kind.FIXED, "1.", 1.0),
        (Kind.FIXED, "1.2349", 1.234),
        (Kind.TIME, "90s", 90.0),
        (Kind.TIME, "1w2d3h4m5s", 788645.0),
        (Kind.TIME, "5s1h", 3605.0),
        (Kind.TIME, "1.5s", 1.5),
        (Kind.MODE, "0660", 0o660),
        (Kind.MODE, "660", 0o660),
        (Kind.STRING, "a b", "a b"),
        (Kind.STRING, '"a b"', "a b"),
        (Kind.STRING, "", ""),
        (Kind.PATH, "/var/lib/x", "/var/lib/x"),
        (Kind.SOCKET, "inet:8891@127.0.0.1", "inet:8891@127.0.0.1"),
        (Kind.SOCKET, "inet6:8891@::1", "inet6:8891@::1"),
        (Kind.SOCKET, "unix:/run/x", "unix:/run/x"),
        (Kind.ENDPOINT, "127.0.0.1:9810", "127.0.0.1:9810"),
        (Kind.ENDPOINT, "[::1]:9810", "[::1]:9810"),
        (Kind.ENDPOINT, "", ""),
        (Kind.LOG_SELECTOR, "", frozenset()),
        (Kind.LOG_SELECTOR, "+proxy", frozenset({"proxy"})),
        (Kind.LOG_SELECTOR, "+pid  -dkim+proxy", frozenset({"pid", "proxy"})),
        (Kind.LOG_SELECTOR, "+proxy -all +pid", frozenset({"pid"})),
        (Kind.ADDRESSES, "", ()),
        (Kind.ADDRESSES, "192.0.2.1", ("192.0.2.1",)),
        (Kind.ADDRESSES, "192.0.2.1 : 192.0.2.2", ("192.0.2.1", "192.0.2.2")),
        (Kind.ADDRESSES, "<; 2001:db8::1 ; ::1", ("2001:db8::1", "::1")),
        (Kind.ADDRESSES, "::::1 : 192.0.2.1", ("::1", "192.0.2.1")),
    ],
)
def test_value(kind, text, value):
    parsed = PARSERS[kind](Source.of(text, "policy", 1))

    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    "kind, text, column, complaint",
    [
        (Kind.BOOLEAN, "1", 1, '"1" is neither true nor false'),
        (Kind.BOOLEAN, "true x", 1, '"true x" is neither true nor false'),
        (Kind.INTEGER, "", 1, '"" is not an integer'),
        (Kind.INTEGER, "08", 1, '"08" is not an integer'),
        (Kind.INTEGER, "5 K", 1, '"5 K" is not an integer'),
        (Kind.INTEGER, "1T", 1, '"1T" is not an integer'),
        (Kind.INTEGER, "5.5", 1, '"5.5" is not an integer'),
        (Kind.INTEGER, "9223372036854775807K", 1, "9223372036854775807K is too large"),
        (Kind.INTEGER, "9" * 5000, 1, f'"{"9" * 5000}" is not an integer'),
        (Kind.FIXED, ".5", 1, '".5" is not a number'),
        (Kind.FIXED, "1.5K", 1, '"1.5K" is not a number'),
        (Kind.TIME, "", 1, '"" is not a time'),
        (Kind.TIME, "90", 1, '"90" is not a time'),
        (Kind.TIME, "1h 30m", 1, '"1h 30m" is not a time'),
        (Kind.TIME, "1D", 1, '"1D" is not a time'),
        (Kind.TIME, "1.5h3m", 1, '"1.5h3m" is not a time'),
        (Kind.MODE, "0980", 1, '"0980" is not an octal mode'),
        (Kind.STRING, '"a', 1, "this quote is never closed"),
        (Kind.STRING, '"a\\"', 1, "this quote is never closed"),
        (Kind.STRING, '"a" b', 4, "text after the closing quote"),
        (Kind.PATH, "lib", 1, '"lib" is not an absolute path'),
        (Kind.SOCKET, "inet:x", 1, '"inet:x" is not a socket'),
        (Kind.SOCKET, "unix:run/x", 1, '"unix:run/x" is not a socket'),
        (Kind.ENDPOINT, "localhost", 1, '"localhost" is not a place to listen'),
        (Kind.LOG_SELECTOR, "proxy", 1, 'malformed log_selector setting: "proxy"'),
        (Kind.LOG_SELECTOR, "+pid +prxoy", 5, 'unknown log_selector setting: "+prxoy"'),
        (Kind.LOG_SELECTOR, "+pid ! +proxy", 7, 'unknown log_selector setting: "+proxy"'),
        (Kind.LOG_SELECTOR, "+PROXY", 1, 'malformed log_selector setting: "+PROXY"'),
        (Kind.ADDRESSES, "192.0.2.1 : ns.example", 13, '"ns.example" is not an IP address'),
        (Kind.ADDRESSES, "2001:db8::1", 1, '"2001" is not an IP address'),
    ],
)
def test_refused(kind, text, column, complaint):
    with pytest.raises(PolicyError) as refusal:
        PARSERS[kind](Source.of(text, "policy", 1))

    problem = refusal.value.problems[0]
    assert (problem.where.column, problem.message) == (column, complaint)


@pytest.mark.parametrize(
    "text, value",
    [
        (r'"\n\r\t\b\f\v"', "\n\r\t\b\f\v"),
        (r'"\101\7\400"', "A\7\0"),
        (r'"\x41\xe9\x4g\x"', "A\xe9\x04g\0"),
        (r'"\\.\"\$\z"', '\\."$z'),
        ('""', ""),
        ("'a'", "'a'"),
    ],
)
def test_escapes(text, value):
    assert dequoted(Source.of(text, "policy", 1)).text == value


@pytest.mark.parametrize("offset, column", [(0, 2), (1, 3), (2, 5), (3, 6), (4, 10), (5, 11)])
def test_dequoted_text_knows_where_it_was_written(offset, column):
    source = dequoted(Source.of(r'"a\\b\x41c"', "policy", 1))

    assert source.text == "a\\bAc"
    assert source.where(offset).column == column
