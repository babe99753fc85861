"""The client's names, and what needs them: variables, verifications, items of host lists."""

from __future__ import annotations

import pytest
from parts.exchange import World, exchange

ZONE = """\
1.2.0.192.in-addr.arpa.  PTR one.example.net.
1.2.0.192.in-addr.arpa.  PTR alias.example.net.
1.2.0.192.in-addr.arpa.  PTR forged.example.net.
one.example.net.         A   192.0.2.1
alias.example.net.       A   192.0.2.1
forged.example.net.      A   192.0.2.99
2.2.0.192.in-addr.arpa.  PTR forged.example.net.
4.2.0.192.in-addr.arpa.  PTR failing.example.net.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR six.example.net.
six.example.net.         AAAA 2001:db8::1
mx.example.org.          A   198.51.100.25
only-six.example.net.    AAAA 2001:db8::7
"""
FAILING = ["3.2.0.192.in-addr.arpa", "failing.example.net"]
CONFIRMED, FORGED, NO_ANSWER, NAMELESS, HALF = "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.5", "192.0.2.4"


def judged(body, client, *commands, **details):
    """The log of a session with *body* as the ACL for MAIL, and the last reply."""
    policy = f"primary_hostname = mx.example.org\nbegin acl\nacl_check_mail:\n  {body}\n"
    session = exchange(
        policy, *(commands or ("EHLO h", "MAIL FROM:<a@x>")), client=client, world=World(ZONE, FAILING), **details
    )
    return session.replies[-1], session.log


# -- variables


@pytest.mark.parametrize(
    "client, shown",
    [
        (CONFIRMED, "0 0 one.example.net 0 0"),
        (FORGED, "0 0  1 0"),
        (NO_ANSWER, "0 0  0 1"),
        (HALF, "0 0  0 1"),
        (NAMELESS, "0 0  1 0"),
        ("2001:db8::1", "0 0 six.example.net 0 0"),
    ],
)
def test_variables(client, shown):
    both = "$host_lookup_failed $host_lookup_deferred"
    assert judged(f"accept logwrite = {both} $sender_host_name {both}", client)[1] == [shown]


def test_the_mtas_name_is_believed():
    body = "accept logwrite = $sender_host_name $host_lookup_failed $sender_fullhost"
    assert judged(body, FORGED, name="mta.example.net")[1] == ["mta.example.net 0 mta.example.net (h) [192.0.2.2]"]


def test_a_local_submission_has_no_client():
    body = "accept logwrite = <$sender_host_name><$sender_fullhost><$sender_rcvhost><$sender_host_port>"
    assert judged(body, "")[1] == ["<><><><0>"]


def test_a_local_submission_has_no_reverse_dns():
    assert judged("accept logwrite = $sender_host_dnssec", "")[1] == ["no"]


def test_the_log_shows_the_name_once_it_is_known():
    assert judged("warn log_message = before\n  warn hosts = *.net\n    log_message = after\n  accept", CONFIRMED)[
        1
    ] == [
        "H=(h) [192.0.2.1] Warning: before",
        "H=one.example.net (h) [192.0.2.1] Warning: after",
    ]


# -- host lists

YES, NO, LATER = "250 OK", "550 Administrative prohibition", "451 Temporary local problem - please try later"


@pytest.mark.parametrize(
    "hosts, client, reply",
    [
        ("*.example.net", CONFIRMED, YES),
        ("alias.example.*", CONFIRMED, NO),
        ("^alias\\\\.", CONFIRMED, YES),  # every confirmed name counts
        ("^one\\\\.", CONFIRMED, YES),
        ("*forged.example.net", CONFIRMED, NO),  # it does not resolve back
        ("*.EXAMPLE.net", CONFIRMED, YES),
        ("!*.example.net", CONFIRMED, NO),
        ("!*.example.org", CONFIRMED, YES),
        # without a name the list ends
        ("*.example.net : *", FORGED, NO),
        ("!*.example.net", FORGED, NO),
        ("* : *.example.net", FORGED, YES),
        ("+ignore_unknown : *.example.net : *", FORGED, YES),
        ("+ignore_unknown : !*.example.net", FORGED, YES),
        ("+include_unknown : *.example.net", FORGED, YES),
        ("+include_unknown : !*.example.net", FORGED, YES),
        ("+include_unknown : +ignore_unknown : *.example.net", FORGED, NO),
        ("*.example.net : +include_unknown", FORGED, NO),  # too late
        ("*.example.net", NAMELESS, NO),
        # without an answer neither
        ("*.example.net", NO_ANSWER, NO),
        ("!*.example.net", NO_ANSWER, NO),
        ("+include_unknown : *.example.net", NO_ANSWER, YES),
        ("+ignore_unknown : *.example.net : *", NO_ANSWER, YES),
        ("+ignore_defer : *.example.net : *", NO_ANSWER, NO),
        ("+include_defer : *.example.net", NO_ANSWER, NO),
        # a name in the list
        ("one.example.net", CONFIRMED, YES),
        ("forged.example.net", CONFIRMED, NO),
        ("only-six.example.net", CONFIRMED, NO),
        ("six.example.net", "2001:db8::1", YES),
        ("none.example.net : *", CONFIRMED, NO),  # it has no address: the list ends
        ("+ignore_unknown : none.example.net : *", CONFIRMED, YES),
        ("failing.example.net", CONFIRMED, LATER),
        ("+ignore_defer : failing.example.net : *", CONFIRMED, YES),
        ("+include_defer : failing.example.net", CONFIRMED, YES),
        ("@", "198.51.100.25", YES),
        ("@", CONFIRMED, NO),
        ("@[]", "127.0.0.1", YES),
        ("@[]", "198.51.100.25", YES),
        ("@[]", CONFIRMED, NO),
        ("", "", NO),
        (":", "", YES),
        ("*", "", YES),
        ("192.0.2.0/24 : *.example.net", "", NO),
    ],
)
def test_hosts(hosts, client, reply):
    assert judged(f"accept hosts = {hosts}", client)[0] == reply


def test_the_servers_own_address_is_local():
    assert judged("accept hosts = @[]", "203.0.113.9", local_address="203.0.113.9")[0] == YES


def test_a_lookup_by_name(tmp_path):
    file = tmp_path / "names"
    file.write_text("alias.example.net: found\n*.example.org: wild\n")
    body = f"accept hosts = lsearch;{file}\n    logwrite = $host_data"
    assert judged(body, CONFIRMED) == (YES, ["found"])
    assert judged(body, FORGED)[0] == NO
    assert judged(f"accept hosts = partial-lsearch;{file}", FORGED, name="a.example.org")[0] == YES


# -- verifications

FAILED = "host lookup failed for reverse lookup check"


@pytest.mark.parametrize(
    "client, options, reply, log",
    [
        (CONFIRMED, "", YES, None),
        (FORGED, "", NO, f"{FAILED} ({FORGED} does not match any IP address for forged.example.net)"),
        (NAMELESS, "", NO, f"{FAILED} (failed to find host name from IP address)"),
        (NO_ANSWER, "", LATER, "host lookup deferred for reverse lookup check"),
        (NO_ANSWER, "/defer_ok", YES, None),
        (NO_ANSWER, " / DEFER_OK", YES, None),
        (NAMELESS, "/defer_ok", NO, f"{FAILED} (failed to find host name from IP address)"),
        ("", "", YES, None),
    ],
)  # fmt: skip
def test_reverse_host_lookup(client, options, reply, log):
    said, lines = judged(f"require verify = reverse_host_lookup{options}\n  accept", client)
    assert said == reply
    assert (lines[-1].partition("<a@x>: ")[2] if lines else None) == log


@pytest.mark.parametrize(
    "helo, client, reply",
    [
        ("one.example.net", CONFIRMED, YES),
        ("ONE.example.NET", CONFIRMED, YES),
        ("alias.example.net", CONFIRMED, YES),
        ("forged.example.net", CONFIRMED, NO),
        ("forged.example.net", "192.0.2.99", YES),  # the name has the address, whatever PTR says
        ("one.example.net", FORGED, NO),
        ("nowhere.example.net", CONFIRMED, NO),
        ("failing.example.net", CONFIRMED, NO),
        ("one.example.net", NO_ANSWER, NO),
        ("[192.0.2.1]", CONFIRMED, YES),
        ("[192.0.2.2]", CONFIRMED, NO),
        ("[IPv6:2001:db8::1]", "2001:db8::1", YES),
        ("[2001:DB8:0::1]", "2001:db8::1", YES),
        ("[nonsense]", CONFIRMED, NO),
        ("[", CONFIRMED, NO),
        ("anything", "", YES),
    ],
)
def test_helo(helo, client, reply):
    said, _ = judged("require verify = helo\n  accept", client, f"EHLO {helo}", "MAIL FROM:<a@x>")
    assert said == reply


@pytest.mark.parametrize(
    "helo, client, logged",
    [
        ("one.example.net", CONFIRMED, "no no, yes no"),
        ("[192.0.2.1]", CONFIRMED, "no no, yes no"),
        ("nowhere.example.net", CONFIRMED, "no no, no no"),
        ("anything", "", "no no, no no"),
    ],
)
def test_what_is_known_of_a_verified_helo(helo, client, logged):
    shown = "logwrite = $sender_helo_verified $sender_helo_dnssec"
    body = f"warn {shown}\n  warn verify = helo\n  accept {shown}"
    _, lines = judged(body, client, f"EHLO {helo}", "MAIL FROM:<a@x>")
    assert ", ".join(lines) == logged


def test_a_verified_helo_that_dns_cannot_vouch_for():
    body = "warn verify = helo\n  accept logwrite = $sender_helo_verified $sender_helo_dnssec"
    _, lines = judged(body, CONFIRMED, "EHLO failing.example.net", "MAIL FROM:<a@x>", name="failing.example.net")
    assert lines == ["yes no"]


def test_no_helo_is_not_verified():
    assert judged("require verify = helo\n  accept", CONFIRMED, "MAIL FROM:<a@x>")[0] == NO
