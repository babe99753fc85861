"""``udpsend``, to a socket that listens."""

from __future__ import annotations

import socket

import pytest
from parts.exchange import World, exchange

ZONE = "here.test. A 127.0.0.1\nsix.test. AAAA ::1\nboth.test. AAAA ::1\nboth.test. A 127.0.0.1\n"
YES, LATER = "250 OK", "451 Temporary local problem - please try later"


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request):
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as bound:
        bound.bind((request.param, 0))
        bound.settimeout(5)
        yield bound


def sent(text):
    policy = f"begin acl\nacl_check_mail:\n  accept udpsend = {text}\n"
    session = exchange(policy, "EHLO h", "MAIL FROM:<a@x>", world=World(ZONE, ["failing.test"]))
    return session.replies[-1], [line.partition("MAIL <a@x>: ")[2] for line in session.log]


@pytest.mark.parametrize(
    "payload, octets",
    [
        ("hello", b"hello"),
        ("a:b:c", b"a:b:c"),
        (" $sender_address ", b"a@x"),
        ("caf\\xc3\\xa9\\0", b"caf\xc3\xa9\0"),
    ],
)
def test_a_datagram(listener, payload, octets):
    address, port = listener.getsockname()[:2]
    separator = ";" if ":" in address else ":"
    prefix = "<; " if separator == ";" else ""
    assert sent(f"{prefix}{address}{separator}{port}{separator}{payload}") == (YES, [])
    assert listener.recv(1000).strip() == octets


@pytest.mark.parametrize("name", ["here.test", "both.test", "six.test"])
def test_a_name(name):
    address = "::1" if name == "six.test" else "127.0.0.1"
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((address, 0))
        bound.settimeout(5)
        assert sent(f"{name} : {bound.getsockname()[1]} : x")[0] == YES
        assert bound.recv(100) == b" x"  # the rest is as it is


@pytest.mark.parametrize(
    "text, why",
    [
        ("", 'missing destination host in "udpsend" modifier'),
        ("127.0.0.1", 'missing destination port in "udpsend" modifier'),
        ("127.0.0.1:9", 'missing datagram payload in "udpsend" modifier'),
        ("127.0.0.1:x:y", 'bad destination port in "udpsend" modifier'),
        ("127.0.0.1:0:y", 'bad destination port in "udpsend" modifier'),
        ("127.0.0.1:65536:y", 'bad destination port in "udpsend" modifier'),
        ("127.0.0.1:\\xb2:y", 'bad destination port in "udpsend" modifier'),
        ("nowhere.test:9:y", 'DNS lookup failed in "udpsend" modifier: nowhere.test has no address'),
        ("failing.test:9:y", 'DNS lookup failed in "udpsend" modifier: failing.test: marked as failing'),
        (f"127.0.0.1:9:{'x' * 70000}", '"udpsend" failed: Message too long'),
    ],
)
def test_what_cannot_be_sent(text, why):
    assert sent(text) == (LATER, [why])
