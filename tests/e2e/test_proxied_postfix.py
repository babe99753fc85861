"""HAProxy, Postfix with PROXY support of its own, and relays before it: who is judged, and who is not believed."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from corpora.proxy_headers import HEADERS
from parts.balanced import connection, refusal, through
from parts.daemon import Policyd
from parts.haproxy import HAProxy
from parts.nsd import Nsd
from parts.ports import free_port, is_listening, wait_until
from parts.postfix import Postfix
from parts.sink import Sink

ZONES = {
    "test": """\
@ 60 SOA ns hostmaster 1 60 60 60 60
@ 60 NS ns
ns 60 A 127.0.0.1
strict.example 60 TXT "v=spf1 ip4:127.0.0.3 ip6:::1 -all"
5.0.0.127.bl 60 A 127.0.0.2
""",
}
POLICY = r"""
begin acl
acl_check_connect:
  warn  condition   = ${if and{ {bool{$proxy_session}} {eq{$proxy_host_address}{}} }}
        log_message = Failed required proxy protocol negotiation from [$sender_host_address]
  warn  condition   = ${if and{ {bool{$proxy_session}} {!eq{$proxy_host_address}{}} }}
        condition   = ${if eq{$proxy_host_address}{$sender_host_address}{false}{true}}
        log_message = Successfully proxied from [$sender_host_address]:$sender_host_port
  defer message     = Too many connections from this IP right now
        ratelimit   = 5 / 1m / per_conn / strict
  accept

acl_check_rcpt:
  deny  spf         = fail
        message     = 550 5.7.23 not from $sender_host_address
  deny  dnslists    = bl.test
        message     = 550 5.7.1 $sender_host_address is listed
  accept

acl_check_data:
  deny  spf         = fail
        message     = 550 5.7.23 not from $sender_host_address
  deny  dnslists    = bl.test
        message     = 550 5.7.1 $sender_host_address is listed
  warn  add_header  = X-Client: [$sender_host_address] $proxy_session to [$proxy_external_address]:$proxy_external_port
  accept
"""
SMTPD = {"smtpd_upstream_proxy_protocol": "haproxy", "inet_protocols": "all"}
POSTSCREEN = {
    "postscreen_upstream_proxy_protocol": "haproxy",
    "postscreen_access_list": "static:permit",  # nobody has to wait for its tests
    "inet_protocols": "all",
}
WAYS = {"v1": "127.0.0.1:{} send-proxy", "v2": "127.0.0.1:{} send-proxy-v2"}
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


@dataclass
class Site:
    """A whole one. *port*: where Postfix expects a header; *options* of policyd."""

    sink: Sink
    postfix: Postfix
    policyd: Policyd
    haproxy: HAProxy
    port: int

    @contextmanager
    def client(self, way: str, address: str) -> Iterator[smtplib.SMTP]:
        """An SMTP client at *address*, which HAProxy introduces in one *way*."""
        with through(self.haproxy.ports[way], address) as smtp:
            yield smtp


@contextmanager
def site(main_cf: dict[str, str], port: int = 0, master_cf: str = "", policy: str = POLICY, **options: str):
    with Sink() as sink, Nsd(ZONES) as nsd, Postfix(sink.port, None, main_cf, master_cf) as postfix:
        port = port or postfix.port
        wait_until(lambda: is_listening(("127.0.0.1", port)), "Postfix")
        dns = {"dns_servers": "127.0.0.1", "dns_port": str(nsd.port)}
        ways = {name: text.format(port) for name, text in WAYS.items()}
        with Policyd(policy, postfix.socket, dns | options) as policyd, HAProxy(ways) as haproxy:
            yield Site(sink, postfix, policyd, haproxy, port)


@pytest.fixture(scope="module", params=["smtpd", "postscreen"])
def shared(request) -> Iterator[Site]:
    """One for all tests that leave it as it was."""
    balancers = {"hosts_proxy": "127.0.0.1", "log_selector": "+proxy"}
    if request.param == "smtpd":
        with site(SMTPD, **balancers) as running:
            yield running
        return
    port = free_port()
    master_cf = f"127.0.0.1:{port} inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n"
    with site(POSTSCREEN, port, master_cf, **balancers) as running:
        yield running


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("address", ["127.0.0.3", "::1"])
def test_the_client_is_judged(shared, way, address):
    with shared.client(way, address) as smtp:
        assert refusal(smtp, "a@strict.example.test") == ""
        port = smtp.sock.getsockname()[1]
    host = "::1" if ":" in address else "127.0.0.1"
    shown = f"[{address}] yes to [{host}]:{shared.haproxy.ports[way]}"
    assert shared.sink.next().message["X-Client"] == shown
    log = shared.policyd.log()
    assert f"Warning: Successfully proxied from [{address}]:{port}" in log
    nobody = "::" if ":" in address else "0.0.0.0"
    assert f"client={address} phase=data verdict=ok" in log
    assert f" source=milter PRX={nobody} " in log


@pytest.mark.parametrize("way", WAYS)
def test_spf_and_dns_lists_judge_the_client(shared, way):
    with shared.client(way, "127.0.0.4") as smtp:
        assert refusal(smtp, "a@strict.example.test") == "550 5.7.23 not from 127.0.0.4"
    with shared.client(way, "127.0.0.5") as smtp:
        assert refusal(smtp) == "550 5.7.1 127.0.0.5 is listed"


def test_the_limit_of_connections_is_the_clients(shared):
    def attempts(address: str) -> list[str]:
        replies = []
        for _ in range(6):
            with shared.client("v2", address) as smtp:
                smtp.ehlo()
                replies.append(smtp.docmd("MAIL FROM:<a@example.org>")[1].decode())
        return replies

    good = "2.1.0 Ok"
    assert attempts("127.0.0.6") == [good] * 5 + ["4.7.1 Too many connections from this IP right now"]
    assert attempts("127.0.0.7")[0] == good


def test_a_balancer_that_sends_mail_of_its_own_is_refused_and_one_that_looks_is_not():
    policy = "begin acl\nacl_check_mail:\n  accept\n"
    with site(SMTPD, policy=policy, hosts_proxy="127.0.0.1") as running:
        before = running.policyd.log()
        with connection(running.port, "127.0.0.1", LOCAL):
            pass
        with connection(running.port, "127.0.0.1", LOCAL) as smtp:
            assert smtp.ehlo()[0] == 250
            assert smtp.quit()[0] == 221
        assert running.policyd.log() == before
        with connection(running.port, "127.0.0.1", LOCAL) as smtp:
            smtp.ehlo()
            failed = (503, b"5.7.1 Command refused, required Proxy negotiation failed")
            assert smtp.docmd("MAIL FROM:<a@example.org>") == failed
        assert "rejected MAIL <a@example.org>: required Proxy negotiation failed" in running.policyd.log()
        assert 'policyd_balancer_connections_total{phase="mail"} 1.0' in running.policyd.page("/metrics")


def test_a_balancer_before_a_postfix_that_reads_no_header_is_told_so():
    """Everybody seems to be the balancer: nobody is judged by its address."""
    policy = "begin acl\nacl_check_mail:\n  accept\n"
    with site({}, policy=policy, hosts_proxy="127.0.0.1") as running, connection(running.port, "127.0.0.1") as smtp:
        assert smtp.docmd(HEADERS["v1, IPv4"][0].decode().strip())[0] in (500, 502)
        smtp.ehlo()
        assert smtp.docmd("MAIL FROM:<a@example.org>")[0] == 503


# -- XCLIENT


@pytest.fixture(scope="module")
def plain() -> Iterator[Site]:
    """No balancer; XCLIENT only from 127.0.0.1."""
    with site({"smtpd_peername_lookup": "no"}) as running:
        yield running


def test_by_xclient_postfix_tells_the_client_as_its_own(plain):
    """The milter is told of two connections: what was first is over."""
    with plain.postfix.client("127.0.0.5") as smtp:
        assert refusal(smtp) == "550 5.7.1 127.0.0.5 is listed"
    with plain.postfix.client("127.0.0.3") as smtp:
        assert refusal(smtp, "a@strict.example.test") == ""
    assert plain.sink.next().message["X-Client"] == "[127.0.0.3] no to []:0"


def test_xclient_from_somebody_else_is_not_believed(plain):
    with through(plain.port, "127.0.0.5") as smtp:
        assert smtp.docmd("XCLIENT ADDR=127.0.0.3 NAME=[UNAVAILABLE]") == (
            550,
            b"5.7.0 Error: insufficient authorization",
        )
        assert refusal(smtp) == "550 5.7.1 127.0.0.5 is listed"


# -- a relay before us: another Postfix, whose Received: is real


@pytest.fixture(scope="module")
def behind_a_relay() -> Iterator[tuple[Site, Postfix]]:
    """Our own MTA trusts 127.0.0.1, from where the relay comes; clients come from elsewhere."""
    with site({}, hosts_trusted_relays="127.0.0.1") as running, Postfix(running.port, "") as relay:
        yield running, relay


FORGED = "Received: from x (unknown [127.0.0.3]) by mx.postfix.test (Postfix) with ESMTP id 4; Sat"


def test_the_client_of_a_relay_is_judged_at_data(behind_a_relay):
    running, relay = behind_a_relay
    with through(relay.port, "127.0.0.3", "there.example") as smtp:
        assert refusal(smtp, "a@strict.example.test") == ""
    assert running.sink.next().message["X-Client"] == "[127.0.0.3] no to []:0"
    log = running.policyd.log()
    assert "Warning: spf skipped: a trusted relay; its client is known at DATA" in log
    assert "H=(there.example) [127.0.0.3] handed over by trusted relay [127.0.0.1]" in log
    assert "client=127.0.0.3 phase=data verdict=ok" in log
    assert " source=received " in log


@pytest.mark.parametrize(
    "address, sender, lines, reply",
    [
        ("127.0.0.5", "a@example.org", (), "550 5.7.1 127.0.0.5 is listed"),
        ("127.0.0.4", "a@strict.example.test", (FORGED,), "550 5.7.23 not from 127.0.0.4"),
        ("127.0.0.5", "a@example.org", (FORGED, FORGED), "550 5.7.1 127.0.0.5 is listed"),
        (
            "127.0.0.5",
            "a@example.org",
            (FORGED.replace("127.0.0.3", "127.0.0.1"), FORGED),
            "550 5.7.1 127.0.0.5 is listed",
        ),
    ],
)
def test_what_a_client_of_the_relay_forges_is_not_believed(behind_a_relay, address, sender, lines, reply):
    _, relay = behind_a_relay
    refusals = relay.log().count(f"said: {reply}")
    with through(relay.port, address, "there.example") as smtp:
        assert refusal(smtp, sender, *lines) == ""  # the relay accepts everything, and is refused itself
    wait_until(lambda: relay.log().count(f"said: {reply}") == refusals + 1, "the refusal")


def test_a_client_that_is_no_relay_forges_in_vain(behind_a_relay):
    running, _ = behind_a_relay
    with through(running.port, "127.0.0.5") as smtp:
        assert refusal(smtp, "a@example.org", FORGED) == "550 5.7.1 127.0.0.5 is listed"
