"""What is asked of DNS before anybody waits for it: which words foresee what, and what that saves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address

import pytest
from parts.cold_message import MESSAGE, seconds, zone
from parts.distant_dns import DistantDns
from parts.exchange import Counts, World, load
from parts.signing import ed25519, parted, signed

from policyd.conversation import Conversation
from policyd.language.verdict import Outcome
from policyd.policy import Phase
from policyd.resolver import Question
from policyd.transaction import Client


def observed(policy: str, message: bytes = MESSAGE, **macros: str) -> list[str]:
    """What is asked ahead in one session: ``connect: TYPE name`` and so on, without what answers lead to."""
    asked: list[str] = []
    phase = ""

    def prefetch(questions: Iterable[Question]) -> None:
        asked.extend(f"{phase}: {question.rtype} {question.name}" for question in questions)

    world = World()
    talk = Conversation(load(policy), replace(world.services, prefetch=prefetch))
    talk.macros.update(macros)
    fields, body = parted(message)
    steps = {
        "connect": lambda: talk.connect(Client(ip_address("192.0.2.1"))),
        "helo": lambda: talk.helo("helo.test"),
        "mail": lambda: talk.mail("<a@bounce.a.test>"),
        "rcpt": lambda: talk.rcpt("<b@b.test>"),
        "header": lambda: [talk.header(name, value.encode()) for name, value in fields],
        "end of header": talk.end_of_headers,
        "body": lambda: talk.body(body),
        "end": talk.end_of_message,
    }
    for name, step in steps.items():
        phase = name
        step()
    assert world.log.of("panic") == []
    return asked


def acls(**bodies: str) -> str:
    return "begin acl\n" + "".join(f"acl_check_{phase}:\n  {body}\n" for phase, body in bodies.items())


SPF = ["mail: TXT bounce.a.test"]
WALK = [f"end of header: TXT _dmarc.{name}" for name in ("news.a.test", "a.test", "test")]
AKIN = ["end of header: TXT _dmarc.bounce.a.test"]
SIGNER = ["end of header: TXT _dmarc.x.news.a.test"]
KEYS = ["end of header: TXT s._domainkey.x.news.a.test"]
SIGNED = signed(MESSAGE, ed25519(), a="ed25519-sha256", d="x.news.a.test")
BROKEN = b"DKIM-Signature: v=1; d=a.test; s=s\r\n" + MESSAGE


@pytest.mark.parametrize(
    ("policy", "message", "asked"),
    [
        (acls(mail="accept"), MESSAGE, []),
        (acls(mail="deny spf = fail"), MESSAGE, SPF),
        (acls(mail="deny spf = fail\n  deny spf = softfail\n  accept spf_guess = pass"), MESSAGE, SPF),  # once
        (acls(data="warn spf = fail"), MESSAGE, SPF),
        (acls(rcpt="warn spf_helo = fail"), MESSAGE, ["helo: TXT helo.test"]),
        (acls(data="warn dmarc_status = reject"), MESSAGE, SPF + WALK + AKIN),
        (acls(data="warn dmarc_status = reject"), SIGNED, SPF + KEYS + WALK + SIGNER + AKIN),
        (acls(data="warn dkim_status = fail"), SIGNED, KEYS),
        (acls(dkim="accept"), SIGNED, KEYS),
        (acls(data="warn dkim_status = fail"), BROKEN, []),
        (acls(data="warn verify = arc"), SIGNED, []),
        (acls(rcpt="warn dnslists = bl.test : b2.test=127.0.0.2,127.0.0.3 : +include_unknown"), MESSAGE,
         ["connect: A 1.2.0.192.bl.test", "connect: A 1.2.0.192.b2.test"]),
        (acls(rcpt="warn dnslists = bl.test/$sender_address_domain : c.test/x.test"), MESSAGE, []),  # who knows
        (acls(rcpt="warn verify = reverse_host_lookup"), MESSAGE, ["connect: PTR 1.2.0.192.in-addr.arpa"]),
        (acls(rcpt="warn condition = ${if match{$sender_host_name}{dyn}}"), MESSAGE,
         ["connect: PTR 1.2.0.192.in-addr.arpa"]),
        (acls(rcpt="warn verify = sender"), MESSAGE, ["mail: MX bounce.a.test"]),
        # only what can be reached
        (acls(rcpt="accept", other="deny spf = fail"), MESSAGE, []),
        (acls(rcpt="accept acl = acl_check_other", other="deny spf = fail"), MESSAGE, SPF),
        ("acl_smtp_rcpt = accept spf = pass\n", MESSAGE, SPF),
    ],
)  # fmt: skip
def test_what_words_foresee(policy: str, message: bytes, asked: list[str]) -> None:
    assert observed(policy, message) == asked


def test_nothing_is_foreseen_for_mail_that_is_ours() -> None:
    assert observed(acls(data="warn dmarc_status = reject"), auth_type="PLAIN") == []


def test_arc() -> None:
    fields = {
        "h": "from",
        "bh": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "b": "AAAA",
        "s": "s",
        "a": "rsa-sha256",
    }

    def field(name: str, **more: str) -> bytes:
        return f"{name}: {'; '.join(f'{key}={value}' for key, value in more.items())}\r\n".encode()

    seal = {key: fields[key] for key in ("a", "b", "s")}
    chain = field("ARC-Seal", i="1", cv="none", d="seal.test", **seal) + field(
        "ARC-Message-Signature", i="1", d="list.test", **fields
    )
    message = chain + b"ARC-Authentication-Results: i=1; list.test; none\r\n" + MESSAGE
    assert observed(acls(data="warn verify = arc"), message) == [
        "end of header: TXT s._domainkey.seal.test",
        "end of header: TXT s._domainkey.list.test",
    ]


def test_a_mistake_in_foreseeing_is_reported_and_ends_nothing() -> None:
    def mistaken(_: object) -> list[Question]:
        raise RuntimeError("oh")

    world = World()
    policy = replace(load(acls(mail="accept")), prefetch={Phase.MAIL: (mistaken,)})
    talk = Conversation(policy, world.services)
    assert talk.mail("<a@b.test>").outcome is Outcome.OK
    assert world.log.of("panic")[-1] == "  RuntimeError: oh"


# -- what it saves


def test_round_trips_of_a_cold_message() -> None:
    delay = 0.25  # so much longer than the Internet's that what else takes time does not count
    with DistantDns(zone(), delay) as dns:
        (took,) = seconds(dns, 32)
        asked = dns.asked[:]
        (in_turn,) = seconds(dns, 0)
    assert len(dns.asked) == 9
    assert set(asked) >= set(dns.asked)
    assert len(set(asked)) == len(asked)
    assert in_turn > 9 * delay
    assert took < 3.9 * delay  # three: a record, those it includes; keys and policies


def test_a_warm_message_asks_nothing() -> None:
    counts = Counts()
    with DistantDns(zone(), 0.01) as dns:
        seconds(dns, 32, messages=2, metrics=counts)
        asked = dns.asked[:]
    assert len(set(asked)) == len(asked)
    outcomes = [labels for name, *labels in counts.events if name == "dns_prefetches_total"]
    assert outcomes.count(["asked"]) == 12  # with that of the process's first message
    assert outcomes.count(["used"]) == 10  # but the exchanger and its address
    assert len(outcomes) == 22
