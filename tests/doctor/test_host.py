"""What is wrong with a host, whatever the MTA."""

from __future__ import annotations

import ctypes

import pytest

from policyd.doctor.host import UNSYNCHRONIZED, about_the_host
from policyd.doctor.site import Mta, Site
from policyd.settings import Settings

NOBODY = "warning: nobody keeps the clock right"


@pytest.mark.parametrize(
    "resolv_conf, finding",
    [
        ("nameserver 127.0.0.1\n", "ok: DNS is asked of 127.0.0.1, on this host"),
        ("nameserver ::1\n", "ok: DNS is asked of ::1, on this host"),
        ("# none\nnameserver\nnameserver \n", "PROBLEM: there is no name server"),
        (None, "PROBLEM: there is no name server"),
        ("nameserver fe80::1%eth0\n", "warning: DNS is asked of fe80::1%eth0, another host: "
         "each question of a message waits for the network"),
        ("nameserver\t127.0.0.1\n", "ok: DNS is asked of 127.0.0.1, on this host"),
        ("nameserver 127.0.0.53\nnameserver 9.9.9.9\n", "PROBLEM: DNS is asked of 9.9.9.9: "
         "DNS lists do not answer resolvers that serve everybody"),
        ("nameserver nonsense\n", "PROBLEM: there is no name server"),
    ],
)  # fmt: skip
def test_name_servers(resolv_conf, finding, tmp_path):
    file = tmp_path / "resolv.conf"
    if resolv_conf is not None:
        file.write_text(resolv_conf)
    first, _ = about_the_host(Site(Settings(), Mta("Postfix", ())), file)
    assert f"{first.grade.value}: {first.text}" == finding


@pytest.mark.parametrize(
    "state, text", [(0, "the clock is kept right"), (UNSYNCHRONIZED, "nobody keeps the clock right")]
)
def test_the_clock(state, text, tmp_path, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: type("Library", (), {"adjtimex": lambda self, timex: state})())
    *_, last = about_the_host(Site(Settings(), Mta("Postfix", ())), tmp_path / "none")
    assert last.text == text
