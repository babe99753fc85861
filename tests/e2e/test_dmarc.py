"""DMARC through a real Postfix: lists protected, results on top of a message, history and failure reports."""

from __future__ import annotations

from contextlib import contextmanager

import pymysql
import pytest
from parts.advised import Mail
from parts.daemon import Policyd
from parts.list_recipe import recipe
from parts.mariadb import DATABASE, PASSWORD, USER, MariaDB
from parts.nsd import TEST, Nsd
from parts.opendmarc_import import SCHEMA, import_history
from parts.ports import wait_until
from parts.postfix import Postfix
from parts.signing import ed25519, signed
from parts.sink import Sink

KEY = ed25519()
ZONE = f"""\
{TEST}
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


def history_of(postfix):
    """The file that policyd writes the history into."""
    return postfix.directory / "history"


@contextmanager
def running(policy):
    """A Postfix that policyd advises, with DNS of its own; the messages that arrive behind it."""
    with Sink() as sink, Postfix(sink.port) as postfix, Nsd({"test.": ZONE}) as nsd:
        policy = policy.replace("SINK", str(sink.port)).replace("HISTORY", str(history_of(postfix)))
        with Policyd(policy, postfix.socket, {"dns_servers": "127.0.0.1", "dns_port": str(nsd.port)}) as policyd:
            yield Mail(postfix, sink, policyd)


@pytest.fixture(scope="module")
def mail():
    """With the policy of this file."""
    with running(POLICY) as parts:
        yield parts


@pytest.fixture(scope="module")
def with_recipe(tmp_path_factory):
    """With the recipe of Exim's manual; nobody takes failure reports."""
    lists = tmp_path_factory.mktemp("lists") / "lists"
    lists.write_text("friends@here.test: ours\n")
    with running("dmarc_forensic_smtp =\n" + recipe(lists)) as parts:
        yield parts


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
    history = history_of(mail.postfix)
    before = history.read_text().count("job ") if history.exists() else 0
    mail.send(MESSAGE)
    queue_id = mail.sink.next().message["Received"].split(" id ")[1].split()[0].strip(";")
    records = history.read_text().split("job ")
    assert len(records) == before + 2
    assert records[-1].startswith(f"{queue_id}\nreporter policyd.test\n")
    assert "\nfrom reject.test\nmfrom reject.test\nspf 0\npdomain reject.test\npolicy 15\n" in records[-1]


def rows(database, query):
    """What the tables of opendmarc-import have."""
    connection = pymysql.connect(host="127.0.0.1", port=database.port, user=USER, password=PASSWORD, database=DATABASE)
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def test_opendmarc_import_reads_the_history(mail):
    history = history_of(mail.postfix)
    history.unlink(missing_ok=True)
    mail.send(signed(MESSAGE, KEY, d="reject.test", a="ed25519-sha256"), "192.0.2.2", "x@forwarder.test")
    mail.send(MESSAGE, "192.0.2.2", "")
    mail.sink.next()
    with MariaDB(SCHEMA) as database:
        assert import_history(history, database.port) == ""
        assert rows(database, "SELECT policy, disp, spf, align_dkim, align_spf, sigcount, arc FROM messages") == [
            (15, 2, 0, 4, 5, 1, 11),
            (16, 0, 6, 5, 5, 0, 11),
        ]
        assert rows(
            database,
            "SELECT s.name, d.name, pass FROM signatures, selectors s, domains d"
            " WHERE s.id = selector AND d.id = signatures.domain",
        ) == [("s", "reject.test", 0)]


def test_metrics(mail):
    mail.send(MESSAGE)
    mail.sink.next()
    line = 'policyd_dmarc_results_total{disposition="none",policy="reject",result="pass"}'
    wait_until(lambda: line in mail.policyd.page("/metrics"), line)


# -- the recipe of Exim's manual


def test_the_recipe_delivers_a_message_to_a_person(with_recipe):
    assert with_recipe.send(MESSAGE)[0] == 250
    results = with_recipe.sink.next().message["Authentication-Results"]
    assert " ".join(results.split()) == "policyd.test; dmarc=pass header.from=reject.test policy.dmarc=reject"


def test_the_recipe_refuses_the_same_message_to_a_list(with_recipe):
    assert with_recipe.send(MESSAGE, rcpt="friends@here.test") == (
        550,
        "5.7.1 Messages from reject.test break mailing lists",
    )
    assert with_recipe.sink.is_empty()


def test_the_recipe_refuses_a_forgery_to_everybody(with_recipe):
    code, text = with_recipe.send(MESSAGE, "192.0.2.2", "x@forwarder.test")
    assert (code, text) == (550, "5.7.1 Message from reject.test failed sender's DMARC policy, REJECT")


def test_the_recipe_lets_others_post_to_a_list(with_recipe):
    message = MESSAGE.replace(b"a@reject.test", b"x@forwarder.test")
    assert with_recipe.send(message, "192.0.2.2", "x@forwarder.test", "friends@here.test")[0] == 250
    assert with_recipe.sink.next().recipients == ("friends@here.test",)
