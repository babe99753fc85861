"""What clients of a real Sendmail see of policyd's verdicts, phase by phase, and what becomes of their messages."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from queue import Empty

import pytest
from parts.daemon import Policyd
from parts.ports import free_port, wait_until
from parts.sendmail import OWNER, Sendmail, isolation_refused
from parts.sink import Sink
from parts.smtp import PHASES, content, is_disconnected, refusal, say, send

NAMED = {f"127.0.1.{number}": f"{verdict}.connect" for number, verdict in enumerate(("deny", "defer", "drop"), 1)}
HOSTS = {name: address for address, name in NAMED.items()}


@pytest.fixture(scope="module", autouse=True)
def namespaces() -> None:
    """The private Sendmail needs two."""
    if reason := isolation_refused():
        pytest.skip(f"needs namespaces of its own, to start a private Sendmail: {reason}")


@pytest.fixture(scope="module")
def kept_sink() -> Iterator[Sink]:
    """Where delivered messages arrive."""
    with Sink() as running:
        yield running


@pytest.fixture(scope="module")
def sendmail(kept_sink) -> Iterator[Sendmail]:
    """A Sendmail whose milter is whoever listens on its ``socket``."""
    with Sendmail(kept_sink.port, hosts={"127.0.1.9": "mx.example.org"}) as running:
        yield running


@pytest.fixture
def sink(kept_sink) -> Sink:
    """The same, and nothing in it."""
    assert kept_sink.is_empty()
    return kept_sink


@pytest.fixture
def policyd(sendmail) -> Iterator[Callable[..., Policyd]]:
    """``policyd(POLICY, **options)`` starts one for that Sendmail, until the end of the test."""
    with ExitStack() as running:

        def start(policy: str, **options: str) -> Policyd:
            return running.enter_context(Policyd(policy, sendmail.socket, options))

        yield start


@pytest.fixture(scope="module")
def phases():
    """A Sendmail, and policyd with an ACL for every phase."""
    with Sink() as sink, Sendmail(sink.port, hosts=NAMED) as sendmail, Policyd(PHASES, sendmail.socket):
        yield sendmail


@pytest.mark.parametrize(
    "key, command, reply",
    [
        ("deny.connect", "MAIL", "554 5.7.7 connect: denied"),
        ("deny.helo", "MAIL", "554 5.7.7 helo: denied"),
        ("deny.mail", "MAIL", "554 5.7.7 mail: denied"),
        ("deny.rcpt", "RCPT", "554 5.7.7 rcpt: denied"),
        ("deny.predata", "DATA", "554 5.7.7 predata: denied"),
        ("deny.data", "From:", "554 5.7.7 data: denied"),
        ("defer.connect", "MAIL", "452 4.3.7 connect: deferred"),
        ("defer.helo", "MAIL", "452 4.3.7 helo: deferred"),
        ("defer.mail", "MAIL", "452 4.3.7 mail: deferred"),
        ("defer.rcpt", "RCPT", "452 4.3.7 rcpt: deferred"),
        ("defer.predata", "DATA", "452 4.3.7 predata: deferred"),
        ("defer.data", "From:", "452 4.3.7 data: deferred"),
        ("drop.connect", "EHLO", "421 4.7.1 connect: dropped"),
        ("drop.helo", "EHLO", "421 4.7.1 helo: dropped"),
        ("drop.mail", "MAIL", "421 4.7.1 mail: dropped"),
        ("drop.rcpt", "RCPT", "421 4.7.1 rcpt: dropped"),
        ("drop.predata", "DATA", "421 4.7.1 predata: dropped"),
        ("drop.data", "From:", "421 4.7.1 data: dropped"),
        ("accept", "", ""),
    ],
)
def test_verdicts(phases, key, command, reply):
    with phases.client(HOSTS.get(key, "127.0.0.1")) as smtp:
        assert refusal(smtp, key) == (command, reply)
        assert is_disconnected(smtp) == key.startswith("drop")


def test_a_discarded_recipient_gets_nothing_and_the_other_gets_the_message(sendmail, policyd, sink):
    policyd("begin acl\nacl_check_rcpt:\n  discard local_parts = ghost\n  accept\n")
    with sendmail.client() as smtp:
        send(smtp, "ghost@example.org", "reader@example.org")
    assert sink.next().recipients == ("reader@example.org",)


@pytest.mark.parametrize("phase", ["mail", "data"])
def test_a_discarded_message_is_accepted_and_delivered_to_nobody(sendmail, policyd, sink, phase):
    policyd(f"begin acl\nacl_check_{phase}:\n  discard senders = void@example.org\n  accept\n")
    with sendmail.client() as smtp:
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
         add_header = X-End: three
         add_header = :at_start:X-Top: first of all
         add_header = :after_received:X-After: below the trace
         add_header = :at_start_rfc:X-Rfc: likewise
         add_header = X-Keep: after the old one
         remove_header = X-Secret : x-other
"""


def test_headers_are_added_at_their_places_and_removed(sendmail, policyd, sink):
    policyd(HEADERS)
    lines = ["X-Secret: a", "Received: from nowhere", "X-Keep: b", "X-Secret: c", "X-Other: d"]
    message = "\r\n".join(["Received: from elsewhere", content("places", *lines)])
    with sendmail.client() as smtp:
        send(smtp, "reader@example.org", message=message)
    delivered = sink.next()
    top = ["X-Top", "Received", "Date", "Message-Id"]  # Sendmail has added two
    bottom = ["X-Mail", "X-End", "X-End", "X-Keep"]
    assert delivered.message.keys() == [
        *top, "Received", "X-Rfc", "X-After", "From", "Subject", "Received", "X-Keep", *bottom
    ]  # fmt: skip
    assert delivered.message.get_all("X-End") == ["one\r\n two", "three"]


def test_a_quarantined_message_is_held_in_the_queue(sendmail, policyd, sink):
    policyd("begin acl\nacl_check_data:\n  accept control = freeze\n")
    with sendmail.client() as smtp:
        send(smtp, "reader@example.org")
    held = sendmail.quarantine()
    assert "<reader@example.org>" in held
    assert "QUARANTINE: frozen by the DATA ACL" in held
    assert sink.is_empty()
    sendmail.release()
    assert sink.next().recipients == ("reader@example.org",)
    assert "<reader@example.org>" not in sendmail.quarantine()


def test_a_reload_between_two_messages_of_one_connection(sendmail, policyd, sink):
    daemon = policyd("begin acl\nacl_check_mail:\n  accept\n")

    def is_new() -> bool:
        with sendmail.client() as other:
            return [say(other, command)[0] for command in ("EHLO other", "MAIL FROM:<from@example.org>")] == [250, 550]

    with sendmail.client() as smtp:
        send(smtp, "reader@example.org")
        daemon.write("begin acl\nacl_check_mail:\n  deny message = the new policy\n")
        daemon.reload()
        wait_until(is_new, "the new policy")
        send(smtp, "reader@example.org")  # a connection keeps the policy it began with
    assert [sink.next().sender for _ in range(2)] == ["from@example.org", "from@example.org"]


LATER = ("MAIL", "451 4.3.2 Please try again later")
"""What a client hears as long as it stays connected, once a milter with F=T has failed."""


def test_a_worker_killed_in_a_session_costs_that_connection_only(sendmail, policyd, sink):
    daemon = policyd("begin acl\nacl_check_rcpt:\n  deny domains = nowhere.example\n  accept\n", workers="1")
    with sendmail.client() as smtp:
        assert [say(smtp, command)[0] for command in ("EHLO there", "MAIL FROM:<from@example.org>")] == [250, 250]
        (worker,) = daemon.workers()
        os.kill(worker, signal.SIGKILL)
        assert say(smtp, "RCPT TO:<reader@example.org>") == (451, "4.3.2 Please try again later")
        say(smtp, "RSET")
        wait_until(lambda: worker not in daemon.workers() and daemon.workers(), "another worker")
        assert refusal(smtp, "example.org") == LATER
    with sendmail.client() as smtp:
        send(smtp, "reader@example.org")
    assert sink.next().recipients == ("reader@example.org",)


def test_without_policyd_mail_waits_at_its_sender(sendmail, policyd, sink):
    with sendmail.client() as smtp:
        assert refusal(smtp, "example.org") == LATER
        policyd("begin acl\nacl_check_rcpt:\n  accept\n")
        assert refusal(smtp, "example.org") == LATER
    with sendmail.client() as smtp:
        send(smtp, "reader@example.org")
    assert sink.next().recipients == ("reader@example.org",)


SEEN = """\
begin acl
acl_check_data:
  accept add_header = X-Client: $sender_host_name [$sender_host_address] $sender_helo_name
         add_header = X-Server: [$received_ip_address]:$received_port $received_protocol
         add_header = X-Tls: $tls_in_ver $tls_in_bits $tls_in_certificate_verified $tls_in_peerdn
         add_header = X-Auth: $sender_host_authenticated $authenticated_id
         add_header = X-Id: $message_exim_id
"""


@pytest.mark.parametrize(
    "client, seen",
    [("127.0.1.9", "mx.example.org [127.0.1.9] client.example.org"), ("127.0.1.8", "[127.0.1.8] client.example.org")],
)
def test_who_the_client_is(sendmail, policyd, sink, client, seen):
    policyd(SEEN)
    with sendmail.client(client) as smtp:
        send(smtp, "reader@example.org")
        port = smtp.sock.getsockname()[1]
    message = sink.next().message
    assert message["X-Client"] == seen
    assert message["X-Server"] == f"[127.0.0.1]:{sendmail.port} esmtp"
    assert f"id {message['X-Id']}\r\n" in message["Received"]


TLS = """\
define(`confSERVER_CERT', `{here}/certificate')dnl
define(`confSERVER_KEY', `{here}/key')dnl
define(`confCACERT', `{here}/certificate')dnl
define(`confCACERT_PATH', `{here}')dnl
define(`confAUTH_MECHANISMS', `EXTERNAL')dnl
TRUST_AUTH_MECH(`EXTERNAL')dnl
"""


def test_what_sendmail_tells_of_tls_and_authentication_over_tcp():
    port = free_port()
    attached = f"INPUT_MAIL_FILTER(`policyd', `S=inet:{port}@127.0.0.1, F=T, T=S:4m;R:4m;E:10m')dnl\n"
    with Sink() as sink, Policyd(SEEN, f"inet:{port}@127.0.0.1"):
        server = Sendmail(sink.port, attached + TLS)
        key, certificate = server.directory / "key", server.directory / "certificate"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", key, "-out", certificate, "-days", "2", "-subj", r"/O=A \+ B/CN=localhost"],
            check=True, capture_output=True,
        )  # fmt: skip
        shutil.chown(key, OWNER)
        context = ssl.create_default_context(cafile=certificate)
        context.check_hostname = False
        context.load_cert_chain(certificate, key)
        with server, server.client() as smtp:
            smtp.starttls(context=context)
            smtp.ehlo()
            assert smtp.docmd("AUTH EXTERNAL =")[0] == 235
            send(smtp, "reader@example.org")
        message = sink.next().message
    assert message["X-Tls"] == "TLSv1.3 256 1 /O=A + B/CN=localhost"
    assert message["X-Auth"] == "EXTERNAL /O=A + B/CN=localhost"
    assert message["X-Server"] == f"[127.0.0.1]:{server.port} esmtpsa"
