"""How long a message takes whose domains nobody has asked for yet, in round trips to a distant name server."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from benchmark.contenders import CONF, policyd
from benchmark.domains import Domain, zone
from benchmark.generator import Load, run
from benchmark.messages import sample
from benchmark.page import publish, table
from benchmark.world import World
from parts.distant_dns import DistantDns

DELAY = 0.02  # s
MESSAGES = 10
CASES: dict[str, tuple[Callable[[Domain], bool], str]] = {  # which domains, and the subdomain of From:
    "SPF of one record, a key, DMARC": (lambda domain: domain.number % 10 == 1, ""),
    "SPF of one record, two keys, DMARC walk from a subdomain": (lambda domain: domain.number % 20 == 0, "news.team"),
    "SPF with a chain of three includes, a key, DMARC": (lambda domain: domain.number % 10 == 5, ""),
}


def case(world: World, what: str) -> tuple[str, ...]:
    """One line of the table."""
    chosen, author = CASES[what]
    chance = Random(1)
    messages = [sample(each, "good", 4_000, chance, author=author) for each in filter(chosen, world.senders)][:MESSAGES]
    load = Load(world.pack(f"cold{len(what)}", messages), connections=1, messages=MESSAGES)
    with DistantDns(zone(world.senders), DELAY) as dns:
        options = {"dns_servers": "127.0.0.1", "dns_port": str(dns.port), "workers": "1"}  # each has a cache of its own
        with policyd(CONF, options).running(world.directory) as running:
            cold = run(running, load)["mail"]["p50"]
            questions = len(dns.asked)
            warm = run(running, load)["mail"]["p50"]
    trips = (cold - warm) / 1000 / DELAY
    return what, f"{questions / MESSAGES:.1f}", f"{cold:.1f}", f"{warm:.1f}", f"{trips:.1f}"


def main() -> None:
    """Measure, print, and write the page."""
    head = ("a message that is", "questions", "new: ms after MAIL", "known: ms after MAIL", "round trips of 20 ms")
    with World() as world:
        publish("cold_dns", table(head, [case(world, what) for what in CASES]))


if __name__ == "__main__":
    main()
