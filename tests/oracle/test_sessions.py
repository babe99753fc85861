"""Sessions, generated and written, put to a live Exim and to policyd side by side."""

from __future__ import annotations

import pytest
from oracle.generator import Generator
from oracle.side_by_side import LOG, REPLIES, log, policyd, replies
from parts.differences import explained

from policyd.config import load
from policyd.errors import PolicyError

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
        "notquit": "  accept logwrite = notquit <$smtp_notquit_reason> <$sender_address>",
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


# -- what a message is told, and what is logged of it

TEXTS = (
    *(
        "no",
        "551 x",
        "550 5.1.1 x",
        "550 5.1.1",
        "550",
        "550x",
        "550-5.7.1 dash",
        "5501 x",
        "450 4.2.0 x",
        "421 x",
        "220 x",
    ),
    *(
        "550 5.1 x",
        "550 51.1.1 x",
        "550 2.1.1 x",
        "551 5.7.1  double",
        "000 x",
        "5.7.1 only",
        r"550 5.7.1 one\ntwo\nthree",
    ),
    *(r"250 2.1.2 T\nsecond", r"\nlead", r"trail\n", r"one\n\ntwo", r"a\tb", r"\\backslash", ".", "%s %d", "${lc:}"),
    "550 5.1.1 a text of more than 75 octets whose code may be wrong: it is then logged as it was written",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p q r s t u v w x y z",
)


@pytest.mark.parametrize("text", TEXTS)
def test_texts(same, text):
    refusals = "".join(
        f"  {verb} local_parts = {verb}\n    message = {text}\n" for verb in ("deny", "defer", "discard")
    )
    logged = f"  deny local_parts = log\n    message = M\n    log_message = {text}\n"
    said = f"  accept message = {text}"
    recipients = "".join(f"RCPT TO:<{name}@y>\n" for name in ("deny", "defer", "discard", "log", "other"))
    same(acls(helo=said, mail=said, rcpt=refusals + logged + said), f"EHLO x\nMAIL FROM:<a@x>\n{recipients}QUIT\n")


LOGS = (
    *(
        ":main: x",
        ":reject: x",
        ":main,reject,panic: x",
        ":: x",
        ": x",
        ":main x",
        ":bogus: x",
        ":main,bogus: x",
        ":MAIN: x",
    ),
    *(
        ": main : x",
        ":main, : x",
        ":,: x",
        "main: x",
        ":main:",
        ":main:a:b",
        ":mainreject: x",
        ":main reject: x",
        ":m: x",
    ),
)


@pytest.mark.parametrize("text", LOGS)
def test_logs(same, text):
    same(acls(mail=f"  accept logwrite = {text}"), "EHLO x\nMAIL FROM:<a@x>\nQUIT\n")


# -- ACLs that run others

NESTED = """\
begin acl
ok:
  accept message = OKM
    log_message = OKL
fail:
  deny message = FM
    log_message = FL
drop:
  drop message = DM
defer:
  defer message = DFM
    log_message = DFL
discard:
  discard message = DIM
error:
  accept condition = ${eval:1/0}
end:
  deny condition = no
empty:
"""
CALLED = ("ok", "fail", "drop", "defer", "discard", "error", "end", "empty")
CALLS = (
    "accept acl = {}", "accept !acl = {}", "deny acl = {}", "deny !acl = {}\n    message = M\n    log_message = L",
    "require acl = {}", "require !acl = {}\n    message = M", "warn acl = {}\n    log_message = W", "defer acl = {}",
    "drop acl = {}", "discard acl = {}",
    "accept endpass\n    acl = {}", "accept acl = {}\n    endpass\n    message = M",
    "accept message = ${{acl{{{}}}{{x}}}}", "warn logwrite = <${{if acl{{{{{}}}{{x}}}}{{yes $value}}{{no $value}}}}>",
)  # fmt: skip


@pytest.mark.parametrize("name", CALLED)
@pytest.mark.parametrize("call", CALLS)
def test_nested(same, call, name):
    config = f"{OPTIONS}acl_smtp_rcpt = r\n{NESTED}r:\n  {call.format(name)}\n  deny message = END\n"
    same(config, "EHLO x\nMAIL FROM:<a@x>\nRCPT TO:<b@y>\nQUIT\n")


@pytest.mark.parametrize("option", ["", "smtp_return_error_details\n"])
@pytest.mark.parametrize("name", ["ok", "fail"])
@pytest.mark.parametrize(
    "wrong", ["condition = maybe", "condition = ${eval:1/0}", "hosts = ${eval:1/0}", "senders = ${eval:1/0}"]
)
def test_what_a_nested_acl_has_said_when_something_fails(same, wrong, name, option):
    negation = "!" if name == "fail" else ""
    rcpt = f"r:\n  warn {negation}acl = {name}\n    {wrong}\n  deny {negation}acl = {name}\n    {wrong}\n"
    same(f"{OPTIONS}{option}acl_smtp_rcpt = r\n{NESTED}{rcpt}", "EHLO x\nMAIL FROM:<a@x>\nRCPT TO:<b@y>\nQUIT\n")


@pytest.mark.parametrize(
    "spec",
    [
        *(
            "accept",
            "deny message = inline",
            "${if eq{a}{b}{x}fail}",
            "",
            "/nonexistent/acl",
            "${eval:1/0}",
            " ok",
            "discard",
        ),
        "${if eq{$sender_address}{a@x}{ok}{fail}}",
        "require condition = no",
    ],
)
@pytest.mark.parametrize("phase", ["mail", "rcpt"])
def test_what_an_option_may_say(same, phase, spec):
    config = f"{OPTIONS}acl_smtp_rcpt = accept\nacl_smtp_{phase} = {spec}\n{NESTED}"
    config = config.replace("acl_smtp_rcpt = accept\nacl_smtp_rcpt", "acl_smtp_rcpt")
    same(config, "EHLO x\nMAIL FROM:<a@x>\nRCPT TO:<b@y>\nQUIT\n")


@pytest.mark.parametrize("call", ["${eval:1/0} a b", "/nonexistent/acl", "ok ${eval:1/0}", 'ok "a b" c', "accept"])
def test_what_a_condition_may_call(same, call):
    config = (
        f"{OPTIONS}acl_smtp_rcpt = r\n{NESTED}r:\n  warn acl = {call}\n    logwrite = true\n  accept message = END\n"
    )
    same(config, "EHLO x\nMAIL FROM:<a@x>\nRCPT TO:<b@y>\nQUIT\n")


# -- lists of addresses

ADDRESSES = """
*@@ | ok@@ | *@@mx_foo | @y.org | @* | y.org | *.org | * | !* | *@* | ok@* | *@y.org : z | ok@ | @ | *@^y | !ok@y.org
"""


@pytest.mark.parametrize("item", [text.strip() for text in ADDRESSES.strip().split("|")])
def test_addresses(same, item):
    body = f"  warn senders = {item}\n    logwrite = from\n  warn recipients = {item}\n    logwrite = to\n  accept"
    dialogue = "EHLO x\n"
    for path in ("ok@y.org", "ok@mx.example.org", "", "other@z.net"):
        dialogue += f"MAIL FROM:<{path}>\nRCPT TO:<{path or 'postmaster'}>\nRSET\n"
    same(acls(rcpt=body), f"{dialogue}QUIT\n")


@pytest.mark.parametrize("item", ["y.org", "*.org", "*", "!*", "y.*"])
def test_the_value_of_a_domain_alone(same, item):
    body = f"  warn senders = {item}\n  accept logwrite = <$sender_data>"
    same(acls(rcpt=body), "EHLO x\nMAIL FROM:<ok@y.org>\nRCPT TO:<b@y>\nQUIT\n")


# -- controls, and the rest

CONTROLS = (
    *(
        "allow_auth_unadvertised",
        "queue",
        "queue/only/first_pass_route",
        "queue_only/first_pass_route",
        "no_mbox_unspool",
    ),
    *(
        "submission/sender_retain/domain=a/name=b c",
        "suppress_local_fixups",
        "utf8_downconvert/-1",
        "dscp/ef",
        "freeze",
    ),
    *("enforce_sync", "no_pipelining", "no_delay_flush", "caseful_local_part"),
)


@pytest.mark.parametrize("name", CONTROLS)
@pytest.mark.parametrize("phase", ["connect", "helo", "mail", "rcpt", "predata", "data", "quit"])
def test_where_a_control_may_stand(exim, tmp_path, phase, name):
    """What Exim cannot use when it comes to it, policyd does not load."""
    config = acls(**{"rcpt": "  accept", phase: f"  accept control = {name}"})
    path = tmp_path / "policy.conf"
    path.write_text(config)
    refused = any("cannot use" in line for line in exim.session(config, CLIENT, messages("To: b@y")).log)
    try:
        load(path)
    except PolicyError as error:
        assert refused, error
    else:
        assert not refused


def test_a_certificate_that_there_is_not(same):
    same(acls(rcpt="  require verify = certificate\n  accept"), "EHLO x\nMAIL FROM:<a@x>\nRCPT TO:<b@y>\nQUIT\n")


@pytest.mark.parametrize(
    "names", ["Subject", "subject : to", ": Subject", "<, Subject, To", "<;Subject;To", "Sub*", ""]
)
def test_which_headers_go(same, names):
    data = "  accept logwrite = $message_headers"
    same(acls(rcpt=f"  accept remove_header = {names}", data=data), messages("Subject: x\nTo: y\nSubject: z\nX: kept"))
