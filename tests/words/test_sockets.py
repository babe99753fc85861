"""``readsocket``."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from dataclasses import replace

import pytest
from parts.expanding import Expander

from policyd.resolver import Answer, DnsTemporary
from policyd.words import sockets

expand = Expander("allow_readsocket\n")


class Server:
    """Answers each connection with what it was sent, in capital letters, or with *answer*."""

    def __init__(self, family, address, answer=None, context=None):
        self.listener = socket.socket(family)
        self.listener.bind(address)
        self.listener.listen()
        self.address = self.listener.getsockname()
        self._answer = answer
        self._context = context
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._speak, args=(link,), daemon=True).start()

    def _speak(self, link):
        try:
            with self._context.wrap_socket(link, server_side=True) if self._context else link as peer:
                if callable(self._answer):
                    self._answer(peer)
                    return
                received = b""
                while not received.endswith(b".") and (chunk := peer.recv(1000)):
                    received += chunk
                peer.sendall(received.upper())
        except OSError:
            return

    def close(self):
        self.listener.close()


@pytest.fixture
def unix(tmp_path):
    server = Server(socket.AF_UNIX, str(tmp_path / "socket"))
    yield server.address
    server.close()


@pytest.fixture
def port():
    server = Server(socket.AF_INET, ("127.0.0.1", 0))
    yield server.address[1]
    server.close()


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        ("{abc\\n}", "ABC\n"),
        ("{\\xe9a}{2s}", "\xe9A"),
        ("{a\\nb\\n}{}{, }", "A, B, "),
        ("{abc}{1s:shutdown=yes}{}{failed}", "ABC"),
        ("{abc.}{1s:shutdown=no}", "ABC."),
        ("{abc}{1s:cache=yes}", "ABC"),
        ("{}", ""),
        ("{abc}{0s}{}{failed}", "failed"),
        ("{abc}{nosuch}{}{failed $acl_m_none}", "failed "),
        ("{abc}{1s:shutdown=maybe}", 'bad option "shutdown=maybe"'),
        ("{abc}{:5s}", 'bad option "5s"'),
    ],
)
def test_a_unix_socket(unix, arguments, want):
    answer = expand(f"${{readsocket{{{unix}}}{arguments}}}")
    assert answer.removeprefix(f"Failed: failed to ask socket {unix}: ") == want


def test_an_internet_socket(port):
    assert expand(f"${{readsocket{{inet:127.0.0.1:{port}}}{{abc}}}}") == "ABC"


class Names:
    """DNS that knows one name."""

    def lookup(self, rtype, name):
        if name == "later":
            raise DnsTemporary("no answer")
        return Answer(("127.0.0.1",) if (rtype, name) == ("A", "here.example") else ())

    def until(self, _):
        return self


def test_host_names(port):
    named = Expander("allow_readsocket\n")
    named.tx.services = replace(named.tx.services, resolver=Names())
    ask = "${readsocket{inet:%s:PORT}{abc}}".replace("PORT", str(port))
    assert named(ask.replace("%s", "here.example")) == "ABC"
    assert named(ask.replace("%s", "gone.example")).endswith(": failed to find IP address for gone.example")
    assert named(ask.replace("%s", "later")).endswith(": DNS: no answer")


def test_an_ipv6_socket():
    server = Server(socket.AF_INET6, ("::1", 0))
    assert expand(f"${{readsocket{{inet:[::1]:{server.address[1]}}}{{abc}}}}") == "ABC"
    server.close()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/nosuch", "No such file or directory"),
        ("relative", "the name of a socket is an absolute path or inet:HOST:PORT"),
        ("inet:127.0.0.1", "the name of a socket is an absolute path or inet:HOST:PORT"),
        ("inet:127.0.0.1:99999", "there is no port 99999"),
    ],
)
def test_what_cannot_be_asked(name, why):
    answer = expand(f"${{readsocket{{{name}}}{{x}}}}")
    assert answer.startswith(f"Failed: failed to ask socket {name}: ")
    assert why in answer


def test_a_server_that_says_nothing(tmp_path):
    over = threading.Event()
    server = Server(socket.AF_UNIX, str(tmp_path / "socket"), answer=lambda peer: over.wait(60))
    started = time.monotonic()
    for ask, seconds in (
        (f"${{readsocket{{{server.address}}}{{x}}}}", 0.2),
        (f"${{readsocket{{{server.address}}}{{x}}{{1s}}}}", 60),
    ):
        with pytest.raises(Exception, match="timed out"):
            expand.run(ask, seconds)
    assert time.monotonic() - started < 20
    over.set()
    server.close()


def test_a_server_that_does_not_end(tmp_path, monkeypatch):
    monkeypatch.setattr(sockets, "MAX_TEXT", 100_000)

    def endless(peer):
        while True:
            peer.sendall(b"x" * 10_000)

    server = Server(socket.AF_UNIX, str(tmp_path / "socket"), answer=endless)
    assert "the answer is longer than 100000 octets" in expand(f"${{readsocket{{{server.address}}}{{x}}}}")
    server.close()


@pytest.fixture
def secure(tmp_path, monkeypatch):
    """A TLS server for the name here.example, whose certificate is trusted."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ["-subj", "/CN=here.example", "-addext", "subjectAltName=DNS:here.example"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = Server(socket.AF_INET, ("127.0.0.1", 0), context=context)
    yield f"inet:127.0.0.1:{server.address[1]}"
    server.close()


def test_tls(secure):
    assert expand(f"${{readsocket{{{secure}}}{{abc.}}{{5s:tls=yes:sni=here.example}}}}") == "ABC."
    assert "CERTIFICATE_VERIFY_FAILED" in expand(f"${{readsocket{{{secure}}}{{abc.}}{{5s:tls=yes}}}}")


def test_nothing_is_asked_unless_an_option_permits_it():
    answer = Expander()("${readsocket{/a}{b}{1s}{}{c}}")
    assert answer == "Failed: ${readsocket} is not permitted: the main option allow_readsocket is not set"
