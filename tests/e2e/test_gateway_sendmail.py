"""HAProxy, the gateway and Sendmail, all real: Sendmail knows nothing of PROXY, and the client is judged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from corpora.proxy_headers import HEADERS
from parts.balanced import INTRODUCING, Site, connection, refusal, send, site
from parts.sendmail import isolation_refused


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    """One for all tests."""
    if reason := isolation_refused():
        pytest.skip(f"needs namespaces of its own, to start a private Sendmail: {reason}")
    with site(sendmail=True) as running:
        yield running


@pytest.mark.parametrize("way", INTRODUCING)
@pytest.mark.parametrize(("address", "name"), [("127.0.0.3", "three.example.test"), ("::1", "")])
def test_who_is_judged(shared, way, address, name):
    with shared.client(way, address) as smtp:
        send(smtp)
    message = shared.sink.next().message
    assert message["X-Client"].split() == [f"[{address}]", *filter(None, [name]), "yes"]
    assert message["X-Here"] == f"[{'::1' if 'IPv6' in way else '127.0.0.1'}]:{shared.gateway}"
    assert message.get_all("Received")[0].startswith("from client.example.org ([127.0.0.2])")  # all that Sendmail knows


@pytest.mark.parametrize("way", INTRODUCING)
def test_spf_and_dns_lists_judge_the_client(shared, way):
    with shared.client(way, "127.0.0.3") as smtp:
        assert refusal(smtp, "a@strict.example.test") == ""
    shared.sink.next()
    with shared.client(way, "127.0.0.4") as smtp:
        spf = "550 5.7.23 <a@strict.example.test>... not from 127.0.0.4"
        assert refusal(smtp, "a@strict.example.test") == spf
    with shared.client(way, "127.0.0.5") as smtp:
        assert refusal(smtp) == "550 5.7.1 <b@example.org>... 127.0.0.5 is listed"


def test_addresses_of_the_world(shared):
    with shared.introduced(HEADERS["v1, IPv4"][0]) as smtp:
        assert refusal(smtp) == "550 5.7.1 <b@example.org>... 192.0.2.1 is listed"
    with shared.introduced(HEADERS["v2, from a TLS client"][0]) as smtp:
        assert refusal(smtp, "a@strict.example.test") == ""
    assert shared.sink.next().message["X-Client"].split() == ["[2001:db8::1]", "yes"]


def test_the_limit_of_connections_is_the_clients_by_a_file_of_networks(shared):
    replies = []
    for address in ["127.0.0.6"] * 4 + ["127.0.0.8"] * 3:
        with shared.client("v2", address) as smtp:
            smtp.ehlo()
            replies.append(smtp.docmd("MAIL FROM:<a@example.org>")[0])
    assert replies == [250, 250, 451, 451, 250, 250, 250]


def test_somebody_at_the_gateways_address_is_not_the_gateway(shared):
    with connection(shared.mta.port, "127.0.0.2") as smtp:
        assert refusal(smtp) == "451 4.7.1 Command refused, required Proxy negotiation failed"
    with shared.mta.client() as smtp:
        send(smtp)
    assert shared.sink.next().message["X-Client"].split() == ["[127.0.0.1]", "mx.sendmail.test", "no"]
