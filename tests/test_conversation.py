"""The phases of a session: which ACL runs when, what it sees, what is remembered and what is counted."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from parts.exchange import Counts, World, exchange, load

from policyd.conversation import Conversation
from policyd.edits import AddHeader, ChangeHeader, DeleteRecipient, Quarantine
from policyd.language.verdict import Outcome
from policyd.policy import Phase
from policyd.transaction import Client

REFUSED = "550 Administrative prohibition"
LATER = "451 Temporary local problem - please try later"
MESSAGE = ("DATA", "Subject: hi", "", "body", ".")
ALL = ("EHLO h", "MAIL FROM:<a@x>", "RCPT TO:<b@y>", *MESSAGE, "QUIT")


def acls(**bodies):
    """A configuration with an ACL for each phase that is named."""
    options = "".join(f"acl_smtp_{phase} = {phase}\n" for phase in bodies)
    return options + "begin acl\n" + "".join(f"{phase}:\n  {body}\n" for phase, body in bodies.items())


def everywhere(body, *phases):
    return acls(**dict.fromkeys(phases or ("connect", "helo", "mail", "rcpt", "predata", "data", "quit"), body))


# -- phases


def test_every_phase_in_its_order():
    session = exchange(everywhere("accept logwrite = $smtp_command <$smtp_command_argument>"), *ALL)
    assert session.log == [
        "<>",
        "EHLO h <h>",
        "MAIL FROM:<a@x> <<a@x>>",
        "RCPT TO:<b@y> <<b@y>>",
        "DATA <>",
        "DATA <>",
        "QUIT <>",
    ]
    assert session.replies == [
        "220 mx.example.org ESMTP policyd",
        "250 mx.example.org Hello h [192.0.2.1]",
        "250 OK",
        "250 Accepted",
        '354 Enter message, ending with "." on a line by itself',
        "250 OK id=1",
        "221 mx.example.org closing connection",
    ]


@pytest.mark.parametrize(
    "verb, replies",
    [
        ("deny", ["550 {}"] * 2),
        ("drop", ["550 {}"]),
        ("defer", ["451 {}"] * 2),
    ],
)
@pytest.mark.parametrize("phase, before", [("helo", 1), ("mail", 2), ("rcpt", 3), ("predata", 4)])
def test_refusals(phase, before, verb, replies):
    session = exchange(acls(**{phase: f"{verb} message = {phase}"}), *ALL)
    assert session.replies[before : before + 1] == [replies[0].format(phase)]
    assert (len(session.replies) == before + 1) is (verb == "drop")


@pytest.mark.parametrize("verb, reply", [("deny", "550 no"), ("defer", "451 no"), ("drop", "550 no")])
def test_a_refusal_at_connect_is_the_last_word(verb, reply):
    assert exchange(acls(connect=f"{verb} message = no"), *ALL).replies == [reply]


@pytest.mark.parametrize(
    "phase, text, reply",
    [
        ("connect", "hello", ["220 hello"]),
        ("connect", "one\\n  two \\n", ["220-one", "220   two"]),
        ("connect", "220 2.0.0 hello", ["220 2.0.0 hello"]),
        ("connect", "550 hello", ["220 hello"]),
        ("helo", "hello", ["250 hello"]),
        ("helo", "one\\ntwo", ["250 one"]),
        ("mail", "fine", ["250 fine"]),
        ("mail", "250 2.1.0 fine\\nreally", ["250-2.1.0 fine", "250 2.1.0 really"]),
        ("rcpt", "fine", ["250 fine"]),
        ("predata", "go on", ["354 go on"]),
        ("data", "thanks", ["250 thanks"]),
        ("quit", "bye", ["221 bye"]),
        ("quit", "550 bye", ["221 550 bye"]),
    ],
)
def test_acceptances_with_a_text(phase, text, reply):
    said = exchange(acls(**{phase: f"accept message = {text}"}), *ALL).replies
    at = ("connect", "helo", "mail", "rcpt", "predata", "data", "quit").index(phase)
    assert said[at : at + len(reply)] == reply


def test_what_each_phase_says_in_the_log():
    session = exchange(acls(connect="defer log_message = why"), *ALL)
    assert session.log == ['H=[192.0.2.1] temporarily rejected connection in "connect" ACL: why']
    bodies = dict.fromkeys(("helo", "mail", "rcpt", "predata", "data"), "deny log_message = why")
    lines = {
        phase: exchange(acls(**{phase: body}), *ALL, macros={"auth_type": "PLAIN", "auth_authen": "joe"}).log
        for phase, body in bodies.items()
    }
    assert lines == {
        "helo": ["H=(h) [192.0.2.1] rejected EHLO or HELO h: why"],
        "mail": ["H=(h) [192.0.2.1] rejected MAIL <a@x>: why"],
        "rcpt": ["H=(h) [192.0.2.1] F=<a@x> A=PLAIN:joe rejected RCPT <b@y>: why"],
        "predata": ["H=(h) [192.0.2.1] rejected DATA: why"],
        "data": ["H=(h) [192.0.2.1] F=<a@x> A=PLAIN:joe rejected after DATA: why"],
    }


@pytest.mark.parametrize(
    "body, line",
    [
        ("deny log_message = one\\ntwo", "rejected MAIL <a@x>: one"),
        ("deny log_message = a\\tb", "rejected MAIL <a@x>: a\tb"),
        ("deny log_message = a\\007", "rejected MAIL <a@x>: a\\007"),
        ("deny", "rejected MAIL <a@x>"),
    ],
)
def test_a_log_line_is_one_line(body, line):
    assert exchange(acls(mail=body), *ALL).log == [f"H=(h) [192.0.2.1] {line}"]


def test_parameters_are_not_part_of_the_log_line_and_arguments_have_an_end():
    session = exchange(acls(mail="deny"), "EHLO h", f"MAIL FROM:<{'a' * 200}@x> SIZE=10")
    assert session.log == [f"H=(h) [192.0.2.1] rejected MAIL <{'a' * 99}"]


@pytest.mark.parametrize(
    "targets, logs",
    [
        (None, {"main": 1, "reject": 1, "panic": 0}),
        ("main", {"main": 1, "reject": 0, "panic": 0}),
        ("reject : panic", {"main": 0, "reject": 1, "panic": 1}),
        ("", {"main": 0, "reject": 0, "panic": 0}),
    ],
)
def test_log_reject_target(targets, logs):
    body = "deny" if targets is None else f"deny log_reject_target = {targets}"
    session = exchange(acls(mail=body, rcpt="deny"), "EHLO h", "MAIL FROM:<a@x>", "RCPT TO:<b@y>")
    assert {target: len(session.world.log.of(target)) for target in logs} == logs


def test_log_reject_target_lasts_for_one_acl():
    policy = acls(mail="accept log_reject_target =", rcpt="deny")
    assert len(exchange(policy, "EHLO h", "MAIL FROM:<a@x>", "RCPT TO:<b@y>").log) == 1


def test_the_queue_id_stands_in_front_once_it_is_known():
    policy = everywhere("warn log_message = w\n  accept logwrite = l", "helo", "rcpt")
    session = exchange(policy, *ALL, macros={"i": "4XyZ"})
    assert session.log == [
        "H=(h) [192.0.2.1] Warning: w",
        "l",
        "4XyZ H=(h) [192.0.2.1] Warning: w",
        "4XyZ l",
    ]


def test_a_code_of_the_wrong_class_is_reported():
    session = exchange(acls(mail="deny message = 250 fine"), *ALL)
    assert session.replies[2] == "550 fine"
    complaint = 'configured error code starts with incorrect digit (expected 5) in "250 fine"'
    assert session.log == [complaint, "H=(h) [192.0.2.1] rejected MAIL <a@x>: 550 fine"]
    assert session.world.log.of("panic") == [complaint]


def test_an_answer_to_helo_that_is_too_long_is_reported():
    session = exchange(acls(helo="accept message = one\\ntwo"), "EHLO h")
    assert session.log == ["EHLO/HELO response must not contain newlines: message truncated: 250 one\\ntwo"]


# -- HELO


def test_a_refused_helo_name_is_forgotten_and_ends_no_message():
    policy = acls(
        helo="deny condition = ${if eq{$sender_helo_name}{bad}}\n    set acl_m_x = helo\n  accept",
        mail="accept set acl_m_x = mail",
        rcpt="accept logwrite = <$sender_helo_name> $acl_m_x",
    )
    session = exchange(policy, "EHLO good", "MAIL FROM:<a@x>", "EHLO bad", "RCPT TO:<b@y>", "EHLO h", "RCPT TO:<b@y>")
    assert session.replies[3:] == [
        REFUSED,
        "250 Accepted",
        "250 mx.example.org Hello h [192.0.2.1]",
        "503 sender not yet given",
    ]
    assert session.log == ["H=(bad) [192.0.2.1] rejected EHLO or HELO bad", "<> helo"]


def test_the_name_of_a_client_that_was_dropped_is_kept():
    policy = acls(helo="drop", notquit="accept logwrite = $sender_helo_name $smtp_notquit_reason")
    assert exchange(policy, "EHLO h").log[-1] == "h acl-drop"


# -- variables


def test_how_long_variables_last():
    policy = everywhere("accept logwrite = $acl_c_x|$acl_m_x\n    set acl_c_x = $acl_c_x+\n    set acl_m_x = $acl_m_x+")
    message = ("MAIL FROM:<a@x>", "RCPT TO:<b@y>")
    session = exchange(policy, "EHLO h", *message, "RSET", *message, *MESSAGE, *message, "EHLO h", *message, "QUIT")
    assert session.log == [
        "|",  # connect
        "+|",  # helo: what the connect ACL has set for a message is gone
        "++|",
        "+++|+",
        "++++|",  # after RSET
        "+++++|+",
        "++++++|++",
        "+++++++|+++",
        "++++++++|",  # after the message
        "+++++++++|+",
        "++++++++++|++",  # helo
        "+++++++++++|",
        "++++++++++++|+",
        "+++++++++++++|++",  # quit
    ]


@pytest.mark.parametrize(
    "body, counted",
    [
        ("deny", [("rule_hits_total", "mail", "policy:4")]),
        ("deny senders = nobody@x\n  accept", [("rule_hits_total", "mail", "policy:5")]),
        ("deny senders = nobody@x", [("rule_hits_total", "mail", "policy:3")]),  # the ACL itself: its end
        ("defer", [("rule_hits_total", "mail", "policy:4")]),
        (
            "deny condition = ${eval:1/0}",
            [("rule_hits_total", "mail", "policy:4"), ("rule_errors_total", "mail", "error")],
        ),
        (
            "deny condition = ${lookup dnsdb{defer_strict,a=down.test}}",
            [("rule_hits_total", "mail", "policy:4"), ("rule_errors_total", "mail", "defer")],
        ),
    ],
)
def test_counts_of_rules(body, counted):
    session = exchange(acls(mail=body), "EHLO h", "MAIL FROM:<a@x>", world=World(failing=["down.test"]))
    assert [event for event in session.world.counts.events if event[0].startswith("rule_")] == counted


def test_counts():
    policy = acls(
        rcpt="deny local_parts = no\n  defer local_parts = later\n  discard local_parts = gone\n"
        "  accept logwrite = $rcpt_count $recipients_count $rcpt_fail_count $rcpt_defer_count <$recipients>",
        predata="accept logwrite = $rcpt_count $recipients_count $rcpt_fail_count $rcpt_defer_count <$recipients>",
    )
    recipients = [f"RCPT TO:<{name}@y>" for name in ("a", "no", "later", "gone", "B")]
    session = exchange(policy, "EHLO h", "MAIL FROM:<a@x>", *recipients, "DATA", "", ".")
    assert [line for line in session.log if line.startswith(("1", "5"))] == [
        "1 0 0 0 <>",
        "5 1 2 1 <>",
        "5 2 2 1 <a@y, B@y>",
    ]
    assert [event for event in session.world.counts.events if event[0] == "recipients_total"] == [
        ("recipients_total", action) for action in ("accept", "reject", "defer", "discard", "accept")
    ]


def test_addresses_without_a_domain_get_one():
    policy = "qualify_domain = example.org\n" + acls(
        rcpt="accept domains = example.org\n    local_parts = postmaster\n    logwrite = $sender_address $domain"
    )
    assert exchange(policy, "EHLO h", "MAIL FROM:<root>", "RCPT TO:<Postmaster>").log == [
        "root@example.org example.org"
    ]


def test_the_protocol_is_esmtp_once_the_client_has_said_so():
    policy = everywhere("accept logwrite = $received_protocol", "connect", "helo", "mail")
    assert exchange(policy, "EHLO h", "MAIL FROM:<a@x>", macros={"cipher": "X", "auth_type": "PLAIN"}).log == [
        "smtpsa",
        "smtpsa",
        "esmtpsa",
    ]


# -- discard


def test_a_discarded_recipient_is_accepted_and_deleted():
    policy = acls(rcpt="discard local_parts = gone\n    message = fine\n    log_message = why\n  accept")
    world = World()
    talk = Conversation(load(policy), world.services)
    talk.connect(Client(ip_address("192.0.2.1")))
    talk.mail("<a@x>")
    assert talk.rcpt("<gone@y>", ("NOTIFY=NEVER",)).outcome is Outcome.OK
    assert talk.rcpt("<b@y>").outcome is Outcome.OK
    assert talk.end_of_message().outcome is Outcome.OK
    assert talk.edits == (DeleteRecipient("<gone@y>"),)
    assert world.log.of("main") == ["H=[192.0.2.1] F=<a@x> RCPT <gone@y>: discarded by RCPT ACL: why"]
    assert world.log.of("reject") == world.log.of("main")


def test_a_message_without_recipients_left_is_discarded():
    policy = acls(rcpt="discard", predata="accept logwrite = predata", data="deny")
    session = exchange(policy, *ALL)
    assert session.replies[3:] == [
        "250 Accepted",
        '354 Enter message, ending with "." on a line by itself',
        "250 OK id=1",
        "221 mx.example.org closing connection",
    ]
    assert session.log[-1] == "predata"
    assert ("messages_total", "discard") in session.world.counts.events


def test_a_discarded_sender_is_a_discarded_message():
    policy = acls(mail="discard message = fine\n    log_message = why", rcpt="deny", data="deny")
    session = exchange(policy, *ALL)
    assert session.replies[2:4] == ["250 fine", "250 Accepted"]
    assert session.replies[-2] == "250 OK id=1"
    assert session.log == ["H=(h) [192.0.2.1] MAIL <a@x>: discarded by MAIL ACL: why"]
    assert session.talk.tx.sender is None  # until the next message


def test_a_message_discarded_at_its_end():
    session = exchange(acls(data="discard log_message = why"), *ALL)
    assert session.replies[-2] == "250 OK id=1"
    assert session.log == ["H=(h) [192.0.2.1] F=<a@x> after DATA: discarded by DATA ACL: why"]


def test_discard_where_there_is_nothing_to_discard():
    session = exchange("acl_smtp_helo = ${if def:sender_helo_name{discard}}", "EHLO h")
    assert session.replies[-1] == LATER
    assert session.log == [
        '"discard" verb not allowed in EHLO or HELO ACL',
        "H=(h) [192.0.2.1] temporarily rejected EHLO or HELO h",
    ]


# -- the message


def talked(policy, *fields, body=b"body\r\n"):
    """A message that has been judged."""
    talk = Conversation(load(policy), World().services)
    talk.connect(Client(ip_address("192.0.2.1")))
    talk.mail("<a@x>")
    talk.rcpt("<b@y>")
    talk.predata()
    for field in fields:
        name, _, value = field.partition(":")
        talk.header(name, value.encode("latin-1"))
    talk.end_of_headers()
    talk.body(body)
    reply = talk.end_of_message()
    return talk, reply


def test_headers_added_and_removed():
    policy = acls(
        rcpt="accept add_header = :at_start:X-Top: 1\n    add_header = X-End: 2\n    add_header = X-End: 2\n"
        "    remove_header = x-old : Subject",
        predata="accept add_header = :after_received:X-Middle: 3",
        data="accept condition = ${if eq{$h_x-end:|$h_subject:|$headers_added}{2||}}\n"
        "    add_header = X-Late: <$h_x-late:>\n    remove_header = To",
    )
    talk, reply = talked(policy, "Received: a", "Subject: s", "X-Old: 1", "x-old: 2", "To: t")
    assert reply.outcome is Outcome.OK
    assert talk.edits == (
        ChangeHeader("x-old", 2),
        ChangeHeader("Subject", 1),
        ChangeHeader("X-Old", 1),
        ChangeHeader("To", 1),
        AddHeader("X-Top", " 1", 0),
        AddHeader("X-Middle", " 3", 3),
        AddHeader("X-End", " 2"),
        AddHeader("X-Late", " <>"),
    )


def test_headers_of_an_acl_that_refused_a_recipient_stick():
    policy = acls(rcpt="warn add_header = X-Rcpt: $local_part\n  deny local_parts = no\n  accept")
    talk = Conversation(load(policy), World().services)
    talk.connect(Client(ip_address("192.0.2.1")))
    talk.mail("<a@x>")
    assert [talk.rcpt(path).outcome for path in ("<no@y>", "<b@y>")] == [Outcome.FAIL, Outcome.OK]
    talk.end_of_message()
    assert [edit.value for edit in talk.edits] == [" no", " b"]


def test_a_quarantine():
    talk, reply = talked(acls(rcpt="accept control = freeze"))
    assert reply.outcome is Outcome.OK
    assert talk.edits == (Quarantine("frozen by the RCPT ACL"),)


@pytest.mark.parametrize(
    "body, action",
    [
        ("accept", "accept"),
        ("accept control = freeze", "quarantine"),
        ("deny", "reject"),
        ("deny control = freeze", "reject"),
        ("defer", "defer"),
        ("discard", "discard"),
        ("drop", "reject"),
    ],
)
def test_messages_are_counted_by_what_becomes_of_them(body, action):
    session = exchange(acls(data=body), *ALL)
    assert [event for event in session.world.counts.events if event[0] == "messages_total"] == [
        ("messages_total", action)
    ]


def test_messages_that_come_to_nothing_are_counted():
    commands = ("EHLO h", "MAIL FROM:<a@x>", "RSET", "MAIL FROM:<a@x>", "EHLO h", "RSET", "QUIT")
    events = exchange("", *commands).world.counts.events
    assert [event for event in events if event[0] == "messages_total"] == [("messages_total", "abort")] * 2


def test_sizes():
    policy = everywhere("accept logwrite = $message_size", "connect", "helo", "mail", "data")
    session = exchange(policy, "EHLO h", "MAIL FROM:<a@x> SIZE=100", "RCPT TO:<b@y>", *MESSAGE, "MAIL FROM:<a@x>")
    assert session.log == ["0", "-1", "100", str(len("Subject: hi\r\n\r\nbody\r\n")), "-1"]


def test_the_body_is_kept_only_for_a_policy_that_looks_at_it():
    talk, _ = talked(acls(data="accept"))
    assert talk.tx.message.kept_body is None
    talk, reply = talked(acls(data="deny regex = ^bo(.)y\n    message = $regex1"))
    assert reply.lines == ("d",)
    talk.abort()


# -- the end


@pytest.mark.parametrize(
    "commands, log",
    [
        (("EHLO h", "QUIT"), ["quit "]),
        (("EHLO h",), ["notquit connection-lost"]),
        (("EHLO h", "MAIL FROM:<drop@x>", "QUIT"), ["H=(h) [192.0.2.1] rejected MAIL <drop@x>", "notquit acl-drop"]),
        (("EHLO h", "MAIL FROM:<a@x>", "RCPT TO:<b@y>", "DATA", "X: 1"), ["notquit connection-lost"]),
    ],
)
def test_how_a_session_ends(commands, log):
    policy = acls(
        mail="drop senders = drop@x\n  accept",
        quit="accept logwrite = quit $smtp_notquit_reason",
        notquit="accept logwrite = notquit $smtp_notquit_reason",
    )
    assert exchange(policy, *commands).log == log


def test_a_milter_takes_quit_for_granted():
    policy = load(acls(quit="accept logwrite = quit", notquit="accept logwrite = notquit", mail="drop"))
    for commands, line in (((), "quit"), (("<a@x>",), "notquit")):
        world = World()
        talk = Conversation(policy, world.services)
        talk.connect(Client(ip_address("192.0.2.1")))
        for path in commands:
            talk.mail(path)
        talk.close()
        talk.close()
        assert world.log.of("main")[-1:] == [line]
        assert world.log.of("main").count(line) == 1


def test_nothing_runs_at_the_end_of_a_connection_that_never_was_or_was_refused():
    policy = load(acls(connect="deny", quit="accept logwrite = quit", notquit="accept logwrite = notquit"))
    world = World()
    Conversation(policy, world.services).close()
    talk = Conversation(policy, world.services)
    talk.connect(Client(ip_address("192.0.2.1")))
    talk.close()
    assert world.log.of("main") == ['H=[192.0.2.1] rejected connection in "connect" ACL']


MAY_NOT = "QUIT or not-QUIT toplevel ACL may not fail ('{}' verb used incorrectly)"


@pytest.mark.parametrize(
    "body, reply, wrong",
    [
        ("accept", "mx.example.org closing connection", None),
        ("accept condition = no", "mx.example.org closing connection", None),  # runs off its end
        ("deny", "mx.example.org closing connection", MAY_NOT.format("deny")),
        ("deny message = bye", "bye", MAY_NOT.format("deny")),
        ("drop", "mx.example.org closing connection", MAY_NOT.format("drop")),
        ("defer", "mx.example.org closing connection", MAY_NOT.format("defer")),
        ("require condition = no", "mx.example.org closing connection", MAY_NOT.format("require")),
        ("deny condition = maybe", "mx.example.org closing connection", None),
        ("accept endpass\n    condition = no", "mx.example.org closing connection", None),
        ("accept condition = ${eval:1/0}", "mx.example.org closing connection",
         'failed to expand ACL string "${eval:1/0}": error in expression evaluation: divide by zero '
         '(after processing "1/0")'),
    ],
)  # fmt: skip
def test_quit_cannot_be_refused(body, reply, wrong):
    session = exchange(acls(quit=body), "QUIT")
    assert session.replies[-1] == f"221 {reply}"
    assert session.log == ([] if wrong is None else [f"ACL for QUIT returned ERROR: {wrong}"])


def test_notquit_cannot_be_refused():
    assert exchange(acls(notquit="deny")).log == [f"ACL for not-QUIT returned ERROR: {MAY_NOT.format('deny')}"]


# -- numbers


def test_decisions_are_counted():
    """Of phases that have an ACL: HELO and QUIT have none here."""
    session = exchange(acls(connect="accept", mail="deny", rcpt="accept"), "EHLO h", "MAIL FROM:<a@x>", "QUIT")
    assert [event for event in session.world.counts.events if event[0] == "decisions_total"] == [
        ("decisions_total", "connect", "accept", "true"),
        ("decisions_total", "mail", "reject", "true"),
    ]


def test_sizes_are_observed_where_bodies_are_told(monkeypatch):
    seen = []
    monkeypatch.setattr(Counts, "observe", lambda _, name, value, *labels: seen.append((name, value)))
    exchange(acls(rcpt="accept condition = yes"), *ALL)
    exchange(acls(data="accept condition = ${if >{$message_size}{1}}"), *ALL)
    assert [value for name, value in seen if name == "message_size_bytes"] == [len("Subject: hi\r\n\r\nbody\r\n")]


def test_lines_are_counted_for_who_asks():
    session = exchange(acls(data="accept logwrite = $body_linecount $message_linecount $message_body_size"), *ALL)
    assert session.log == ["1 3 5"]


def test_captures_last_until_the_next_match():
    policy = acls(
        mail="accept sender_domains = ^(.)",
        rcpt="warn logwrite = rcpt $0 $1\n  warn domains = nowhere\n  accept logwrite = then $0 $1",
        predata="accept logwrite = predata $0 $1",
    )
    session = exchange(policy, *ALL)
    assert session.log == ["rcpt x x", "then  ", "predata  "]


@pytest.mark.parametrize("phase", Phase)
def test_a_phase_has_a_title(phase):
    titles = {Phase.CONNECT: "connection", Phase.HELO: "EHLO or HELO"}
    assert phase.title == titles.get(phase, phase.name)
