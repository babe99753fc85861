"""PROXY headers: those that count, with what they tell, and those that do not, with the reason.

They go to policyd's parser, and to policyd's gateway and a live Exim side by side.
"""

from __future__ import annotations

import socket
import struct

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
PORTS = struct.pack("!HH", 4242, 25)


def block(command: int, family: int, body: bytes = b"", length: int | None = None) -> bytes:
    """A header of version 2 (with *command* 0x2…); *length* may lie about its body."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(body) if length is None else length) + body


def six(*addresses: str) -> bytes:
    return b"".join(socket.inet_pton(socket.AF_INET6, address) for address in addresses)


def line(text: str) -> bytes:
    """A header of version 1."""
    return text.encode("latin-1") + b"\r\n"


ADDRESSES_4 = socket.inet_aton("192.0.2.1") + socket.inet_aton("198.51.100.2") + PORTS
ADDRESSES_6 = six("2001:db8::1", "2001:db8::2") + PORTS
CLIENT_4, SERVER_4 = ("192.0.2.1", 4242), ("198.51.100.2", 25)
CLIENT_6, SERVER_6 = ("2001:db8::1", 4242), ("2001:db8::2", 25)
TLS = bytes.fromhex("20 000f 01 00000000 21 0007") + b"TLSv1.3"  # PP2_TYPE_SSL, as send-proxy-v2-ssl has it
FOUR = "192.0.2.1 198.51.100.2"

HEADERS = {  # octets, version, the client's end, the server's
    "v1, IPv4": (line(f"PROXY TCP4 {FOUR} 4242 25"), 1, CLIENT_4, SERVER_4),
    "v1, IPv6": (line("PROXY TCP6 2001:db8::1 2001:db8::2 4242 25"), 1, CLIENT_6, SERVER_6),
    "v1, IPv6 in capitals": (line("PROXY TCP6 2001:DB8::01 2001:DB8::2 4242 25"), 1, CLIENT_6, SERVER_6),
    "v1, IPv6 under TCP4": (line("PROXY TCP4 2001:db8::1 2001:db8::2 4242 25"), 1, CLIENT_6, SERVER_6),
    "v1, IPv4 under TCP6": (line(f"PROXY TCP6 {FOUR} 4242 25"), 1, CLIENT_4, SERVER_4),
    "v1, a tab": (line(f"PROXY\tTCP4\t{FOUR} 4242 25"), 1, CLIENT_4, SERVER_4),
    "v1, a line feed": (line(f"PROXY\nTCP4 {FOUR} 4242 25"), 1, CLIENT_4, SERVER_4),
    "v1, port 70000": (line(f"PROXY TCP4 {FOUR} 70000 25"), 1, ("192.0.2.1", 70000), SERVER_4),
    "v1, to port 70000": (line(f"PROXY TCP4 {FOUR} 4242 70000"), 1, CLIENT_4, ("198.51.100.2", 70000)),
    "v1, port +42": (line(f"PROXY TCP4 {FOUR} +42 25"), 1, ("192.0.2.1", 42), SERVER_4),
    "v1, port -42": (line(f"PROXY TCP4 {FOUR} -42 25"), 1, ("192.0.2.1", -42), SERVER_4),
    "v1, port 042": (line(f"PROXY TCP4 {FOUR} 042 25"), 1, ("192.0.2.1", 42), SERVER_4),
    "v1, a tab before the port": (line(f"PROXY TCP4 {FOUR} \t42 25"), 1, ("192.0.2.1", 42), SERVER_4),
    "v1, unknown": (line("PROXY UNKNOWN"), 1, None, None),
    "v1, unknown, with addresses": (line(f"PROXY UNKNOWN {FOUR} 4242 25"), 1, None, None),
    "v1, unknown, and more": (line("PROXY UNKNOWNX"), 1, None, None),
    "v1, unknown, 107 octets": (line("PROXY UNKNOWN " + "x" * 91), 1, None, None),
    "v1, unknown, 232 octets": (line("PROXY UNKNOWN " + "x" * 216), 1, None, None),
    "v2, IPv4": (block(0x21, 0x11, ADDRESSES_4), 2, CLIENT_4, SERVER_4),
    "v2, IPv6": (block(0x21, 0x21, ADDRESSES_6), 2, CLIENT_6, SERVER_6),
    "v2, ports 0": (block(0x21, 0x11, ADDRESSES_4[:8] + b"\0" * 4), 2, ("192.0.2.1", 0), ("198.51.100.2", 0)),
    "v2, with an extension": (block(0x21, 0x11, ADDRESSES_4 + b"\x04\0\1x"), 2, CLIENT_4, SERVER_4),
    "v2, from a TLS client": (block(0x21, 0x21, ADDRESSES_6 + TLS), 2, CLIENT_6, SERVER_6),
    "v2, 232 octets": (block(0x21, 0x11, ADDRESSES_4 + b"x" * 204), 2, CLIENT_4, SERVER_4),
    "v2, local": (block(0x20, 0x00), 2, None, None),
    "v2, local, over TCP": (block(0x20, 0x11), 2, None, None),
    "v2, local, with addresses": (block(0x20, 0x11, ADDRESSES_4), 2, None, None),
    "v2, local, with an extension": (block(0x20, 0x00, b"\x04\0\1x"), 2, None, None),
}

FORM = "not of version 1's form"
REFUSED = {  # octets, and why
    "v1, port 0": (line(f"PROXY TCP4 {FOUR} 0 25"), "port 0"),
    "v1, port 00": (line(f"PROXY TCP4 {FOUR} 00 25"), "port 0"),
    "v1, to port 0": (line(f"PROXY TCP4 {FOUR} 4242 0"), "port 0"),
    "v1, port 0x42": (line(f"PROXY TCP4 {FOUR} 0x42 25"), "a port that is no number"),
    "v1, port 25x": (line(f"PROXY TCP4 {FOUR} 4242 25x"), "a port that is no number"),
    "v1, no port": (line(f"PROXY TCP4 {FOUR} 4242"), FORM),
    "v1, an empty port": (line(f"PROXY TCP4 {FOUR}  25"), FORM),
    "v1, two blanks": (line(f"PROXY TCP4  {FOUR} 4242 25"), FORM),
    "v1, a blank at the end": (line(f"PROXY TCP4 {FOUR} 4242 25 "), FORM),
    "v1, a tab between addresses": (line("PROXY TCP4 192.0.2.1\t198.51.100.2 4242 25"), FORM),
    "v1, no blank": (line(f"PROXYTCP4 {FOUR} 4242 25"), FORM),
    "v1, no-break space": (line(f"PROXY\xa0TCP4 {FOUR} 4242 25"), FORM),
    "v1, TCP5": (line(f"PROXY TCP5 {FOUR} 4242 25"), FORM),
    "v1, TCP4X": (line(f"PROXY TCP4X {FOUR} 4242 25"), FORM),
    "v1, tcp4": (line(f"PROXY tcp4 {FOUR} 4242 25"), FORM),
    "v1, nothing": (line("PROXY ") + b"abcdefghijk", FORM),
    "v1, only TCP4": (line("PROXY TCP4") + b"abcdefgh", FORM),
    "v1, proxy": (line(f"proxy TCP4 {FOUR} 4242 25"), "neither version"),
    "v1, 192.0.2.256": (line("PROXY TCP4 192.0.2.256 198.51.100.2 4242 25"), "an address that is none"),
    "v1, 192.0.2.01": (line("PROXY TCP4 192.0.2.01 198.51.100.2 4242 25"), "an address that is none"),
    "v1, 198.51.100": (line("PROXY TCP4 192.0.2.1 198.51.100 4242 25"), "an address that is none"),
    "v1, a network": (line("PROXY TCP4 192.0.2.1/32 198.51.100.2 4242 25"), "an address that is none"),
    "v1, brackets": (line("PROXY TCP4 [192.0.2.1] 198.51.100.2 4242 25"), "an address that is none"),
    "v1, nine groups": (line("PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 4242 25"), "an address that is none"),
    "v1, three colons": (line("PROXY TCP6 :::1 ::1 4242 25"), "an address that is none"),
    "v1, NUL in unknown": (line("PROXY UNKNOWN \0"), FORM),
    "v1, NUL in an address": (line("PROXY TCP4 192.0.2.1\0 198.51.100.2 4242 25"), FORM),
    "v1, NUL at the end": (line(f"PROXY TCP4 {FOUR} 4242 25\0"), FORM),
    "v1, no line feed": (b"PROXY TCP4 192.0.2.1 198.51.100.2 4242 25\rX", "no end of line"),
    "v1, 233 octets": (line("PROXY UNKNOWN " + "x" * 217), "no end of line"),
    "v1, 316 octets": (line("PROXY UNKNOWN " + "x" * 300), "no end of line"),
    "v2, version 1": (block(0x11, 0x11, ADDRESSES_4), "version 1"),
    "v2, version 3": (block(0x31, 0x11, ADDRESSES_4), "version 3"),
    "v2, command 2": (block(0x22, 0x11, ADDRESSES_4), "command 2"),
    "v2, UDP": (block(0x21, 0x12, ADDRESSES_4), "family and transport 0x12"),
    "v2, unix": (block(0x21, 0x31, b"x" * 216), "family and transport 0x31"),
    "v2, unspecified": (block(0x21, 0x00, ADDRESSES_4), "family and transport 0x00"),
    "v2, 11 octets": (block(0x21, 0x11, ADDRESSES_4[:11]), "11 octets of addresses, not 12"),
    "v2, no octets": (block(0x21, 0x11), "0 octets of addresses, not 12"),
    "v2, IPv4 under IPv6": (block(0x21, 0x21, ADDRESSES_4), "12 octets of addresses, not 36"),
    "v2, 233 octets": (block(0x21, 0x11, ADDRESSES_4 + b"x" * 205), "233 octets"),
    "v2, an extension of 300": (block(0x21, 0x11, ADDRESSES_4 + b"x" * 300), "328 octets"),
    "v2, 65535 octets": (block(0x21, 0x11, ADDRESSES_4, 65535), "65551 octets"),
    "SMTP": (line("EHLO client.example.org"), "neither version"),
    "HTTP": (b"GET / HTTP/1.0\r\n\r\n", "neither version"),
    "half a signature": (SIGNATURE[:11] + b"x\r\n", "neither version"),
    "octets": (bytes(range(1, 256)), "neither version"),
    "octets without a line": (b"x" * 233, "no end of line"),
}

BEYOND_EXIM = {  # Exim takes these, or fails: they mean nothing
    "v1, a zone": (line("PROXY TCP6 fe80::1%lo ::1 4242 25"), "an address with a zone"),
    "v1, a zone in the destination": (line("PROXY TCP6 ::1 fe80::1%lo 4242 25"), "an address with a zone"),
    "v1, a port beyond int": (line(f"PROXY TCP4 {FOUR} 4294967297 25"), "a port that is no number"),
}
