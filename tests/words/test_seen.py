"""``seen``: times that pass, as Exim counts them (the columns were seen in a live Exim)."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from policyd import words
from policyd.config import load
from policyd.conversation import Conversation
from policyd.errors import Defer, PolicyError
from policyd.metrics import NoMetrics
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Services
from policyd.words.seen import LIFETIME, REFRESH, Sight, parse


class Log(list):
    """Every line, with the log it is for."""

    def write(self, target, text):
        self.append((target, text))


class World:
    """A policy at connect, and connections while time goes by."""

    now = 1_000_000.0

    def __init__(self, directory, store=None):
        words.load()
        self.file = directory / "policy.conf"
        self.log = Log()
        store = store or MemoryStore(lambda: self.now)
        self.services = Services(ZoneResolver([]), store, NoMetrics(), self.log, clock=lambda: self.now)

    def policy(self, *arguments):
        steps = "".join(f"  warn seen = {argument}\n       logwrite = {n}\n" for n, argument in enumerate(arguments))
        self.file.write_text(f"begin acl\nacl_check_connect:\n{steps}  accept\n")
        self.loaded = load(self.file)

    def connect(self, client="192.0.2.1"):
        """The numbers of the conditions that held."""
        self.log.clear()
        talk = Conversation(self.loaded, self.services)
        self.reply = talk.connect(Client(ip_address(client) if client else None))
        return "".join(text for target, text in self.log if target == "main")


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize(
    "argument, want",
    [
        ("3s / key=k", " xxxxxxxxxx"),
        ("3s / key=k / readonly", "           "),
        ("-3s / key=k", "   xxxxxxxx"),
        ("-3s / key=k / write", "           "),
        ("-3s / key=k / refresh=4s", "   xx  xx  "),
        ("-0s / key=k", " xxxxxxxxxx"),
        ("-3s / key=k / readonly", "           "),
    ],
)
def test_once_a_second(world, argument, want):
    world.policy(argument)
    held = ""
    for _ in want:
        held += "x" if world.connect() else " "
        world.now += 1
    assert held == want


def test_after_a_pause(world):
    world.policy("3s / key=k")
    assert [world.connect(), world.connect()] == ["", "0"]
    world.now += 3
    assert [world.connect(), world.connect()] == ["", "0"]


def test_reading_changes_nothing(world):
    world.policy("-3s / key=k / readonly", "5s / key=k")
    assert world.connect() == ""
    world.now += 4
    assert world.connect() == "01"


@pytest.mark.parametrize("client, other", [("192.0.2.1", "192.0.2.2"), ("192.0.2.1", "2001:db8::1")])
def test_the_client_is_the_key(world, client, other):
    world.policy("5m")
    assert [world.connect(client), world.connect(other), world.connect(client)] == ["", "", "0"]


def test_without_a_client_there_still_is_a_key(world):
    world.policy("5m")
    assert [world.connect(None), world.connect(None)] == ["", "0"]


def test_all_times_of_one_key_are_one(world):
    world.policy("5m / key=k", "-1s / key=k / readonly", "1s / key=other")
    assert world.connect() == ""
    world.now += 2
    assert world.connect() == "0"  # the first has just made it a new sight


def test_greylisting(world):
    """The first attempt is deferred, as is any within five minutes; one after that is not."""
    world.file.write_text("begin acl\nacl_check_connect:\n  defer !seen = -5m / key=$sender_host_address\n  accept\n")
    world.loaded = load(world.file)
    codes = []
    for pause in (0, 100, 199, 1, 3600, 9 * 86400):
        world.now += pause
        world.connect()
        codes.append(world.reply.code)
    assert codes == [451, 451, 451, 0, 0, 0]


@pytest.mark.parametrize(
    "text, want",
    [
        ("5m", Sight(300)),
        ("-1w2d3h4m5s", Sight(788645, since=True)),
        ("5m/key=a b/write", Sight(300, key="a b", mode="write")),
        ("5m / key=", Sight(300, key="")),
        ("5m / key=a//b", Sight(300, key="a/b")),
        ("5m / key=a / key=b", Sight(300, key="b")),
        ("5m / write / readonly", Sight(300, mode="readonly")),
        ("-5m / refresh=1d", Sight(300, since=True, refresh=86400)),
    ],
)
def test_reading(text, want):
    assert parse(text) == want


@pytest.mark.parametrize(
    "text, want",
    [
        ("", "failed to parse ''"),
        ("5", "failed to parse '5'"),
        ("bogus", "failed to parse 'bogus'"),
        ("--5m", "failed to parse '--5m'"),
        ("- 5m", "failed to parse '- 5m'"),
        ("/ key=a", "failed to parse '/ key=a'"),
        ("5m//key=a", "failed to parse '5m//key=a'"),
        ("-5m / refresh=x", "failed to parse '-5m / refresh=x'"),
        ("5m / bogus", "unrecognised option 'bogus' in '5m / bogus'"),
        ("5m / KEY=q", "unrecognised option 'KEY=q' in '5m / KEY=q'"),
        ("5m / key = q", "unrecognised option 'key = q' in '5m / key = q'"),
        ("5m / key", "unrecognised option 'key' in '5m / key'"),
        ("5m / write=1", "unrecognised option 'write=1' in '5m / write=1'"),
    ],
)
def test_what_cannot_be_read_does_not_load(world, text, want):
    with pytest.raises(ValueError, match=f"^{want}$".replace("(", r"\(")):
        parse(text)
    if text:
        with pytest.raises(PolicyError) as caught:
            world.policy(text)
        assert caught.value.problems[0].message == want


def test_a_store_that_is_down(tmp_path):
    class Down(MemoryStore):
        def read(self, key, step):
            raise Defer("the disk is on fire")

        def update(self, key, step, ttl):
            raise Defer("the disk is on fire")

    world = World(tmp_path, Down())
    for argument in ("5m", "5m / readonly"):
        world.file.write_text(f"begin acl\nacl_check_connect:\n  deny seen = {argument}\n  accept\n")
        world.loaded = load(world.file)
        world.connect()
        assert world.reply.code == 451
        assert ("panic", "seen: the disk is on fire") in world.log
        assert any("database for 'seen' not available" in text for _, text in world.log)


@pytest.mark.parametrize(
    "argument, want",
    [("5m", LIFETIME), ("-5m", LIFETIME), ("40d", 40 * 86400 + REFRESH), ("-5m / refresh=50d", 300 + 50 * 86400)],
)
def test_a_record_outlives_its_use(tmp_path, argument, want):
    lifetimes = []

    class Store(MemoryStore):
        def update(self, key, step, ttl):
            lifetimes.append(ttl)
            return super().update(key, step, ttl)

    world = World(tmp_path, Store())
    world.policy(argument)
    world.connect()
    assert lifetimes == [want]
