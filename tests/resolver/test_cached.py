"""Against a real nsd; where a server must misbehave, against one of our own that says what it does."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from parts.nsd import Nsd

from policyd.resolver import Answer, DnsTemporary
from policyd.resolver.cache import Cache
from policyd.resolver.cached import CachedResolver
from policyd.resolver.upstream import system_servers

ORG = """\
$ORIGIN example.org.
$TTL 300
@        SOA ns hostmaster 1 3600 600 86400 60
@        NS  ns
@        MX  10 mx1
@        MX  5 mx2
@        TXT "v=spf1 " "-all"
ns       A   192.0.2.53
a        A   192.0.2.1
a        A   192.0.2.2
a        AAAA 2001:db8::1
quick    1 A 192.0.2.3
zero     0 A 192.0.2.4
alias    60 CNAME a
dangling CNAME nothing
loop1    CNAME loop2
loop2    CNAME loop1
far      CNAME there.example.net.
farloop  CNAME back.example.net.
ptr      PTR host
odd      PTR odd\\032name\\.x.example.org.
nullmx   MX  0 .
srv      SRV 0 5 25 mx1
xn--bcher-kva A 192.0.2.5
chain12  A   192.0.2.6
"""
LONG = "".join(f'long TXT "{number:03}{"x" * 200}"\n' for number in range(20))
HUGE = "".join(f'huge TXT "{number:03}{"x" * 240}"\n' for number in range(100))
CHAIN = "".join(f"chain{number} CNAME chain{number + 1}\n" for number in range(12))
NET = """\
$ORIGIN example.net.
$TTL 30
@        SOA ns.example.org. hostmaster 1 3600 600 86400 60
@        NS  ns.example.org.
there    A   192.0.2.7
back     CNAME farloop.example.org.
"""


@pytest.fixture(scope="module")
def nsd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an nsd that knows example.org and example.net, and cannot read the zone broken.example."""
    missing = tmp_path_factory.getbasetemp() / "missing.zone"
    with Nsd({"example.org": ORG + LONG + HUGE + CHAIN, "example.net": NET, "broken.example": missing}) as server:
        yield server.port


class Counts:
    """A `Metrics` that can be read."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, ...]] = Counter()
        self.observed: list[str] = []

    def count(self, name: str, *labels: str, amount: float = 1) -> None:
        self.seen[(name, *labels)] += int(amount)

    def observe(self, name: str, value: float, *labels: str) -> None:
        assert value >= 0
        self.observed.append(name)


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def resolver(nsd: int, counts: Counts) -> CachedResolver:
    return CachedResolver(["127.0.0.1"], nsd, timeout=2, metrics=counts)


# -- what a server says


@pytest.mark.parametrize(
    ("rtype", "name", "want"),
    [
        ("A", "a.example.org", ({"192.0.2.1", "192.0.2.2"}, True, 300)),
        ("A", "A.Example.ORG.", ({"192.0.2.1", "192.0.2.2"}, True, 300)),
        ("AAAA", "a.example.org", ({"2001:db8::1"}, True, 300)),
        ("MX", "example.org", ({(10, "mx1.example.org"), (5, "mx2.example.org")}, True, 300)),
        ("MX", "nullmx.example.org", ({(0, "")}, True, 300)),
        ("TXT", "example.org", ({(b"v=spf1 ", b"-all")}, True, 300)),
        ("NS", "example.org", ({"ns.example.org"}, True, 300)),
        ("PTR", "ptr.example.org", ({"host.example.org"}, True, 300)),
        ("PTR", "odd.example.org", ({"odd\\032name\\.x.example.org"}, True, 300)),  # escaped: never a line break
        ("SRV", "srv.example.org", ({"0 5 25 mx1.example.org."}, True, 300)),
        ("A", "alias.example.org", ({"192.0.2.1", "192.0.2.2"}, True, 60)),
        ("CNAME", "alias.example.org", ({"a.example.org"}, True, 60)),
        ("TXT", "alias.example.org", (set(), True, 60)),
        ("TXT", "a.example.org", (set(), True, 60)),  # the SOA's MINIMUM
        ("A", "nothing.example.org", (set(), False, 60)),
        ("A", "dangling.example.org", (set(), False, 60)),
        ("A", "far.example.org", ({"192.0.2.7"}, True, 30)),  # in another zone
        ("A", "chain2.example.org", ({"192.0.2.6"}, True, 300)),  # ten CNAMEs
        ("A", "bücher.example.org".encode().decode("latin-1"), ({"192.0.2.5"}, True, 300)),
    ],
)
def test_lookup(resolver: CachedResolver, rtype: str, name: str, want: tuple[set[Any], bool, float]) -> None:
    fresh = resolver.lookup(rtype, name)
    assert (set(fresh.records), fresh.exists, fresh.ttl) == want
    kept = resolver.lookup(rtype, name)
    assert (kept.records, kept.exists) == (fresh.records, fresh.exists)
    assert fresh.ttl - 2 < kept.ttl < fresh.ttl


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.broken.example", "SERVFAIL"),
        ("loop1.example.org", "more than 10 CNAMEs"),
        ("farloop.example.org", "more than 10 CNAMEs"),
        ("chain1.example.org", "more than 10 CNAMEs"),
    ],
)
def test_temporary(resolver: CachedResolver, name: str, reason: str) -> None:
    with pytest.raises(DnsTemporary, match=reason):
        resolver.lookup("A", name)


@pytest.mark.parametrize(
    "name",
    ["", "..", ".a", "a..example.org", "a.org..", "x" * 64, "x." * 127 + "x", "a\0.org", "\xff.org"],
)
def test_what_cannot_be_a_name_does_not_exist_and_is_not_asked_for(
    resolver: CachedResolver, counts: Counts, name: str
) -> None:
    assert resolver.lookup("A", name) == Answer(exists=False)
    assert not counts.seen


@pytest.mark.parametrize(
    "name", [" ", "a b.example.org", '"\\.example.org', "\n.example.org", "*.example.org", "%{i}.org", "x." * 126 + "x"]
)
def test_odd_names_are_asked_for_as_they_are(resolver: CachedResolver, counts: Counts, name: str) -> None:
    assert resolver.lookup("A", name).exists is False
    assert counts.seen["dns_queries_total", "A", "nxdomain"] == 1


@pytest.mark.parametrize("rtype", ["FOO", "", "ANY", "AXFR", "TYPE99999"])
def test_what_is_no_record_type(resolver: CachedResolver, rtype: str) -> None:
    for _ in range(2):  # the first must not leave the second waiting
        with pytest.raises(ValueError, match="record type"):
            resolver.lookup(rtype, "example.org")


@pytest.mark.parametrize(("name", "records", "size"), [("long", 20, 203), ("huge", 100, 243)])
def test_tcp_brings_what_udp_cannot(resolver: CachedResolver, name: str, records: int, size: int) -> None:
    answer = resolver.lookup("TXT", f"{name}.example.org")
    assert sorted(map(len, (text for (text,) in answer.records))) == [size] * records


# -- the cache and the metrics


def test_an_answer_is_asked_for_once(resolver: CachedResolver, counts: Counts) -> None:
    for name in ("a.example.org", "A.EXAMPLE.org."):
        resolver.lookup("A", name)
    for _ in range(2):
        resolver.lookup("TXT", "a.example.org")
        resolver.lookup("MX", "nothing.example.org")
        resolver.lookup("SRV", "srv.example.org")
    assert counts.seen == {
        ("dns_cache_requests_total", "miss"): 4,
        ("dns_cache_requests_total", "hit"): 4,
        ("dns_queries_total", "A", "noerror"): 1,
        ("dns_queries_total", "TXT", "nodata"): 1,
        ("dns_queries_total", "MX", "nxdomain"): 1,
        ("dns_queries_total", "other", "noerror"): 1,
    }
    assert counts.observed == ["dns_query_duration_seconds"] * 4


def test_failures_are_not_remembered(resolver: CachedResolver, counts: Counts) -> None:
    for _ in range(2):
        with pytest.raises(DnsTemporary):
            resolver.lookup("A", "a.broken.example")
    assert counts.seen == {("dns_cache_requests_total", "miss"): 2, ("dns_queries_total", "A", "servfail"): 2}


def test_ttl(resolver: CachedResolver, counts: Counts) -> None:
    for pause in (0, 0, 1.1):
        time.sleep(pause)
        assert 0 < resolver.lookup("A", "quick.example.org").ttl <= 1
    assert counts.seen["dns_queries_total", "A", "noerror"] == 2


@pytest.mark.parametrize("name", ["zero.example.org", "far.example.org"])
def test_no_cache(nsd: int, counts: Counts, name: str) -> None:
    resolver = CachedResolver(["127.0.0.1"], nsd, cache=Cache(0), metrics=counts)
    for _ in range(2):
        resolver.lookup("A", name)
    assert counts.seen["dns_cache_requests_total", "miss"] == 2


def test_a_ttl_of_nothing_is_not_kept(resolver: CachedResolver, counts: Counts) -> None:
    for _ in range(2):
        assert resolver.lookup("A", "zero.example.org") == Answer(("192.0.2.4",), ttl=0)
    assert counts.seen["dns_queries_total", "A", "noerror"] == 2


def test_too_much_to_keep(resolver: CachedResolver, counts: Counts) -> None:
    for _ in range(2):
        resolver.lookup("TXT", "huge.example.org")
    assert counts.seen["dns_queries_total", "TXT", "noerror"] == 2


def test_the_one_not_used_for_longest_makes_room(nsd: int, counts: Counts) -> None:
    resolver = CachedResolver(["127.0.0.1"], nsd, cache=Cache(2), metrics=counts)
    for name in ("a", "quick", "a", "ns", "a", "quick"):
        resolver.lookup("A", f"{name}.example.org")
    assert counts.seen["dns_cache_requests_total", "hit"] == 2
    assert counts.seen["dns_queries_total", "A", "noerror"] == 4


def test_there_are_never_more_than_may_be() -> None:
    """Whatever was used, and however often: of those that all were, the oldest makes room."""
    cache = Cache(20)
    keys = [("A", f"{number}.test") for number in range(50)]
    for key in keys:
        cache.keep(key, Answer(ttl=60))
        assert [cache.find(known) for known in keys].count(None) >= 30
    assert cache.find(keys[-1]) is not None
    for key in keys[-20:]:
        cache.find(key)
    cache.keep(keys[0], Answer(ttl=60))
    assert cache.find(keys[0]) is not None
    assert [cache.find(key) is None for key in keys].count(False) == 20


# -- servers that misbehave


Reply = Callable[[bytes, int], bytes | None]


class Misbehaving:
    """A UDP server for what nsd cannot do: silence, slowness, garbage, odd codes, wrong ids, half a chain, no TCP.

    *reply* makes what is sent back from a query and its number, or None for nothing.
    """

    def __init__(self, reply: Reply, elsewhere: bool = False) -> None:
        self._reply = reply
        self._elsewhere = elsewhere  # reply from another port than was asked
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.queries = 0

    def serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(65535)
            if not query:
                return
            self.queries += 1
            reply = self._reply(query, self.queries)
            if reply is not None:
                with socket.socket(type=socket.SOCK_DGRAM) as other:
                    (other if self._elsewhere else self._socket).sendto(reply, client)

    def stop(self) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))

    def close(self) -> None:
        self._socket.close()


@contextmanager
def misbehaving(reply: Reply, elsewhere: bool = False) -> Iterator[Misbehaving]:
    server = Misbehaving(reply, elsewhere)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
        server.close()


def good(query: bytes) -> dns.message.Message:
    reply = dns.message.make_response(dns.message.from_wire(query))
    reply.answer.append(dns.rrset.from_text(reply.question[0].name, 60, "IN", "A", "192.0.2.9"))
    return reply


def silence(query: bytes, number: int) -> None:
    return None


def garbage(query: bytes, number: int) -> bytes:
    return query[:2] + b"\xff" * 40


def foreign(query: bytes, number: int) -> bytes:
    return bytes([query[0] ^ 1]) + good(query).to_wire()[1:]


def truncated(query: bytes, number: int) -> bytes:
    reply = good(query)
    reply.flags |= dns.flags.TC
    return reply.to_wire()


def coded(rcode: dns.rcode.Rcode) -> Reply:
    """A server that answers everything with *rcode*."""

    def reply(query: bytes, number: int) -> bytes:
        message = dns.message.make_response(dns.message.from_wire(query))
        message.set_rcode(rcode)
        return message.to_wire()

    return reply


def step(query: bytes, number: int) -> bytes:
    """A server that leaves CNAMEs to us: from 1.example to 2.example and so on, to the address of 5.example."""
    message = dns.message.make_response(dns.message.from_wire(query))
    name = message.question[0].name
    here = int(name.labels[0])
    kind, value = ("A", "192.0.2.9") if here == 5 else ("CNAME", f"{here + 1}.example.")
    message.answer.append(dns.rrset.from_text(name, 60 + here, "IN", kind, value))
    return message.to_wire()


def second(query: bytes, number: int) -> bytes | None:
    return good(query).to_wire() if number == 2 else None


def slow(query: bytes, number: int) -> bytes:
    time.sleep(1)
    return good(query).to_wire()


def vouched(query: bytes, number: int) -> bytes:
    reply = good(query)
    assert dns.message.from_wire(query).flags & dns.flags.AD
    reply.flags |= dns.flags.AD
    return reply.to_wire()


@pytest.mark.parametrize(
    ("reply", "result", "queries", "reason"),
    [
        (silence, "timeout", 2, "no reply in time"),
        (garbage, "timeout", 2, "no reply in time"),
        (foreign, "timeout", 2, "no reply in time"),
        (truncated, "timeout", 2, "Connection refused"),  # nobody listens on TCP
        (lambda query, _: query, "timeout", 2, "no reply in time"),  # not a reply at all
        (lambda query, _: b"", "timeout", 2, "no reply in time"),
        (coded(dns.rcode.REFUSED), "refused", 1, "REFUSED"),  # said once, it is believed
        (coded(dns.rcode.FORMERR), "bogus", 1, "FORMERR"),
        (coded(dns.rcode.BADVERS), "bogus", 1, "BADVERS"),
    ],
    ids=["silence", "garbage", "foreign", "truncated", "echo", "empty", "refused", "formerr", "badvers"],
)
def test_misbehaviour_is_temporary(counts: Counts, reply: Reply, result: str, queries: int, reason: str) -> None:
    with misbehaving(reply) as server:
        resolver = CachedResolver(["127.0.0.1"], server.port, timeout=1, metrics=counts)
        start = time.monotonic()
        with pytest.raises(DnsTemporary, match=reason):
            resolver.lookup("A", "example.org")
        assert time.monotonic() - start < 1.9
        assert server.queries == queries
    assert counts.seen["dns_queries_total", "A", result] == queries


def test_a_chain_over_several_replies() -> None:
    with misbehaving(step) as server:
        resolver = CachedResolver(["127.0.0.1"], server.port)
        assert resolver.lookup("A", "1.example") == Answer(("192.0.2.9",), ttl=61)
        assert server.queries == 5
        with pytest.raises(DnsTemporary, match="more than 10 CNAMEs"):
            resolver.lookup("A", "6.example")
        assert server.queries == 5 + 11


def test_a_reply_from_elsewhere_is_none(counts: Counts) -> None:
    with misbehaving(lambda query, _: good(query).to_wire(), elsewhere=True) as server:
        resolver = CachedResolver(["127.0.0.1"], server.port, timeout=0.6, metrics=counts)
        with pytest.raises(DnsTemporary, match="no reply in time"):
            resolver.lookup("A", "example.org")
    assert counts.seen["dns_queries_total", "A", "timeout"] == 2


def test_a_lost_query_is_repeated() -> None:
    with misbehaving(second) as server:
        resolver = CachedResolver(["127.0.0.1"], server.port, timeout=2)
        assert resolver.lookup("A", "example.org").records == ("192.0.2.9",)


def test_secure() -> None:
    with misbehaving(vouched) as server:
        assert CachedResolver(["127.0.0.1"], server.port).lookup("A", "example.org").secure is True


def test_garbage_over_tcp(counts: Counts) -> None:
    """A server that cuts short over UDP and is not DNS over TCP."""
    with misbehaving(truncated) as server, socket.socket() as tcp:
        tcp.bind(("127.0.0.1", server.port))
        tcp.listen()

        def talk() -> None:
            connection = tcp.accept()[0]
            question = connection.recv(1000)
            while len(question) < 2 + int.from_bytes(question[:2]):  # what is left unread would reset the connection
                question += connection.recv(1000)
            connection.sendall(b"\0\5SMTP?")
            connection.close()

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(DnsTemporary, match="cannot be read"):
            CachedResolver(["127.0.0.1"], server.port, timeout=2, metrics=counts).lookup("A", "example.org")
        thread.join()
    assert counts.seen["dns_queries_total", "A", "bogus"] == 1


def test_the_next_server_answers(nsd: int, counts: Counts) -> None:
    resolver = CachedResolver(["127.0.0.2", "127.0.0.1"], nsd, timeout=1, metrics=counts)
    assert resolver.lookup("A", "quick.example.org").records == ("192.0.2.3",)
    assert counts.seen["dns_queries_total", "A", "timeout"] == 1


# -- deadlines, and one question at a time


def test_no_time_left(resolver: CachedResolver, counts: Counts) -> None:
    with pytest.raises(DnsTemporary, match="no time left"):
        resolver.until(time.monotonic()).lookup("A", "a.example.org")
    assert ("dns_queries_total", "A", "noerror") not in counts.seen
    assert resolver.until(time.monotonic() + 5).lookup("A", "a.example.org").records
    assert resolver.until(0).lookup("A", "a.example.org").records  # remembered: costs no time


def test_the_earlier_deadline_counts(resolver: CachedResolver) -> None:
    for bounded in (resolver.until(0).until(1e9), resolver.until(1e9).until(0)):
        with pytest.raises(DnsTemporary):
            bounded.lookup("A", "a.example.org")


def asked_by(*asking: Callable[[], Answer]) -> list[Answer | DnsTemporary]:
    """What each of them gets when all ask at once, the first a little earlier."""
    results: list[Answer | DnsTemporary] = [Answer()] * len(asking)

    def ask(number: int) -> None:
        try:
            results[number] = asking[number]()
        except DnsTemporary as error:
            results[number] = error

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(asking))]
    for thread in threads:
        thread.start()
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    return results


def test_one_question_is_on_its_way_once(counts: Counts) -> None:
    with misbehaving(slow) as server:
        resolver = CachedResolver(["127.0.0.1"], server.port, timeout=20, metrics=counts)
        results = asked_by(*[lambda: resolver.lookup("A", "example.org")] * 8)
        assert [result.records for result in results if isinstance(result, Answer)] == [("192.0.2.9",)] * 8
        assert server.queries == 1
    assert counts.seen["dns_cache_requests_total", "hit"] == 7


def test_each_waits_within_its_own_deadline() -> None:
    with misbehaving(slow) as server:
        resolver = CachedResolver(["127.0.0.1"], server.port, timeout=20)
        soon = resolver.until(time.monotonic() + 0.1)
        first, hasty = asked_by(
            lambda: resolver.lookup("A", "example.org"),
            lambda: soon.lookup("A", "example.org"),
        )
        assert isinstance(first, Answer)
        assert isinstance(hasty, DnsTemporary)


def test_who_has_little_time_does_not_spoil_the_answer_of_others() -> None:
    with misbehaving(slow) as server:
        resolver = CachedResolver(["127.0.0.1"], server.port, timeout=20)
        soon = resolver.until(time.monotonic() + 0.1)
        hasty, patient = asked_by(
            lambda: soon.lookup("A", "example.org"),
            lambda: resolver.lookup("A", "example.org"),
        )
        assert isinstance(hasty, DnsTemporary)
        assert isinstance(patient, Answer)


def test_a_failure_is_shared_by_those_who_wait() -> None:
    with misbehaving(silence) as server:
        resolver = CachedResolver(["127.0.0.1"], server.port, timeout=1)
        results = asked_by(*[lambda: resolver.lookup("A", "example.org")] * 3)
        assert [type(result) for result in results] == [DnsTemporary] * 3
        assert server.queries == 2


# -- the system's servers


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 192.0.2.1\n", ("192.0.2.1",)),
        ("# nameserver 192.0.2.9\nnameserver 192.0.2.1\nnameserver\t::1 \nsearch a\n", ("192.0.2.1", "::1")),
        ("nameserver\n", ("127.0.0.1",)),
        ("", ("127.0.0.1",)),
    ],
)
def test_system_servers(tmp_path: Any, text: str, servers: tuple[str, ...]) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(text)
    assert system_servers(str(file)) == servers


def test_no_resolv_conf(tmp_path: Any) -> None:
    assert system_servers(str(tmp_path / "none")) == ("127.0.0.1",)
