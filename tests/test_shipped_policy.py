"""The shipped conf.d: it loads whatever its macros say, and judges as its comments promise."""

from __future__ import annotations

import re
import shutil
import socket
from ipaddress import ip_address
from itertools import permutations
from pathlib import Path

import dkim
import pytest
from parts.postgres import DATABASE, PASSWORD, USER, Postgres
from parts.redis_server import RedisServer
from parts.signing import Records, parted, rsa

from policyd import words
from policyd.config import load
from policyd.conversation import Conversation
from policyd.edits import Quarantine
from policyd.language.verdict import Outcome
from policyd.metrics import NoMetrics
from policyd.policy import Phase
from policyd.pools import Pools
from policyd.stores import MemoryStore
from policyd.transaction import Client, Services

SHIPPED = Path(__file__).parents[1] / "conf.d"
TEXT = "".join(file.read_text() for file in sorted(SHIPPED.glob("*.conf")))
MACROS = {  # every macro that the files ask for, and a value that is not the default
    "MILTER_SOCKET": "inet:8891@127.0.0.1",
    "SOCKET_GROUP": "postfix",
    "STATE_DIRECTORY": "/srv/policyd",
    "METRICS_ADDRESS": "",
    "DNS_SERVERS": "127.0.0.1 : 192.0.2.53",
    "DNS_PORT": "5353",
    "HOSTNAME": "mx.here.test",
    "DRY_RUN": "yes",
    "TRUSTED_CLIENTS": "<; 192.0.2.0/24 ; 2001:db8::/32",
    "BLOCKED_CLIENTS": "/etc/policyd/blocked-clients",
    "BLOCKED_SENDERS": "*@spam.example",
    "CONNECTION_LIMIT": "5",
    "CONNECTION_PERIOD": "1h",
    "RECIPIENT_LIMIT": "5",
    "RECIPIENT_PERIOD": "1d",
    "GREYLISTING": "yes",
    "GREYLIST_DELAY": "10m",
    "GREYLIST_WINDOW": "1d",
    "GREYLIST_MEMORY": "60d",
    "SPF_REFUSED": "fail : softfail",
    "DMARC_REFUSED": "reject : quarantine",
    "DMARC_UNUSABLE": "nofrom",
    "LIST_SIGNS": "${if def:h_list-id:}",
    "ARC_SEALERS": "lists.example.org : *.example.net",
    "INDIRECT_PASSES": "yes",
    "AUTHSERV_ID": "here.test",
    "MAILING_LISTS": "*@lists.here.test",
    "LIST_BREAKERS": "reject : quarantine",
}
KEY = rsa(2048)
RECORDS = {
    "reject.test": "v=spf1 ip4:192.0.2.1 -all",
    "_dmarc.reject.test": "v=DMARC1; p=reject",
    "quarantine.test": "v=spf1 ip4:192.0.2.1 -all",
    "_dmarc.quarantine.test": "v=DMARC1; p=quarantine",
    "list.test": "v=spf1 ip4:192.0.2.2 -all",
    "_dmarc.down.test": None,
    "s._domainkey.list.test": f"p={KEY.public}",
}
PHASES = "connect helo mail rcpt predata data"
MILD = b"From: a@quarantine.test\r\n\r\nx\r\n"
GENUINE = b"From: a@reject.test\r\nSubject: hi\r\n\r\nA body.\r\n"


def sealed(message: bytes) -> bytes:
    """*message* under the ARC seal of list.test."""
    seen = b"Authentication-Results: list.test; dmarc=pass header.from=reject.test\r\n" + message
    return b"".join(dkim.arc_sign(seen, b"s", b"list.test", KEY.private, b"list.test")) + message


class Log(list):
    """Every log line."""

    def write(self, target, text):
        if target == "main":
            self.append(text)


class Shipped:
    """The shipped files with a 00-local.conf; messages judged by them."""

    def __init__(self, directory):
        words.load()
        shutil.copytree(SHIPPED, directory / "conf.d")
        self.directory, self.log, self.pools = directory / "conf.d", Log(), Pools()

    def load(self, local=""):
        (self.directory / "00-local.conf").write_text(local)
        return load(self.directory)

    def judge(
        self, message, *, local="", client="192.0.2.1", sender="a@reject.test", rcpt=("bob@here.test",), login=""
    ):
        """The replies, up to the first refusal, and the conversation."""
        policy = self.load(f"HOSTNAME = mx.here.test\n{local}")
        talk = Conversation(policy, Services(Records(RECORDS), MemoryStore(), NoMetrics(), self.log, pools=self.pools))
        talk.macros.update({"auth_type": "PLAIN", "auth_authen": login} if login else {})
        fields, body = parted(message)
        steps = [
            lambda: talk.connect(Client(ip_address(client))),
            lambda: talk.helo("client.test"),
            lambda: talk.mail(f"<{sender}>"),
            *[lambda path=path: talk.rcpt(f"<{path}>") for path in rcpt],
            talk.predata,
        ]
        for step in steps:
            reply = step()
            if reply.outcome is not Outcome.OK:
                return reply, talk
        for name, value in fields:
            talk.header(name, value.encode("latin-1"))
        talk.end_of_headers()
        talk.body(body)
        return talk.end_of_message(), talk


@pytest.fixture
def shipped(tmp_path):
    here = Shipped(tmp_path)
    yield here
    here.pools.close()


# -- the files


def test_no_macro_is_forgotten():
    asked = re.findall(r"^\.ifn?def (\w+)", TEXT, re.MULTILINE)
    assert set(asked) == set(MACROS)
    assert set(re.findall(r"^([A-Z]\w+) =", TEXT, re.MULTILINE)) <= set(asked)


def test_no_macro_contains_another():
    """Their names are replaced wherever they occur."""
    assert [pair for pair in permutations(MACROS, 2) if pair[0] in pair[1]] == []


@pytest.mark.parametrize(
    "local",
    [
        pytest.param("", id="none"),
        *[pytest.param(f"{name} = {value}\n", id=name) for name, value in MACROS.items()],
        pytest.param("".join(f"{name} = {value}\n" for name, value in MACROS.items()), id="all"),
    ],
)
def test_it_loads_without_a_warning(shipped, local):
    policy = shipped.load(local)
    assert [str(warning) for warning in policy.warnings] == []
    assert " ".join(str(phase.name).lower() for phase in Phase if phase in policy.phases) == PHASES


def test_each_acl_ends_by_accepting(shipped):
    policy = shipped.load("MAILING_LISTS = a@b.test\n")
    last = [acl.statements[-1] for acl in policy.acls.values()]
    assert [(one.verb, one.steps, Path(one.where.file).name) for one in last] == [("accept", (), "99-accept.conf")] * 6


# -- DMARC

LIST_ID = b"List-Id: <friends.list.test>\r\n"
FAR = {"client": "192.0.2.2", "sender": "x@list.test"}  # the domain in From: is not this client's
REFUSAL = "DMARC: neither SPF nor DKIM shows that this message is from reject.test, which asks that such be refused"


@pytest.mark.parametrize(
    ("message", "details", "code", "held"),
    [
        (GENUINE, {}, 0, False),
        (GENUINE, FAR, 550, False),
        (LIST_ID + GENUINE, FAR, 0, True),
        (b"List-Post: <mailto:friends@list.test>\r\n" + GENUINE, FAR, 0, True),
        (b"List-Unsubscribe: <mailto:x@list.test>\r\n" + GENUINE, FAR, 550, False),
        (LIST_ID + GENUINE, {}, 0, False),
        (LIST_ID + GENUINE, {**FAR, "local": "INDIRECT_PASSES = yes\n"}, 0, False),
        (LIST_ID + GENUINE, {**FAR, "local": "DRY_RUN = yes\n"}, 0, False),
        (GENUINE, {**FAR, "local": "DRY_RUN = yes\n"}, 0, False),
        (GENUINE, {**FAR, "local": "DMARC_REFUSED = !*\n"}, 0, False),
        (GENUINE, {**FAR, "login": "joe"}, 0, False),
        (GENUINE, {**FAR, "local": "TRUSTED_CLIENTS = 192.0.2.2\n"}, 0, False),
        (sealed(GENUINE), FAR, 550, False),
        (sealed(GENUINE), {**FAR, "local": "ARC_SEALERS = list.test\n"}, 0, True),
        (sealed(GENUINE), {**FAR, "local": "ARC_SEALERS = other.test\n"}, 550, False),
        (sealed(GENUINE) + b"changed\r\n", {**FAR, "local": "ARC_SEALERS = list.test\n"}, 550, False),
        (MILD, FAR, 0, False),
        (MILD, {**FAR, "local": "DMARC_REFUSED = reject : quarantine\n"}, 550, False),
        (b"From: a@unknown.test\r\n\r\nx\r\n", FAR, 0, False),
        (b"From: a@down.test\r\n\r\nx\r\n", FAR, 451, False),
        (b"From: nobody\r\n\r\nx\r\n", FAR, 550, False),
        (b"From: nobody\r\n\r\nx\r\n", {**FAR, "local": "DMARC_UNUSABLE = !*\n"}, 0, False),
        (b"From: MAILER-DAEMON\r\n\r\nx\r\n", {"sender": ""}, 0, False),
    ],
)  # fmt: skip
def test_dmarc(shipped, message, details, code, held):
    reply, talk = shipped.judge(message, **details)
    assert reply.code == code, shipped.log
    assert any(isinstance(edit, Quarantine) for edit in talk.edits) is held


def test_what_the_forger_is_told(shipped):
    reply, _ = shipped.judge(GENUINE, **FAR)
    assert (reply.code, reply.enhanced, " ".join(reply.lines)) == (550, "5.7.1", REFUSAL)


@pytest.mark.parametrize(
    ("message", "reason"), [(LIST_ID + GENUINE, "mailing_list"), (sealed(LIST_ID + GENUINE), "trusted_forwarder")]
)
def test_why_it_is_not_refused_is_logged(shipped, message, reason):
    shipped.judge(message, local="ARC_SEALERS = list.test\n", **FAR)
    assert shipped.log == [
        f"H=(client.test) [192.0.2.2] Warning: DMARC reject of reject.test overridden: {reason}",
    ]


@pytest.mark.parametrize(
    "received, code, enhanced",
    [
        ("from h (mx.reject.test [192.0.2.1]) by r (Postfix) with ESMTP id 4; d", 0, ""),
        ("from h (unknown [192.0.2.2]) by r (Postfix) with ESMTP id 4; d", 550, "5.7.23"),
        ("from h by r; d", 451, "4.7.24"),
    ],
)
def test_behind_a_relay_of_ours_its_client_is_judged(shipped, received, code, enhanced):
    message = b"Received: " + received.encode() + b"\r\n" + GENUINE
    reply, _ = shipped.judge(message, local="hosts_trusted_relays = 10.0.0.1\n", client="10.0.0.1")
    assert (reply.code, reply.enhanced) == (code, enhanced)


def test_results_are_on_top(shipped):
    forged = b"Authentication-Results: mx.here.test; dmarc=pass\r\nAuthentication-Results: list.test; spf=pass\r\n"
    _, talk = shipped.judge(forged + LIST_ID + GENUINE, **FAR)
    fields = talk.tx.message.find("Authentication-Results")
    assert [" ".join(field.value.split()) for field in fields] == [
        "mx.here.test; spf=pass smtp.mailfrom=list.test; dkim=none;"
        " dmarc=fail header.from=reject.test policy.dmarc=reject; arc=none",
        "list.test; spf=pass",
    ]


# -- mailing lists

LIST_REFUSAL = (
    "friends@here.test is a mailing list, and reject.test has its mail refused when a list has passed it on"
    " (DMARC p=reject). Please post from an address at another provider"
)


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """Every form that names ``friends@here.test`` as a list, as a 00-local.conf."""
    file = tmp_path_factory.mktemp("lists") / "lists"
    file.write_text("# ours\nothers@here.test\nfriends@here.test\n")
    schema = "CREATE TABLE lists (address varchar(100)); INSERT INTO lists VALUES ('friends@here.test');"
    with RedisServer() as redis, Postgres(schema) as postgres:
        with socket.create_connection(("127.0.0.1", redis.port)) as client:
            client.send(b"SADD mailing-lists friends@here.test\r\n")
            assert client.recv(10) == b":1\r\n"
        in_redis, in_sql = documented()
        yield {
            "file": f"MAILING_LISTS = {file}\n",
            "lsearch": f"MAILING_LISTS = lsearch;{file}\n",
            "domain": "MAILING_LISTS = *@here.test\n",
            "redis": f"redis_servers = 127.0.0.1::{redis.port}//\n{in_redis}\n",
            "pgsql": f"pgsql_servers = 127.0.0.1::{postgres.port}/{DATABASE}/{USER}/{PASSWORD}\n{in_sql}\n",
        }


def documented():
    """The forms with a lookup, out of the comments of the shipped file, each on one line."""
    text = (SHIPPED / "50-mailing-lists.conf").read_text()
    found = re.findall(r"^# +(MAILING_LISTS = \$.*)\n# +(.*)", text, re.MULTILINE)
    return [" ".join(lines) for lines in found]


@pytest.mark.parametrize("form", ["file", "lsearch", "domain", "redis", "pgsql"])
def test_lists_are_found(shipped, lists, form):
    reply, _ = shipped.judge(GENUINE, local=lists[form], rcpt=["bob@else.test", "Friends@Here.TEST"])
    assert (reply.code, reply.enhanced, " ".join(reply.lines)) == (550, "5.7.1", LIST_REFUSAL)
    assert shipped.judge(GENUINE, local=lists[form], rcpt=["bob@else.test"])[0].outcome is Outcome.OK
    assert shipped.judge(GENUINE, local=lists[form], rcpt=["o'hara%x @else.test"])[0].outcome is Outcome.OK


@pytest.mark.parametrize(
    ("message", "details", "code"),
    [
        (GENUINE, {}, 550),
        (GENUINE, {"login": "joe"}, 0),
        (MILD, {"sender": "a@quarantine.test"}, 0),
        (MILD,
         {"sender": "a@quarantine.test", "local": "LIST_BREAKERS = reject : quarantine\n"}, 550),
        (b"From: a@unknown.test\r\n\r\nx\r\n", {}, 0),
        (LIST_ID + GENUINE, FAR, 550),
    ],
)  # fmt: skip
def test_who_may_post(shipped, message, details, code):
    local = "MAILING_LISTS = friends@here.test\n" + details.pop("local", "")
    assert shipped.judge(message, local=local, rcpt=["friends@here.test"], **details)[0].code == code
