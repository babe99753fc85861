"""``dmarc_status`` in policies: its statuses, variables, options, and what it writes and sends."""

from __future__ import annotations

import fcntl
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from parts.list_recipe import recipe as list_recipe
from parts.signing import ed25519, parted, rsa, signed
from parts.sink import Sink

from policyd import metrics, words
from policyd.config import load
from policyd.conversation import Conversation
from policyd.errors import Defer, PolicyError
from policyd.outbox import SmtpOutbox
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Services
from policyd.words.dmarc_feedback import letters

ZONE = """\
pass.test              TXT "v=spf1 ip4:192.0.2.1 -all"
fail.test              TXT "v=spf1 -all"
helo.reject.test       TXT "v=spf1 ip4:192.0.2.1 -all"
mail.reject.test       TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.reject.test     TXT "v=DMARC1; p=reject; sp=quarantine; rua=mailto:a@reject.test; ruf=mailto:f@reject.test"
_dmarc.quarantine.test TXT "v=DMARC1; p=quarantine"
_dmarc.none.test       TXT "v=DMARC1; p=none"
_dmarc.tested.test     TXT "v=DMARC1; p=reject; t=y"
mail.tested.test       TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.pass.test       TXT "v=DMARC1; p=reject"
_dmarc.nobody.test     TXT "v=DMARC1; p=reject; ruf=mailto:f@elsewhere.test"
_dmarc.x.co.test       TXT "v=DMARC1; p=quarantine"
"""
FAILING = ["_dmarc.failing.test", "_dmarc.broken", "failing._domainkey.reject.test"]
STATUSES = ["accept", "reject", "quarantine", "none", "norecord", "nofrom", "temperror", "permerror", "off"]
NAMES = ["status", "status_text", "used_domain", "domain_policy", "alignment_spf", "alignment_dkim"]
MORE = ["result", "reason", "applied_policy", "from_domain", "from_domains", "org_domain"]
LOG_ALL = "logwrite = " + "|".join(f"$dmarc_{name}" for name in NAMES)


class Log(list):
    """The lines of all logs, the main one's by themselves."""

    def __init__(self):
        super().__init__()
        self.panic = []

    def write(self, target, text):
        (self if target == "main" else self.panic).append(text)


class Counts(list):
    """What was reported, and could be: names and labels are those of the catalogue."""

    def count(self, name, *labels, amount=1):
        metrics.named(name, labels)
        self.append((name, *labels))

    def observe(self, name, value, *labels):
        metrics.named(name, labels)
        self.append((name, value, *labels))


class Letters(list):
    """An outbox that does each job at once."""

    def put(self, job):
        self.extend(job())
        return True


class World:
    """Policies as text, and messages judged by them."""

    def __init__(self, directory: Path):
        words.load()
        self.directory = directory
        self.zone = directory / "zone"
        self.zone.write_text(ZONE)
        self.log, self.metrics, self.outbox = Log(), Counts(), Letters()
        self.store = MemoryStore()

    def talk(self, policy: str, client="192.0.2.1", helo="there.test", macros=None) -> Conversation:
        file = self.directory / "policy.conf"
        file.write_text("primary_hostname = mx.here.test\n" + policy)
        resolver = ZoneResolver([self.zone], failing=FAILING)
        services = Services(
            resolver, self.store, self.metrics, self.log, outbox=self.outbox, clock=lambda: 1700000000.0
        )
        talk = Conversation(load(file), services)
        talk.macros.update(macros or {})
        talk.connect(Client(ip_address(client) if client else None))
        talk.helo(helo)
        return talk

    def send(self, talk: Conversation, *fields: str, sender="user@fail.test", rcpt="a@here.test") -> int:
        """The code at the end of a message with header *fields*."""
        talk.mail(f"<{sender}>")
        talk.rcpt(f"<{rcpt}>")
        talk.predata()
        for field in fields:
            name, _, value = field.partition(":")
            talk.header(name, value.encode("latin-1"))
        talk.end_of_headers()
        talk.body(b"hi\r\n")
        code = talk.end_of_message().code
        talk.abort()
        return code

    def judge(self, data: str, *fields: str, more="", sender="user@fail.test", **client) -> int:
        talk = self.talk(f"{more}\nbegin acl\nacl_check_data:\n{data}", **client)
        return self.send(talk, *fields, sender=sender)

    def status(self, *fields: str, **details) -> str:
        """The only status that matches."""
        matching = [
            word
            for word in STATUSES
            if self.judge(f"  deny dmarc_status = {word}\n  accept\n", *fields, **details) == 550
        ]
        (status,) = matching
        return status


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize(
    ("fields", "sender", "status"),
    [
        (["From: a@reject.test"], "user@fail.test", "reject"),
        (["From: a@reject.test"], "user@mail.reject.test", "accept"),
        (["from: a@mail.reject.test"], "user@fail.test", "quarantine"),
        (["From: a@quarantine.test"], "user@fail.test", "quarantine"),
        (["From: a@none.test"], "user@fail.test", "none"),
        (["From: a@tested.test"], "user@fail.test", "quarantine"),
        (["From: a@pass.test"], "user@pass.test", "accept"),
        (["From: a@norecord.test"], "user@fail.test", "norecord"),
        (["From: a@failing.test"], "user@fail.test", "temperror"),
        (["From: nobody"], "user@fail.test", "nofrom"),
        (["Subject: hi"], "user@fail.test", "nofrom"),
        (["Resent-From: a@reject.test"], "user@fail.test", "nofrom"),
        (["From: a@none.test, b@reject.test"], "user@fail.test", "reject"),
        (["From: a@none.test", "From: a@reject.test"], "user@fail.test", "reject"),
        (["From: =?utf-8?q?a=40none=2etest?= <b@reject.test>"], "user@fail.test", "reject"),
    ],
)
def test_statuses(world, fields, sender, status):
    assert world.status(*fields, sender=sender) == status


@pytest.mark.parametrize(
    ("sender", "helo", "status"),
    [
        ("", "helo.reject.test", "accept"),  # the null sender: postmaster at the HELO name
        ("user@fail.test", "helo.reject.test", "reject"),  # MAIL FROM alone counts
        ("user@mail.reject.test", "there.test", "accept"),
    ],
)
def test_which_spf_counts(world, sender, helo, status):
    assert world.status("From: a@reject.test", sender=sender, helo=helo) == status


@pytest.mark.parametrize(
    ("argument", "author", "holds"),
    [
        ("accept : none : off", "none.test", True),
        ("accept : none : off", "reject.test", False),
        ("!accept", "none.test", True),
        ("!accept : !none", "none.test", False),
        ("!accept : reject", "none.test", False),
        ("*", "norecord.test", True),
        ("REJECT", "reject.test", True),
        ("*ject", "reject.test", True),
        ("^re|qu", "quarantine.test", True),
        ("${if eq{a}{a}{reject}{none}}", "reject.test", True),
    ],
)
def test_lists(world, argument, author, holds):
    policy = f"  deny dmarc_status = {argument}\n  accept\n"
    assert (world.judge(policy, f"From: a@{author}") == 550) is holds


def test_it_can_be_switched_off(world):
    control = "begin acl\nacl_check_rcpt:\n  accept control = dmarc_disable_verify\nacl_check_data:\n"
    talk = world.talk(f"{control}  deny dmarc_status = off\n       message = $dmarc_status\n  accept\n")
    assert world.send(talk, "From: a@reject.test") == 550
    assert world.log[-1].endswith(": none")
    assert not [entry for entry in world.metrics if entry[0].startswith("dmarc")]


@pytest.mark.parametrize("client", [{"client": ""}, {"macros": {"auth_type": "PLAIN"}}], ids=["local", "authenticated"])
def test_mail_of_ours_is_not_evaluated(world, client):
    assert world.status("From: a@reject.test", **client) == "none"
    world.judge(f"  warn dmarc_status = *\n  accept {LOG_ALL}\n", "From: a@reject.test", **client)
    assert world.log[-1] == "none||||no|no"
    assert not [entry for entry in world.metrics if entry[0].startswith("dmarc")]


@pytest.mark.parametrize("phase", ["connect", "helo", "mail", "rcpt", "predata", "quit", "notquit"])
def test_where_it_may_not_stand(world, phase):
    with pytest.raises(PolicyError, match="dmarc_status"):
        world.talk(f"begin acl\nacl_check_{phase}:\n  accept dmarc_status = accept\n")


# -- signatures

MESSAGE = b"From: a@reject.test\r\nTo: b@here.test\r\nSubject: hi\r\n\r\nhi\r\n"


def test_signatures(world):
    """A good one of the author's organization stands for it, whoever else has signed."""
    zone = f's._domainkey.reject.test TXT "v=DKIM1; k=ed25519; p={ed25519().public}"\n'
    zone += f's._domainkey.evil.test TXT "v=DKIM1; k=ed25519; p={ed25519().public}"\n'
    world.zone.write_text(ZONE + zone)
    tags = {"a": "ed25519-sha256"}
    good = signed(MESSAGE, ed25519(), d="reject.test", **tags)
    other = signed(MESSAGE, ed25519(), d="evil.test", **tags)
    bad = good.replace(b"Subject: hi", b"Subject: ho")
    failing = signed(MESSAGE, ed25519(), d="reject.test", s="failing", **tags)
    both = signed(good, ed25519(), d="evil.test", **tags)
    statuses = [_status_of(world, message) for message in (good, other, bad, failing, both)]
    assert statuses == ["accept", "reject", "reject", "temperror", "accept"]


def _status_of(world, message):
    fields, _ = parted(message)
    return world.status(*[f"{name}:{value}" for name, value in fields])


def test_a_list_that_adds_a_footer_breaks_the_signature(world):
    zone = f's._domainkey.reject.test TXT "v=DKIM1; k=ed25519; p={ed25519().public}"\n'
    world.zone.write_text(ZONE + zone)
    message = signed(MESSAGE.replace(b"hi\r\n", b"hi\r\nfooter\r\n"), ed25519(), d="reject.test", a="ed25519-sha256")
    assert _status_of(world, message) == "reject"  # the world sends another body


def test_alignment_of_signatures(world):
    zone = f's._domainkey.mail.reject.test TXT "v=DKIM1; p={rsa(1024).public}"\n'
    world.zone.write_text(ZONE + zone)
    message = signed(MESSAGE, rsa(1024), d="mail.reject.test")
    fields, _ = parted(message)
    world.judge(f"  warn dmarc_status = *\n  accept {LOG_ALL}\n", *[f"{name}:{value}" for name, value in fields])
    assert world.log == ["accept|Accept|reject.test|reject|no|yes"]


def test_signatures_in_the_history_and_in_reports(world):
    good = signed(MESSAGE, rsa(1024), d="mail.reject.test", i="x@mail.reject.test")
    fields = [f"{name}:{value}" for name, value in parted(good)[0]]
    path = history(world, *fields)
    assert "\ndkim mail.reject.test s 5\n" in path.read_text()  # there is no key
    forensic(world, *fields)
    text = world.outbox[0].data.decode("ascii")
    assert "\r\nDKIM-Domain: mail.reject.test\r\nDKIM-Identity: x@mail.reject.test\r\nDKIM-Selector: s\r\n" in text


def test_without_dkim_there_is_no_dmarc(world):
    control = "begin acl\nacl_check_rcpt:\n  accept control = dkim_disable_verify\nacl_check_data:\n"
    assert world.send(world.talk(f"{control}  deny dmarc_status = off\n  accept\n"), "From: a@reject.test") == 550


# -- variables


@pytest.mark.parametrize(
    ("author", "sender", "logged"),
    [
        ("reject.test", "fail.test", "reject|Reject|reject.test|reject|no|no"),
        ("mail.reject.test", "fail.test", "quarantine|Quarantine|reject.test|quarantine|no|no"),
        ("mail.reject.test", "mail.reject.test", "accept|Accept|reject.test|quarantine|yes|no"),
        ("none.test", "fail.test", "none|None, Accept|none.test|none|no|no"),
        ("tested.test", "fail.test", "quarantine|Quarantine|tested.test|reject|no|no"),
        ("norecord.test", "fail.test", "norecord|No DMARC record|||no|no"),
        ("failing.test", "fail.test", "temperror|Internal Policy Error|||no|no"),
        ("[192.0.2.1]", "fail.test", "nofrom|No From: domain found|||no|no"),
    ],
)
def test_variables(world, author, sender, logged):
    world.judge(f"  warn dmarc_status = *\n  accept {LOG_ALL}\n", f"From: a@{author}", sender=f"user@{sender}")
    assert world.log == [logged]


def test_variables_before_the_condition(world):
    world.judge(
        f"  warn {LOG_ALL}|$dmarc_ar_header|$dmarc_org_domain\n  accept dmarc_status = *\n", "From: a@reject.test"
    )
    assert world.log == ["none||||no|no||"]


@pytest.mark.parametrize(
    ("author", "logged"),
    [
        ("mail.reject.test", "fail|nothing is aligned|quarantine|mail.reject.test|mail.reject.test|reject.test"),
        ("tested.test", "fail|nothing is aligned|quarantine|tested.test|tested.test|tested.test"),
        ("a.norecord.test", "none|no DMARC record||a.norecord.test|a.norecord.test|a.norecord.test"),
        ("none.test, b@reject.test",
         "fail|nothing is aligned|reject|reject.test|none.test:reject.test|reject.test"),
        ("nowhere", "none|no DMARC record||nowhere|nowhere|nowhere"),
    ],
)  # fmt: skip
def test_variables_of_our_own(world, author, logged):
    log = "logwrite = " + "|".join(f"$dmarc_{name}" for name in MORE)
    world.judge(f"  warn dmarc_status = *\n  accept {log}\n", f"From: a@{author}")
    assert world.log == [logged]


def test_variables_belong_to_the_message(world):
    talk = world.talk("begin acl\nacl_check_data:\n  warn logwrite = $dmarc_status\n  accept dmarc_status = *\n")
    world.send(talk, "From: a@reject.test")
    world.send(talk, "From: a@reject.test")
    assert world.log == ["none", "none"]


def test_dns_trouble_afterwards(world):
    """What the evaluation did not need to know, and DNS cannot say now."""
    world.zone.write_text(ZONE + '_dmarc.x.broken TXT "v=DMARC1; p=reject"\n')
    data = "  warn dmarc_status = *\n  accept condition = ${if eq{$dmarc_org_domain}{x}}\n"
    assert world.judge(data, "From: a@x.broken") == 451
    assert "DNS: _dmarc.broken: marked as failing" in world.log[-1]


def test_a_message_is_evaluated_once(world):
    world.judge("  warn dmarc_status = accept\n  warn dmarc_status = *\n  accept\n", "From: a@reject.test")
    reported = [entry for entry in world.metrics if entry[0].startswith("dmarc") or entry[-1] == "dmarc"]
    assert [entry[0] for entry in reported] == [
        "dmarc_results_total",
        "dmarc_discovery_queries",
        "check_duration_seconds",
    ]
    assert reported[0][1:] == ("fail", "reject", "reject")
    assert reported[1][1:] == (1, "rfc9989")


@pytest.mark.parametrize(
    ("author", "labels"),
    [
        ("tested.test", ("fail", "reject", "quarantine")),
        ("none.test", ("fail", "none", "none")),
        ("norecord.test", ("none", "absent", "none")),
        ("failing.test", ("temperror", "absent", "defer")),
        ("[1]", ("permerror", "absent", "defer")),
    ],
)
def test_metrics(world, author, labels):
    world.judge("  accept dmarc_status = *\n", f"From: a@{author}")
    assert ("dmarc_results_total", *labels) in world.metrics


OVERRIDDEN = "dmarc_overrides_total"


@pytest.mark.parametrize("reason", ["local_policy", "mailing_list", "other", "trusted_forwarder"])
def test_an_override_is_recorded(world, reason):
    """RFC 9989 5.4."""
    policy = f"  warn control = dmarc_override/{reason}\n" * 2 + "  accept logwrite = <$dmarc_override>\n"
    world.judge(policy, "From: a@reject.test")
    assert world.log == [f"<{reason}>"]
    assert [entry for entry in world.metrics if entry[0] == OVERRIDDEN] == [(OVERRIDDEN, reason)]


def test_overrides_belong_to_the_message(world):
    data = "  warn logwrite = <$dmarc_override>\n  accept control = dmarc_override/other\n"
    talk = world.talk(f"begin acl\nacl_check_data:\n{data}")
    for _ in range(2):
        world.send(talk, "From: a@reject.test")
    assert world.log == ["<>", "<>"]


@pytest.mark.parametrize(
    ("author", "sender", "counted"),
    [
        ("tested.test", "user@fail.test", [(OVERRIDDEN, "policy_test_mode")]),
        ("tested.test", "user@mail.tested.test", []),
        ("reject.test", "user@fail.test", []),
        ("none.test", "user@fail.test", []),
    ],
)
def test_a_policy_in_test_mode_is_an_override(world, author, sender, counted):
    """RFC 9989 4.7, ``t``."""
    world.judge("  accept dmarc_status = *\n", f"From: a@{author}", sender=sender)
    assert [entry for entry in world.metrics if entry[0] == OVERRIDDEN] == counted


@pytest.mark.parametrize("text", ["dmarc_override", "dmarc_override/", "dmarc_override/whim", "dmarc_override=other"])
def test_an_override_needs_a_reason(world, text):
    with pytest.raises(PolicyError, match='control "dmarc_override" needs a reason'):
        world.judge(f"  accept control = {text}\n")


@pytest.mark.parametrize(
    ("fields", "header"),
    [
        (["From: a@reject.test"], "dmarc=fail header.from=reject.test policy.dmarc=reject"),
        (["From: a@norecord.test"], "dmarc=none header.from=norecord.test"),
        (
            ["From: a@failing.test"],
            "dmarc=temperror (DNS: _dmarc.failing.test: marked as failing) header.from=failing.test",
        ),
        ([], "dmarc=permerror (no From: field)"),
    ],
)
def test_ar_header(world, fields, header):
    world.judge("  warn dmarc_status = *\n  accept logwrite = $dmarc_ar_header\n", *fields)
    assert world.log == [f"Authentication-Results: mx.here.test;\\n\t{header}"]


# -- options


def test_the_old_discovery(world):
    """The suffix ``co.test`` has registrants of its own."""
    suffixes = world.directory / "suffixes"
    suffixes.write_text("test\nco.test\n")
    more = f"dmarc_tld_file = {suffixes}"
    assert world.status("From: a@y.x.co.test", more=more) == "quarantine"
    assert world.status("From: a@y.mail.reject.test", more=more) == "quarantine"
    assert world.status("From: a@tested.test", more=more) == "reject"  # t=y is not known
    assert world.status("From: a@tested.test", more=more + "\ndmarc_discovery = psl") == "quarantine"
    assert world.status("From: a@tested.test", more=more + "\ndmarc_discovery = rfc9989") == "quarantine"


def test_the_suffix_list_of_the_library(world):
    world.zone.write_text(ZONE + '_dmarc.x.co.uk TXT "v=DMARC1; p=reject"\n')
    assert world.status("From: a@y.x.co.uk", more="dmarc_discovery = rfc7489") == "reject"
    assert world.status("From: a@co.uk", more="dmarc_discovery = rfc7489") == "norecord"


def test_a_suffix_list_that_cannot_be_read(world):
    """The library's list is there all the same."""
    world.zone.write_text(ZONE + '_dmarc.x.co.uk TXT "v=DMARC1; p=reject"\n')
    assert world.status("From: a@y.x.co.uk", more="dmarc_tld_file = /nowhere/suffixes") == "reject"
    assert "DMARC: failed to open /nowhere/suffixes for the public suffix list" in world.log.panic[-1]


@pytest.mark.parametrize(("value", "status"), [("strictest", "reject"), ("permerror", "permerror"), ("exim", "none")])
def test_several_authors(world, value, status):
    fields = ["From: a@reject.test", "From: a@none.test, b@reject.test"]
    assert world.status(*fields, more=f"dmarc_multiple_from = {value}") == status


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("dmarc_discovery = rfc1234", "rfc9989, rfc7489 or psl"),
        ("dmarc_multiple_from = first", "strictest, permerror or exim"),
        ("dmarc_tld_file = suffixes", "not an absolute path"),
        ("dmarc_history_file = history", "not an absolute path"),
        ("dmarc_forensic_smtp = localhost", "HOST:PORT"),
        ("dmarc_forensic_limit = -1", "out of range"),
    ],
)
def test_options_that_make_no_sense(world, line, message):
    with pytest.raises(PolicyError, match=message):
        world.talk(line)


# -- the history


def history(world, *fields, path=None, **details):
    path = path or world.directory / "history"
    world.judge("  accept dmarc_status = *\n", *fields, more=f"dmarc_history_file = {path}", **details)
    return path


def test_history(world):
    path = history(world, "From: a@mail.reject.test", macros={"i": "4Xyz"})
    assert path.read_text() == (
        "job 4Xyz\nreporter mx.here.test\nreceived 1700000000\nipaddr 192.0.2.1\nfrom mail.reject.test\n"
        "mfrom fail.test\nspf 7\npdomain reject.test\npolicy 17\nrua mailto:a@reject.test\npct 100\n"
        "adkim 114\naspf 114\np 114\nsp 113\n"
        "align_dkim 5\nalign_spf 5\naction 4\narc 11\narc_policy 1 json:[]\n"
    )
    assert path.stat().st_mode & 0o777 == 0o640
    history(world, "From: a@none.test", macros={"i": "4Abc"}, sender="")
    assert path.read_text().count("job ") == 2
    assert "\njob 4Abc\n" in path.read_text()
    assert "\nmfrom \nspf 6\n" in path.read_text()


@pytest.mark.parametrize("author", ["norecord.test", "failing.test", "[1]"])
def test_no_history_without_a_record(world, author):
    assert not history(world, f"From: a@{author}").exists()


def test_one_record_a_message(world):
    more = f"dmarc_history_file = {world.directory}/history"
    world.judge("  warn dmarc_status = *\n  accept dmarc_status = *\n", "From: a@reject.test", more=more)
    assert (world.directory / "history").read_text().count("job ") == 1


def test_a_history_that_cannot_be_written(world):
    """The message does not suffer."""
    policy = "  deny dmarc_status = none\n  accept\n"
    assert world.judge(policy, "From: a@none.test", more="dmarc_history_file = /nowhere/history") == 550
    assert "DMARC history: failed to open /nowhere/history to append: No such file or directory" in world.log.panic[0]


def test_a_history_that_somebody_has_locked(world):
    path = world.directory / "history"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        history(world, "From: a@none.test", path=path)
    assert "Resource temporarily unavailable" in world.log.panic[-1]
    assert path.read_text() == ""


# -- failure reports

FORENSIC = "acl_check_rcpt:\n  accept control = dmarc_enable_forensic\n"


def forensic(world, *fields, more="", sender="user@fail.test", control=FORENSIC, times=1):
    talk = world.talk(f"{more}\nbegin acl\n{control}acl_check_data:\n  accept dmarc_status = *\n")
    for _ in range(times):
        world.send(talk, *fields, sender=sender)
    return [entry[1] for entry in world.metrics if entry[0] == "dmarc_reports_total"]


def test_a_report(world):
    fields = ["From: a@reject.test", "Subject: hi\n there"]
    assert forensic(world, *fields, more="dmarc_forensic_sender = DMARC <dmarc@here.test>") == ["sent"]
    (letter,) = world.outbox
    assert (letter.sender, letter.recipient) == ("dmarc@here.test", "f@reject.test")
    text = letter.data.decode("ascii")
    assert "\r\nFrom: DMARC <dmarc@here.test>\r\n" in "\r\n" + text
    assert "\r\nTo: f@reject.test\r\n" in text
    assert "\r\nSource-IP: 192.0.2.1\r\n" in text
    assert "\r\nOriginal-Mail-From: <user@fail.test>\r\n" in text
    assert "spf=fail smtp.mailfrom=fail.test" in text
    assert "dmarc=fail header.from=reject.test policy.dmarc=reject" in text
    assert "\r\n\r\nFrom: a@reject.test\r\nSubject: hi\r\n there\r\n" in text
    assert "SPF-DNS" not in text  # it was not to stand for the author


def test_a_report_about_spf_that_should_have_stood_for_the_author(world):
    world.zone.write_text(ZONE + 'out.reject.test TXT "x"\nout.reject.test TXT "v=spf1 -all"\n')
    forensic(world, "From: a@reject.test", sender="user@out.reject.test")
    assert b'\r\nSPF-DNS: txt : out.reject.test : "v=spf1 -all"\r\n' in world.outbox[0].data


def test_a_report_without_the_record_of_spf(world):
    """DNS has answered before, but does not any more."""
    world.zone.write_text(ZONE + 'out.reject.test TXT "v=spf1 -all"\n')
    jobs = []
    world.outbox.put = lambda job: not jobs.append(job)
    forensic(world, "From: a@reject.test", sender="user@out.reject.test")
    (job,) = jobs
    found, services, settings, rules = job.args
    broken = replace(services, resolver=ZoneResolver([world.zone], failing=["out.reject.test"]))
    (letter,) = letters(found, broken, settings, rules)
    assert b"SPF-DNS" not in letter.data


def test_a_report_without_a_sender_of_its_own(world):
    forensic(world, "From: a@reject.test")
    assert world.outbox[0].sender == ""
    assert b"From: DMARC reports <postmaster@mx.here.test>\r\n" in world.outbox[0].data


@pytest.mark.parametrize(
    ("author", "details", "result"),
    [
        ("reject.test", {"control": ""}, []),  # nobody has asked for it
        ("reject.test", {"sender": ""}, []),  # the null sender: it may be a report itself
        ("reject.test", {"sender": "user@mail.reject.test"}, []),  # it passes
        ("quarantine.test", {}, []),  # the domain wants none
        ("norecord.test", {}, []),
        ("nobody.test", {}, ["nobody"]),  # who would get it has not agreed
        ("reject.test", {"more": "dmarc_forensic_limit = 0"}, ["limited"]),
        ("reject.test", {"more": "dmarc_forensic_limit = 2", "times": 4}, ["sent", "sent", "limited", "limited"]),
    ],
)
def test_when_there_are_reports(world, author, details, result):
    assert forensic(world, f"From: a@{author}", **details) == result
    assert len(world.outbox) == result.count("sent")


@pytest.mark.parametrize("name", ["dmarc_enable_forensic", "dmarc_forensic_enable"])
def test_the_control_has_an_old_name(world, name):
    assert forensic(world, "From: a@reject.test", control=FORENSIC.replace("dmarc_enable_forensic", name)) == ["sent"]


def test_nobody_can_count_reports(world):
    class Broken:
        def update(self, *_):
            raise Defer("no store")

    world.store = Broken()
    assert forensic(world, "From: a@reject.test") == ["limited"]
    assert "DMARC report for reject.test not sent: no store" in world.log


def test_an_outbox_that_is_full(world):
    world.outbox.put = lambda job: False
    assert forensic(world, "From: a@reject.test") == ["dropped"]


def test_a_report_on_its_way(world):
    """Through a real thread to a real SMTP server."""
    with Sink() as sink:
        outbox = SmtpOutbox(f"127.0.0.1:{sink.port}", "mx.here.test", world.log.write)
        world.outbox = outbox
        forensic(world, "From: a@reject.test")
        delivered = sink.next()
        outbox.close(5)
    assert (delivered.sender, delivered.recipients) == ("", ("f@reject.test",))
    assert delivered.message.get_content_type() == "multipart/report"
    assert [part.get_content_type() for part in delivered.message.get_payload()] == [
        "text/plain",
        "message/feedback-report",
        "text/rfc822-headers",
    ]


# -- the recipe of Exim's manual that protects mailing lists


@pytest.fixture
def recipe(world):
    lists = world.directory / "lists"
    lists.write_text("friends@here.test: yes\n")
    return f"dmarc_history_file = {world.directory}/history\n{list_recipe(lists)}"


@pytest.mark.parametrize(
    ("author", "sender", "rcpt", "code", "said"),
    [
        ("reject.test", "mail.reject.test", "friends@here.test", 550, "Messages from reject.test break mailing lists"),
        ("reject.test", "fail.test", "friends@here.test", 550, "Messages from reject.test break mailing lists"),
        ("reject.test", "mail.reject.test", "bob@here.test", 0, ""),
        ("reject.test", "fail.test", "bob@here.test", 550, "failed sender's DMARC policy, REJECT"),
        ("quarantine.test", "fail.test", "friends@here.test", 0, ""),
        ("none.test", "fail.test", "friends@here.test", 0, ""),
        ("norecord.test", "fail.test", "friends@here.test", 0, ""),
    ],
)
def test_the_recipe(world, recipe, author, sender, rcpt, code, said):
    talk = world.talk(recipe)
    assert world.send(talk, f"From: a@{author}", sender=f"user@{sender}", rcpt=rcpt) == code
    assert said in "".join(world.log)
    assert "DMARC DEBUG" in world.log[0]


def test_the_recipe_leaves_local_hosts_alone(world, recipe):
    talk = world.talk(recipe, client="127.0.0.1")
    assert world.send(talk, "From: a@reject.test", rcpt="bob@here.test") == 0


def test_the_recipe_is_warned_about(world, recipe):
    world.talk(recipe)
    policy = load(world.directory / "policy.conf")
    assert [problem.message for problem in policy.warnings] == [
        '"set $acl_m_quarantine": the variable is named without its dollar',
        'variable "domain_used_domain" is called "dmarc_used_domain"',
    ]
