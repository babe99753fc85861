"""``policyd session --proxy-header``: what the gateway would make of a peer's first octets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from corpora.proxy_headers import HEADERS, REFUSED
from parts.daemon import POLICYD

CONNECT = r"""
hosts_proxy = 10.0.0.0/8
primary_hostname = mail.example.net
begin acl
acl_check_connect:
  warn    condition     = ${if and{ {bool{$proxy_session}} \
                          {eq{$proxy_host_address}{}} } }
          log_message   = Failed required proxy protocol negotiation \
                          from $sender_host_name [$sender_host_address]
  warn    condition     = ${if and{ {bool{$proxy_session}} \
                          {!eq{$proxy_host_address}{}} } }
          # But don't log health probes from the proxy itself
          condition     = ${if eq{$proxy_host_address}{$sender_host_address} \
                          {false}{true}}
          log_message   = Successfully proxied from $sender_host_name \
                          [$sender_host_address] through proxy protocol \
                          host $proxy_host_address
  warn    logwrite = Remote Source Address: $sender_host_address:$sender_host_port
          logwrite = Proxy Target Address: $proxy_target_address:$proxy_target_port
          logwrite = Proxy Internal Address: $proxy_host_address:$proxy_host_port
          logwrite = Internal Server Address: $received_ip_address:$received_port
          logwrite = $proxy_session $proxy_local_address:$proxy_local_port $proxy_external_address:$proxy_external_port
  accept
"""
BANNER, BYE = "220 mail.example.net ESMTP policyd", "221 mail.example.net closing connection"
NO = "503 Command refused, required Proxy negotiation failed"
TRANSCRIPT = [BANNER, NO, BYE]
DIALOGUE = b"EHLO localhost\nQUIT\n"


@pytest.fixture
def session(tmp_path):
    """What a balancer's session says and logs: ``session(octets)``."""
    policy, zone, header = tmp_path / "policy", tmp_path / "zone", tmp_path / "header"
    zone.write_text("1.2.0.192.in-addr.arpa. 60 PTR client.example.org.\nclient.example.org. 60 A 192.0.2.1\n")

    def run(octets: bytes, text: str = CONNECT, client: str = "10.0.0.5:5000", dialogue: bytes = DIALOGUE):
        policy.write_text(f"state_directory = {tmp_path}\n{text}")
        header.write_bytes(octets)
        command = [POLICYD, "session", "-c", policy, "--client", client, "--local", "10.0.0.9:25", "--zone", zone]
        done = subprocess.run(
            [*command, "--proxy-header", header], input=dialogue, capture_output=True, check=True, timeout=20
        )
        return done.stdout.decode().splitlines(), [
            line.removeprefix("LOG: ") for line in done.stderr.decode().splitlines()
        ]

    return run


def test_a_client_is_introduced(session):
    replies, log = session(HEADERS["v1, IPv4"][0])
    assert replies == [BANNER, "250 mail.example.net Hello client.example.org [192.0.2.1]", BYE]
    assert log == [
        "H=client.example.org [192.0.2.1] Warning: Successfully proxied from client.example.org [192.0.2.1] "
        "through proxy protocol host 10.0.0.5",
        "Remote Source Address: 192.0.2.1:4242",
        "Proxy Target Address: 198.51.100.2:25",
        "Proxy Internal Address: 10.0.0.5:5000",
        "Internal Server Address: 10.0.0.9:25",
        "yes 10.0.0.5:5000 198.51.100.2:25",
    ]


def test_silence(session):
    replies, log = session(b"")
    assert replies == TRANSCRIPT
    assert log == [
        "gateway: [10.0.0.5]:5000 refused: no PROXY header",
        "H=[10.0.0.5] Warning: Failed required proxy protocol negotiation from  [10.0.0.5]",
        "Remote Source Address: 10.0.0.5:5000",
        "Proxy Target Address: :0",
        "Proxy Internal Address: :0",
        "Internal Server Address: 10.0.0.9:25",
        "yes :0 :0",
    ]


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (REFUSED["v1, port 0"][0], "malformed PROXY header: port 0"),
        (b"EHLO localhost\r\n", "malformed PROXY header: neither version"),
        (HEADERS["v2, IPv4"][0][:20], "20 octets of a PROXY header when its time was over"),
        (b"PROXY", "5 octets of a PROXY header when its time was over"),
    ],
)
def test_refused(session, octets, why):
    replies, log = session(octets)
    assert replies == TRANSCRIPT
    assert log[0] == f"gateway: [10.0.0.5]:5000 refused: {why}"


def test_what_follows_a_refused_header_is_refused_too(session):
    replies, _ = session(REFUSED["v1, port 0"][0] + b"NOOP\r\nMAIL FROM:<a@b>\r\nHE", dialogue=b"LP\nquit\n")
    assert replies == [BANNER, NO, NO, NO, BYE]


def test_what_follows_a_header_is_the_clients(session):
    replies, _ = session(HEADERS["v2, IPv4"][0] + b"EHLO first\r\nNO", dialogue=b"OP\nQUIT\n")
    assert replies == [BANNER, "250 mail.example.net Hello client.example.org [192.0.2.1]", "250 OK", BYE]


@pytest.mark.parametrize("name", ["v2, local", "v1, unknown"])
def test_a_probe_is_the_balancer_itself(session, name):
    replies, log = session(HEADERS[name][0])
    assert replies == [BANNER, "250 mail.example.net Hello localhost [10.0.0.5]", BYE]
    assert log[1:3] == ["Remote Source Address: 10.0.0.5:5000", "Proxy Target Address: :0"]


@pytest.mark.parametrize("policy", [CONNECT, CONNECT.replace("hosts_proxy = 10.0.0.0/8", "")], ids=["listed", "none"])
def test_a_header_of_somebody_who_is_not_listed_is_a_bad_command(session, policy):
    replies, log = session(HEADERS["v1, IPv4"][0], policy, client="203.0.113.5:5000")
    assert replies == [BANNER, "500 unrecognized command", "250 mail.example.net Hello localhost [203.0.113.5]", BYE]
    assert log[0] == "Remote Source Address: 203.0.113.5:5000"
    assert log[-1] == "no :0 :0"


def test_the_connect_acl_may_refuse_who_has_not_proven_itself(session):
    policy = CONNECT.replace("  accept\n", "  deny message = no header, no mail\n")
    replies, _ = session(b"", policy)
    assert replies == ["550 no header, no mail"]


@pytest.mark.parametrize("name", ["hosts_proxy", "proxy_required_hosts"])
def test_the_list_is_expanded_and_has_a_former_name(session, name, tmp_path):
    Path(tmp_path, "balancers").write_text("10.0.0.5\n")
    policy = CONNECT.replace("hosts_proxy = 10.0.0.0/8", f"{name} = <; ${{readfile{{{tmp_path}/balancers}}{{;}}}}")
    assert session(b"", policy)[0] == TRANSCRIPT


def test_a_list_that_cannot_be_decided_lets_nobody_pass(session):
    policy = CONNECT.replace("hosts_proxy = 10.0.0.0/8", "hosts_proxy = net-lsearch;/nowhere/balancers")
    replies, log = session(HEADERS["v1, IPv4"][0], policy)
    assert replies == ["421 Temporary local problem - please try later"]
    assert log[0].startswith("gateway: ")
