"""Variables of the language itself, of the host and of the time."""

from __future__ import annotations

import os
import time

import pytest
from parts.expanding import NOW, Expander

from policyd import __version__


@pytest.fixture(autouse=True)
def _zone(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("string", "want"),
    [
        ("$tod_epoch", "1700000000"),
        ("$tod_epoch_l", "1700000000000000"),
        ("$tod_full", "Wed, 15 Nov 2023 03:43:20 +0530"),
        ("$tod_bsdinbox", "Wed Nov 15 03:43:20 2023"),
        ("$tod_log", "2023-11-15 03:43:20"),
        ("$tod_logfile", "20231115"),
        ("$tod_zone", "+0530"),
        ("$tod_zulu", "20231114221320Z"),
        ("[$received_time]", "[0]"),
        ("$version_number $exim_version", f"{__version__} {__version__}"),
        ("[$address_data$value$item$acl_verify_message]", "[]"),
        ("$acl_narg [$acl_arg1]", "0 []"),
    ],
)
def test_values(string, want):
    assert Expander()(string) == want


def test_the_process():
    assert Expander()("$pid") == str(os.getpid())


def test_the_time_a_message_arrived():
    late = Expander()
    late.tx.message.complete = True
    assert late("$received_time") == str(int(NOW))


@pytest.mark.parametrize(
    ("config", "want"),
    [
        ("primary_hostname = mx.example.org\n", "mx.example.org mx.example.org mx.example.org"),
        (
            "primary_hostname = mx.example.org\nqualify_domain = example.org\n",
            "mx.example.org mx.example.org example.org",
        ),
    ],
)
def test_names_of_the_host(config, want):
    assert Expander(config)("$primary_hostname $smtp_active_hostname $qualify_domain") == want


def test_acl_variables():
    expand = Expander()
    expand.tx.acl_variables["acl_m_x"] = "message"
    expand.tx.connection.variables["acl_c9"] = "connection"
    assert expand("$acl_m_x ${acl_c9} [$acl_m_y]") == "message connection []"
    assert Expander("strict_acl_vars\n")("$acl_m_y") == (
        'Failed: unknown variable name "acl_m_y" (strict_acl_vars is set)'
    )
