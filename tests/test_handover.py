"""Who the client is, where a balancer or a trusted relay stands before us: told, forged, or not to be known."""

from __future__ import annotations

import pytest
from parts.exchange import World, exchange

ZONE = """\
$ORIGIN test.
sender       TXT "v=spf1 ip4:192.0.2.9 -all"
9.2.0.192.bl A   127.0.0.2
"""
RELAYS = "primary_hostname = mx.test\nhosts_trusted_relays = 10.0.0.0/29\n"


def by(address, helo="h"):
    return f"Received: from {helo} (unknown [{address}]) by r (Postfix) with ESMTP id 4; d"


def relayed(policy, *fields, relay="10.0.0.1", sender="a@sender.test", world=None):
    message = (f"MAIL FROM:<{sender}>", "RCPT TO:<b@here.test>", "DATA", *fields, "From: a@sender.test", "", "x", ".")
    return exchange(RELAYS + policy, "EHLO relay", *message, "QUIT", client=relay, world=world or World(ZONE))


SHOWN = """
begin acl
acl_check_rcpt:
  accept logwrite = <$sender_host_address> $sender_helo_name <$trusted_relay_address>
acl_check_data:
  accept logwrite = <$sender_host_address> $sender_helo_name <$trusted_relay_address>
acl_check_quit:
  accept logwrite = <$sender_host_address> $sender_helo_name <$trusted_relay_address>
"""
"""What is known, and when."""


def clients(session):
    """What `SHOWN` has logged, at RCPT, DATA and QUIT."""
    return [line for line in session.log if line.startswith("<")]


AT_RELAY = "<10.0.0.1> relay <10.0.0.1>"


@pytest.mark.parametrize(
    "fields, at_data",
    [
        ([by("192.0.2.9")], "<192.0.2.9> h <10.0.0.1>"),
        ([by("IPv6:2001:db8::9")], "<2001:db8::9> h <10.0.0.1>"),
        ([by("10.0.0.2"), by("192.0.2.9", "x")], "<192.0.2.9> x <10.0.0.1>"),
        ([by("192.0.2.9"), by("198.51.100.1")], "<192.0.2.9> h <10.0.0.1>"),  # the second one is a forgery
        ([by("192.0.2.9"), by("10.0.0.2"), by("198.51.100.1")], "<192.0.2.9> h <10.0.0.1>"),
        ([by("10.0.0.2")], "<10.0.0.2> h <10.0.0.1>"),
        (["Received: by r (Postfix, from userid 0) id 4; d", by("192.0.2.9")], AT_RELAY),
        ([], AT_RELAY),
        (["Received: who knows", by("192.0.2.9")], AT_RELAY),
    ],
)
def test_the_client_at_data_is_who_handed_the_message_over(fields, at_data):
    assert clients(relayed(SHOWN, *fields)) == [AT_RELAY, at_data, AT_RELAY]


def test_a_client_that_is_no_trusted_relay_is_itself_whatever_it_writes():
    session = relayed(SHOWN, by("10.0.0.2"), by("192.0.2.9"), relay="198.51.100.1")
    assert clients(session) == ["<198.51.100.1> relay <>"] * 3
    assert not session.world.counts.events.count(("relayed_messages_total", "client"))


def test_each_message_of_a_connection_has_its_own_client():
    message = ("MAIL FROM:<a@sender.test>", "RCPT TO:<b@here.test>", "DATA")
    first, second = ((by(f"192.0.2.{last}"), "", "x", ".") for last in (9, 10))
    session = exchange(RELAYS + SHOWN, "EHLO relay", *message, *first, *message, *second, "EHLO again", "QUIT",
                       client="10.0.0.1")  # fmt: skip
    shown = [AT_RELAY, "<192.0.2.9> h <10.0.0.1>", AT_RELAY, "<192.0.2.10> h <10.0.0.1>", "<10.0.0.1> again <10.0.0.1>"]
    assert clients(session) == shown


SKIPPED = "H=(relay) [10.0.0.1] Warning: {} skipped: a trusted relay; its client is known at DATA"


@pytest.mark.parametrize(
    "condition, name, at_data",
    [
        ("spf = fail : none : pass", "spf", "spf = pass"),
        ("spf_guess = *", "spf_guess", "spf_guess = pass"),
        ("spf_helo = *", "spf_helo", "spf_helo = none"),
        ("dnslists = bl.test", "dnslists", "dnslists = bl.test"),
        ("!verify = reverse_host_lookup", "reverse_host_lookup", "!verify = reverse_host_lookup"),
        ("!verify = helo", "helo", "!verify = helo"),
        ("iprev = *", "iprev", "iprev = permerror"),
        ("ratelimit = 1 / 1h / per_mail", "ratelimit", "ratelimit = 1 / 1h / per_mail"),
    ],
)
def test_a_check_of_the_client_is_skipped_and_says_so_and_works_at_data(condition, name, at_data):
    policy = f"begin acl\nacl_check_mail:\n  deny {condition}\n  accept\nacl_check_data:\n  deny {at_data}\n  accept\n"
    session = relayed(policy, by("192.0.2.9"))
    assert [line for line in session.log if "skipped" in line] == [SKIPPED.format(name)]
    assert [reply[:3] for reply in session.replies if not reply.startswith("250-")][1:-1] == [
        "250", "250", "250", "354", "550"
    ]  # fmt: skip


def test_a_list_that_is_asked_about_something_else_is_asked_at_once():
    policy = "begin acl\nacl_check_mail:\n  deny dnslists = bl.test/192.0.2.9\n"
    assert any("rejected MAIL" in line for line in relayed(policy).log)


UNKNOWN = 'trusted relay [10.0.0.1] does not tell who its client was: unknown form of Received: "who knows"'


@pytest.mark.parametrize(
    "condition, outcome",
    [
        ("spf = temperror", "rejected after DATA"),
        ("spf = pass : fail : none", ""),
        ("dnslists = bl.test", ""),  # as from a list that does not answer
        ("dnslists = +defer_unknown : bl.test", "temporarily rejected after DATA"),
        ("!verify = reverse_host_lookup", "temporarily rejected after DATA"),
        ("iprev = *", "temporarily rejected after DATA"),
        ("ratelimit = 1 / 1h / per_mail", "temporarily rejected after DATA"),
    ],
)
def test_where_nobody_can_know_nothing_passes_by_accident(condition, outcome):
    session = relayed(f"begin acl\nacl_check_data:\n  deny {condition}\n  accept\n", "Received: who knows")
    assert f"H=(relay) [10.0.0.1] Warning: {UNKNOWN}" in session.log
    assert [line for line in session.log if "rejected" in line] == [
        line for line in session.log if outcome and outcome in line
    ]
    assert bool(outcome) == any("rejected" in line for line in session.log)
    assert ("relayed_messages_total", "unknown") in session.world.counts.events


def test_what_is_known_is_logged_and_counted():
    session = relayed(SHOWN, by("192.0.2.9"))
    assert "H=(h) [192.0.2.9] handed over by trusted relay [10.0.0.1]" in session.log
    assert ("client_address_sources_total", "received") in session.world.counts.events
    assert ("relayed_messages_total", "client") in session.world.counts.events


# -- hosts_proxy, behind an MTA that reads PROXY headers itself

BALANCED = r"""
primary_hostname = mx.test
proxy_required_hosts = 10.0.0.1 : 10.0.0.2
begin acl
acl_check_connect:
  warn   condition   = ${if and{ {bool{$proxy_session}} {eq{$proxy_host_address}{}} }}
         log_message = Failed required proxy protocol negotiation from $sender_host_name [$sender_host_address]
  warn   condition   = ${if and{ {bool{$proxy_session}} {!eq{$proxy_host_address}{}} }}
         condition   = ${if eq{$proxy_host_address}{$sender_host_address}{false}{true}}
         log_message = Successfully proxied from $sender_host_name [$sender_host_address]:$sender_host_port \
                       through proxy protocol host $proxy_host_address
  accept logwrite    = $proxy_session|$proxy_local_address|$proxy_local_port|\
                       $proxy_external_address|$proxy_external_port|$proxy_target_address|$proxy_target_port
"""
REFUSED = "503 Command refused, required Proxy negotiation failed"


def balanced(client, *dialogue, policy=BALANCED):
    where = {"local_address": "203.0.113.25", "local_port": 25, "port": 4242}
    return exchange(policy, *dialogue, client=client, **where)


@pytest.mark.parametrize("client, nobody", [("192.0.2.9", "0.0.0.0"), ("2001:db8::9", "::")])
def test_a_client_behind_a_balancer(client, nobody):
    session = balanced(client, "EHLO h", "MAIL FROM:<a@b>", "QUIT")
    success = f"Successfully proxied from  [{client}]:4242 through proxy protocol host {nobody}"
    variables = f"yes|{nobody}|0|203.0.113.25|25|203.0.113.25|25"
    assert session.log == [f"H=[{client}] Warning: {success}", variables]
    assert REFUSED not in session.replies


def test_a_balancer_of_whose_client_nobody_was_told():
    session = balanced("10.0.0.1", "EHLO h", "MAIL FROM:<a@b>", "QUIT")
    assert session.log == [
        "H=[10.0.0.1] Warning: Failed required proxy protocol negotiation from  [10.0.0.1]",
        "yes||0||0||0",
        "H=(h) [10.0.0.1] rejected MAIL <a@b>: required Proxy negotiation failed: the MTA was told no client",
    ]
    assert session.replies[-2:] == [REFUSED, "221 mx.example.org closing connection"]
    counts = [event for event in session.world.counts.events if event[0] == "balancer_connections_total"]
    assert counts == [("balancer_connections_total", "connect"), ("balancer_connections_total", "mail")]


@pytest.mark.parametrize(
    "selector, shown",
    [("+proxy", " PRX=0.0.0.0"), ("+all -incoming_port -incoming_interface", " PRX=0.0.0.0"), ("+pid", "")],
)
def test_the_log_selector(selector, shown):
    policy = f"log_selector = {selector}\nhosts_proxy = 10.0.0.1\nbegin acl\nacl_check_mail:\n  deny\n"
    session = balanced("192.0.2.9", "EHLO h", "MAIL FROM:<a@b>", policy=policy)
    assert session.log == [f"H=(h) [192.0.2.9]{shown} rejected MAIL <a@b>"]


QUIET = "hosts_proxy = 10.0.0.1\nbegin acl\nacl_check_mail:\n  accept\n"


@pytest.mark.parametrize("dialogue", [[], ["QUIT"], ["EHLO h", "QUIT"], ["HELO h"]])
def test_a_health_check_leaves_no_line(dialogue):
    session = balanced("10.0.0.1", *dialogue, policy=QUIET)
    assert session.log == []
    assert REFUSED not in session.replies


def test_a_rehearsal_refuses_no_balancer():
    session = balanced("10.0.0.1", "EHLO h", "MAIL FROM:<a@b>", policy="dry_run\n" + QUIET)
    assert REFUSED not in session.replies
    assert session.log[0].startswith("dry run: H=(h) [10.0.0.1] rejected MAIL")


def test_a_list_that_cannot_be_read_defers():
    session = balanced("192.0.2.9", "EHLO h", policy="hosts_proxy = ${lookup{x}lsearch{/nowhere}}\n" + QUIET[23:])
    assert "/nowhere" in session.log[0]
    assert session.replies[0].startswith("451")


# -- a balancer that nobody has told us of


@pytest.mark.parametrize(
    "policy, address, others, suspected",
    [
        ("", "10.0.0.9", 0, True),
        ("", "10.0.0.9", 10, True),
        ("", "10.0.0.9", 11, False),
        ("", "fd00::9", 0, True),
        ("", "8.8.8.8", 0, False),
        ("hosts_trusted_relays = 10.0.0.9\n", "10.0.0.9", 0, False),
        ("hosts_proxy = 10.0.0.9\n", "10.0.0.9", 0, False),
    ],
)
def test_nearly_all_connections_from_one_private_address(policy, address, others, suspected):
    world = World()
    for number in range(400):
        client = f"192.0.2.{number}" if number % 200 < others else address
        exchange(policy + "begin acl\nacl_check_mail:\n  accept\n", client=client, world=world)
    said = [line for line in world.log.of("panic") if f"nearly all connections come from [{address}]" in line]
    assert len(said) == suspected  # once in a day
    assert world.counts.events.count(("balancers_suspected_total",)) == 2 * suspected
