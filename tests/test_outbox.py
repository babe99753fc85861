"""Mail of our own: sent by a thread, to a real SMTP server, and never in anybody's way."""

from __future__ import annotations

import threading
import time

import pytest
from parts.ports import free_port
from parts.sink import Sink

from policyd.outbox import MAX_WAITING, Letter, NoOutbox, SmtpOutbox

LETTER = Letter("from@here.test", "to@there.test", b"Subject: x\r\n\r\n.dot\r\n")


class Log(list):
    """Lines of all logs."""

    def write(self, target, text):
        self.append((target, text))


@pytest.fixture
def sink():
    with Sink() as server:
        yield server


@pytest.fixture
def log():
    return Log()


def test_a_letter_arrives(sink, log):
    outbox = SmtpOutbox(f"127.0.0.1:{sink.port}", "here.test", log.write)
    assert outbox.put(lambda: [LETTER])
    delivered = sink.next()
    assert (delivered.sender, delivered.recipients, delivered.data) == (
        "from@here.test",
        ("to@there.test",),
        b"Subject: x\r\n\r\n.dot\r\n",
    )
    outbox.close(5)
    assert log == []


def test_letters_go_in_turn(sink, log):
    outbox = SmtpOutbox(f"127.0.0.1:{sink.port}", "here.test", log.write)
    for number in range(3):
        outbox.put(lambda number=number: [Letter("", f"{number}@there.test", b"\r\n")])
    assert [sink.next().recipients[0] for _ in range(3)] == ["0@there.test", "1@there.test", "2@there.test"]


def test_nobody_waits_for_it(log):
    """The job runs elsewhere, and closing does not wait for ever."""
    outbox, go_on = SmtpOutbox("127.0.0.1:9", "here.test", log.write), threading.Event()
    start = time.monotonic()
    outbox.put(lambda: go_on.wait(30) and [])
    assert time.monotonic() - start < 10
    outbox.close(0.1)
    assert time.monotonic() - start < 20
    go_on.set()
    outbox.close(5)


def test_too_many_jobs_are_dropped(log):
    outbox, go_on = SmtpOutbox("127.0.0.1:9", "here.test", log.write), threading.Event()
    begun = threading.Event()

    def wait():
        begun.set()
        go_on.wait(30)
        return []

    outbox.put(wait)
    assert begun.wait(10)
    assert all(outbox.put(list) for _ in range(MAX_WAITING))
    assert not outbox.put(list)
    assert log == [("main", "too many messages of our own wait to be sent: one more is dropped")]
    go_on.set()
    outbox.close(5)


def test_without_a_server_there_is_a_line_in_the_log(log):
    outbox = SmtpOutbox(f"127.0.0.1:{free_port()}", "here.test", log.write)
    outbox.put(lambda: [LETTER])
    outbox.close(10)
    ((target, text),) = log
    assert target == "main"
    assert text.startswith("mail of our own to to@there.test was not sent: ")
    assert "Connection refused" in text


def test_a_broken_job_does_not_end_the_thread(sink, log):
    outbox = SmtpOutbox(f"127.0.0.1:{sink.port}", "here.test", log.write)
    outbox.put(lambda: 1 / 0)
    outbox.put(lambda: [LETTER])
    assert sink.next().sender == "from@here.test"
    assert log[0] == ("panic", "unexpected error in sending mail of our own")
    assert log[-1] == ("panic", "  ZeroDivisionError: division by zero")


def test_the_thread_begins_with_the_first_job(log):
    before = threading.active_count()
    SmtpOutbox("127.0.0.1:25", "here.test", log.write)
    assert threading.active_count() == before


def test_no_outbox_sends_nothing():
    assert not NoOutbox().put(lambda: 1 / 0)
