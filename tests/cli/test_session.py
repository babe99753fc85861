"""``policyd session``: dialogues as people and scripts write them."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import ip_address

import click
import pytest
from click.testing import CliRunner

from policyd.cli import main
from policyd.cli.session import endpoint

POLICY = """\
primary_hostname = mx.example.org
acl_smtp_rcpt = rcpt
acl_smtp_data = data
begin acl
rcpt:
  deny local_parts = no
    message = 550 5.1.1 no such user
    log_message = unknown
  drop local_parts = drop
  accept logwrite = $sender_host_address $sender_host_port $interface_address $interface_port <$local_part>
data:
  accept logwrite = size=$message_size subject=<$h_subject:> lines=$body_linecount
"""
GREETING, GOODBYE = "220 mx.example.org ESMTP policyd", "221 mx.example.org closing connection"
HELLO = "250 mx.example.org Hello h [192.0.2.1]"
GO_ON = '354 Enter message, ending with "." on a line by itself'


@pytest.fixture
def say(tmp_path):
    """Run the command; standard output, and standard error without warnings, line by line."""
    (tmp_path / "state").mkdir()

    def run(dialogue, *options, policy=POLICY, client="192.0.2.1", status=0):
        file = tmp_path / "policy.conf"
        file.write_text(f"state_directory = {tmp_path}/state\n{policy}")
        dialogue = dialogue if isinstance(dialogue, bytes) else dialogue.encode()
        arguments = ["session", "-c", str(file), "--client", client, *options]
        answer = CliRunner().invoke(main, arguments, input=dialogue)
        assert answer.exit_code == status, answer.stderr
        return answer.stdout_bytes.decode("latin-1").splitlines(), answer.stderr_bytes.decode("latin-1").splitlines()

    return run


def dialogue(*commands, end="\n"):
    return "".join(f"{command}{end}" for command in commands)


BEGIN = ("EHLO h", "MAIL FROM:<a@x>", "RCPT TO:<b@y>")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_message(say, end):
    text = ("Subject: hi", "", "one", "..two", ".", "QUIT")
    out, log = say(dialogue(*BEGIN, "DATA", *text, end=end))
    assert out == [GREETING, HELLO, "250 OK", "250 Accepted", GO_ON, "250 OK id=1", GOODBYE]
    size = len("Subject: hi\r\n\r\none\r\n.two\r\n")
    assert log == ["LOG: 192.0.2.1 0  -1 <b>", f"LOG: size={size} subject=<hi> lines=2"]


def test_several_messages(say):
    message = ("MAIL FROM:<a@x>", "RCPT TO:<b@y>", "DATA", "", ".")
    out, _ = say(dialogue("EHLO h", *message, *message, "RSET", *message, "QUIT"))
    answers = ["250 OK", "250 Accepted", GO_ON]
    assert out == [
        GREETING, HELLO,
        *answers, "250 OK id=1",
        *answers, "250 OK id=2",
        "250 Reset OK",
        *answers, "250 OK id=3",
        GOODBYE,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "commands, answers",
    [
        (["NOOP"], ["250 OK"]),
        (["noop", "Quit"], ["250 OK", GOODBYE]),
        (["QUIT", "NOOP"], [GOODBYE]),
        (["FOO"], ["500 unrecognized command"]),
        ([""], ["500 unrecognized command"]),
        (["EHLO"], ["501 Syntactically invalid EHLO argument(s)"]),
        (["HELO a b"], ["501 Syntactically invalid HELO argument(s)"]),
        (["RSET x", "QUIT now"], ["501 unexpected argument data"] * 2),
        (["helo h"], [HELLO]),
        (["MAIL FROM:<a@x>"], ["250 OK"]),
        (["mail from: a@x SIZE=10"], ["250 OK"]),
        (["MAIL FROM:<>"], ["250 OK"]),
        (["MAIL"], ["500 unrecognized command"]),
        (["MAIL FROM:"], ["501 MAIL must have an address operand"]),
        (["MAIL TO:<a@x>"], ["500 unrecognized command"]),
        (["MAIL FROM:<a@x>", "MAIL FROM:<a@x>"], ["250 OK", "503 sender already given"]),
        (["RCPT TO:<b@y>"], ["503 sender not yet given"]),
        (["MAIL FROM:<a@x>", "RCPT TO:"], ["250 OK", "501 RCPT must have an address operand"]),
        (["MAIL FROM:<a@x>", "RCPT FROM:<a@x>"], ["250 OK", "500 unrecognized command"]),
        (["MAIL FROM:<a@x>", "RSET", "RCPT TO:<b@y>"], ["250 OK", "250 Reset OK", "503 sender not yet given"]),
        (["DATA"], ["503 valid RCPT command must precede DATA"]),
        (["MAIL FROM:<a@x>", "DATA"], ["250 OK", "503 valid RCPT command must precede DATA"]),
        (["MAIL FROM:<a@x>", "RCPT TO:<drop@y>", "NOOP"], ["250 OK", "550 Administrative prohibition"]),
    ],
)
def test_commands(say, commands, answers):
    assert say(dialogue(*commands))[0] == [GREETING, *answers]


ONE_REASON = ["503-All RCPT commands were rejected with this error:", "503-no such user"]
END = "503 Valid RCPT command must precede DATA"


@pytest.mark.parametrize(
    "recipients, answers",
    [
        (["no"], [*ONE_REASON, END]),
        (["no", "no"], [*ONE_REASON, END]),
        (["no", ""], [END]),
    ],
)
def test_no_recipient_was_accepted(say, recipients, answers):
    commands = [f"RCPT TO:<{name}@y>" if name else "RCPT TO:" for name in recipients]
    assert say(dialogue("EHLO h", "MAIL FROM:<a@x>", *commands, "DATA"))[0][3 + len(commands) :] == answers


def test_what_follows_a_refused_data_is_commands(say):
    out, _ = say(dialogue("EHLO h", "MAIL FROM:<a@x>", "DATA", "Subject: x", "", ".", "QUIT"))
    assert out[4:] == ["500 unrecognized command"] * 3 + [GOODBYE]


# -- the end of the input


@pytest.mark.parametrize(
    "commands, log",
    [
        ([], "connection-lost"),
        (["EHLO h"], "connection-lost"),
        ([*BEGIN, "DATA", "Subject: x"], "connection-lost"),
        (["EHLO h", "MAIL FROM:<a@x>", "RCPT TO:<drop@y>"], "acl-drop"),
    ],
)
def test_a_dialogue_that_just_stops(say, commands, log):
    policy = POLICY.replace(
        "begin acl", "acl_smtp_notquit = notquit\nbegin acl\nnotquit:\n  accept logwrite = $smtp_notquit_reason"
    )
    assert say(dialogue(*commands), policy=policy)[1][-1] == f"LOG: {log}"


def test_the_last_line_needs_no_end(say):
    assert say("EHLO h\nQUIT")[0] == [GREETING, HELLO, GOODBYE]


# -- octets


@pytest.mark.parametrize(
    "line, answers",
    [
        (b"\0", ["500 unrecognized command"]),
        (b"EHLO \xe9\0x", ["250 mx.example.org Hello \xe9\0x [192.0.2.1]"]),
        (b"\xff\xfe", ["500 unrecognized command"]),
        (b"A" * 1_000_000, ["500 unrecognized command"]),
        (b"MAIL FROM:<" + b"a" * 1_000_000 + b"@x>", ["250 OK"]),
        (b"MAIL FROM:<\xc3\xa9@x>\rRSET", ["250 OK"]),
    ],
)
def test_hostile_octets(say, line, answers):
    out, _ = say(line + b"\nQUIT\n")
    assert out == [GREETING, *answers, GOODBYE]


@pytest.mark.parametrize(
    "message, subject",
    [
        (b"Subject: \xc3\xa9\0\n\nbody\n", "\xc3\xa9?"),
        (b"Subject: " + b"x" * 1_000_000 + b"\n\n", "x" * 65536),
        (b"S\xfcbject: no\nSubject: yes\n\n", "yes"),
        (b"not a field\nSubject: no\n", ""),
        (b" leading blank\nSubject: no\n", ""),
        (b"Subject: folded\n\tonce\n", "folded\\n\tonce"),
        (b"Subject : blank before the colon\n", "blank before the colon"),
        (b"", ""),
        (b"\n\nSubject: in the body\n", ""),
    ],
)
def test_hostile_messages(say, message, subject):
    out, log = say(dialogue(*BEGIN, "DATA").encode() + message + b".\nQUIT\n")
    assert out[-2:] == ["250 OK id=1", GOODBYE]
    assert f"subject=<{subject}>" in log[-1]


# -- options


@pytest.mark.parametrize(
    "client, options, shown",
    [
        ("192.0.2.1", [], "192.0.2.1 0  -1"),
        ("192.0.2.1:2525", [], "192.0.2.1 2525  -1"),
        ("2001:db8::1", [], "2001:db8::1 0  -1"),
        ("[2001:DB8::1]:2525", [], "2001:db8::1 2525  -1"),
        ("::ffff:192.0.2.1", [], "192.0.2.1 0  -1"),
        ("192.0.2.1", ["--local", "198.51.100.7:25"], "192.0.2.1 0 198.51.100.7 25"),
        ("192.0.2.1", ["--local", "[2001:db8::25]:587"], "192.0.2.1 0 2001:db8::25 587"),
    ],
)
def test_endpoints(say, client, options, shown):
    assert say(dialogue(*BEGIN), *options, client=client)[1] == [f"LOG: {shown} <b>"]


@pytest.mark.parametrize("text", ["", "x", "192.0.2.1:x", "192.0.2", "2001:db8::1:", "[192.0.2.1", "1:2:3"])
def test_endpoints_that_are_none(text):
    with pytest.raises(click.BadParameter):
        endpoint(text)


def test_an_endpoint():
    assert endpoint("[::ffff:192.0.2.1]:25") == (ip_address("192.0.2.1"), 25)


def test_macros_and_the_clients_name(say):
    shown = "$sender_host_name $authenticated_id $sender_host_authenticated"
    policy = f"begin acl\nacl_check_mail:\n  accept logwrite = {shown}\n"
    options = ("--macro", "auth_type=PLAIN", "--macro", "{auth_authen}=j\xe9", "--client-name", "c.example.net")
    assert say(dialogue("MAIL FROM:<a@x>"), *options, policy=policy)[1] == ["LOG: c.example.net j\xc3\xa9 PLAIN"]


def test_a_macro_without_a_value(say):
    assert "'auth_type' is not NAME=VALUE" in "".join(say("", "--macro", "auth_type", status=2)[1])


def test_zones_answer_all_of_dns(say, tmp_path):
    zone = tmp_path / "zone"
    zone.write_text("1.2.0.192.in-addr.arpa. PTR c.example.net.\nc.example.net. A 192.0.2.1\n")
    policy = "begin acl\nacl_check_connect:\n  accept logwrite = <$sender_host_name>\n"
    assert say("", "--zone", str(zone), policy=policy)[1] == ["LOG: <c.example.net>"]
    assert say("", "--zone", str(zone), policy=policy, client="192.0.2.2")[1] == ["LOG: <>"]


def test_a_zone_that_cannot_be_read(say):
    assert say("", "--zone", "/nonexistent", status=1)[1] == [
        "/nonexistent: cannot read the zone file: No such file or directory"
    ]


def test_the_trace(say):
    out, shown = say(dialogue("EHLO h", "MAIL FROM:<a@x>", "RCPT TO:<no@y>"), "--trace")
    assert out[-1] == "550 5.1.1 no such user"
    traced = [line.partition("policy.conf")[2] for line in shown if line.startswith("TRACE: ")]
    assert traced == [":7   local_parts = no: ok", ":7 deny: ok"]
    assert shown[-1] == "LOG: H=(h) [192.0.2.1] F=<a@x> rejected RCPT <no@y>: unknown"


def test_a_line_for_several_logs_is_shown_once(say):
    policy = "acl_smtp_mail = deny\nacl_smtp_helo = accept logwrite = :main,panic: x\n"
    shown = say(dialogue("EHLO h", "MAIL FROM:<a@x>", "MAIL FROM:<a@x>"), policy=policy)[1]
    assert shown == ["LOG: x", *["LOG: H=(h) [192.0.2.1] rejected MAIL <a@x>"] * 2]


def test_a_policy_that_cannot_be_loaded(say):
    assert say("", policy="acl_smtp_mail = none\n", status=1)[1][0].endswith(
        'policy.conf:2:17: there is no ACL named "none"'
    )


def test_warnings_are_shown(say):
    assert any('option "exim_user" has no effect' in line for line in say("", policy="exim_user = x\n")[1])


def test_state_is_kept_from_one_session_to_the_next(say):
    policy = "begin acl\nacl_check_connect:\n  accept !ratelimit = 1.5 / 1h / strict / key\n"
    first, second = (say("", policy=policy)[0] for _ in range(2))
    assert (first[0][:3], second[0][:3]) == ("220", "550")


def test_by_somebody_who_may_not_have_the_state(say, monkeypatch):
    """Its rates begin with nothing each time."""
    monkeypatch.setattr("policyd.cli.world.os.access", lambda *_: False)
    policy = "begin acl\nacl_check_connect:\n  accept !ratelimit = 1.5 / 1h / strict / key\n"
    assert [say("", policy=policy)[0][0][:3] for _ in range(2)] == ["220", "220"]


def test_answers_come_at_once(tmp_path):
    file = tmp_path / "policy.conf"
    file.write_text(f"state_directory = {tmp_path}\nprimary_hostname = mx.example.org\n")
    command = [
        sys.executable,
        "-c",
        "from policyd.cli import main; main()",
        "session",
        "-c",
        str(file),
        "--client",
        "192.0.2.1",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout.readline() == f"{GREETING}\n"
        for said, answer in (("EHLO h", HELLO), ("QUIT", GOODBYE)):
            session.stdin.write(f"{said}\n")
            session.stdin.flush()
            assert session.stdout.readline() == f"{answer}\n"
        assert session.wait(10) == 0
