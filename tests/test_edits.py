"""What the MTA is asked to change, and that no change moves another's place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.edits import AddHeader, ChangeHeader, header_edits
from policyd.mail.message import POSITIONS, Message

OWN = ("Received", " by the MTA itself")  # stands on top, and no milter sees it


def message(*names):
    made = Message()
    made.receive((name, f" {number}") for number, name in enumerate(names))
    return made


@pytest.mark.parametrize(
    "position, index",
    [("at_start", 0), ("after_received", 2), ("at_start_rfc", 2), ("at_end", None)],
)
def test_where_a_field_goes(position, index):
    made = message("Received", "To")
    made.add("X", " x", position)
    assert header_edits(made) == [AddHeader("X", " x", index)]


@pytest.mark.parametrize(
    "positions, indices",
    [
        (["at_start", "at_start"], [0, 1]),
        (["after_received"], [9]),
        (["at_start", "at_start_rfc", "at_end"], [0, 10, None]),
    ],
)
def test_more_than_one_field_of_the_mtas_own(positions, indices):
    made = message("Received", "To")
    for position in positions:
        made.add("X", " x", position)
    assert [edit.index for edit in header_edits(made, own_fields=8)] == indices


def test_removals_come_first_and_from_the_highest_number_down():
    made = message("A", "B", "A", "a")
    made.discard([*made.find("a"), *made.find("b")])
    made.add("A", " new", "at_end")
    assert header_edits(made) == [
        ChangeHeader("a", 3),
        ChangeHeader("A", 2),
        ChangeHeader("A", 1),
        ChangeHeader("B", 1),
        AddHeader("A", " new"),
    ]


def applied(fields, edits):
    """What an MTA makes of its message: *fields* with its own on top."""
    now = [OWN, *fields]
    for edit in edits:
        if isinstance(edit, AddHeader):
            now.insert(len(now) if edit.index is None else edit.index, (edit.name, edit.value))
        else:
            places = [n for n, (name, _) in enumerate(now[1:], 1) if name.lower() == edit.name.lower()]
            del now[places[edit.index - 1]]
    return now


NAMES = st.sampled_from(["Received", "Resent-To", "To", "X-A", "x-a"])
ACTIONS = st.one_of(
    st.tuples(st.just("add"), NAMES, st.sampled_from(POSITIONS)), st.tuples(st.just("remove"), NAMES, st.just(""))
)


@given(st.lists(NAMES, max_size=6), st.lists(ACTIONS, max_size=8))
def test_the_mta_comes_to_the_same_message(names, actions):
    made = message(*names)
    fields = [(header.name, header.value) for header in made.headers]
    for number, (action, name, position) in enumerate(actions):
        if action == "add":
            made.add(name, f" added {number}", position)
        else:
            made.discard(made.find(name))
    result = applied(fields, header_edits(made))
    result.remove(OWN)
    assert result == [(header.name, header.value) for header in made.headers]
