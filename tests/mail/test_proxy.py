"""PROXY headers: which are taken, what they tell, and how much is read of them."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import product

import pytest
from corpora.proxy_headers import ADDRESSES_4, ADDRESSES_6, BEYOND_EXIM, HEADERS, REFUSED, SIGNATURE, block
from hypothesis import given
from hypothesis import strategies as st

from policyd.mail.proxy import LONGEST, Endpoint, Header, Malformed, header, parse, wanted


def read(octets: bytes, pieces: int = LONGEST) -> tuple[Header, bytes]:
    """What a connection that carries *octets* begins with, read as asked for, and what is left for the client."""
    taken = b""
    while missing := wanted(taken):
        chunk = octets[len(taken) : len(taken) + min(missing, pieces)]
        if not chunk:
            raise EOFError
        taken += chunk
    return parse(taken), octets[len(taken) :]


@pytest.mark.parametrize("pieces", [1, 7, LONGEST])
@pytest.mark.parametrize("name", HEADERS)
def test_taken(name, pieces):
    octets, version, source, destination = HEADERS[name]
    ends = [Endpoint(ip_address(end[0]), end[1]) if end else None for end in (source, destination)]
    assert read(octets + b"EHLO early\r\n", pieces) == (Header(version, *ends), b"EHLO early\r\n")


@pytest.mark.parametrize("name", [*REFUSED, *BEYOND_EXIM])
def test_refused(name):
    octets, reason = (REFUSED | BEYOND_EXIM)[name]
    with pytest.raises(Malformed) as refusal:
        read(octets + b"\r\n" * LONGEST)
    assert str(refusal.value) == reason


@pytest.mark.parametrize("octets", [HEADERS["v1, IPv6"][0], HEADERS["v2, with an extension"][0]], ids=["v1", "v2"])
def test_no_part_of_a_header_is_one(octets):
    for length in range(len(octets)):
        assert wanted(octets[:length]) > 0
    assert wanted(octets) == 0


@pytest.mark.parametrize(
    ("taken", "missing"),
    [
        (b"", 14),
        (b"PROXY", 9),
        (b"EHLO", 10),
        (b"\r\n\r\n", 10),
        (b"EHLO x\r", 1),
        (b"EHLO x\r\n", 0),
        (b"PROXY UNKNOWN ", 1),
        (SIGNATURE + b"\x21\x11", 2),
        (SIGNATURE + b"\x21\x11\0\x0c", 12),
        (SIGNATURE + b"\x21\x11\0\xd8", 216),
        (SIGNATURE + b"\x20\x00\0\x00", 0),
    ],
)
def test_how_much_is_wanted(taken, missing):
    assert wanted(taken) == missing


@given(st.binary(max_size=300) | st.builds(bytes.__add__, st.just(SIGNATURE), st.binary(max_size=40)))
def test_any_octets_come_to_an_end(octets):
    try:
        found, rest = read(octets)
    except (Malformed, EOFError):
        return
    assert found.version in (1, 2)
    assert octets.endswith(rest)


CLIENTS = ["192.0.2.1", "2001:db8::1"]


@pytest.mark.parametrize(("source", "destination"), list(product(CLIENTS, CLIENTS)))
def test_what_is_written_can_be_read(source, destination):
    ends = Endpoint(ip_address(source), 4242), Endpoint(ip_address(destination), 25)
    written, rest = read(header(*ends))
    assert rest == b""
    assert (written.version, written.source.port, written.destination.port) == (2, 4242, 25)
    both = [written.source.address, written.destination.address]
    assert [str(getattr(end, "ipv4_mapped", None) or end) for end in both] == [source, destination]


def test_the_octets_of_a_header():
    client, server = Endpoint(ip_address("192.0.2.1"), 4242), Endpoint(ip_address("198.51.100.2"), 25)
    assert header(client, server) == block(0x21, 0x11, ADDRESSES_4)
    client, server = Endpoint(ip_address("2001:db8::1"), 4242), Endpoint(ip_address("2001:db8::2"), 25)
    assert header(client, server) == block(0x21, 0x21, ADDRESSES_6)
    assert header(Endpoint(ip_address("::1"), 70000), server)[-4:] == (70000 - 65536).to_bytes(2) + b"\0\x19"
