"""The shipped greylisting: who has to wait, for how long, and who never does."""

from __future__ import annotations

import shutil
from ipaddress import ip_address
from pathlib import Path

import pytest
from parts.signing import Records

from policyd import words
from policyd.config import load
from policyd.conversation import Conversation
from policyd.errors import Defer
from policyd.metrics import NoMetrics
from policyd.stores import LmdbStore, MemoryStore
from policyd.stores.substitutes import LenientStore
from policyd.transaction import Client, Services

SHIPPED = Path(__file__).parents[1] / "conf.d"
MINUTE, HOUR, DAY = 60, 3600, 86400
WAIT = "Greylisted: please come again in 5m"


class Log(list):
    """Every line, and the log it is for."""

    def write(self, target, text):
        self.append((target, text))


class World:
    """The shipped files, and RCPT commands while time goes by."""

    now = 1_700_000_000.0

    def __init__(self, directory):
        words.load()
        self.directory = directory / "conf.d"
        shutil.copytree(SHIPPED, self.directory)
        self.log = Log()
        self.store = MemoryStore(lambda: self.now)
        self.use("GREYLISTING = yes\n")

    def use(self, local):
        (self.directory / "00-local.conf").write_text(f"HOSTNAME = mx.here.test\n{local}")
        self.policy = load(self.directory)

    def rcpt(self, client="192.0.2.1", sender="a@plain.test", rcpt="bob@here.test", login=""):
        """The replies to the RCPT commands of one message; nothing for one that is accepted."""
        records = Records({"spf.test": "v=spf1 ip4:192.0.2.1 -all"})
        talk = Conversation(self.policy, Services(records, self.store, NoMetrics(), self.log))
        talk.macros.update({"auth_type": "PLAIN", "auth_authen": login} if login else {})
        talk.connect(Client(ip_address(client)))
        talk.helo("client.test")
        assert talk.mail(f"<{sender}>").code == 0
        recipients = [rcpt] if isinstance(rcpt, str) else rcpt
        return [" ".join(talk.rcpt(f"<{path}>").lines) for path in recipients]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize(
    "pauses, waits",  # before each attempt of one sender, in seconds, and whether it has to wait
    [
        ([0, 1, 298], "www"),
        ([0, 300], "w-"),
        ([0, 200, 99, 1, 1], "www--"),  # to come too soon costs nothing
        ([0, 2 * DAY - 1], "w-"),
        ([0, 2 * DAY], "ww"),  # too late: as if it were the first time
        ([0, 2 * DAY, 299, 1], "www-"),
        ([0, 9 * DAY, 5 * MINUTE, 34 * DAY, 34 * DAY], "ww---"),  # each message prolongs it
        ([0, 300, 35 * DAY], "w-w"),
        ([0, 300, 35 * DAY, 300], "w-w-"),
        ([0, 60 * DAY, 300], "ww-"),
        ([0, -HOUR, HOUR + 300], "ww-"),  # the clock goes back
    ],
)
def test_when(world, pauses, waits):
    found = ""
    for pause in pauses:
        world.now += pause
        found += {"": "-", WAIT: "w"}[world.rcpt()[0]]
    assert found == waits


KNOWN = {"client": "192.0.2.1", "sender": "a@plain.test", "rcpt": "bob@here.test"}


@pytest.mark.parametrize(
    "other, waits",  # five minutes after the first of KNOWN
    [
        ({}, False),
        ({"client": "192.0.2.254"}, False),
        ({"client": "192.0.3.1"}, True),
        ({"sender": "b@plain.test"}, True),
        ({"sender": ""}, True),
        ({"rcpt": "Bob@Here.test"}, False),
        ({"rcpt": "bobby@here.test"}, True),
        ({"client": "2001:db8::1"}, True),
    ],
)
def test_what_is_remembered(world, other, waits):
    assert world.rcpt(**KNOWN) == [WAIT]
    world.now += 300
    assert world.rcpt(**KNOWN | other) == [WAIT if waits else ""]


@pytest.mark.parametrize(
    "client, other, waits",
    [
        ("192.0.2.1", "192.0.2.254", False),
        ("192.0.2.1", "192.0.3.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", False),
        ("2001:db8::1", "2001:db8:0:1::1", True),
    ],
)
def test_a_network_becomes_known(world, client, other, waits):
    world.rcpt(client)
    world.now += 300
    assert world.rcpt(client) == [""]
    assert world.rcpt(other, "x@else.test", "joe@here.test") == [WAIT if waits else ""]


@pytest.mark.parametrize(
    "details",
    [
        {"client": "127.0.0.1"},
        {"login": "joe"},
        {"sender": "a@spf.test"},
    ],
)
def test_who_never_waits(world, details):
    assert world.rcpt(**details) == [""]


def test_each_recipient_by_itself(world):
    assert world.rcpt(rcpt=["bob@here.test", "joe@here.test"]) == [WAIT, WAIT]
    world.now += 300
    assert world.rcpt(rcpt=["ann@here.test", "bob@here.test", "joe@here.test"]) == [WAIT, "", ""]


def test_it_is_off(world):
    world.use("")
    assert world.rcpt() == [""]


def test_its_times_are_macros(world):
    world.use("GREYLISTING = yes\nGREYLIST_DELAY = 10s\nGREYLIST_WINDOW = 1m\nGREYLIST_MEMORY = 5m\n")
    codes = []
    for pause in (0, 60, 9, 1, 299, 299, 300):
        world.now += pause
        codes.append(world.rcpt()[0] == "")
    assert codes == [False, False, False, True, True, True, False]


@pytest.mark.parametrize(
    "sender",
    [
        "a/refresh=0s@x.test",
        "a / write@x.test",
        '"a b"@x.test',
        "a'b$c{d}@x.test",
        "\xff@x.test",
        "x" * 3000 + "@x.test",
    ],
)
def test_no_address_gets_around_it(world, sender):
    for pause, reply in ((0, WAIT), (299, WAIT), (1, "")):
        world.now += pause
        assert world.rcpt(sender=sender) == [reply]


class Down(LenientStore):
    """A store that always fails."""

    def read(self, key, step):
        raise Defer("down")

    def update(self, key, step, ttl):
        raise Defer("down")


def test_without_a_store(world):
    world.store = Down()
    assert world.rcpt() == ["Temporary local problem - please try later"]
    assert world.rcpt(client="127.0.0.1") == [""]


def test_without_a_store_that_must_not_matter(world):
    world.store = LenientStore()
    assert world.rcpt() == [""]


def test_it_survives_a_restart(world, tmp_path):
    for pause, reply in ((0, WAIT), (300, ""), (DAY, "")):
        world.now += pause
        world.store = LmdbStore(tmp_path / "store", clock=lambda: world.now)
        assert world.rcpt() == [reply]
        world.store.close()
