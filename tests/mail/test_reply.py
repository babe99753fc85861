"""The messages of ACLs as SMTP replies: codes, and lines of a bearable width."""

from __future__ import annotations

import pytest

from policyd.mail.reply import ReplyText, reply_lines, reply_text, split

WRONG = "configured error code starts with incorrect digit"


@pytest.mark.parametrize(
    "message, reply",
    [
        ("no", ReplyText(550, "", "no")),
        ("", ReplyText(550, "", "")),
        ("554 no", ReplyText(554, "", "no")),
        ("554 5.7.1 no", ReplyText(554, "5.7.1", "no")),
        ("554\t5.7.1\nno", ReplyText(554, "5.7.1", "no")),
        ("554 5.999.999 no", ReplyText(554, "5.999.999", "no")),
        ("554 5.7.1", ReplyText(554, "", "5.7.1")),  # nothing behind it: it is text
        ("554 5.1234.1 no", ReplyText(554, "", "5.1234.1 no")),
        ("554 5.7 no", ReplyText(554, "", "5.7 no")),
        ("554 4.7.1 no", ReplyText(554, "4.7.1", "no")),
        ("550", ReplyText(550, "", "550")),
        ("5500 x", ReplyText(550, "", "5500 x")),
        (" 554 no", ReplyText(550, "", " 554 no")),
        ("550  two", ReplyText(550, "", " two")),
        ("451 later", ReplyText(550, "", "later", f'{WRONG} (expected 5) in "451 later"')),
        ("250 4.0.0 x", ReplyText(550, "", "x", f'{WRONG} (expected 5) in "250 4.0.0 x"')),
    ],
)  # fmt: skip
def test_parts(message, reply):
    assert reply_text(550, message) == reply


def test_the_class_is_the_defaults():
    assert reply_text(451, "450 later") == ReplyText(450, "", "later")
    assert reply_text(250, "550 fine").complaint.startswith(f"{WRONG} (expected 2)")


@pytest.mark.parametrize(
    "text, lines",
    [
        ("", ("",)),
        ("a", ("a",)),
        ("a\nb", ("a", "b")),
        ("a\n", ("a",)),
        ("a\n\n", ("a", "")),  # what a server prints for the rest of "\\n\\n"
        ("a\n\nb", ("a", "b")),
        ("a\n  b \n\tc", ("a", "b ", "c")),
        ("\na", ("", "a")),
        ("a\n \n b", ("a", "b")),
        ("a\n ", ("a", "")),
    ],
)
def test_lines(text, lines):
    assert reply_lines(text) == lines
    assert reply_lines(text, multiline=False) == lines[:1]


NUMBERS = "1234567890" * 8


@pytest.mark.parametrize(
    "message, broken",
    [
        ("x" * 75, None),
        ("x" * 200, None),  # nowhere to break
        (f"{'x' * 74} y", f"{'x' * 74}\ny"),
        (f"{'x' * 75} y", f"{'x' * 75}\ny"),  # just behind the window
        (f"{'x' * 90} y", f"{'x' * 90}\ny"),
        (f"{'x' * 35} {'y' * 60}", f"{'x' * 35} {'y' * 60}"),  # too early
        (f"{'x' * 36} {'y' * 60}", f"{'x' * 36}\n{'y' * 60}"),
        (f"{'x' * 40} {'y' * 20} {'z' * 40}", f"{'x' * 40} {'y' * 20}\n{'z' * 40}"),
        (f"{'x' * 40}: {'y' * 20} {'z' * 40}", f"{'x' * 40}:\n{'y' * 20} {'z' * 40}"),  # rather after a colon
        (f"{'x' * 20}: {'y' * 30} {'z' * 40}", f"{'x' * 20}: {'y' * 30}\n{'z' * 40}"),
        (f"short\n{'x' * 60} {'y' * 60}", f"short\n{'x' * 60}\n{'y' * 60}"),
        (f"{'x' * 90}\nshort", None),
        (f"{'x' * 50} {'y' * 50} {'z' * 50}", f"{'x' * 50}\n{'y' * 50}\n{'z' * 50}"),
        (f"{'x' * 50}\n{'y' * 20}", None),
    ],
)
def test_split(message, broken):
    assert split(message) == (message if broken is None else broken)
