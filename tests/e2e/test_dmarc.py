"""DMARC through a real Postfix: lists protected, results on top of a message, history and failure reports."""

from __future__ import annotations

import smtplib

import pytest
from parts.daemon import Policyd
from parts.nsd import Nsd
from parts.ports import wait_until
from parts.postfix import Postfix
from parts.signing import ed25519, signed
from parts.sink import Sink

KEY = ed25519()
ZONE = f"""\
$ORIGIN test.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
reject               TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.reject        TXT "v=DMARC1; p=reject; ruf=mailto:reports@reject.test"
s._domainkey.reject  TXT "v=DKIM1; k=ed25519; p={KEY.public}"
forwarder            TXT "v=spf1 ip4:192.0.2.2 -all"
"""
POLICY = """\
dmarc_forensic_smtp = 127.0.0.1:SINK
dmarc_history_file = HISTORY
begin acl
acl_check_rcpt:
  warn   control           = dmarc_enable_forensic
  warn   recipients        = friends@here.test
         set acl_m_mailing_list = 1
  accept
acl_check_data:
  warn   dmarc_status      = *
         authresults       = $primary_hostname
  deny   condition         = ${if eq{$dmarc_domain_policy}{reject}}
         condition         = ${if eq{$acl_m_mailing_list}{1}}
         message           = Messages from $dmarc_used_domain break mailing lists
  deny   dmarc_status      = reject
         message           = 550 5.7.1 DMARC: not from $dmarc_used_domain
  accept
"""
MESSAGE = b"""\
From: Some One <a@reject.test>\r
Subject: hi\r
\r
A body.\r
"""
FORGED = b"""\
Authentication-Results: policyd.test; dmarc=pass header.from=bank.test\r
AUTHENTICATION-RESULTS: (c) "policyd.test" 1; spf=pass\r
Authentication-Results: elsewhere.test; spf=fail\r
"""


@pytest.fixture(scope="module")
def mail():
    """A Postfix that policyd advises, with DNS of its own; the messages that arrive behind it."""
    with Sink() as sink, Postfix(sink.port) as postfix, Nsd({"test.": ZONE}) as nsd:
        history = postfix.directory / "history"
        policy = POLICY.replace("SINK", str(sink.port)).replace("HISTORY", str(history))
        with Policyd(policy, postfix.socket, {"dns_servers": "127.0.0.1", "dns_port": str(nsd.port)}) as policyd:
            yield Mail(postfix, sink, policyd, history)


class Mail:
    """Sends and receives."""

    def __init__(self, postfix, sink, policyd, history):
        self.postfix, self.sink, self.policyd, self.history = postfix, sink, policyd, history

    def send(self, message, client="192.0.2.1", sender="a@reject.test", rcpt="bob@here.test"):
        """The reply at the end of the message."""
        with self.postfix.client(client) as smtp:
            smtp.ehlo("client.test")
            smtp.mail(sender)
            smtp.rcpt(rcpt)
            try:
                code, text = smtp.data(message)
            except smtplib.SMTPResponseException as error:
                code, text = error.smtp_code, error.smtp_error
            return code, text.decode()


def test_a_message_that_passes_is_delivered_with_its_results(mail):
    assert mail.send(FORGED + MESSAGE)[0] == 250
    message = mail.sink.next().message
    results = message.get_all("Authentication-Results")
    assert [" ".join(result.split()) for result in results] == [
        "policyd.test; spf=pass smtp.mailfrom=reject.test; dkim=none;"
        " dmarc=pass header.from=reject.test policy.dmarc=reject",
        "elsewhere.test; spf=fail",
    ]
    assert message.keys()[0] == "Authentication-Results"


def test_a_signature_is_enough(mail):
    message = signed(MESSAGE, KEY, d="reject.test", a="ed25519-sha256")
    assert mail.send(message, client="192.0.2.2", sender="x@forwarder.test")[0] == 250
    assert "dmarc=pass" in mail.sink.next().message["Authentication-Results"]


def test_a_message_that_passes_is_refused_to_a_list(mail):
    """Its copies would be refused elsewhere."""
    code, text = mail.send(MESSAGE, rcpt="friends@here.test")
    assert (code, text) == (550, "5.7.1 Messages from reject.test break mailing lists")


def test_a_forgery_is_refused_and_reported(mail):
    code, text = mail.send(MESSAGE, client="192.0.2.2", sender="x@forwarder.test")
    assert (code, text) == (550, "5.7.1 DMARC: not from reject.test")
    report = mail.sink.next()
    assert (report.sender, report.recipients) == ("", ("reports@reject.test",))
    assert report.message.get_content_type() == "multipart/report"
    fields = dict(report.message.get_payload()[1].get_payload()[0].items())
    assert (fields["Source-IP"], fields["Reported-Domain"]) == ("192.0.2.2", "reject.test")
    assert fields["Identity-Alignment"] == "dkim, spf"


def test_each_message_is_in_the_history(mail):
    before = mail.history.read_text().count("job ") if mail.history.exists() else 0
    mail.send(MESSAGE)
    queue_id = mail.sink.next().message["Received"].split(" id ")[1].split()[0].strip(";")
    records = mail.history.read_text().split("job ")
    assert len(records) == before + 2
    assert records[-1].startswith(f"{queue_id}\nreporter policyd.test\n")
    assert "\nfrom reject.test\nmfrom reject.test\nspf 0\npdomain reject.test\npolicy 15\n" in records[-1]


def test_metrics(mail):
    mail.send(MESSAGE)
    mail.sink.next()
    line = 'policyd_dmarc_results_total{disposition="none",policy="reject",result="pass"}'
    wait_until(lambda: line in mail.policyd.page("/metrics"), line)
