"""HAProxy, the gateway and an MTA: a whole site, and its clients."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from parts.daemon import Policyd
from parts.haproxy import HAProxy
from parts.nsd import Nsd
from parts.ports import free_port
from parts.postfix import Postfix
from parts.sendmail import Sendmail
from parts.sink import Sink

ZONES = {
    "127.in-addr.arpa": """\
@ 60 SOA ns.test. hostmaster.test. 1 60 60 60 60
@ 60 NS ns.test.
3.0.0 60 PTR three.example.test.
2.0.0 60 PTR gateway.example.test.
""",
    "test": """\
@ 60 SOA ns hostmaster 1 60 60 60 60
@ 60 NS ns
ns 60 A 127.0.0.1
three.example 60 A 127.0.0.3
gateway.example 60 A 127.0.0.2
strict.example 60 TXT "v=spf1 ip4:127.0.0.3 ip6:::1 ip4:192.0.2.1 ip6:2001:db8::1 -all"
5.0.0.127.bl 60 A 127.0.0.2
1.2.0.192.bl 60 A 127.0.0.2
""",
}
POLICY = r"""
LIMIT = ${lookup{$sender_host_address}iplsearch{LIMITS}}

begin acl
acl_check_connect:
  defer message = Too many connections from this IP right now
        ratelimit = LIMIT / 1m / per_conn / strict
  accept

acl_check_mail:
  deny  senders = *@strict.example.test
        spf = fail
        message = 550 5.7.23 not from $sender_host_address
  accept

acl_check_rcpt:
  deny  dnslists = bl.test
        message = 550 5.7.1 $sender_host_address is listed
  warn  add_header = X-Client: [$sender_host_address] $sender_host_name $proxy_session
        add_header = X-Proxy: [$proxy_local_address] to [$proxy_external_address]:$proxy_external_port
        add_header = X-Here: [$received_ip_address]:$received_port
  accept
"""
LIMITS = """\
127.0.0.6: 2
127.0.0.7: 4
127.0.0.0/8: 50
"::1": 50
192.0.2.0/24: 50
"2001:db8::/32": 50
"""
MAIN_CF = {
    "inet_protocols": "all",
    "smtpd_authorized_xclient_hosts": "127.0.0.2",
    "message_size_limit": "60000000",
}


@dataclass
class Site:
    """A whole one; `ports` are HAProxy's, by how it introduces clients."""

    sink: Sink
    mta: Postfix | Sendmail
    policyd: Policyd
    haproxy: HAProxy
    gateway: int

    @contextmanager
    def client(self, way: str, address: str = "127.0.0.3") -> Iterator[smtplib.SMTP]:
        """An SMTP client at *address*, which HAProxy introduces in one *way*."""
        with through(self.haproxy.ports[way], address) as smtp:
            yield smtp

    @contextmanager
    def introduced(self, header: bytes) -> Iterator[smtplib.SMTP]:
        """An SMTP client whom *header* describes, which is sent by somebody at 127.0.0.1."""
        with connection(self.gateway, "127.0.0.1", header) as smtp:
            yield smtp


@contextmanager
def through(port: int, address: str, helo: str = "client.example.org") -> Iterator[smtplib.SMTP]:
    """An SMTP client at *address*, IPv4 or IPv6, of whoever listens at a *port* of this host."""
    host = "::1" if ":" in address else "127.0.0.1"
    with smtplib.SMTP(host, port, helo, timeout=40, source_address=(address, 0)) as smtp:
        yield smtp


@contextmanager
def connection(port: int, address: str, first: bytes = b"") -> Iterator[smtplib.SMTP]:
    """An SMTP client at *address*, which sends *first* before anything else, and has been greeted."""
    smtp = smtplib.SMTP(local_hostname="client.example.org")
    smtp.sock = socket.create_connection(("127.0.0.1", port), 40, (address, 0))
    try:
        smtp.sock.sendall(first)
        assert smtp.getreply()[0] == 220
        yield smtp
    finally:
        smtp.close()


@contextmanager
def site(tell: str = "none", sendmail: bool = False, **main_cf: str) -> Iterator[Site]:
    """With a Postfix, unless it is to be a *sendmail*."""
    with ExitStack() as parts:
        sink, nsd = parts.enter_context(Sink()), parts.enter_context(Nsd(ZONES))
        mta = parts.enter_context(Sendmail(sink.port) if sendmail else Postfix(sink.port, main_cf=MAIN_CF | main_cf))
        limits = mta.directory / "limits"
        limits.write_text(LIMITS)
        gateway = free_port()
        options = {
            "gateway_listen": f"[::]:{gateway}",
            "gateway_mta": f"127.0.0.1:{mta.port}",
            "gateway_tell": tell,
            "hosts_proxy": "<; 127.0.0.1 ; ::1",
            "proxy_protocol_timeout": "1s",
            "dns_servers": "127.0.0.1",
            "dns_port": str(nsd.port),
        }
        policyd = parts.enter_context(Policyd(POLICY.replace("LIMITS", str(limits)), mta.socket, options))
        haproxy = parts.enter_context(HAProxy({name: text.format(gateway) for name, text in WAYS.items()}))
        yield Site(sink, mta, policyd, haproxy, gateway)


WAYS = {
    "v1": "127.0.0.1:{} send-proxy",
    "v1, IPv6": "[::1]:{} send-proxy",
    "v2": "127.0.0.1:{} send-proxy-v2",
    "v2, IPv6": "[::1]:{} send-proxy-v2",
    "v2, with TLS's extensions": "127.0.0.1:{} send-proxy-v2-ssl-cn proxy-v2-options unique-id,authority",
    "none": "127.0.0.1:{}",
}
INTRODUCING = [way for way in WAYS if way != "none"]


def send(smtp: smtplib.SMTP, sender: str = "a@example.org", lines: int = 1) -> None:
    smtp.sendmail(sender, ["b@example.org"], "Subject: hi\r\n\r\n" + "a line of the body\r\n" * lines)


def refusal(smtp: smtplib.SMTP, sender: str = "a@example.org", *fields: str) -> str:
    """What a client is told that tries to send a message, if it is refused."""
    try:
        smtp.sendmail(sender, ["b@example.org"], "\r\n".join([*fields, "Subject: hi", "", "body"]))
    except smtplib.SMTPRecipientsRefused as error:
        (code, text), *_ = error.recipients.values()
        return f"{code} {text.decode()}"
    except smtplib.SMTPResponseException as error:
        return f"{error.smtp_code} {error.smtp_error.decode()}"
    return ""
