"""The domains of From: fields: what RFC 5322 allows, what it once allowed, and what nobody ever allowed."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policyd.mail.author import MAX_IN_ITEM, author_domains

A_LOT = 500_000  # characters


@pytest.mark.parametrize(
    ("text", "domains"),
    [
        # RFC 5322 3.4: mailboxes
        ("user@example.com", ["example.com"]),
        ("<user@example.com>", ["example.com"]),
        ("Some One <user@example.com>", ["example.com"]),
        ('"Some One" <user@example.com>', ["example.com"]),
        (" \t\r\n user@example.com \r\n", ["example.com"]),
        ("user@Example.COM", ["Example.COM"]),
        ("a.b.c@mail.example.com", ["mail.example.com"]),
        ('"a b"@example.com', ["example.com"]),
        ('"a@evil.test"@example.com', ["example.com"]),
        ('"a\\"@evil.test"@example.com', ["example.com"]),
        ("user@[192.0.2.1]", ["[192.0.2.1]"]),
        ("user@[IPv6:2001:db8::1]", ["[IPv6:2001:db8::1]"]),
        # several addresses
        ("a@one.test, b@two.test", ["one.test", "two.test"]),
        ("A <a@one.test>, B <b@two.test>,C<c@three.test>", ["one.test", "two.test", "three.test"]),
        ("a@one.test, b@one.test", ["one.test", "one.test"]),
        ('"One, Some" <a@one.test>', ["one.test"]),
        # comments
        ("user@example.com (Some One)", ["example.com"]),
        ("(a (nested (very)) comment) user@example.com", ["example.com"]),
        ("user (at) @ (the) example (dot) . (and) com", ["example.com"]),
        ("(x@evil.test) user@example.com", ["example.com"]),
        ("user@example.com (<x@evil.test>)", ["example.com"]),
        ("(a \\) b) user@example.com", ["example.com"]),
        ('("quoted) user@example.com (")', ["example.com"]),
        # groups
        ("Friends: a@one.test, B <b@two.test>;", ["one.test", "two.test"]),
        ("undisclosed-recipients:;", []),
        ("Friends:a@one.test;, c@three.test", ["one.test", "three.test"]),
        ('"A: b" <a@one.test>', ["one.test"]),
        # RFC 5322 4.4: obsolete
        ("<@relay.test:user@example.com>", ["example.com"]),
        ("<@relay.test,@other.test:user@example.com>", ["example.com"]),
        ("A <a@one.test>, <@relay.test:b@two.test>", ["one.test", "two.test"]),
        ("user . name @ example . com", ["example.com"]),
        (",, a@one.test ,, b@two.test,", ["one.test", "two.test"]),
        ("John Q. Public <user@example.com>", ["example.com"]),
        # RFC 2047: encoded words are names, never addresses
        ("=?utf-8?q?Some_One?= <user@example.com>", ["example.com"]),
        ("=?utf-8?q?ceo=40bank=2etest?= <user@example.com>", ["example.com"]),
        ("=?utf-8?b?Y2VvQGJhbmsudGVzdA==?=", [""]),
        ("=?utf-8?q?<ceo@bank.test>?= <user@example.com>", ["bank.test", "example.com"]),
        ("user@=?utf-8?q?bank?=.test", ["=?utf-8?q?bank?=.test"]),
        # octets above 127, NUL and controls stay what they are: no domain has them
        ("user@b\xc3\xbccher.test", ["b\xc3\xbccher.test"]),
        ("J\xfcrgen <user@example.com>", ["example.com"]),
        ("user@exam\0ple.com", ["exam\0ple.com"]),
        ("a\0b <user@example.com>", ["example.com"]),
        ("user@\x85example.com", ["\x85example.com"]),
        # no address at all
        ("", []),
        (" \t ", []),
        ("()", []),
        (",,,", []),
        ("root", [""]),
        ("Some One", [""]),
        ("<>", [""]),
        ("Some One <>", [""]),
        ("<root>", [""]),
        # not RFC 5322
        ("ceo@bank.test <user@example.com>", ["example.com"]),
        ("ceo@bank.test via List <list@example.com>", ["example.com"]),
        ("<a@one.test> <b@two.test>", ["one.test", "two.test"]),
        ("<a@one.test> b@two.test", ["one.test", "two.test"]),
        ("a@one.test b@two.test", ["one.test", "two.test"]),
        ("a@one.test; b@two.test", ["one.test", "two.test"]),
        ("a@one@two.test", ["one", "two.test"]),
        ("<a@one.test", ["one.test"]),
        ("<a@one.test, b@two.test", ["one.test", "two.test"]),
        ("a@one.test>", ["one.test"]),
        ("<<a@one.test>>", ["one.test"]),
        ("Some One user@example.com", ["example.com"]),
        ("@example.com", ["example.com"]),
        ("<@example.com>", ["example.com"]),
        ("user@", [""]),
        ("user@.example.com", [".example.com"]),
        ("user@example..com", ["example..com"]),
        ("user@example.com.", ["example.com."]),
        ('user@"example.com"', [""]),
        ("user@exam ple.com", ["exam"]),
        ("user@example,com", ["example", ""]),
        ("ceo@bank.test: a@one.test;", ["bank.test", "one.test"]),
        ("mailto:user@example.com", ["example.com"]),
        ("<mailto:user@example.com>", ["example.com"]),
        ("a@one.test, root, b@two.test", ["one.test", "", "two.test"]),
        # what is never closed hides nothing
        ('"Some One <user@example.com>', ["example.com"]),
        ("(Some One <user@example.com>", ["example.com"]),
        ("(a (b) <user@example.com>", ["example.com"]),
        ("Some [One <user@example.com>", ["example.com"]),
        ('Some One" <user@example.com>', ["example.com"]),
        ("Some) One] <user@example.com>", ["example.com"]),
        ('"a\\" <user@example.com>', ["example.com"]),
        ("user@[192.0.2.1", ["192.0.2.1"]),
        ("a\\@one.test", ["one.test"]),
    ],
)
def test_domains(text, domains):
    assert list(author_domains(text)) == domains


@pytest.mark.parametrize(
    "unit", [*'@<>"()[\\., a', "()", "((", "<(", '"\\', '"(', "a@b ", "a@b,", "<@a:", "a:", "\r\n "]
)
def test_the_time_is_linear(unit):
    start = time.process_time()
    for _ in author_domains(unit * (A_LOT // len(unit))):
        pass
    assert time.process_time() - start < 5


def test_an_item_cannot_grow_without_limit():
    many = " ".join(f"a@d{number}.test" for number in range(2 * MAX_IN_ITEM))
    assert list(author_domains(many)) == [f"d{number}.test" for number in range(MAX_IN_ITEM)]


def test_the_first_address_comes_before_the_last_is_read():
    assert next(author_domains("a@one.test," + "(" * A_LOT)) == "one.test"


@given(st.text(st.characters(max_codepoint=255)) | st.text('@<>:;,.()[]"\\ ab\r\n', max_size=60))
@example('"')
@example("(\\")
def test_any_text_has_an_answer(text):
    for domain in author_domains(text):
        assert domain == "" or set(domain) <= set(text)


WORD = st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,8}", fullmatch=True)
NAME = st.lists(WORD, min_size=1, max_size=3).map(".".join)
PHRASE = WORD | st.text(st.characters(codec="ascii", exclude_categories=("Cc",))).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
MAILBOX = st.tuples(PHRASE, WORD, NAME, st.booleans())


@given(st.lists(MAILBOX, min_size=1, max_size=4))
def test_what_is_correct_is_read_as_it_was_written(mailboxes):
    texts = [f"{name} <{local}@{host}>" if named else f"{local}@{host}" for name, local, host, named in mailboxes]
    text = ", ".join(texts)
    assert list(author_domains(text)) == [domain for _, _, domain, _ in mailboxes]
