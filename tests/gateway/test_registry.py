"""Who is believed to be behind a connection, and who is not."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import ip_address

import pytest

from policyd.errors import Defer
from policyd.gateway.registry import LIFE, PREFIX, Registry, Unknown, sources
from policyd.mail.proxy import Endpoint
from policyd.settings import Settings
from policyd.stores import MemoryStore
from policyd.transaction import Client, Proxy

SOURCE = "127.0.0.2"
SEEN = Endpoint(ip_address(SOURCE), 40000)
GATEWAY = Client(ip_address(SOURCE), 40000, "gateway.example.org", "127.0.0.1", 10025)
PROXY = Proxy("10.0.0.5", 5000, "198.51.100.2", 25)
CLIENTS = {
    "v1": Client(ip_address("192.0.2.1"), 4242, "", "10.0.0.9", 25, PROXY, "proxy_v1"),
    "v2, IPv6": Client(ip_address("2001:db8::1"), 4242, "", "2001:db8::9", 25, PROXY, "proxy_v2"),
    "a balancer's own": Client(ip_address("10.0.0.5"), 5000, "", "10.0.0.9", 25, Proxy(), "proxy_v2"),
    "no balancer": Client(ip_address("192.0.2.1"), 4242, "", "10.0.0.9", 25),
    "an odd port": Client(ip_address("192.0.2.1"), 70000, "", "10.0.0.9", 25, PROXY, "proxy_v1"),
}


class Untouchable(MemoryStore):
    """A store that nobody may ask."""

    def get(self, key):
        raise AssertionError(key)

    put = update = delete = scan = read = get


@pytest.mark.parametrize("name", CLIENTS)
def test_what_is_published_is_found_until_it_is_withdrawn(name):
    registry = Registry(MemoryStore(), [SOURCE])
    registry.publish(SEEN, CLIENTS[name])
    assert registry.behind(GATEWAY) == CLIENTS[name]
    assert registry.behind(GATEWAY) == CLIENTS[name]
    registry.withdraw(SEEN)
    with pytest.raises(Unknown, match=r"^no gateway has told of a connection from \[127\.0\.0\.2\]:40000$"):
        registry.behind(GATEWAY)


@pytest.mark.parametrize(
    "client",
    [
        Client(),
        Client(ip_address("192.0.2.1"), 40000),
        Client(ip_address("127.0.0.1"), 40000),
        Client(ip_address("::2")),
    ],
    ids=["local", "remote", "neighbour", "IPv6"],
)
@pytest.mark.parametrize("addresses", [[], [SOURCE]], ids=["no gateway", "a gateway"])
def test_others_are_who_they_are_at_no_cost(client, addresses):
    assert Registry(Untouchable(), addresses).behind(client) is client


@pytest.mark.parametrize("port", [40001, 0])
def test_nobody_is_believed_whom_no_gateway_has_told_of(port):
    registry = Registry(MemoryStore(), [SOURCE])
    registry.publish(SEEN, CLIENTS["v1"])
    with pytest.raises(Unknown):
        registry.behind(Client(ip_address(SOURCE), port))


def test_an_entry_for_another_address_is_not_believed():
    """Somebody who can write to the store, but is no gateway, cannot be anybody else."""
    registry = Registry(MemoryStore(), [SOURCE])
    stranger = Client(ip_address("192.0.2.66"), 40000)
    registry.publish(Endpoint(stranger.address, stranger.port), CLIENTS["v1"])
    assert registry.behind(stranger) is stranger


def test_a_client_that_the_mta_was_told_of():
    registry = Registry(MemoryStore(), [SOURCE], told=True)
    client = Client(ip_address("192.0.2.1"), 4242, "client.example.org")
    assert registry.behind(client) is client
    registry.publish(Endpoint(client.address, client.port), CLIENTS["v1"])
    assert registry.behind(client) == CLIENTS["v1"]
    with pytest.raises(Unknown):
        registry.behind(GATEWAY)


@pytest.mark.parametrize("written", [b"", b"\0", b"{}", b"[1,2]", b'["x",1,"",0,null,""]', b'["::1","a","",0,null,""]'])
def test_what_is_not_ours_is_not_believed(written):
    store = MemoryStore()
    store.put(PREFIX + b"127.0.0.2|40000", written, LIFE)
    with pytest.raises(Unknown, match=r"^no gateway wrote "):
        Registry(store, [SOURCE]).behind(GATEWAY)


def test_it_expires():
    now = [0.0]
    registry = Registry(MemoryStore(lambda: now[0]), [SOURCE])
    registry.publish(SEEN, CLIENTS["v1"])
    now[0] = LIFE - 1
    assert registry.behind(GATEWAY) == CLIENTS["v1"]
    now[0] = LIFE + 1
    with pytest.raises(Unknown):
        registry.behind(GATEWAY)


def test_a_gateway_forgets_what_it_left_behind_and_nothing_else():
    store = MemoryStore()
    ours, theirs = Registry(store, [SOURCE]), Registry(store, ["127.0.0.22"])
    other = Endpoint(ip_address("127.0.0.22"), 40000)
    ours.publish(SEEN, CLIENTS["v1"])
    theirs.publish(other, CLIENTS["v1"])
    store.put(b"rate", b"1", LIFE)
    ours.forget()
    with pytest.raises(Unknown):
        ours.behind(GATEWAY)
    assert theirs.behind(Client(other.address, other.port)) == CLIENTS["v1"]
    assert store.get(b"rate") == b"1"


def test_what_the_store_cannot_say_is_not_guessed():
    class Broken(MemoryStore):
        def get(self, key):
            raise Defer("the store is full")

    with pytest.raises(Defer):
        Registry(Broken(), [SOURCE]).behind(GATEWAY)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), ()),
        (Settings(gateway_listen="[::]:25"), ("127.0.0.2",)),
        (Settings(gateway_source=("192.0.2.9",)), ("192.0.2.9",)),
        (Settings(gateway_listen="[::]:25", gateway_source=("192.0.2.9", "::1")), ("192.0.2.9", "::1")),
    ],
)
def test_where_gateways_come_from(settings, expected):
    assert sources(settings) == expected


@pytest.mark.parametrize(
    "settings, shared",
    [
        (Settings(gateway_listen="[::]:25"), False),
        (Settings(gateway_source=("127.0.0.2", "::1")), False),
        (Settings(gateway_source=("192.0.2.9",)), True),
        (Settings(gateway_source=("127.0.0.2", "192.0.2.9")), True),
    ],
)
def test_loopback_addresses_are_of_one_host(settings, shared):
    """Two hosts that share a store have different connections from 127.0.0.2:40000."""
    everybodys, here = MemoryStore(), MemoryStore()
    Registry.of(settings, everybodys, here).publish(SEEN, CLIENTS["v1"])
    assert [len(list(store.scan(PREFIX))) for store in (everybodys, here)] == ([1, 0] if shared else [0, 1])


@pytest.mark.parametrize(
    ("addresses", "in_common"),
    [
        ((), False),
        (("127.0.0.2",), False),
        (("127.0.0.2", "::1"), False),
        (("192.0.2.9",), True),
        (("::1", "::9"), True),
    ],
)
def test_loopback_addresses_are_every_hosts_and_so_not_known_to_others(addresses, in_common):
    shared, here = MemoryStore(), MemoryStore()
    registry = Registry.of(Settings(gateway_source=addresses, gateway_listen="[::]:25"), shared, here)
    registry.publish(SEEN, CLIENTS["v1"])
    found = [len(list(store.scan(PREFIX))) for store in (shared, here)]
    assert found == ([1, 0] if in_common else [0, 1])


def test_who_has_no_gateway_loads_no_event_loop():
    imported = "policyd.server.supervisor, policyd.server.worker, policyd.cli.session, policyd.cli.proxied"
    asked = f"import sys, {imported}; print([name for name in ('asyncio', 'uvloop') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True).stdout == b"[]\n"
