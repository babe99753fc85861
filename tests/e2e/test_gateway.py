"""HAProxy, the gateway and Postfix, all real: who is judged, and that nothing is lost on the way."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator

import pytest
from corpora.proxy_headers import HEADERS
from parts.balanced import INTRODUCING, Site, connection, refusal, send, site
from parts.daemon import Policyd
from parts.haproxy import HAProxy
from parts.ports import free_port, wait_until
from parts.postfix import Postfix
from parts.redis_server import RedisServer
from parts.sink import Sink


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    """One for all tests that leave it as it was."""
    with site() as running:
        yield running


@pytest.mark.parametrize("way", INTRODUCING)
@pytest.mark.parametrize(("address", "name"), [("127.0.0.3", "three.example.test"), ("::1", "")])
def test_who_is_judged(shared, way, address, name):
    with shared.client(way, address) as smtp:
        send(smtp)
    message = shared.sink.next().message
    host = "::1" if "IPv6" in way else "127.0.0.1"
    to = "::1" if ":" in address else "127.0.0.1"
    assert message["X-Client"].split() == [f"[{address}]", *filter(None, [name]), "yes"]
    assert message["X-Proxy"] == f"[{host}] to [{to}]:{shared.haproxy.ports[way]}"
    assert message["X-Here"] == f"[{host}]:{shared.gateway}"


@pytest.mark.parametrize("way", INTRODUCING)
def test_spf_and_dns_lists_judge_the_client(shared, way):
    with shared.client(way, "127.0.0.3") as smtp:
        assert refusal(smtp, "a@strict.example.test") == ""
    shared.sink.next()
    with shared.client(way, "127.0.0.4") as smtp:
        assert refusal(smtp, "a@strict.example.test") == "550 5.7.23 not from 127.0.0.4"
    with shared.client(way, "127.0.0.5") as smtp:
        assert refusal(smtp) == "550 5.7.1 127.0.0.5 is listed"
    with shared.client(way, "::1") as smtp:
        assert refusal(smtp, "a@strict.example.test") == ""
    shared.sink.next()


def test_addresses_of_the_world(shared):
    with shared.introduced(HEADERS["v1, IPv4"][0]) as smtp:
        assert refusal(smtp) == "550 5.7.1 192.0.2.1 is listed"
    with shared.introduced(HEADERS["v2, from a TLS client"][0]) as smtp:
        assert refusal(smtp, "a@strict.example.test") == ""
    assert shared.sink.next().message["X-Client"].split() == ["[2001:db8::1]", "yes"]
    page = shared.policyd.page("/metrics")
    for source in ("proxy_v1", "proxy_v2"):
        assert f'policyd_client_address_sources_total{{source="{source}"}} 0.0' not in page


def test_the_limit_of_connections_is_the_clients_by_a_file_of_networks(shared):
    def attempts(address: str, number: int) -> list[str]:
        replies = []
        for _ in range(number):
            with shared.client("v2", address) as smtp:
                smtp.ehlo()
                replies.append(smtp.docmd("MAIL FROM:<a@example.org>")[1].decode())
        return replies

    good, too_many = "2.1.0 Ok", "4.7.1 Too many connections from this IP right now"
    assert attempts("127.0.0.6", 4) == [good, good, too_many, too_many]
    assert attempts("127.0.0.7", 5) == [good] * 4 + [too_many]
    assert attempts("127.0.0.8", 6) == [good] * 6


def test_without_a_header_everything_is_refused(shared):
    with shared.client("none") as smtp:
        assert smtp.ehlo() == (503, b"Command refused, required Proxy negotiation failed")
        assert smtp.docmd("MAIL FROM:<a@example.org>")[0] == 503
        assert smtp.quit() == (221, b"policyd.test closing connection")
    assert " refused: no PROXY header\n" in shared.policyd.log()


# -- who is not believed


def test_a_client_that_is_no_balancer_may_not_introduce_others(shared):
    """Its header is a command like any other; what it sends is judged by its own address."""
    with connection(shared.gateway, "127.0.0.5", HEADERS["v1, IPv6"][0]) as smtp:
        assert smtp.getreply()[0] in (500, 502)
        assert refusal(smtp) == "550 5.7.1 127.0.0.5 is listed"


def test_a_client_cannot_introduce_itself_behind_a_balancer(shared):
    with shared.client("v2", "127.0.0.5") as smtp:
        assert smtp.docmd(HEADERS["v1, IPv6"][0].decode().strip())[0] in (500, 502)
        assert refusal(smtp) == "550 5.7.1 127.0.0.5 is listed"


@pytest.mark.parametrize("first", ["", HEADERS["v1, IPv4"][0].decode()], ids=["nothing", "a header"])
def test_somebody_at_the_gateways_address_is_not_the_gateway(shared, first):
    """A program of this host may take the address from which the gateway connects: it is nobody."""
    with connection(shared.mta.port, "127.0.0.2") as smtp:
        if first:
            assert smtp.docmd(first.strip())[0] >= 500
        smtp.ehlo()  # whatever a milter says, Postfix answers EHLO
        for command in ("MAIL FROM:<a@example.org>", "VRFY a"):
            assert smtp.docmd(command)[0] == 451
        assert refusal(smtp) == "451 4.7.1 Command refused, required Proxy negotiation failed"
    assert "client=127.0.0.2 phase=helo verdict=defer" in shared.policyd.log()


def test_a_program_of_this_host_is_what_it_is(shared):
    with shared.mta.client() as smtp:
        send(smtp)
    assert shared.sink.next().message["X-Client"].split() == ["[127.0.0.1]", "no"]


# -- what passes


def test_the_mta_can_be_told(tmp_path):
    for tell, main_cf in (("xclient", {}), ("proxy", {"smtpd_upstream_proxy_protocol": "haproxy"})):
        with site(tell, **main_cf) as running:
            for address in ("127.0.0.3", "::1"):
                with running.client("v2", address) as smtp:
                    send(smtp)
                message = running.sink.next().message
                assert f"[{address}]" in message["X-Client"]
                assert message["X-Client"].endswith(" yes")
                assert message["X-Proxy"].startswith("[127.0.0.1] to ")
            for _ in range(2):  # of two that it may have: Postfix tells of each connection twice, and one counts
                with running.client("v2", "127.0.0.6") as smtp:
                    assert refusal(smtp) == ""
                running.sink.next()
            wait_until(lambda log=running.mta.log: "[127.0.0.3]" in log(), "Postfix to have logged the client")


def test_starttls_and_a_message_of_50_megabytes(tmp_path):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", tmp_path / "key", "-out", tmp_path / "certificate", "-days", "2", "-subj", "/CN=localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = {
        "smtpd_tls_security_level": "may",
        "smtpd_tls_cert_file": str(tmp_path / "certificate"),
        "smtpd_tls_key_file": str(tmp_path / "key"),
    }
    context = ssl.create_default_context(cafile=tmp_path / "certificate")
    context.check_hostname = False
    with site(**tls) as running:
        with running.client("v2") as smtp:
            smtp.starttls(context=context)
            send(smtp, lines=2_600_000)
        message = running.sink.next(30)
    assert message.data.count(b"a line of the body\r\n") == 2_600_000
    assert b"X-Client: [127.0.0.3] three.example.test yes\r\n" in message.data


def test_gateway_and_milter_may_be_on_different_hosts():
    """As far as they can tell: nothing is theirs in common but a Redis."""
    source = own_address()
    with RedisServer() as redis, Sink() as sink, Postfix(sink.port) as postfix:
        port = free_port()
        shared = {"store": f"redis://127.0.0.1:{redis.port}", "gateway_source": source}
        gateway = shared | {
            "gateway_listen": f"127.0.0.1:{port}",
            "gateway_mta": f"127.0.0.1:{postfix.port}",
            "hosts_proxy": "127.0.0.1",
        }
        policy = "begin acl\nacl_check_rcpt:\n  accept add_header = X-Client: $sender_host_address $proxy_session\n"
        with Policyd("", "unix:/nowhere", gateway, command="gateway"), Policyd(policy, postfix.socket, shared):
            with connection(port, "127.0.0.1", HEADERS["v1, IPv4"][0]) as smtp:
                send(smtp)
            assert sink.next().message["X-Client"] == "192.0.2.1 yes"
            with connection(postfix.port, source) as smtp:
                assert refusal(smtp) == "451 4.7.1 Command refused, required Proxy negotiation failed"


def own_address() -> str:
    """An address of this host that others may know."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # and sends nothing
        except OSError:
            pytest.skip("this host has no network")
        return str(probe.getsockname()[0])


# -- probes


def test_what_haproxys_probes_say():
    checks = {
        "v1": "127.0.0.1:{} check inter 200 send-proxy",
        "v2": "127.0.0.1:{} check inter 200 send-proxy-v2",
        "v2, TLS": "127.0.0.1:{} check inter 200 send-proxy-v2-ssl",
        "SMTP, v1": "127.0.0.1:{} check inter 200 send-proxy\n  option smtpchk EHLO haproxy.example.org",
        "SMTP, v2": "127.0.0.1:{} check inter 200 send-proxy-v2\n  option smtpchk EHLO haproxy.example.org",
        "SMTP, none": "127.0.0.1:{} check inter 200\n  option smtpchk EHLO haproxy.example.org",
    }
    with site() as running, HAProxy({name: text.format(running.gateway) for name, text in checks.items()}) as probing:
        wait_until(lambda: probing.status("SMTP, none").startswith("DOWN"), "a probe that is refused")
        for name in ("SMTP, v1", "SMTP, v2"):
            wait_until(lambda name=name: probing.status(name).startswith("UP L7"), "a probe that is answered")
        assert {name: probing.status(name).removesuffix("STS").removesuffix("TOUT") for name in checks} == {
            "v1": "UP L4OK",
            "v2": "UP L4OK",
            "v2, TLS": "UP L4OK",
            "SMTP, v1": "UP L7OK",
            "SMTP, v2": "UP L7OK",
            "SMTP, none": "DOWN L7",
        }
        assert "comes to the MTA" not in running.policyd.log()
        assert 'policyd_proxy_headers_total{result="local",version="v2"} 0.0' not in running.policyd.page("/metrics")
