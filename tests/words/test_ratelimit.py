"""``ratelimit`` in policies: what is counted where, what is remembered how long, and what can go wrong."""

from __future__ import annotations

import sqlite3
from ipaddress import ip_address

import pytest

from policyd import words
from policyd.config import load
from policyd.conversation import Conversation
from policyd.errors import PolicyError
from policyd.resolver.zone import ZoneResolver
from policyd.stores import LmdbStore, MemoryStore
from policyd.transaction import Client, Services

PHASES = ("connect", "helo", "mail", "rcpt", "predata", "data", "quit")


class Log(list):
    """The lines of the main log."""

    def write(self, target, text):
        if target == "main":
            self.append(text)


class Counts(list):
    """What was reported."""

    def count(self, name, *labels, amount=1):
        self.append((name, labels))

    def observe(self, name, value, *labels):
        self.append((name, labels))

    def of(self, name):
        return [labels for found, labels in self if found == name]


class World:
    """Policies as text, and sessions against them; time stands still."""

    def __init__(self, directory, store):
        words.load()
        self.file = directory / "policy.conf"
        self.log, self.metrics = Log(), Counts()
        self.services = Services(ZoneResolver([]), store, self.metrics, self.log, clock=lambda: 1000.0)

    def talk(self, policy, client="192.0.2.1"):
        self.file.write_text(policy)
        talk = Conversation(load(self.file), self.services)
        talk.connect(Client(ip_address(client) if client else None))
        return talk

    @property
    def rates(self):
        return [line.removeprefix("RATE ") for line in self.log if line.startswith("RATE ")]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, MemoryStore(lambda: 1000.0))


def each_phase(argument, phases=PHASES):
    """A policy that logs the rate of *argument* in each phase; ``PHASE`` in it is the phase's name."""
    options = "".join(f"acl_smtp_{phase} = a_{phase}\n" for phase in phases)
    acls = "".join(
        f"a_{phase}:\n"
        f"  warn ratelimit = {argument.replace('PHASE', phase)}\n"
        f"  warn logwrite = RATE {phase} $sender_rate\n"
        f"  accept\n"
        for phase in phases
    )
    return f"{options}begin acl\n{acls}"


def message(talk, *recipients, size="SIZE=1000"):
    """One message of 20 octets."""
    talk.mail("<sender@example.com>", (size,) if size else ())
    for recipient in recipients:
        talk.rcpt(f"<{recipient}>")
    talk.predata()
    talk.header("Subject", b" x")
    talk.end_of_headers()
    talk.body(b"body\r\n")
    talk.end_of_message()


# -- what is counted where


@pytest.mark.parametrize(
    "option, expected",  # connect, helo, mail, rcpt, rcpt, predata, data, quit
    [
        ("strict", "1.0 1.0 1.0 1.0 1.0 1.0 1.0 1.0"),
        ("leaky", "1.0 1.0 1.0 1.0 1.0 1.0 1.0 1.0"),
        ("per_mail", "0.0 0.0 1.0 1.0 1.0 1.0 1.0 0.0"),
        ("per_byte", "0.0 0.0 1000.0 1000.0 1000.0 1000.0 20.0 0.0"),
        ("per_rcpt", "0.0 0.0 0.0 1.0 2.0 2.0 2.0 0.0"),
        ("per_addr", "0.0 0.0 0.0 1.0 2.0 0.0 0.0 0.0"),
        ("per_conn", "1.0 1.0 1.0 1.0 1.0 1.0 1.0 1.0"),
        ("per_cmd", "1.0 1.0 1.0 1.0 2.0 1.0 1.0 1.0"),
        ("per_conn/strict", "1.0 1.0 1.0 1.0 1.0 1.0 1.0 1.0"),
        ("per_cmd/readonly", "0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0"),
        ("per_mail/noupdate/strict", "0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0"),
        ("count=3", "3.0 3.0 3.0 3.0 3.0 3.0 3.0 3.0"),
        ("per_cmd/count=0.5", "0.5 0.5 0.5 0.5 1.0 0.5 0.5 0.5"),
        ("count=7/per_byte", "0.0 0.0 1000.0 1000.0 1000.0 1000.0 20.0 0.0"),
        ("per_byte/count=7", "0.0 0.0 7.0 7.0 7.0 7.0 7.0 0.0"),
        ("count=7/per_rcpt", "0.0 0.0 0.0 7.0 14.0 2.0 2.0 0.0"),
        ("per_rcpt/count=7", "0.0 0.0 0.0 7.0 14.0 7.0 7.0 0.0"),
        ("per_addr/unique=z", "0.0 0.0 0.0 1.0 1.0 0.0 0.0 0.0"),
        ("unique=z/per_cmd", "1.0 1.0 1.0 1.0 1.0 1.0 1.0 1.0"),
    ],
)
def test_each_option_at_each_phase(world, option, expected):
    talk = world.talk(each_phase(f"5000 / 1h / {option} / PHASE"))
    talk.helo("client.example")
    message(talk, "a@example.org", "b@example.org")
    talk.quit()
    assert [rate.split()[1] for rate in world.rates] == expected.split()


@pytest.mark.parametrize("size, rate", [("SIZE=300", "300.0"), ("size=300", "300.0"), ("SIZE=x", "0.0"), ("", "0.0")])
def test_octets_that_were_announced(world, size, rate):
    message(world.talk(each_phase("1m / 1h / per_byte", ["mail"])), "a@example.org", size=size)
    assert world.rates == [f"mail {rate}"]


@pytest.mark.parametrize("update", ["leaky", "strict"])
@pytest.mark.parametrize(
    "option, allowed",
    [
        ("per_mail", "mail rcpt predata data"),
        ("per_byte", "mail rcpt predata data"),
        ("per_rcpt", "rcpt predata data"),
        ("per_addr", "rcpt"),
        ("per_conn", "connect helo mail rcpt predata data quit"),
        ("per_cmd", "connect helo mail rcpt predata data quit"),
    ],
)
def test_where_an_option_may_count(world, option, update, allowed):
    counted = []
    for phase in PHASES:
        world.log.clear()
        talk = world.talk(each_phase(f"5 / 1h / {option} / {update}", [phase]))
        talk.helo("client.example")
        message(talk, "a@example.org")
        talk.quit()
        counted += [phase] if world.rates else []
        if not world.rates:
            word = {"per_byte": "per_mail", "per_addr": "per_rcpt"}.get(option, option)
            acl = {"connect": "connection", "helo": "EHLO or HELO"}.get(phase, phase.upper())
            assert f'"{word}" must not have /leaky or /strict option, or cannot be used in {acl} ACL' in world.log[-1]
    assert counted == allowed.split()


def test_addresses_are_compared_as_the_variables_show_them(world):
    policy = """
acl_smtp_rcpt = r
begin acl
r:
  warn local_parts = caseful : Caseful
       control = caseful_local_part
  warn ratelimit = 50 / 1h / per_addr
  warn logwrite = RATE $sender_rate
  accept
"""
    recipients = ["Ab@X.example", "ab@x.Example", "aB+c@x.example", "Caseful@x.example", "caseful@x.example"]
    message(world.talk(policy), *recipients)
    assert world.rates == ["1.0", "1.0", "2.0", "3.0", "4.0"]


@pytest.mark.parametrize(
    "first, second, shared",
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8:0::1", True),
        (None, None, True),
    ],
)
def test_the_key_is_the_address(world, first, second, shared):
    for client in (first, second):
        world.talk(each_phase("5 / 1h / per_conn", ["connect"]), client)
    assert world.rates == ["connect 1.0", f"connect {'2.0' if shared else '1.0'}"]


# -- how long a rate is remembered


@pytest.mark.parametrize(
    "option, expected",  # at two RCPT commands of each of two messages, the rates of two tests
    [
        ("per_conn", "1.0 1.0 1.0 1.0 1.0 1.0 1.0 1.0"),
        ("per_mail", "1.0 1.0 1.0 1.0 2.0 2.0 2.0 2.0"),
        ("per_byte", "1000.0 1000.0 1000.0 1000.0 2000.0 2000.0 2000.0 2000.0"),
        ("per_rcpt", "1.0 1.0 2.0 2.0 3.0 3.0 4.0 4.0"),
        ("per_addr", "1.0 1.0 2.0 2.0 2.0 2.0 2.0 2.0"),
        ("per_cmd", "1.0 1.0 2.0 2.0 3.0 3.0 4.0 4.0"),
        ("unique=$local_part", "1.0 1.0 1.0 1.0 1.0 1.0 1.0 1.0"),
    ],
)
def test_the_same_key_is_computed_once(world, option, expected):
    test = f"  warn ratelimit = 5000 / 1h / {option}\n  warn logwrite = RATE $sender_rate\n"
    talk = world.talk(f"acl_smtp_rcpt = r\nbegin acl\nr:\n{test}{test}  accept\n")
    message(talk, "a@example.org", "b@example.org")
    message(talk, "a@example.org", "b@example.org")
    assert world.rates == expected.split()


def test_a_batch_of_recipients_is_counted_once_per_message(world):
    talk = world.talk(each_phase("5000 / 1h / per_rcpt", ["predata", "data"]))
    message(talk, "a@example.org", "b@example.org")
    message(talk, "a@example.org")
    assert world.rates == ["predata 2.0", "data 2.0", "predata 3.0", "data 3.0"]


def test_each_limit_is_held_against_the_one_rate(world):
    policy = """
acl_smtp_connect = c
begin acl
c:
  warn ratelimit = 3 / 1h / per_conn / strict
       logwrite = three
  warn ratelimit = 2 / 1h / per_conn / strict
       logwrite = two
  accept
"""
    for _ in range(3):
        world.talk(policy)
        world.log.append("-")
    assert world.log == ["-", "two", "-", "three", "two", "-"]


@pytest.mark.parametrize(
    "option, expected",  # at each of two RCPT commands, what is read before and after a test that counts
    [
        ("per_conn", "0.0 0.0 1.0 1.0"),
        ("per_mail", "0.0 0.0 1.0 1.0"),
        ("per_rcpt", "0.0 0.0 0.0 0.0"),  # what was read is remembered for the command, and so nothing is counted
        ("per_cmd", "0.0 0.0 0.0 0.0"),
    ],
)
def test_reading(world, option, expected):
    read = f"  warn ratelimit = 5 / 1h / {option} / readonly\n  warn logwrite = RATE $sender_rate\n"
    count = f"  warn ratelimit = 5 / 1h / {option}\n"
    talk = world.talk(f"acl_smtp_rcpt = r\nbegin acl\nr:\n{read}{count}{read}  accept\n")
    message(talk, "a@example.org", "b@example.org")
    assert world.rates == expected.split()


# -- the verdict and the variables


def test_too_many_connections(world):
    policy = """
LIMIT = 5
acl_smtp_connect = c
begin acl
c:
  defer message = Too many connections from this IP right now ($sender_rate / $sender_rate_period, $sender_rate_limit)
        ratelimit = LIMIT / 5s / per_conn / strict
  accept
"""
    world.file.write_text(policy)
    compiled = load(world.file)
    talks = [Conversation(compiled, world.services) for _ in range(6)]
    replies = [talk.connect(Client(ip_address("192.0.2.1"))) for talk in talks]
    assert [reply.code for reply in replies] == [0, 0, 0, 0, 451, 451]
    assert replies[5].lines == ("Too many connections from this IP right now (6.0 / 5s, 5)",)


def test_limits_of_each_host_from_a_file(world, tmp_path):
    (tmp_path / "limits").write_text("192.0.2.1: 2\n192.0.2.0/24: 3\n*: 1\n")
    policy = f"""
LIMIT = ${{lookup{{$sender_host_address}}iplsearch{{{tmp_path}/limits}}{{$value}}{{4}}}}
acl_smtp_connect = c
begin acl
c:
  defer ratelimit = LIMIT / 5s / per_conn / strict
  accept
"""
    world.file.write_text(policy)
    compiled = load(world.file)

    def accepted(address):
        talks = [Conversation(compiled, world.services) for _ in range(6)]
        return [talk.connect(Client(ip_address(address))).code for talk in talks].count(0)

    assert [accepted(address) for address in ("192.0.2.1", "192.0.2.9", "203.0.113.1")] == [1, 2, 3]


def test_the_variables_are_empty_until_a_test(world):
    policy = (
        "acl_smtp_connect = c\nbegin acl\nc:\n  accept logwrite = <$sender_rate$sender_rate_limit$sender_rate_period>\n"
    )
    world.talk(policy)
    assert world.log == ["<>"]


def test_an_argument_may_be_computed(world):
    argument = "${if eq{$sender_host_address}{192.0.2.1}{1}{9}} / 1h / per_conn / $sender_host_address"
    policy = f"acl_smtp_connect = c\nbegin acl\nc:\n  warn ratelimit = {argument}\n       logwrite = over\n  accept\n"
    world.talk(policy, "192.0.2.1")
    world.talk(policy, "192.0.2.2")
    assert world.log == ["over"]


# -- what can go wrong


@pytest.mark.parametrize(
    "argument, message",
    [
        ("5", "sender rate period not set"),
        ("five / 1h", '"five" is not a positive number'),
        ("5 / 1h / strict / leaky", "conflicting update modes"),
    ],
)
def test_a_constant_argument_is_checked_at_load(world, argument, message):
    with pytest.raises(PolicyError) as error:
        world.talk(each_phase(argument, ["connect"]))
    (problem,) = error.value.problems
    assert problem.message == f'error in arguments to "ratelimit" condition: {message}'
    assert problem.where.line == 4


def test_a_computed_argument_is_checked_when_it_is_used(world):
    talk = world.talk(each_phase("$sender_helo_name / 1h", ["mail"]))
    talk.helo("x")
    assert talk.mail("<>").code == 451
    assert world.log[-1].endswith('error in arguments to "ratelimit" condition: "x" is not a positive number')


def test_without_a_store_there_is_no_verdict(tmp_path):
    (tmp_path / "file").touch()
    world = World(tmp_path, LmdbStore(tmp_path / "file" / "store"))
    for update in ("strict", "readonly"):
        world.log.clear()
        talk = world.talk(f"acl_smtp_helo = h\nbegin acl\nh:\n  deny ratelimit = 5 / 1h / {update}\n  accept\n")
        assert talk.helo("x").code == 451
        assert world.log[0] == f"ratelimit: {tmp_path}/file/store: Not a directory"
        assert world.log[1].endswith(": ratelimit database not available")
    assert [result for _, result, _ in world.metrics.of("ratelimit_checks_total")] == ["store_error", "store_error"]


def test_metrics(world):
    for _ in range(2):
        world.talk(each_phase("2 / 60m / per_conn", ["connect"]))
    assert world.metrics.of("ratelimit_checks_total") == [
        ("policy.conf:4", "under", "true"),
        ("policy.conf:4", "over", "true"),
    ]
    assert world.metrics.of("ratelimit_store_duration_seconds") == [(), ()]


def test_a_computed_limit_has_one_name_in_metrics(world):
    for client in ("192.0.2.1", "192.0.2.20"):
        world.talk(
            each_phase("9 / ${strlen:$sender_host_address}h", ["connect"]),
            client,
        )
    assert {limit for limit, _, _ in world.metrics.of("ratelimit_checks_total")} == {"policy.conf:4"}


def test_a_dry_run_is_counted_apart(world):
    world.talk("dry_run = yes\n" + each_phase("1 / 1h / per_conn", ["connect"]))
    assert [enforced for _, _, enforced in world.metrics.of("ratelimit_checks_total")] == ["false"]


# -- the log


REMARK = "rate=1.0/1 limit=policy.conf:{}"


@pytest.mark.parametrize(
    "statement, line",
    [
        ("defer ratelimit = 1 / 1h", f"{REMARK.format(4)} temporarily rejected RCPT <b@y>"),
        ("deny message = slow\n ratelimit = 1 / 1h", f"{REMARK.format(5)} rejected RCPT <b@y>: slow"),
        ("discard ratelimit = 1 / 1h", f"{REMARK.format(4)} RCPT <b@y>: discarded by RCPT ACL"),
        ("deny\n ratelimit = 1/1h\n ratelimit = 0 / 1h", f"{REMARK.format(5)} rate=1.0/0 limit=policy.conf:6 rejected"),
        ("deny ! ratelimit = 5 / 1h", "rate=1.0/5 limit=policy.conf:4 rejected RCPT <b@y>"),
        ("deny acl = nested", f"{REMARK.format(7)} rejected RCPT <b@y>"),
        ("warn ratelimit = 5 / 1h\n  deny", "F=<a@x> rejected RCPT <b@y>"),
        ("warn ratelimit = 1 / 1h\n log_message = slow", f"[192.0.2.1] {REMARK.format(4)} Warning: slow"),
        ("deny ratelimit = ${if eq{1}{1}{1}} / 1h", f"{REMARK.format(4)} rejected RCPT <b@y>"),
    ],
)  # fmt: skip
def test_what_a_log_line_says_of_it(world, statement, line):
    nested = "nested:\n  accept ratelimit = 1 / 1h\n"
    talk = world.talk(f"acl_smtp_rcpt = r\nbegin acl\nr:\n  {statement}\n  accept\n{nested}")
    talk.mail("<a@x>")
    talk.rcpt("<b@y>")
    assert line in world.log[0]


def test_signers_are_counted_like_the_message(world):
    checks = "".join(
        f"  warn ratelimit = 50 / 1h / {option}\n  warn logwrite = RATE $sender_rate\n"
        for option in ("per_rcpt", "per_mail")
    )
    talk = world.talk(
        "acl_smtp_rcpt = r\nacl_smtp_dkim = d\ndkim_verify_signers = x.example\n"
        f"begin acl\nr:\n  accept\nd:\n{checks}  accept\n"
    )
    message(talk, "a@example.org", "b@example.org")
    assert world.rates == ["2.0", "1.0"]


# -- several limits, and limits that are kept elsewhere


def test_several_limits_in_one_statement(world):
    policy = """
acl_smtp_connect = c
begin acl
c:
  defer ratelimit = 2 / 1h / per_cmd / strict
        ratelimit = 2 / 1d / per_cmd / strict
  accept
"""
    replies = []
    for _ in range(4):
        world.talk(policy)
        replies.append(len(world.log))
    assert replies == [0, 0, 1, 2]  # the second counts only what has reached the first


@pytest.mark.parametrize(
    "limit",
    [
        "${lookup{$sender_host_address}iplsearch{FILE}{$value}{5}}",
        "${lookup sqlite,file=DATABASE"
        "{SELECT most FROM limits WHERE client = '${quote_sqlite:$sender_host_address}'}{$value}{5}}",
    ],
)
def test_limits_of_each_client(world, tmp_path, limit):
    (tmp_path / "limits").write_text("192.0.2.0/25: 2\n192.0.2.200: 3\n")
    with sqlite3.connect(tmp_path / "limits.db") as database:
        database.execute("CREATE TABLE limits (client, most)")
        database.execute("INSERT INTO limits VALUES ('192.0.2.1', 2), ('192.0.2.200', 3)")
    database.close()
    limit = limit.replace("FILE", f"{tmp_path}/limits").replace("DATABASE", f"{tmp_path}/limits.db")
    policy = f"acl_smtp_connect = c\nbegin acl\nc:\n  defer ratelimit = {limit} / 5s / per_conn / strict\n  accept\n"
    passed = {}
    for client in ("192.0.2.1", "192.0.2.200", "192.0.2.201"):
        for _ in range(6):
            world.log.clear()
            world.talk(policy, client)
            passed[client] = passed.get(client, 0) + (not world.log)
    assert passed == {"192.0.2.1": 1, "192.0.2.200": 2, "192.0.2.201": 4}


def test_a_period_may_be_computed(world):
    argument = "5 / ${if eq{$sender_host_address}{192.0.2.1}{1h}{1d}} / per_conn"
    statements = f"  warn ratelimit = {argument}\n  accept logwrite = $sender_rate_period\n"
    policy = f"acl_smtp_connect = c\nbegin acl\nc:\n{statements}"
    world.talk(policy, "192.0.2.1")
    world.talk(policy, "192.0.2.2")
    assert world.log == ["1h", "1d"]
