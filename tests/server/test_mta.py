"""Postfix and Sendmail are told apart, and each is talked to as it expects."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from parts.worker import TOLD, Worker

from policyd.server.mta import POSTFIX, SENDMAIL, mta
from policyd.server.wire import client


@pytest.mark.parametrize(
    "version, known",
    [("Postfix 3.7.11", POSTFIX), ("", POSTFIX), ("8.17.1.9", SENDMAIL), ("8.18.1/8.18.1/Debian-6", SENDMAIL)],
)
def test_which_it_is(version, known):
    assert mta(version) is known


@pytest.mark.parametrize(
    "macros, address",
    [
        ({"daemon_addr": "192.0.2.25"}, "192.0.2.25"),
        ({"daemon_addr": "0.0.0.0", "if_addr": "192.0.2.25"}, "192.0.2.25"),
        ({"daemon_addr": "0.0.0.0"}, ""),
        ({"daemon_addr": "IPv6:0:0:0:0:0:0:0:0"}, ""),
        ({"daemon_addr": "IPv6:2001:DB8:0:0:0:0:0:1"}, "2001:db8::1"),
        ({"daemon_addr": "somewhere"}, "somewhere"),
        ({}, ""),
    ],
)
def test_the_address_that_the_client_connected_to(macros, address):
    assert client("mx.example", ("192.0.2.1", 4242), macros).local_address == address


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    running = Worker(tmp_path_factory.mktemp("worker"))
    yield running
    running.stop()


ADDED = {"edits": [["AddHeader", "X", " end", None], ["AddHeader", "X", " top", 0], ["AddHeader", "X", " third", 3]]}


@pytest.mark.parametrize(
    "version, edits",
    [
        ("Postfix 3.7.11", [("h", b"X\0 end\0"), ("i", b"\0\0\0\0X\0 top\0"), ("i", b"\0\0\0\3X\0 third\0")]),
        (
            "8.17.1.9",  # what is only added would go above another X
            [("i", b"\x7f\xff\xff\xffX\0 end\0"), ("i", b"\0\0\0\0X\0 top\0"), ("i", b"\0\0\0\3X\0 third\0")],
        ),
    ],
)
def test_added_fields(worker, version, edits):
    with worker.connect(ADDED, TOLD | {"v": version}) as peer:
        peer.mail(b"<a@example.org>")
        peer.rcpt(b"<b@example.net>")
        peer.message([])
        assert peer.edits == edits


@pytest.mark.parametrize(
    "version, told, known",
    [
        ("8.17.1.9", "a+2Bb@example.org", "a+b@example.org"),
        ("8.17.1.9", "a+b+2@+2B+3d", "a+b+2@++3d"),  # only what is xtext
        ("Postfix 3.7.11", "a+2Bb@example.org", "a+2Bb@example.org"),
    ],
)
def test_who_authenticated(worker, version, told, known):
    with worker.connect({"mail": "echo"}, TOLD | {"v": version}) as peer:
        peer.macros("M", auth_authen=told)
        assert f"'auth_authen': '{known}'" in peer.mail(b"<a@example.org>")


def test_what_rfc_1413_gave(worker):
    with worker.connect({"helo": "echo"}, TOLD | {"_": "root@mx.example [192.0.2.1]"}) as peer:
        assert "'_': 'root@mx.example [192.0.2.1]'" in peer.helo()
