"""``policyd ratelimit``: who fills which bucket, what it forgets, and what it makes of a log."""

from __future__ import annotations

import re
import time

import pytest
from click.testing import CliRunner
from parts.redis_server import RedisServer

from policyd.checks.ratelimit import Bucket
from policyd.cli import main
from policyd.cli.suggestions import observed
from policyd.links.places import place
from policyd.stores import LmdbStore
from policyd.stores.redis import RedisStore

POLICY = """\
state_directory = {state}
begin acl
acl_check_connect:
  defer ratelimit = 5 / 1h / per_conn / strict
  warn  ratelimit = 3.9 / 1h / per_conn / strict
        log_message = nearly
  accept
acl_check_rcpt:
  defer ratelimit = 20 / 1d / per_rcpt / from $sender_address_domain
  defer ratelimit = 1k / 1d / per_addr
  defer ratelimit = ${{lookup{{$sender_host_address}}iplsearch{{/limits}}}} / 1m / per_rcpt
  defer ! ratelimit = 0 / 1w / per_cmd / all
  accept
"""


@pytest.fixture
def desk(tmp_path):
    """Commands, and sessions to have something to count."""
    path = tmp_path / "policy.conf"
    path.write_text(POLICY.format(state=tmp_path / "state"))
    (tmp_path / "empty.zone").touch()

    class Desk:
        state = tmp_path / "state" / "store"

        def run(self, *arguments, stdin=""):
            answer = CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)
            return answer.exit_code, answer.output.splitlines()

        def ratelimit(self, command, *arguments):
            return self.run("ratelimit", command, "-c", path, *arguments)

        def connect(self, client, times=1):
            """All that is printed."""
            arguments = ("session", "-c", path, "--client", client, "--zone", tmp_path / "empty.zone")
            return [line for _ in range(times) for line in self.run(*arguments, stdin="QUIT\n")[1]]

    return Desk()


def columns(rows):
    """The rows of a table, without the time."""
    return [re.sub(r"\s+[0-9-]+ [0-9:]+(?=\s+\S+$)", "", row).split(None, 1) for row in rows[1:]]


def store(desk, *records):
    """Keys, as if so much had just been counted."""
    there = LmdbStore(desk.state)
    for key, rate in records:
        there.put(f"ratelimit/{key}".encode("latin-1"), Bucket(time.time(), rate).encoded(), 60)
    there.close()


def test_who_fills_it(desk):
    desk.connect("192.0.2.1", 6)
    desk.connect("192.0.2.2", 1)
    code, rows = desk.ratelimit("top")
    assert rows[0].split() == ["FILL", "RATE", "LIMIT", "COUNTED", "WHO", "LAST", "WHERE"]
    assert [[fill, rest.split()] for fill, rest in columns(rows)] == [
        ["120%", ["6.0", "5", "/", "1h", "conn", "192.0.2.1", "policy.conf:4"]],
        ["20%", ["1.0", "5", "/", "1h", "conn", "192.0.2.2", "policy.conf:4"]],
    ]
    assert code == 0


def test_the_limit_of_each_key(desk):
    store(
        desk,
        ("1d/per_rcpt/from example.org", 10),
        ("1d/per_rcpt/unique/192.0.2.1", 512),
        ("1m/per_rcpt/192.0.2.1", 3),
        ("1w/per_cmd/all", 2),
        ("5s/per_conn/192.0.2.9", 1),
        ("strange", 7),
    )
    _, rows = desk.ratelimit("top")
    assert [[fill, " ".join(rest.split())] for fill, rest in columns(rows)] == [
        ["50%", "512.0 1k / 1d rcpt* 192.0.2.1 policy.conf:10"],
        ["50%", "10.0 20 / 1d rcpt from example.org policy.conf:9"],
        ["-", "7.0 ? / strange -"],
        ["-", "3.0 ? / 1m rcpt 192.0.2.1 -"],
        ["-", "2.0 0 / 1w cmd all policy.conf:12"],
        ["-", "1.0 ? / 5s conn 192.0.2.9 -"],
    ]


def test_how_many(desk):
    store(desk, *((f"1h/per_conn/192.0.2.{number}", number) for number in range(1, 30)))
    assert [len(desk.ratelimit("top", *arguments)[1]) for arguments in ((), ("-n", 3), ("-n", 100))] == [11, 4, 30]


@pytest.mark.parametrize("key", ["192.0.2.1", "1h/per_conn/192.0.2.1"])
def test_one_of_them(desk, key):
    store(desk, ("1h/per_conn/192.0.2.1", 4), ("1h/per_conn/192.0.2.11", 5))
    code, rows = desk.ratelimit("show", key)
    assert (code, [rest.split()[0] for _, rest in columns(rows)]) == (0, ["4.0"])


def test_a_rate_fades(desk):
    there = LmdbStore(desk.state)
    there.put(b"ratelimit/1h/per_conn/192.0.2.1", Bucket(time.time() - 3600, 4.0).encoded(), 60)
    there.put(b"ratelimit/1h/per_conn/192.0.2.2", b"no bucket", 60)
    there.close()
    ((fill, rest),) = columns(desk.ratelimit("top")[1])
    assert (fill, rest.split()[0]) == ("29%", "1.5")


def test_reset(desk):
    store(desk, ("1h/per_conn/192.0.2.1", 4), ("1d/per_rcpt/unique/192.0.2.1", 2), ("1h/per_conn/192.0.2.2", 1))
    code, rows = desk.ratelimit("reset", "192.0.2.1")
    assert (code, len(rows)) == (0, 3)
    assert desk.ratelimit("reset", "192.0.2.1") == (1, ["no rate is known of 192.0.2.1"])
    assert len(desk.ratelimit("top")[1]) == 2
    desk.connect("192.0.2.1")
    assert columns(desk.ratelimit("show", "192.0.2.1")[1])[0][0] == "20%"


def test_nothing_is_known(desk):
    assert desk.ratelimit("top") == (1, ["no rate is known"])


def test_a_key_of_a_stranger_does_no_harm_to_a_terminal(desk):
    store(desk, ("1d/per_rcpt/from \x1b[2J\n", 1))
    assert "from \\033[2J\\n" in desk.ratelimit("top")[1][1]


def test_without_a_policy_or_a_store(desk, tmp_path):
    code, lines = desk.run("ratelimit", "top", "-c", tmp_path / "none.conf")
    assert (code, "none.conf" in lines[0]) == (1, True)
    (tmp_path / "state").write_text("a file")
    code, lines = desk.ratelimit("top")
    assert (code, lines) == (1, [f"{tmp_path}/state/store: Not a directory"])


def test_a_store_of_many_hosts(desk, tmp_path):
    with RedisServer() as server:
        url = f"redis://127.0.0.1:{server.port}"
        path = tmp_path / "policy.conf"
        path.write_text(f"store = {url}\n{path.read_text()}")
        store = RedisStore(place(url))
        store.put(b"ratelimit/1h/per_conn/192.0.2.1", Bucket(time.time(), 6.0).encoded(), 60)
        store.close()
        assert [row.split()[:2] for row in desk.ratelimit("show", "192.0.2.1")[1][1:]] == [["120%", "6.0"]]
        assert desk.ratelimit("reset", "192.0.2.1")[0] == 0
        assert desk.ratelimit("top") == (1, ["no rate is known"])


# -- suggestions

LOG = """\
Nov 21 03:14:15 mx policyd[1]: H=[192.0.2.1] rate=1.0/30 limit=a.conf:3 Warning: rate
Nov 21 03:14:15 mx policyd[1]: H=x (y) [192.0.2.1] rate=6.5/30 limit=a.conf:3 Warning: rate
4Xyz H=(helo) [192.0.2.2] F=<a b@c> A=PLAIN:joe rate=2.0/30 limit=a.conf:3 rejected RCPT <x>: slow
H=[2001:db8::1] F=<> rate=9.0/30 limit=a.conf:3 rate=70.1/5.5k limit=b.conf:7 temporarily rejected DATA
H=[192.0.2.3] F=<a@b> rejected RCPT <"] rate=99.0/1 limit=c.conf:1 rejected"@x>: no
nothing about rates
"""


def test_what_a_log_says():
    found = {one.place: (one.limit, one.peaks, one.suggested) for one in observed(LOG.splitlines())}
    assert found == {
        "a.conf:3": ("30", {"192.0.2.1": 6.5, "192.0.2.2": 2.0, "2001:db8::1": 9.0}, 10),
        "b.conf:7": ("5.5k", {"2001:db8::1": 70.1}, 71),
    }


def test_the_one_in_a_hundred_is_not_asked():
    lines = [f"H=[10.0.0.{number}] rate={number}.0/0 limit=a.conf:3 Warning: rate" for number in range(1, 201)]
    (one,) = observed(lines)
    assert [one.peak(share) for share in (0.5, 0.9, 0.99, 1)] == [100.0, 180.0, 198.0, 200.0]
    assert one.suggested == 199


def test_suggest(desk, tmp_path):
    (tmp_path / "log").write_text(LOG)
    expected = ["a.conf:3 30 3 6.5 9.0 9.0 9.0 10 2001:db8::1", "b.conf:7 5.5k 1 70.1 70.1 70.1 70.1 71 2001:db8::1"]
    for arguments, stdin in ((tmp_path / "log", ""), ("-", LOG)):
        code, rows = desk.run("ratelimit", "suggest", arguments, stdin=stdin)
        assert (code, [" ".join(row.split()) for row in rows[1:]]) == (0, expected)


def test_a_log_without_rates(desk, tmp_path):
    (tmp_path / "log").write_bytes(b"\xff\0\n" * 10)
    assert desk.run("ratelimit", "suggest", tmp_path / "log") == (1, [f"{tmp_path}/log: no line has a rate in it"])


def test_what_policyd_logs_can_be_read(desk):
    (one,) = observed(desk.connect("192.0.2.1", 5))
    assert (one.place, one.limit, one.peaks) == ("policy.conf:5", "3.9", {"192.0.2.1": 5.0})
