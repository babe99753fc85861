"""What libmilter is told for what a conversation says: against a real libmilter, over the wire."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from milter_client import STEPS, MilterClient, dial
from parts.ports import wait_until
from parts.worker import Worker

from policyd.language.verdict import Outcome
from policyd.server.session import ANSWERS

HERE = Path(__file__).parents[1]
TEXT = "some text"
FAILURE = "451 4.3.0 Temporary local problem - please try later"

ON_THE_WIRE = {
    Outcome.OK: "continue",
    Outcome.FAIL: "550 5.7.1 some text",
    Outcome.DROP: "421 4.7.1 some text",
    Outcome.DISCARD: "discard",
    Outcome.DEFER: "451 4.7.1 some text",
    Outcome.ERROR: "451 4.3.0 some text",
}
CODES = {Outcome.FAIL: 550, Outcome.DROP: 550, Outcome.DEFER: 451, Outcome.ERROR: 451}


def finish(mta: MilterClient) -> str:
    """A small message, after DATA, and the answer to its end."""
    mta.header(b"Subject", b" x")
    mta.ask("N")
    mta.ask("B", b"body")
    return mta.ask("E")


COMMANDS: dict[str, Callable[[MilterClient], str]] = {
    "helo": lambda mta: mta.helo(),
    "mail": lambda mta: mta.mail(b"<a@example.org>"),
    "rcpt": lambda mta: mta.rcpt(b"<b@example.net>"),
    "predata": lambda mta: mta.ask("T"),
    "end_of_message": finish,
}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    running = Worker(tmp_path_factory.mktemp("worker"))
    yield running
    running.stop()


def until(mta: MilterClient, last: str) -> str:
    """Go through the commands up to *last*; its answer."""
    for name, command in COMMANDS.items():
        answer = command(mta)
        if name == last:
            return answer
        assert answer == "continue", name
    raise AssertionError(last)


# -- outcomes


def test_every_outcome_has_an_answer():
    assert set(ANSWERS) == set(Outcome) == set(ON_THE_WIRE)


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("phase", COMMANDS)
def test_outcomes(worker, phase, outcome):
    with worker.connect({phase: [outcome.name, CODES.get(outcome, 0), "", TEXT]}) as mta:
        assert until(mta, phase) == ON_THE_WIRE[outcome]


@pytest.mark.parametrize("outcome", CODES)
def test_a_connect_verdict_is_the_answer_to_every_command(worker, outcome):
    script = {"connect": [outcome.name, CODES[outcome], "", TEXT], "helo": "raise", "mail": "raise"}
    with worker.connect(script) as mta:
        assert [mta.helo(), mta.mail(b"<a@b>"), mta.helo(), mta.mail(b"<>")] == [ON_THE_WIRE[outcome]] * 4


@pytest.mark.parametrize(
    "reply, wire",
    [
        (["FAIL", 554, "5.6.0", "text"], "554 5.6.0 text"),
        (["FAIL", 554, "", "text"], "554 5.7.1 text"),
        (["FAIL", 451, "4.3.2", "of another class"], "550 5.7.1 of another class"),
        (["FAIL", 550, "4.3.2", "enhanced code of another class"], "550 5.7.1 enhanced code of another class"),
        (["DEFER", 452, "4.2.2", "text"], "452 4.2.2 text"),
        (["DROP", 554, "5.6.0", "text"], "421 4.7.1 text"),
        (["FAIL", 550, "", "100% of 5 %s"], "550 5.7.1 100%% of 5 %%s"),
        (["FAIL", 550, "", "one", "two", "three"], "550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 three"),
        (["FAIL", 550, "", "one", ""], "550-5.7.1 one\r\n550 5.7.1 "),
        (["FAIL", 550, "", ""], "550 5.7.1 "),
        (["FAIL", 550, ""], "550 5.7.1 "),
        (["FAIL", 550, "", "UTF-8: \xc3\xa9"], "550 5.7.1 UTF-8: \xc3\xa9"),
        (["FAIL", 550, "", "Latin-1: \xe9!"], "550 5.7.1 Latin-1: ?!"),
        (["FAIL", 550, "", "a\r\nb\0c\x7fd\te"], "550 5.7.1 a??b?c?d\te"),
        (["FAIL", 550, "", "x" * 2000], "550 5.7.1 " + "x" * 980),
        (["FAIL", 550, "", "%" * 2000], "550 5.7.1 " + "%" * 980),
        (["FAIL", 550, "", "x" + "%" * 2000], "550 5.7.1 x" + "%" * 978),
        (["FAIL", 550, "", "\xc3\xa9" * 600], "550 5.7.1 " + "\xc3\xa9" * 490),
        (["FAIL", 550, "", *"x" * 40], "550-5.7.1 x\r\n" * 31 + "550 5.7.1 x"),
    ],
)
def test_replies(worker, reply, wire):
    with worker.connect({"helo": reply}) as mta:
        assert mta.helo() == wire


# -- what conversations hear


def heard(answer: str) -> str:
    """The echo of a conversation, without reply codes, escaped as Python does it."""
    return "\n".join(line[10:] for line in answer.replace("%%", "%").split("\r\n"))


def test_what_is_heard(worker):
    with worker.connect({"end_of_message": "echo"}) as mta:
        mta.macros("H", tls_version="TLSv1.3")
        mta.helo(b"client.example")
        mta.macros("M", i="4XyZ", auth_authen="j\xf6rg")
        mta.mail(b"<a@example.org>", b"SIZE=12", b"BODY=8BITMIME")
        mta.macros("R", rcpt_mailer="smtp")
        mta.rcpt(b"<b@example.net>")
        told = heard(mta.message([(b"Subject", b" a\n\tb \xff"), (b"X", b"")], b"line\r\n\0\xff\r\n"))
    assert told.splitlines() == [
        "['connect', '192.0.2.1', 40000, '192.0.2.25', 25]",
        "['helo', 'client.example']",
        "['mail', '<a@example.org>', 'SIZE=12', 'BODY=8BITMIME']",
        "['rcpt', '<b@example.net>']",
        "['predata']",
        r"['header', 'Subject', ' a\n\tb \xff']",
        "['header', 'X', '']",
        "['end_of_headers']",
        r"['body', 'line\r\n\x00\xff\r\n']",
        "['end_of_message']",
        "{'daemon_addr': '192.0.2.25', 'daemon_port': '25', 'tls_version': 'TLSv1.3',"
        r" 'i': '4XyZ', 'auth_authen': 'j\xf6rg'}",
    ]


def test_an_mta_of_old(worker):
    """Without the newer steps: every event is answered, and the blank after the colon is the MTA's."""
    with worker.connect({"end_of_message": "echo"}, steps=0x7F, actions=0x3F) as mta:
        assert struct.unpack("!III", mta.wanted)[2] == 0
        until(mta, "predata")
        answers = [mta.header(b"Subject", b"x"), mta.ask("N"), mta.ask("B", b"body")]
        assert answers == ["continue"] * 3
        assert "['header', 'Subject', ' x']" in heard(mta.ask("E"))


def test_only_wanted_steps_and_actions(worker):
    with worker.connect() as mta:
        assert struct.unpack("!III", mta.wanted[:12]) == (6, 0x139, 0x1C0180)


@pytest.mark.parametrize(
    "packet, client",
    [
        (b"4" + struct.pack("!H", 25) + b"192.0.2.7\0", "['connect', '192.0.2.7', 25, '', 0]"),
        (b"6" + struct.pack("!H", 25) + b"2001:db8::1\0", "['connect', '2001:db8::1', 25, '', 0]"),
        (b"6" + struct.pack("!H", 25) + b"::ffff:192.0.2.7\0", "['connect', '192.0.2.7', 25, '', 0]"),
        (b"L" + struct.pack("!H", 0) + b"/var/run/socket\0", "['connect', 'None', 0, '', 0]"),
        (b"U", "['connect', 'None', 0, '', 0]"),
    ],
)
def test_clients(worker, packet, client):
    with MilterClient(worker.socket) as mta:
        assert mta.ask("C", b'{"helo": "echo"}\0' + packet) == "continue"
        assert heard(mta.helo()).startswith(client)


@pytest.mark.parametrize("name", [b"[192.0.2.1]", b"unknown"])
def test_a_client_without_a_name(worker, name):
    with MilterClient(worker.socket) as mta:
        assert mta.ask("C", name + b"\0U") == "continue"
        assert mta.helo() == "continue"


@pytest.fixture
def another_worker(tmp_path: Path) -> Iterator[Worker]:
    running = Worker(tmp_path)
    yield running
    running.stop()


def test_a_second_client_on_the_same_channel(another_worker):
    with another_worker.connect() as mta:
        assert until(mta, "end_of_message") == "continue"
        mta.send("K")
        assert mta.connect("192.0.2.9", name='{"end_of_message": "echo"}') == "continue"
        told = heard(until(mta, "end_of_message"))
        assert "192.0.2.9" in told
        assert "['header', 'Subject', ' x']" in told


def test_a_second_client_where_channels_differ(another_worker):
    """pymilter does not say which of them this is."""
    with another_worker.connect(steps=0x7F, actions=0x3F), another_worker.connect() as mta:
        assert until(mta, "end_of_message") == "continue"
        mta.send("K")
        assert mta.connect("192.0.2.9") == "tempfail"
        assert another_worker.said("count milter_protocol_errors_total 1 negotiation") == 1
    with another_worker.connect() as mta:
        assert until(mta, "end_of_message") == "continue"


def test_a_message_that_is_abandoned(worker):
    with worker.connect({"end_of_message": "echo"}) as mta:
        until(mta, "rcpt")
        mta.send("A")
        COMMANDS["mail"](mta)
        assert "['abort']\n['mail'" in heard(
            [COMMANDS[name](mta) for name in ("rcpt", "predata", "end_of_message")][-1]
        )


# -- edits

EDITS = [
    ["ChangeHeader", "Subject", 2, None],
    ["ChangeHeader", "From", 1, " new"],
    ["AddHeader", "X-One", " value", None],
    ["AddHeader", "X-Two", "folded\n value", 0],
    ["AddHeader", "X-Three", " injected\nBcc: x\r\nY: z\r\n\tfold\0\r!", 3],
    ["AddHeader", "X-Four", " \xc3\xa9\xff", None],
    ["DeleteRecipient", "<b\xc3\xa9@example.net>"],
    ["Quarantine", "why \xff"],
]


def test_edits(worker):
    with worker.connect({"edits": EDITS}) as mta:
        assert until(mta, "end_of_message") == "continue"
        assert mta.edits == [
            ("m", b"\0\0\0\2Subject\0\0"),
            ("m", b"\0\0\0\1From\0 new\0"),
            ("h", b"X-One\0 value\0"),
            ("i", b"\0\0\0\0X-Two\0 folded\n value\0"),
            ("i", b"\0\0\0\3X-Three\0 injected Bcc: x Y: z\n\tfold  !\0"),
            ("h", b"X-Four\0 \xc3\xa9?\0"),
            ("-", b"<b\xc3\xa9@example.net>\0"),
            ("q", b"why ?\0"),
        ]


def test_edits_for_an_mta_that_adds_the_blank(worker):
    with worker.connect({"edits": EDITS[1:4]}, steps=STEPS & ~0x100000) as mta:
        assert until(mta, "end_of_message") == "continue"
        assert [value for _, value in mta.edits] == [
            b"\0\0\0\1From\0new\0",
            b"X-One\0value\0",
            b"\0\0\0\0X-Two\0folded\n value\0",
        ]


@pytest.mark.parametrize("outcome", ["FAIL", "DEFER", "DISCARD"])
def test_a_message_that_is_not_accepted_is_not_edited(worker, outcome):
    with worker.connect({"end_of_message": [outcome, 0, "", ""], "edits": EDITS}) as mta:
        until(mta, "end_of_message")
        assert mta.edits == []


@pytest.mark.parametrize(
    "edit, actions",
    [
        (["DeleteRecipient", "<caf\xe9@example.net>"], 0x1FF),  # cannot be passed on as it is
        (["DeleteRecipient", "<a\0b>"], 0x1FF),
        (["Quarantine", "why"], 0x1F),  # the MTA cannot
    ],
)
def test_an_edit_that_cannot_be_made(worker, edit, actions):
    with worker.connect({"edits": [edit]}, actions=actions) as mta:
        assert until(mta, "end_of_message") == FAILURE


# -- failures


@pytest.mark.parametrize("method", ["helo", "mail", "rcpt", "predata", "end_of_message"])
def test_an_exception_in_a_command(worker, method):
    with worker.connect({method: "once"}) as mta:
        before = worker.said(f"panic '  RuntimeError: scripted failure in {method}'")
        assert until(mta, method) == FAILURE
        assert worker.said(f"panic '  RuntimeError: scripted failure in {method}'") == before + 1
        mta.send("A")
        assert [COMMANDS[name](mta) for name in COMMANDS] == ["continue"] * 5


@pytest.mark.parametrize("method", ["header", "end_of_headers", "body"])
def test_an_exception_where_there_is_no_answer(worker, method):
    with worker.connect({method: "once"}) as mta:
        before = worker.said("count errors_total 1 data fail_defer")
        assert until(mta, "end_of_message") == FAILURE
        assert worker.said("count errors_total 1 data fail_defer") == before + 1
        assert [COMMANDS[name](mta) for name in list(COMMANDS)[1:]] == ["continue"] * 4


def test_an_exception_in_a_message_that_is_abandoned(worker):
    with worker.connect({"header": "once"}) as mta:
        until(mta, "predata")
        mta.header(b"Subject", b" x")
        mta.ask("N")
        mta.send("A")
        assert [COMMANDS[name](mta) for name in list(COMMANDS)[1:]] == ["continue"] * 4


def test_an_exception_at_connect(worker):
    before = worker.said("count errors_total 1 connect fail_defer")
    with worker.connect({"connect": "raise"}) as mta:
        assert [mta.helo(), mta.mail(b"<>")] == [FAILURE] * 2
    assert worker.said("count errors_total 1 connect fail_defer") == before + 1


@pytest.mark.parametrize("method", ["abort", "close"])
def test_an_exception_at_an_end(worker, method):
    with worker.connect({method: "raise"}) as mta:
        until(mta, "rcpt")
        mta.send("A")
        assert COMMANDS["mail"](mta) == "continue"
        mta.send("Q")
    with worker.connect() as mta:
        assert mta.helo() == "continue"


def test_connections_are_counted_until_they_end(worker):
    def difference() -> int:
        return worker.said("count connections 1") - worker.said("count connections -1")

    wait_until(lambda: difference() == 0, "the end of earlier connections")
    with worker.connect() as mta:
        mta.helo()
        assert difference() == 1
        mta.send("Q")
        with pytest.raises(ConnectionError):
            mta.receive()
    wait_until(lambda: difference() == 0, "the end of this one")


# -- what pymilter cannot decode


def test_a_helo_that_is_not_utf8(worker):
    with worker.connect({"mail": "echo"}) as mta:
        assert mta.helo(b"J\xfcrgen-PC") == "continue"
        assert r"['helo', 'J\xfcrgen-PC']" in heard(mta.mail(b"<>"))


def test_a_helo_that_is_utf8(worker):
    with worker.connect({"helo": "echo"}) as mta:
        assert r"['helo', 'J\xc3\xbcrgen-PC']" in heard(mta.helo("Jürgen-PC".encode()))


def test_a_refused_helo_that_is_not_utf8(worker):
    with worker.connect({"helo": ["FAIL", 550, "", TEXT]}) as mta:
        assert mta.helo(b"J\xfcrgen-PC") == "continue"
        assert mta.mail(b"<>") == "550 5.7.1 some text"


def test_a_helo_that_is_not_utf8_after_a_refusal(worker):
    with worker.connect({"connect": ["FAIL", 550, "", TEXT], "helo": "raise"}) as mta:
        assert mta.helo(b"\xff") == "continue"
        assert mta.mail(b"<>") == "550 5.7.1 some text"


def test_a_field_name_that_is_not_utf8(worker):
    with worker.connect() as mta:
        until(mta, "predata")
        mta.header(b"Subj\xffect", b" x")
        mta.header(b"Subject", b" x")
        mta.ask("N")
        assert mta.ask("E") == FAILURE
        assert [COMMANDS[name](mta) for name in list(COMMANDS)[1:]] == ["continue"] * 4


def test_a_field_name_that_is_utf8(worker):
    with worker.connect({"end_of_message": "echo"}) as mta:
        until(mta, "predata")
        mta.header("Größe".encode(), b" x")
        mta.ask("N")
        assert r"['header', 'Gr\xc3\xb6\xc3\x9fe', ' x']" in heard(mta.ask("E"))


def test_a_client_name_that_is_not_utf8(worker):
    before = worker.said("count milter_protocol_errors_total 1 encoding")
    with MilterClient(worker.socket) as mta:
        assert mta.ask("C", b"\xff\0U") == "continue"
        assert [mta.helo(), mta.mail(b"<>")] == [FAILURE] * 2
    assert worker.said("count milter_protocol_errors_total 1 encoding") == before + 1


@pytest.mark.parametrize("every", [bytes(range(first, first + 32)) for first in range(0, 256, 32)])
def test_octets_everywhere(worker, every):
    every = every.replace(b"\0", b"")
    with worker.connect({"rcpt": "echo"}) as mta:
        mta.macros("H", cert_subject="\xff\xfe")
        mta.helo()
        mta.mail(b"<" + every + b">", every)
        told = heard(mta.rcpt(every))
    text = every.decode("latin-1")
    assert ascii(["mail", f"<{text}>", text]) in told
    assert ascii(["rcpt", text]) in told
    assert r"'cert_subject': '\xff\xfe'" in told


# -- hostile sizes and packets


def test_a_huge_header_field(worker):
    """Postfix passes fields of up to header_size_limit, 102400 octets; libmilter by itself takes 65535."""
    with worker.connect() as mta:
        until(mta, "predata")
        mta.header(b"To", b" " + b"x" * 1_000_000)
        mta.ask("N")
        assert mta.ask("E") == "continue"


def test_a_field_that_is_too_large_ends_only_its_own_connection(worker):
    with worker.connect() as mta:
        until(mta, "predata")
        with pytest.raises(OSError):  # reset, or a broken pipe
            mta.header(b"To", b"x" * (1 << 21))
            mta.ask("T")
    with worker.connect() as mta:
        assert mta.helo() == "continue"


def test_a_hundred_thousand_fields(worker):
    with worker.connect() as mta:
        until(mta, "predata")
        field = b"X\0 y\0"
        mta.sock.sendall((struct.pack("!I", len(field) + 1) + b"L" + field) * 100_000)
        mta.ask("N")
        assert mta.ask("E") == "continue"


def test_a_body_in_many_chunks(worker):
    with worker.connect() as mta:
        until(mta, "rcpt")
        assert mta.message([(b"Subject", b" x")], b"x" * 5_000_000) == "continue"


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\0",
        b"\0\0\0\0",
        b"\0\0\0\1",
        b"\xff\xff\xff\xffC",
        struct.pack("!I", 3) + b"C4",
        struct.pack("!I", 1) + b"C",
        struct.pack("!I", 2) + b"H\xff",
        struct.pack("!I", 1) + b"M",
        struct.pack("!I", 2) + b"Mx",
        struct.pack("!I", 2) + b"D\0",
        struct.pack("!I", 4) + b"Lxx\0",
        struct.pack("!I", 1) + b"?",
        struct.pack("!I", 1) + b"E",
        struct.pack("!I", 13) + b"O" + b"\xff" * 12,
    ],
    ids=repr,
)
def test_packets_cut_short_or_senseless(worker, packet):
    with worker.connect() as mta:
        mta.sock.sendall(packet)
    with worker.connect() as mta:
        assert until(mta, "end_of_message") == "continue"


def test_clients_that_never_speak(worker):
    with ExitStack() as silent:
        for _ in range(50):
            silent.enter_context(MilterClient(worker.socket))
            silent.enter_context(dial(worker.socket, 10))
        with worker.connect() as mta:
            assert until(mta, "end_of_message") == "continue"


def test_memory_does_not_grow_with_connections(worker):
    def resident() -> int:
        return int(Path(f"/proc/{worker._process.pid}/statm").read_text().split()[1])

    def converse(count: int) -> None:
        for _ in range(count):
            with worker.connect() as mta:
                until(mta, "end_of_message")
                mta.send("Q")

    converse(300)
    before = resident()
    converse(600)
    assert resident() - before < 256  # pages of 4 KiB: 1 MiB in all
