"""A header as it arrived: what is counted of it, and which fields are found by what name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.mail.arrived import Arrived
from policyd.mail.message import POSITIONS, Header, Message
from policyd.mail.octets import lower

FIELDS = [("To", " 1"), ("TO ", " 2\n\t3\n 4"), ("Cc", ""), ("to", " 5"), ("\xc4", " \xe9"), ("to\t", "")]


def told(headers: list[Header]) -> list[tuple[str, str, int]]:
    return [(header.name, header.value, header.number) for header in headers]


def test_octets_and_lines() -> None:
    whole = "".join(f"{name}:{value}\r\n" for name, value in FIELDS).replace("\n\t", "\r\n\t").replace("\n 4", "\r\n 4")
    assert Arrived().extend(FIELDS) == (len(whole), 8)
    arrived = Arrived(FIELDS[:2])
    assert arrived.extend([]) == (0, 0)
    assert arrived.extend(FIELDS[2:]) == (len("Cc:\r\nto: 5\r\n\xc4: \xe9\r\nto\t:\r\n"), 4)
    assert arrived.all == FIELDS


def test_places() -> None:
    arrived = Arrived(FIELDS)
    assert arrived.keys == ["to", "to", "cc", "to", "\xc4", "to"]
    assert arrived.places == {"to": [0, 1, 3, 5], "cc": [2], "\xc4": [4]}


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("to", [("To", " 1", 1), ("to", " 5", 2)]),
        ("to ", [("TO ", " 2\n\t3\n 4", 1)]),
        ("to\t", [("to\t", "", 1)]),
        ("to  ", []),
        ("\xc4", [("\xc4", " \xe9", 1)]),
        ("\xe4", []),
        ("", []),
    ],
)
def test_named(key: str, found: list[tuple[str, str, int]]) -> None:
    arrived = Arrived(FIELDS)
    assert told(list(arrived.named(key).values())) == found
    assert [arrived.all[place][1] for place in arrived.named(key)] == [value for _, value, _ in found]
    assert all(header in arrived.headers() for header in arrived.named(key).values())


def test_more_of_a_name_that_was_looked_at() -> None:
    arrived = Arrived([("A", " 1")])
    assert len(arrived.named("a")) == 1
    arrived.extend([("a", " 2")])
    assert told(arrived.headers()) == [("A", " 1", 1), ("a", " 2", 2)]
    assert told(list(arrived.named("a").values())) == [("A", " 1", 1), ("a", " 2", 2)]


# -- with what ACLs change


NAMES = st.sampled_from(["Received", "Resent-To", "To", "to", "to ", "X"])
CHANGES = st.one_of(
    st.tuples(st.just("add"), NAMES, st.sampled_from(POSITIONS)),
    st.tuples(st.just("remove"), NAMES, st.just("")),
    st.tuples(st.just("remove one"), NAMES, st.just("")),
)


@given(st.lists(NAMES, max_size=6), st.lists(CHANGES, max_size=8))
def test_what_is_found_is_what_there_is(names: list[str], changes: list[tuple[str, str, str]]) -> None:
    made = Message()
    made.receive([(name, f" {number}") for number, name in enumerate(names)])
    for number, (change, name, position) in enumerate(changes):
        if change == "add":
            made.add(name, f" added {number}", position)
        else:
            made.discard(made.find(name)[: 1 if change == "remove one" else None])
        headers = made.headers
        for wanted in {*names, *(one for _, one, _ in changes)}:
            assert made.find(wanted) == [header for header in headers if header.key == lower(wanted)]
        assert made.additions == [(place, header) for place, header in enumerate(headers) if header.added]
