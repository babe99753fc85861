"""What clients of a real Sendmail see of policyd's verdicts, phase by phase, and what becomes of their messages."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import smtplib
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import Empty

import pytest
from click.testing import CliRunner
from parts.daemon import Policyd
from parts.nsd import TEST, Nsd
from parts.ports import free_port, wait_until
from parts.sendmail import ATTACHED, OWNER, Sendmail, isolation_refused
from parts.signing import ed25519, signed
from parts.sink import Sink
from parts.smtp import PHASES, VERDICTS, content, is_disconnected, refusal, say, send

from policyd.cli.doctor import command as doctor

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


@pytest.fixture(scope="module", params=["", "FEATURE(`delay_checks')dnl\n"], ids=["", "delay_checks"])
def phases(request):
    """A Sendmail, and policyd with an ACL for every phase. The feature does not delay what a milter refuses."""
    lines = ATTACHED + request.param
    with Sink() as sink, Sendmail(sink.port, lines, NAMED) as running, Policyd(PHASES, running.socket):
        yield running


@pytest.mark.parametrize("key, command, reply", VERDICTS)
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


OWN_FIELD = """\
begin acl
acl_check_data:
  accept add_header = :at_start:X-Top: 1
         add_header = :at_start_rfc:X-Rfc: 2
         add_header = X-End: 3
"""


def test_fields_that_sendmail_adds_by_its_configuration_move_others_up():
    with ExitStack() as running:
        sink = running.enter_context(Sink())
        server = running.enter_context(Sendmail(sink.port, f"{ATTACHED}LOCAL_CONFIG\nHX-Site: here\n"))
        running.enter_context(Policyd(OWN_FIELD, server.socket))
        smtp = running.enter_context(server.client())
        send(smtp, "reader@example.org", message=f"Received: from elsewhere\r\n{content()}")
        delivered = sink.next().message.keys()
    top = ["X-Site", "X-Top", "Received", "Date", "Message-Id", "X-Rfc"]  # the last would be below the next
    assert delivered == [*top, "Received", "From", "Subject", "X-End"]


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
        unsafe = f"local socket name {sendmail.socket.removeprefix('unix:')} unsafe"
        wait_until(lambda: unsafe in sendmail.log(), "the complaint")
        policyd("begin acl\nacl_check_rcpt:\n  accept\n")
        assert refusal(smtp, "example.org") == LATER
    with sendmail.client() as smtp:
        send(smtp, "reader@example.org")
    assert sink.next().recipients == ("reader@example.org",)


@pytest.mark.parametrize("equate, code", [("F=T, ", 451), ("F=R, ", 554), ("F=4, ", 421), ("", 250)])
def test_what_the_letters_mean_without_policyd(equate, code):
    with Sendmail(sink=9, lines=ATTACHED.replace("F=T, ", equate)) as other:
        try:
            with other.client() as smtp:
                smtp.ehlo()
                heard = smtp.docmd("MAIL FROM:<from@example.org>")[0]
        except smtplib.SMTPConnectError as error:  # that is how it greets
            heard = error.smtp_code
    assert heard == code


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
             "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/O=A B (C)/CN=localhost"],
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
    assert message["X-Tls"] == "TLSv1.3 256 1 /O=A B (C)/CN=localhost"
    assert message["X-Auth"] == "EXTERNAL /O=A+20B+20+28C+29/CN=localhost"  # Sendmail calls the client so
    assert message["X-Server"] == f"[127.0.0.1]:{server.port} esmtpsa"


REPLIES = """\
begin acl
acl_check_rcpt:
  deny   local_parts = lines
         message = 554 5.7.9 100% of this\\n%s is\\na reply
  deny   local_parts = usual
         message = not here
  deny   local_parts = long
         message = 554 ${sg{1234567890}{.}{ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRST}}
  defer  local_parts = later
         message = 450 4.2.1 later
  accept
"""


@pytest.mark.parametrize(
    "recipient, reply",
    [
        ("lines", (554, "5.7.9 100% of this\n5.7.9 %s is\n5.7.9 a reply")),
        ("usual", (550, "5.7.1 <usual@example.org>... not here")),  # Sendmail does so for 450, 550 and 553
        ("later", (450, "4.2.1 <later@example.org>... later")),
        ("long", (554, f"5.7.1 {'ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRST' * 10}")),
    ],
)
def test_what_becomes_of_a_reply(replies, recipient, reply):
    with replies.client() as smtp:
        say(smtp, "EHLO there")
        say(smtp, "MAIL FROM:<from@example.org>")
        assert say(smtp, f"RCPT TO:<{recipient}@example.org>") == reply


@pytest.fixture(scope="module")
def replies():
    """A Sendmail, and policyd with replies of every kind."""
    with Sendmail(sink=9) as sendmail, Policyd(REPLIES, sendmail.socket):
        yield sendmail


CONTENT = """\
begin acl
acl_check_data:
  accept logwrite = SEEN $sender_address_local_part $recipients_count $message_body_size ${sha1:$rh_x-long:} \
         ${sha1:$rh_x-octets:} ${sha1:$rh_x-folded:}
acl_check_quit:
  accept logwrite = QUIT $sender_helo_name
"""

ODD = b"X-Long: %b\r\nX-Octets: \xff\xe9\r\n \tz\r\nX-Folded:\ta\r\n  b\r\n\r\n\x01\xff\xe4\r\n%b\r\n..\r\n.\r\n" % (
    b"x" * 5000,
    b"y" * 900,
)


def test_messages_of_every_kind_on_one_connection(sendmail, policyd, sink):
    daemon = policyd(CONTENT)
    with sendmail.client() as smtp:
        for command in ("EHLO there", "MAIL FROM:<gone@example.org>", "RCPT TO:<a@example.org>", "RSET"):
            assert say(smtp, command)[0] == 250
        for sender, message in {"odd": ODD, "big": b"\r\n%b.\r\n" % (b"a line of the body\r\n" * 300_000)}.items():
            for command in (f"MAIL FROM:<{sender}@example.org> BODY=8BITMIME", "RCPT TO:<b@example.org>", "DATA"):
                assert say(smtp, command)[0] in (250, 354)
            smtp.sock.sendall(message)
            assert smtp.getreply()[0] == 250
        smtp.quit()
    assert [sink.next().sender for _ in range(2)] == ["odd@example.org", "big@example.org"]
    wait_until(lambda: "QUIT" in daemon.log(), "the end")
    fields = (b" %b\n" % (b"x" * 5000), b" \xff\xe9\n \tz\n", b"\ta\n  b\n")
    assert [
        " ".join(line.partition(" SEEN ")[2].split()) for line in daemon.log().splitlines() if " SEEN " in line
    ] == [
        " ".join(["odd 1 907", *map(sha1, fields)]),
        " ".join(["big 1 5700000", *[sha1(b"")] * 3]),
    ]


def sha1(octets: bytes) -> str:
    """As the operator has it."""
    return hashlib.sha1(octets).hexdigest().upper()


IPV6 = "DAEMON_OPTIONS(`Name=MTA6, Family=inet6, Addr=::, Port={port6}')dnl\n"


def test_a_client_that_comes_over_ipv6():
    port = free_port()
    with Sink() as sink, Sendmail(sink.port, ATTACHED + IPV6.replace("{port6}", str(port))) as sendmail:
        with Policyd(SEEN, sendmail.socket), smtplib.SMTP("::1", port, timeout=40) as smtp:
            send(smtp, "reader@example.org")
        message = sink.next().message
    assert message["X-Client"] == "[::1] client.example.org"
    assert message["X-Server"] == "[]:-1 esmtp"  # Sendmail listens everywhere, and says nothing more


RATE = """\
LIMIT = 5

begin acl
acl_check_connect:
  defer message = Too many connections from this IP right now
        ratelimit = LIMIT / 1m / per_conn / strict
  accept
"""


@pytest.mark.parametrize("workers", ["1", "4"])
def test_the_sixth_quick_connection_is_deferred(sendmail, policyd, workers):
    """Within a minute, so that a slow machine is quick enough, too."""
    policyd(RATE, workers=workers)
    replies = []
    for address in ["127.0.2.6"] * 6 + ["127.0.2.7"]:
        with sendmail.client(address) as smtp:
            say(smtp, "EHLO there")
            replies.append(say(smtp, "MAIL FROM:<from@example.org>"))
    too_many = (451, "4.7.1 Too many connections from this IP right now")
    accepted = (250, "2.1.0 <from@example.org>... Sender ok")
    assert replies == [*[accepted] * 5, too_many, accepted]


KEY = ed25519()
ZONE = f"""\
{TEST}
reject               TXT "v=spf1 ip4:127.0.3.1 -all"
_dmarc.reject        TXT "v=DMARC1; p=reject"
s._domainkey.reject  TXT "v=DKIM1; k=ed25519; p={KEY.public}"
"""
SIGNED = """\
begin acl
acl_check_data:
  warn   dmarc_status = *
         authresults = $primary_hostname
  deny   dmarc_status = reject
         message = 550 5.7.1 DMARC: not from $dmarc_used_domain
  accept
"""
MESSAGE = (
    b"From: Some One <a@reject.test>\r\nSubject:  hi \r\nTo: b@example.org,\r\n\tc@example.org\r\n\r\nA body.\r\n\r\n"
)
SIGNED_MESSAGE = signed(MESSAGE, KEY, d="reject.test", a="ed25519-sha256", c="simple/simple")


@pytest.mark.parametrize(
    "client, message, reply, results",
    [
        ("127.0.3.1", MESSAGE, 250, "spf=pass dkim=none dmarc=pass"),
        ("127.0.3.2", MESSAGE, 550, ""),
        ("127.0.3.2", SIGNED_MESSAGE, 250, "spf=fail dkim=pass dmarc=pass"),
        ("127.0.3.2", SIGNED_MESSAGE + b"more\r\n", 550, ""),
    ],
)
def test_who_sent_it(authenticating, client, message, reply, results):
    sendmail, sink = authenticating
    with sendmail.client(client) as smtp:
        smtp.ehlo("client.example.org")
        for command in ("MAIL FROM:<a@reject.test>", "RCPT TO:<b@example.org>", "DATA"):
            assert say(smtp, command)[0] in (250, 354)
        smtp.sock.sendall(message + b".\r\n")
        assert smtp.getreply()[0] == reply
    if results:
        delivered = sink.next().message
        assert delivered.keys()[0] == "Authentication-Results"
        assert re.findall(r"(?<![.\w])(?:spf|dkim|dmarc)=\w+", delivered["Authentication-Results"]) == results.split()


@pytest.fixture(scope="module")
def authenticating():
    """A Sendmail, and policyd that verifies senders, with DNS of its own; and where mail arrives."""
    with Sink() as sink, Sendmail(sink.port) as sendmail, Nsd({"test.": ZONE}) as nsd:
        resolver = {"dns_servers": "127.0.0.1", "dns_port": str(nsd.port)}
        with Policyd(SIGNED, sendmail.socket, resolver):
            yield sendmail, sink


MANUAL = (Path(__file__).parents[2] / "docs/sendmail.md").read_text()


@pytest.mark.parametrize("lines", re.findall(r"^```m4\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL))
def test_the_lines_of_the_manual(lines):
    port = free_port()
    lines = lines.replace("unix:/run/policyd/policyd.sock", "{socket}").replace("inet:8891@", f"inet:{port}@")
    with Sendmail(sink=9, lines=lines) as sendmail:
        place = sendmail.socket if "{socket}" in lines else f"inet:{port}@127.0.0.1"
        with (
            Policyd("begin acl\nacl_check_mail:\n  deny message = policyd says so\n", place),
            sendmail.client() as smtp,
        ):
            say(smtp, "EHLO there")
            reply = say(smtp, "MAIL FROM:<from@example.org>")
    assert reply == (550, "5.7.1 <from@example.org>... policyd says so")


def test_what_the_doctor_says_of_it():
    lines = ATTACHED.replace(", T=S:4m;R:4m;E:10m", "")
    with Sendmail(sink=9, lines=lines) as sendmail, Policyd("", sendmail.socket) as daemon:
        arguments = ["--sendmail", "-c", str(daemon.configuration), "--mta-config", str(sendmail.configuration)]
        said = CliRunner().invoke(doctor, arguments).output
    shown = re.search(r"^# policyd doctor .*\n((?:.*\n)*?)ok: DNS", MANUAL, re.MULTILINE)
    assert shown
    assert said.startswith(shown[1].replace("user root", f"user {OWNER}"))


def test_sendmail_does_not_start_with_a_socket_where_others_may_write():
    server = Sendmail(sink=9, lines=ATTACHED.replace("{socket}", "unix:{here}/open/milter.sock"))
    (server.directory / "open").mkdir()
    (server.directory / "open").chmod(0o775)
    with pytest.raises(ChildProcessError, match=r"milter\.sock unsafe: Group writable directory"), server:
        pass
