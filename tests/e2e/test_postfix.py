"""What clients of a real Postfix see of policyd's verdicts, phase by phase, and what becomes of their messages."""

from __future__ import annotations

import os
import signal
import subprocess
from queue import Empty

import pytest
from parts.daemon import Policyd
from parts.ports import free_port, wait_until
from parts.postfix import Postfix
from parts.programs import environment, program
from parts.sink import Sink
from parts.smtp import PHASES, VERDICTS, content, is_disconnected, refusal, say, send


def is_refused(postfix: Postfix, reason: str) -> bool:
    """Whether a new connection is refused with that reason."""
    with postfix.client() as smtp:
        return reason in refusal(smtp, "example.org")[1]


@pytest.fixture(scope="module", params=["no", "yes"], ids="delay_reject={}".format)
def phases(request):
    """A Postfix, and policyd with an ACL for every phase. The parameter does not delay what a milter refuses."""
    parameters = {"smtpd_delay_reject": request.param}
    with Sink() as sink, Postfix(sink.port, main_cf=parameters) as postfix, Policyd(PHASES, postfix.socket):
        yield postfix


@pytest.mark.parametrize("key, command, reply", VERDICTS)
def test_verdicts(phases, key, command, reply):
    with phases.client("192.0.2.1", NAME=key) as smtp:
        assert refusal(smtp, key) == (command, reply)
        assert is_disconnected(smtp) == key.startswith("drop")


def test_a_discarded_recipient_gets_nothing_and_the_other_gets_the_message(postfix, policyd, sink):
    policyd("begin acl\nacl_check_rcpt:\n  discard local_parts = ghost\n  accept\n")
    with postfix.client() as smtp:
        send(smtp, "ghost@example.org", "reader@example.org")
    assert sink.next().recipients == ("reader@example.org",)


@pytest.mark.parametrize("phase", ["mail", "data"])
def test_a_discarded_message_is_accepted_and_delivered_to_nobody(postfix, policyd, sink, phase):
    policyd(f"begin acl\nacl_check_{phase}:\n  discard senders = void@example.org\n  accept\n")
    with postfix.client() as smtp:
        send(smtp, "reader@example.org", sender="void@example.org")
        send(smtp, "reader@example.org", sender="from@example.org")
    assert sink.next().sender == "from@example.org"
    with pytest.raises(Empty):
        sink.next(0.2)


HEADERS = """\
begin acl
acl_check_mail:
  warn   add_header = X-Mail: at mail
  accept
acl_check_data:
  accept add_header = X-End: one\\n two
         add_header = :at_start:X-Top: first of all
         add_header = :after_received:X-After: below the trace
         add_header = :at_start_rfc:X-Rfc: likewise
         remove_header = X-Secret : x-other
"""


def test_headers_are_added_at_their_places_and_removed(postfix, policyd, sink):
    policyd(HEADERS)
    lines = ["X-Secret: a", "Received: from nowhere", "X-Keep: b", "X-Secret: c", "X-Other: d"]
    message = "\r\n".join(["Received: from elsewhere", content("places", *lines)])
    with postfix.client() as smtp:
        send(smtp, "reader@example.org", message=message)
    delivered = sink.next()
    top = ["X-Top", "Received", "Received", "X-Rfc", "X-After"]
    bottom = ["Message-Id", "Date", "X-Mail", "X-End"]  # Postfix has added two before it asked
    assert delivered.message.keys() == [*top, "From", "Subject", "Received", "X-Keep", *bottom]
    assert delivered.message["X-End"] == "one\r\n two"


def test_a_quarantined_message_is_held_in_the_queue(postfix, policyd, sink):
    policyd("begin acl\nacl_check_data:\n  accept control = freeze\n")
    with postfix.client() as smtp:
        send(smtp, "reader@example.org")
    (held,) = postfix.queue()
    assert held["queue_name"] == "hold"
    assert [to["address"] for to in held["recipients"]] == ["reader@example.org"]
    assert "Subject: hello" in postfix.queued_message(held["queue_id"])
    assert sink.is_empty()
    postfix.delete(held["queue_id"])


def test_a_reload_between_two_messages_of_one_connection(postfix, policyd, sink):
    daemon = policyd("begin acl\nacl_check_mail:\n  accept\n")
    with postfix.client() as smtp:
        send(smtp, "reader@example.org")
        daemon.write("begin acl\nacl_check_mail:\n  deny message = the new policy\n")
        daemon.reload()
        wait_until(lambda: is_refused(postfix, "the new policy"), "the new policy")
        send(smtp, "reader@example.org")  # a connection keeps the policy it began with
    assert [sink.next().sender for _ in range(2)] == ["from@example.org", "from@example.org"]


def test_a_bad_policy_leaves_the_old_one_in_force(postfix, policyd, sink):
    daemon = policyd("begin acl\nacl_check_mail:\n  accept\n")
    daemon.write("begin acl\nacl_check_mail:\n  acept\n")
    daemon.reload()
    wait_until(lambda: "10-policy.conf:3" in daemon.log(), "the complaint")
    with postfix.client() as smtp:
        send(smtp, "reader@example.org")
    assert sink.next().recipients == ("reader@example.org",)


def test_a_worker_killed_in_a_session_costs_that_message_only(postfix, policyd, sink):
    daemon = policyd("begin acl\nacl_check_rcpt:\n  deny domains = nowhere.example\n  accept\n", workers="1")
    with postfix.client() as smtp:
        assert [say(smtp, command)[0] for command in ("EHLO there", "MAIL FROM:<from@example.org>")] == [250, 250]
        (worker,) = daemon.workers()
        os.kill(worker, signal.SIGKILL)
        assert say(smtp, "RCPT TO:<reader@example.org>")[0] == 451
    with postfix.client() as smtp:
        send(smtp, "reader@example.org")
    assert sink.next().recipients == ("reader@example.org",)


SEEN = """\
begin acl
acl_check_data:
  accept add_header = X-Client: $sender_host_name [$sender_host_address]:$sender_host_port $sender_helo_name
         add_header = X-Server: [$received_ip_address]:$received_port $received_protocol
"""


def test_what_postfix_tells_over_tcp(sink):
    milter = free_port()
    policyd = Policyd(SEEN, f"inet:{milter}@127.0.0.1")
    with policyd, Postfix(sink.port, f"inet:127.0.0.1:{milter}") as postfix:
        where = {"PORT": "4242", "DESTADDR": "192.0.2.25", "DESTPORT": "2525"}
        with postfix.client("192.0.2.5", NAME="mx.example.org", **where) as smtp:
            send(smtp, "reader@example.org")
        message = sink.next().message
    assert message["X-Client"] == "mx.example.org [192.0.2.5]:4242 client.example.org"
    assert message["X-Server"] == "[192.0.2.25]:2525 esmtp"


def test_promtool_accepts_the_metrics_that_mail_leaves_behind(postfix, policyd, sink):
    daemon = policyd("begin acl\nacl_check_rcpt:\n  discard local_parts = ghost\n  accept\n")
    with postfix.client() as smtp:
        send(smtp, "ghost@example.org", "reader@example.org")
    page = daemon.page("/metrics")
    promtool = program("promtool")
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=page,
        capture_output=True,
        text=True,
        env=environment(promtool),
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert 'policyd_messages_total{action="accept"} 1.0' in page
    assert 'policyd_recipients_total{action="accept"} 1.0' in page
    assert 'policyd_recipients_total{action="discard"} 1.0' in page


RATE = """\
# Set max number of connections per host
LIMIT = 5

begin acl
acl_check_connect:
  defer message = Too many connections from this IP right now
        ratelimit = LIMIT / 1m / per_conn / strict
  accept
"""


@pytest.mark.parametrize("workers", ["1", "4"])
def test_the_sixth_quick_connection_is_deferred(postfix, policyd, workers):
    """Within a minute, so that a slow machine is quick enough, too."""
    policyd(RATE, workers=workers)
    replies = []
    for address in ["192.0.2.6"] * 6 + ["192.0.2.7"]:
        with postfix.client(address) as smtp:
            replies.append(refusal(smtp, "example.org")[1])
    assert replies == [*[""] * 5, "451 4.7.1 Too many connections from this IP right now", ""]
