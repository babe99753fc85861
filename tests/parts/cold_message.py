"""A message that nothing is known of yet: SPF with includes, two signatures, a DMARC record one level up."""

from __future__ import annotations

import time
from contextlib import ExitStack
from ipaddress import ip_address

from parts.distant_dns import DistantDns
from parts.exchange import Log, load
from parts.signing import ed25519, parted, rsa, signed

from policyd.conversation import Conversation
from policyd.journal import report
from policyd.language.verdict import Outcome
from policyd.metrics import Metrics, NoMetrics
from policyd.resolver.cached import CachedResolver
from policyd.resolver.prefetch import Prefetcher
from policyd.stores import MemoryStore
from policyd.transaction import Client, Services

MESSAGE = b"From: A <a@news.a.test>\r\nTo: b@b.test\r\nSubject: hi\r\n\r\nbody\r\n"
ZONE = """\
bounce.a.test. 60 TXT "v=spf1 include:one.test include:two.test mx -all"
one.test. 60 TXT "v=spf1 ip4:198.51.100.0/24 ?all"
two.test. 60 TXT "v=spf1 ip4:192.0.2.0/24 ?all"
bounce.a.test. 60 MX 10 mx.a.test.
mx.a.test. 60 A 192.0.2.77
_dmarc.a.test. 60 TXT "v=DMARC1; p=reject"
rsa._domainkey.a.test. 60 TXT "v=DKIM1; k=rsa; p={rsa[0]}" "{rsa[1]}"
ed._domainkey.a.test. 60 TXT "v=DKIM1; k=ed25519; p={ed}"
other.test. 60 TXT "v=spf1 ip4:192.0.2.0/24 -all"
rsa._domainkey.other.test. 60 TXT "v=DKIM1; k=rsa; p={rsa[0]}" "{rsa[1]}"
"""
POLICY = """\
begin acl
acl_check_mail:
  deny spf = fail : temperror
  accept
acl_check_data:
  deny dmarc_status = reject : quarantine : temperror
  accept
"""


def zone() -> str:
    """What the sender publishes."""
    public = rsa().public
    return ZONE.format(rsa=(public[:200], public[200:]), ed=ed25519().public)


def twice_signed() -> bytes:
    """The message."""
    return signed(signed(MESSAGE, rsa(), d="a.test", s="rsa"), ed25519(), a="ed25519-sha256", d="a.test", s="ed")


def seconds(dns: DistantDns, most: int, messages: int = 1, metrics: Metrics | None = None) -> list[float]:
    """How long the message takes from MAIL to its verdict, each time it comes, with *most* questions asked ahead.

    What a process loads when it checks its first message, it loads before.
    """
    log = Log()
    with ExitStack() as stack:
        resolver = CachedResolver(["127.0.0.1"], dns.port, metrics=metrics)
        prefetcher = Prefetcher(resolver, most, lambda doing, error: report(log.write, doing, error), metrics)
        stack.callback(prefetcher.close)
        services = Services(resolver, MemoryStore(), NoMetrics(), log, prefetch=prefetcher.ask)
        talk = Conversation(load(POLICY), services)
        talk.connect(Client(ip_address("192.0.2.1")))
        talk.helo("helo.test")
        talk.mail("<a@other.test>")
        talk.abort()
        dns.asked.clear()
        took = [_judged(talk) for _ in range(messages)]
    assert log.lines == []
    return took


def _judged(talk: Conversation) -> float:
    fields, body = parted(twice_signed())
    start = time.perf_counter()
    assert talk.mail("<a@bounce.a.test>").outcome is Outcome.OK
    talk.rcpt("<b@b.test>")
    talk.predata()
    for name, value in fields:
        talk.header(name, value.encode())
    talk.end_of_headers()
    talk.body(body)
    assert talk.end_of_message().outcome is Outcome.OK
    took = time.perf_counter() - start
    assert talk.tx.facts["sender_policy"].result == "pass"
    assert [one.result for one in talk.tx.facts["dkim"]] == ["pass", "pass"]
    assert talk.tx.facts["dmarc"].status == "accept"
    talk.abort()
    return took
