"""Sessions, generated and written, put to a live Exim and to policyd side by side."""

from __future__ import annotations

import pytest
from oracle.generator import Generator
from oracle.side_by_side import LOG, REPLIES, log, policyd, replies
from parts.differences import explained

CLIENT = "192.0.2.1"
SESSIONS = 400


@pytest.fixture
def same(exim, tmp_path):
    """Put a session to both; they have to say and log the same."""

    def compare(config, dialogue):
        path = tmp_path / "policy.conf"
        path.write_text(config, encoding="latin-1")
        transcript = exim.session(config, CLIENT, dialogue)
        answers, logged = policyd(path, dialogue, CLIENT)
        assert replies(answers) == replies(transcript.replies.split("\n"))
        assert log(logged) == log(transcript.log)

    return compare


@pytest.mark.parametrize("words", sorted({words for *_, words in REPLIES + LOG}))
def test_each_difference_is_written_down(words):
    assert explained("Sessions", words)


@pytest.mark.parametrize("seed", range(SESSIONS))
def test_generated(seed, same):
    generator = Generator(seed)
    same(generator.config(), generator.dialogue())


OPTIONS = "primary_hostname = mx.example.org\nqualify_domain = example.org\nhosts_require_helo =\n"


def acls(**bodies):
    options = "".join(f"acl_smtp_{phase} = {phase}\n" for phase in bodies)
    return f"{OPTIONS}{options}begin acl\n" + "".join(f"{phase}:\n{body}\n" for phase, body in bodies.items())


def messages(*headers, body="body"):
    """A dialogue with one message for each header."""
    text = "MAIL FROM:<a@x>\nRCPT TO:<b@y>\nDATA\n{}\n\n{}\n.\n"
    return "EHLO x\n" + "".join(text.format(header, body) for header in headers) + "QUIT\n"


MAILBOXES = """
a@b | <a@b> | Name <a@b> | First M Last <a@b> | J. Q. Public <a@b> | "P, J." <a@b> | (c, c) a@b (x (y)), c@d | a@b_c
a (x) @ (y) b . (z) c | "a b"@c | a."b".c@d | "a\\"b"@c | a\\ b@c | a..b@c | a@[192.0.2.1] | a@[IPv6:2001:db8::1]
<@one,@two:a@b>, c@d | @one,@two:a@b | group: a@b, c@d;, e@f | group: a@b; , other: c@d; | a@b,, c@d, | ,, | just
group:; | (only) | <> | <@b> | a b@c | a@ | a@b. | a@-b | <a@b | <a@b c> | a@b c | a@b; | "a@b | a@[192.0.2.1 | <@one:a>
@one a@b | > | one: two: a@b | g: a@b; c@d, e@f | a@b..c | .a@b | a.@b | a@.b | @ | a@b@c | a,b@c | <a@b>, <c@d | a@b>
<<a@b>> | a@\xe9 | \xe9@b
"""


def test_header_syntax(same):
    fields = [f"From: {text.strip()}" for line in MAILBOXES.strip().split("\n") for text in line.split("|")]
    checked = "  warn !verify = header_syntax\n    log_message = <$acl_verify_message>\n  accept logwrite = <$h_from:>"
    same(acls(rcpt="  accept", data=checked), messages(*fields))


def test_the_other_verifications_of_headers(same):
    checks = ("not_blind", "not_blind/case_insensitive", "header_names_ascii", "certificate")
    body = "".join(f"  warn !verify = {check}\n    log_message = {check}\n" for check in checks)
    fields = ("To: b@y", "To: B@Y", "To: B@y", "Cc: x <b@y>", "Resent-To: b@y", "Resent-Cc: b@y", "Bcc: b@y", "X: y")
    more = ("To: g: b@y;", "To: b@y <", "To: <a@b>, <b@y>", "To: b@y\nN\xe4me: x")
    same(acls(rcpt="  accept", data=f"{body}  require verify = not_blind\n  accept"), messages(*fields, *more))


@pytest.mark.parametrize("helo", ["[192.0.2.1]", "[192.0.2.2]", "[IPv6:2001:db8::1]", "x"])
def test_helo(same, helo):
    body = "  warn !verify = helo\n    log_message = not verified\n  accept"
    same(acls(mail=body), f"EHLO {helo}\nMAIL FROM:<a@x>\nQUIT\n")


REGEXES = (
    *(r"^Subject:: (\\w+)", "^subject", "(?i)^SUBJECT", "one.*two", r"^\\ttwo\N$\N", r"^body\N$\N", "nowhere : (b)(o)"),
    *("(x)?(b)", "0", "false : FALSE", "", r"^\N$\N", "^.dot", r"\\r", "<, a:b, (e)l"),
)


def test_regex(same):
    shown = "<$regex_match_string> <$regex1> <$regex2>"
    body = "".join(f"  warn regex = {regex}\n    logwrite = {n} {shown}\n" for n, regex in enumerate(REGEXES))
    same(acls(rcpt="  accept", data=f"{body}  accept"), messages("Subject: hello\nX: one\n\ttwo", body="body\n..dot"))


@pytest.mark.parametrize("position", ["at_start", "after_received", "at_start_rfc", "at_end"])
def test_where_headers_go(same, position):
    rcpt = f"""\
  accept add_header = :{position}:X-1: one
    add_header = :{position}:X-2: two\\n\\tfolded
    add_header = X-3: three\\nX-4: four
    remove_header = x-gone : subject"""
    data = f"""\
  accept logwrite = $message_headers
    add_header = :{position}:X-5: five
    remove_header = X-1
    logwrite = $message_headers"""
    header = "Received: one\nReceived: two\nResent-From: x@y\nX-Gone: 1\nReceived: three\nx-gone: 2\nSubject: hi"
    same(acls(rcpt=rcpt, data=data), messages(header, "Subject: x\nTo: y", "Resent-To: z"))


def test_the_case_of_local_parts(same):
    rcpt = """\
  warn logwrite = $local_part@$domain
  warn control = caseful_local_part
    logwrite = $local_part
  warn local_parts = aB
    logwrite = $local_part_data
  warn control = caselower_local_part
    logwrite = $local_part
  accept"""
    same(acls(rcpt=rcpt), 'EHLO x\nMAIL FROM:<a@x>\nRCPT TO:<AB@Y>\nRCPT TO:<aB@Y>\nRCPT TO:<"a B"@Y>\nQUIT\n')


@pytest.mark.parametrize("ending", ["QUIT\n", ""])
@pytest.mark.parametrize(
    "last", ["", "MAIL FROM:<drop@x>\n", "MAIL FROM:<a@x>\n", "MAIL FROM:<a@x>\nRCPT TO:<b@y>\nDATA\nX"]
)
def test_how_a_session_ends(same, last, ending):
    bodies = {
        "mail": "  drop senders = drop@x\n  accept",
        "rcpt": "  accept",
        "quit": "  accept logwrite = quit <$smtp_command>",
        "notquit": "  accept logwrite = notquit <$smtp_notquit_reason>",
    }
    same(acls(**bodies), f"EHLO x\n{last}{ending}")


def test_debian_and_others_may_write_odd_things(same):
    rcpt = """\
  warn
  deny   !   hosts=10.0.0.0/8:192.0.2.2
         message   =   no, because ${if eq {1}{1} {of this} {of that}}
         local_parts = ^[.] : ^.*[@%!/|]
  require  message = relay not permitted
           domains = y : *.y
  accept   acl = nested "$local_part" x
  deny     log_message =
nested:
  deny condition = ${if eq{$acl_arg1}{bad}}
              message  = $acl_arg2 $acl_narg
  accept"""
    recipients = "".join(f"RCPT TO:<{path}>\n" for path in ("ok@y", "bad@y", ".dot@y", "a%b@y", "ok@z", "ok@a.y"))
    same(acls(rcpt=rcpt), f"EHLO x\nMAIL FROM:<a@x>\n{recipients}QUIT\n")
