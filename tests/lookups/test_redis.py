"""``redis``: a real Redis, well and ill; and a scripted one for what a single server never says."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import pytest
from parts.ports import free_port
from parts.redis_server import RedisServer

from policyd.errors import ExpansionError
from policyd.lookups.redis import words
from tests.lookups.conftest import asking, at_most, each_hears_itself, stopped

pytestmark = pytest.mark.xdist_group("redis")


@pytest.fixture
def server(redis_server):
    return f"127.0.0.1::{redis_server.port}//"


@pytest.fixture
def redis(looking, server):
    look = looking(f"redis_servers = {server}\nlookup_timeout = 20s")
    look("${lookup redis{flushall}}")
    for command in [
        "set text value",
        "set empty \\\\ ",
        "set binary \xff\xfe",
        "hset example.org domain example.org quota 10",
        "sadd one 192.0.2.1",
        "rpush list a b c",
        "incr counter",
    ]:
        look(f"${{lookup redis{{{command}}}}}")
    return look


asked = asking("redis")


@pytest.mark.parametrize(
    "command, want",
    [
        ("GET text", "[value]"),
        ("get nothing", "[]"),
        ("get empty", "[ ]"),
        ("get binary", "[\xff\xfe]"),
        ("HGET example.org domain", "[example.org]"),
        ("HGET nothing domain", "[]"),
        ("exists text", "[true]"),
        ("exists nothing", "[false]"),
        ("get counter", "[1]"),
        ("incr counter", "[true]"),
        ("sadd one 192.0.2.1", "[false]"),
        ("smembers one", "[192.0.2.1]"),
        ("smembers nothing", "none"),
        ("lrange list 0 -1", "[a\nb\nc]"),
        ("hgetall example.org", "[domain\nexample.org\nquota\n10]"),
        ("mget text nothing counter", "[value\n\n1]"),
        ("mget nothing none", "none"),
        ("set new value", "[OK]"),
        ("eval return{1,{'a',2,{'deep'}},'b'} 0", "[1\na\n2\nb]"),
        ("ping", "[PONG]"),
        ("echo a\\\\ b\\\\\\\\c", "[a b\\c]"),
        ("  ping  ", "[PONG]"),
        ("", "none"),
    ],
)
def test_command(redis, command, want):
    assert asked(redis, command.replace("{", "\\{").replace("}", "\\}") if "eval" in command else command) == want


@pytest.mark.parametrize(
    "command, want",
    [
        ("nosuch", "REDIS: lookup result failed: ERR unknown command"),
        ("hget text field", "REDIS: lookup result failed: WRONGTYPE"),
        ("get", "REDIS: lookup result failed: ERR wrong number of arguments"),
    ],
)
def test_failure(redis, command, want):
    assert want in redis.failure(f"${{lookup redis{{{command}}}}}")


def test_the_examples_of_the_seeds(looking, server):
    """A host list out of a set, a domain out of a hash, and an update through a macro."""
    look = looking(
        f"redis_servers = {server}\n"
        "WHITELIST = ${lookup redis{SMEMBERS wl}{$value}{}}\n"
        "SPAMMER_SET = SET ${quote_redis:spam:$sender_host_address} 1\n"
    )
    look("${lookup redis{sadd wl 192.0.2.0/24}}${lookup redis{sadd wl 2001:db8::/32}}")
    assert sorted(look("WHITELIST").split("\n")) == ["192.0.2.0/24", "2001:db8::/32"]
    look("${lookup redis{hset local.example domain local.example}}")
    assert look("${lookup redis{HGET local.example domain}{$value}}") == "local.example"
    assert look("${lookup redis{SPAMMER_SET}}") == "OK"
    assert look("${lookup redis{GET spam:192.0.2.1}}") == "1"


@pytest.mark.parametrize(
    "text, want",
    [
        ("a b  c", ["a", "b", "c"]),
        (r"a\ b c", ["a b", "c"]),
        (r"a\\b", ["a\\b"]),
        ("a\\", ["a"]),
        ("\\ ", [" "]),
        ("\t\r\n", []),
    ],
)
def test_words(text, want):
    assert words(text) == want


def test_more_than_32_arguments():
    assert len(words("x " * 32)) == 32
    with pytest.raises(ExpansionError, match="more than 32 arguments"):
        words("x " * 33)


HOSTILE = [
    "a b",
    "\r\nFLUSHALL\r\n",
    "x\\",
    "\\ FLUSHALL",
    "\0",
    "'\"",
    "\xff\xfe",
    "$4\r\nPING",
    "\t\v\f",
    "x" * 65536,
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_injection_through_the_quoting_operator(redis, value):
    tx = redis.message()
    tx.acl_variables["acl_m_value"] = value
    assert redis("${lookup redis{echo ${quote_redis:$acl_m_value}}}", tx) == value
    assert redis("${lookup redis{set key-${quote_redis:$acl_m_value} 1}}", tx) == "OK"
    assert redis("${lookup redis{get key-${quote_redis:$acl_m_value}}}", tx) == "1"
    assert redis("${lookup redis{get text}}", tx) == "value"


def test_reading_is_remembered_and_writing_is_not(redis):
    tx = redis.message()
    assert asked(redis, "get text") == "[value]"
    assert redis("${lookup redis{get text}}", tx) == "value"
    redis("${lookup redis{set text other}}")
    assert redis("${lookup redis{get text}}", tx) == "value"
    assert redis("${lookup redis,cache=no{get text}}", tx) == "other"
    twice = "${lookup redis{incr counter}}" * 2
    assert redis("${lookup redis{get counter}}" + twice, tx) == "1truetrue"
    assert redis("${lookup redis{get counter}} ${lookup redis{get text}}", tx) == "3 other"


def test_password_and_database(looking):
    with RedisServer(password="se/cret") as locked:
        there = f"127.0.0.1::{locked.port}"
        look = looking(f"redis_servers = {there}/3/sesame")
        assert "REDIS: AUTH failed: WRONGPASS" in look.failure("${lookup redis{ping}}")
        assert "REDIS: lookup result failed: NOAUTH" in look.failure(f"${{lookup redis,servers={there}//{{ping}}}}")
    with RedisServer(password="sesame") as locked:
        there = f"127.0.0.1::{locked.port}"
        look = looking(f"redis_servers = {there}/3/sesame")
        assert asked(look, "set here 3") == "[OK]"
        assert asked(look, "get here") == "[3]"
        assert asked(look, "get here", f",servers={there}/0/sesame") == "[]"
        assert "REDIS: SELECT failed: ERR" in look.failure(f"${{lookup redis,servers={there}/99/sesame{{ping}}}}")
        unix = f"localhost({locked.socket})/3/sesame"
        assert asked(look, "get here", f",servers={unix}") == "[3]"


@pytest.mark.parametrize("command", ["select 5", "multi", "subscribe channel", "client reply off", "quit"])
def test_a_command_that_changes_the_connection_ends_it(redis, command):
    if command == "client reply off":
        redis.failure(f"${{lookup redis{{{command}}}}}", redis.message(seconds=0.2))
    else:
        asked(redis, command)
    assert asked(redis, "get text") == "[value]"


@pytest.mark.parametrize(
    "options, want",
    [
        (",servers=127.0.0.1", 'Redis server "127.0.0.1" not found in redis_servers'),
        (",servers=127.0.0.1/0", "incomplete Redis server data: 127.0.0.1"),
        (",servers=127.0.0.1::{closed}//", "REDIS connection failed: "),
        (",servers=nosuch.invalid//", "REDIS connection failed: "),
    ],
)
def test_servers(redis, options, want):
    assert want in redis.failure(f"${{lookup redis{options.format(closed=free_port())}{{ping}}}}")


def test_no_servers(look):
    assert look.failure("${lookup redis{ping}}").endswith("no Redis servers defined (redis_servers option)")


def test_ipv6(looking, redis_server):
    look = looking(f"redis_servers = <; [::1]:1// ; 127.0.0.1:{redis_server.port}//")
    assert asked(look, "ping") == "[PONG]"


def test_a_slow_server(looking, redis_server, server):
    look = looking(f"redis_servers = {server}\nlookup_timeout = 1s")
    asked(look, "ping")
    with stopped(redis_server.pid), at_most(10):
        assert look.failure("${lookup redis{ping}}").endswith("REDIS: query failed: timed out")
        assert look.failure("${lookup redis{ping}}").endswith("REDIS: query failed: timed out")  # a new connection
    assert asked(look, "ping") == "[PONG]"
    patient = looking(f"redis_servers = {server}\nlookup_timeout = 60s")
    with stopped(redis_server.pid), at_most(10):
        patient.failure("${lookup redis{ping}}", patient.message(seconds=0.2))


def test_a_server_that_was_restarted(looking):
    port = free_port()
    look = looking(f"redis_servers = 127.0.0.1::{port}//")
    for _ in range(2):
        server = RedisServer()
        server.port = port
        with server:
            assert asked(look, "ping") == "[PONG]"
        assert "Connection refused" in look.failure("${lookup redis{ping}}")


def test_twenty_threads(redis):
    assert each_hears_itself(redis, "${lookup redis{echo $acl_m_number}}", times=100)


# One Redis is no cluster, and never sends half a reply or nonsense. So these servers answer from a script: every line
# that arrives gets the next answer, whatever it asks.


@contextmanager
def scripted(*answers):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)
                    if answer.endswith(b"..."):
                        connection.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1::{listener.getsockname()[1]}//"
        thread.join(5)


def test_a_key_that_has_moved_is_asked_for_at_the_next_node(looking, redis, server):
    with scripted(b"-MOVED 866 127.0.0.1:7002\r\n") as node:
        look = looking(f"redis_servers = {node} : {server}")
        assert asked(look, "get text") == "[value]"


def test_moved_everywhere_defers(looking):
    with scripted(b"-MOVED 866 127.0.0.1:7002\r\n") as node:
        look = looking(f"redis_servers = {node}")
        assert look.failure("${lookup redis{get text}}").endswith("lookup result failed: MOVED 866 127.0.0.1:7002")


@pytest.mark.parametrize("error", [b"-ASK 866 127.0.0.1:7002\r\n", b"-LOADING Redis is loading\r\n"])
def test_any_other_error_is_final(looking, redis, server, error):
    with scripted(error) as node:
        look = looking(f"redis_servers = {node} : {server}")
        assert "REDIS: lookup result failed: " in look.failure("${lookup redis{get text}}")


@pytest.mark.parametrize(
    "answer, want",
    [
        (b"", "the server has closed the connection"),
        (b"$5\r\nab", "the server has closed the connection"),
        (b"$5\r\nab...", "timed out"),
        (b"?what\r\n", "Protocol error"),
        (b"$-5\r\n", "Bulk string length out of range"),
    ],
)
def test_replies_that_are_none(looking, answer, want):
    with scripted(answer) as node:
        patience = "0.4s" if want == "timed out" else "20s"
        look = looking(f"redis_servers = {node}\nlookup_timeout = {patience}")
        assert want in look.failure("${lookup redis{get text}}")


def test_a_reply_that_has_no_end(looking, monkeypatch):
    monkeypatch.setattr("policyd.links.redis.MAX_REPLY", 1000)
    with scripted(b"$100000\r\n" + b"x" * 5000) as node:
        look = looking(f"redis_servers = {node}\nlookup_timeout = 20s")
        assert "a reply of more than 1000 octets" in look.failure("${lookup redis{get text}}")
