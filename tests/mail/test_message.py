"""A message as it arrives, and what ACLs add to it and remove."""

from __future__ import annotations

import pytest

from policyd.mail.message import KEPT_IN_MEMORY, LONGEST_LINE, Message, added_lines


def message(*fields):
    """A message with header fields of the sender's, given as ``Name: value``."""
    made = Message()
    for field in fields:
        name, _, value = field.partition(":")
        made.receive([(name, value)])
    return made


def lines(made):
    return [f"{header.name}:{header.value}" for header in made.headers]


# -- arriving


def test_sizes_are_those_of_crlf():
    made = message("Subject: hello", "X-Folded: a\n\tb\n c")
    assert made.size == len("Subject: hello\r\nX-Folded: a\r\n\tb\r\n c\r\n")
    assert made.header_lines == 4
    made.body(b"one\r\ntw")
    made.body(b"o\r\n")
    assert (made.body_size, made.body_lines) == (10, 2)
    assert made.size == len("Subject: hello\r\nX-Folded: a\r\n\tb\r\n c\r\n") + 10


def test_find_is_caseless_and_in_order():
    made = message("A: 1", "B: 2", "a: 3")
    assert [header.text for header in made.find("a")] == ["1", "3"]
    assert made.find("c") == []
    assert [(header.name, header.number) for header in made.headers] == [("A", 1), ("B", 1), ("a", 2)]


def test_the_body_is_mostly_not_kept():
    made = message("A: 1")
    made.body(b"x\r\n")
    assert made.kept_body is None
    assert list(made.lines()) == ["A: 1", ""]
    made.close()


@pytest.mark.parametrize(
    "body, found",
    [
        ([], []),
        ([b"one\r\ntwo"], ["one", "two"]),
        ([b"one\r", b"\ntwo\n", b"\r\n"], ["one", "two", ""]),
        ([b"\xe9\r\r\n"], ["\xe9\r"]),
        ([b"x" * (LONGEST_LINE + 5)], ["x" * LONGEST_LINE, "x" * 5]),
        ([b"y" * KEPT_IN_MEMORY, b"\nz"], None),
    ],
)
def test_a_body_that_is_kept(body, found):
    made = message("A: 1\n 2")
    made.keep_body()
    for chunk in body:
        made.body(chunk)
    header, folded, empty, *rest = made.lines()
    assert (header, folded, empty) == ("A: 1", " 2", "")
    assert rest == found if found is not None else rest[-1] == "z"
    assert made.kept_body.read() == b"".join(body)
    made.close()
    assert made.kept_body is None


# -- adding and removing

SENT = ["Received: 1", "Received: 2", "Resent-To: r", "Received: 3", "To: a", "to: b"]


@pytest.mark.parametrize(
    "position, index",
    [("at_start", 0), ("after_received", 2), ("at_start_rfc", 4), ("at_end", 6)],
)
def test_positions(position, index):
    made = message(*SENT)
    made.add("X", " x", position)
    assert lines(made) == [*SENT[:index], "X: x", *SENT[index:]]
    assert made.headers[index].added == position


@pytest.mark.parametrize(
    "position, index", [("at_start", 0), ("after_received", 0), ("at_start_rfc", 1), ("at_end", 2)]
)
def test_positions_without_received(position, index):
    made = message("Resent-From: r", "To: a")
    made.add("X", " x", position)
    assert [header.name for header in made.headers].index("X") == index


def test_several_at_one_place():
    made = message("Received: 1", "To: a")
    for number, position in enumerate(["at_start", "after_received", "at_end"] * 2):
        made.add(f"X-{number}", "", position)
    assert [header.name for header in made.headers] == ["X-3", "X-0", "Received", "X-4", "X-1", "To", "X-2", "X-5"]


def test_discard():
    made = message(*SENT)
    made.add("X", "", "at_end")
    made.discard([*made.find("TO"), *made.find("x"), *made.find("nothing")])
    assert lines(made) == SENT[:4]
    assert made.removed == [("To", 1), ("to", 2)]  # what was never sent needs no removal


@pytest.mark.parametrize(
    "text, found",
    [
        ("", []),
        ("\n\n", []),
        ("X-A: 1", [("at_end", "X-A: 1")]),
        ("\nX-A: 1\n", [("at_end", "X-A: 1")]),
        ("X-A: 1\nX-B: 2", [("at_end", "X-A: 1"), ("at_end", "X-B: 2")]),
        ("X-A: 1\n\t2\n 3\nX-B: 4", [("at_end", "X-A: 1\n\t2\n 3"), ("at_end", "X-B: 4")]),
        ("X-A: 1\n\nX-B: 2", [("at_end", "X-A: 1"), ("at_end", "X-B: 2")]),
        (" X-A: 1", [("at_end", "X-ACL-Warn:  X-A: 1")]),
        ("no colon", [("at_end", "X-ACL-Warn: no colon")]),
        ("no name: 1", [("at_end", "X-ACL-Warn: no name: 1")]),
        (": 1", [("at_end", "X-ACL-Warn: : 1")]),
        (":at_start:X: 1", [("at_start", "X: 1")]),
        (":AT_START:  X: 1", [("at_start", "X: 1")]),
        (":after_received: text", [("after_received", "X-ACL-Warn: text")]),
        (":at_start_rfc:X:1", [("at_start_rfc", "X:1")]),
        (":at_end:X: 1", [("at_end", "X: 1")]),
        (":at_start:X: 1\nY: 2", [("at_start", "X: 1"), ("at_end", "Y: 2")]),
        (":nowhere:X: 1", [("at_end", "X-ACL-Warn: :nowhere:X: 1")]),
    ],
)
def test_added_lines(text, found):
    assert added_lines(text) == found
