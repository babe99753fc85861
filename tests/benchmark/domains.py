"""The senders of the benchmark: domains with policies as they are in the wild, and the DNS that publishes them."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

from parts.signing import Pair, ed25519, rsa

BASE = "senders.example"  # not .test: the libunbound inside OpenDKIM knows that nothing is there
NUMBER = 200
TTL = 86400
RSA, ED25519 = "rsa", "ed"  # selectors

ROOT = f"""\
$TTL {TTL}
. SOA ns.{BASE}. root.{BASE}. 1 3600 900 604800 {TTL}
. NS ns.{BASE}.
ns.{BASE}. A 127.0.0.1
mx.bench.example. A 127.0.0.1
"""


@dataclass(frozen=True)
class Domain:
    """One sender."""

    number: int
    rsa: Pair
    ed25519: Pair | None  # one domain of twenty signs twice

    @property
    def name(self) -> str:
        return f"d{self.number:03}.{BASE}"

    @property
    def address(self) -> str:
        """Of the host that may send its mail."""
        return f"192.0.2.{self.number + 1}"

    @property
    def stranger(self) -> str:
        """Of a host that may not."""
        return f"203.0.113.{self.number + 1}"


def domains(keys: Path) -> list[Domain]:
    """All of them; their RSA keys, which take a while to make, are kept in the file *keys*."""
    if not keys.exists():
        keys.write_bytes(pickle.dumps([rsa(number=number) for number in range(NUMBER)]))
    pairs: list[Pair] = pickle.loads(keys.read_bytes())
    return [Domain(number, pair, ed25519(number) if number % 20 == 0 else None) for number, pair in enumerate(pairs)]


def zone(senders: list[Domain]) -> str:
    """The root zone, with everything in it."""
    return ROOT + _providers() + "".join(map(_records, senders))


def _providers() -> str:
    """Whom some domains include: each is spread over two records of eight networks, and matches nobody here."""
    lines = []
    for provider in range(5):
        here = f"_spf.provider{provider}.{BASE}"
        lines.append(_txt(here, f"v=spf1 include:a.{here} include:b.{here} ~all"))
        for part in range(2):
            networks = " ".join(f"ip4:198.18.{provider * 20 + part * 8 + each}.0/24" for each in range(8))
            lines.append(_txt(f"{'ab'[part]}.{here}", f"v=spf1 {networks} ~all"))
    return "".join(lines)


def _records(domain: Domain) -> str:
    name, address = domain.name, domain.address
    policy = ("none", "quarantine", "reject")[domain.number % 3]
    more = ("", "; adkim=s; aspf=s", "; sp=reject", f"; rua=mailto:dmarc@{name}")[domain.number % 4]
    lines = [
        f"{name}. A {address}\n{name}. MX 10 mail.{name}.\nmail.{name}. A {address}\n",
        f"{domain.number + 1}.2.0.192.in-addr.arpa. PTR mail.{name}.\n",
        f"{domain.number + 1}.113.0.203.in-addr.arpa. PTR pool-{domain.number}.{BASE}.\n",
        _txt(f"_dmarc.{name}", f"v=DMARC1; p={policy}{more}"),
        _txt(f"{RSA}._domainkey.{name}", f"v=DKIM1; k=rsa; p={domain.rsa.public}"),
        *(_txt(f"{where}{name}", text) for where, text in _spf(domain)),
    ]
    if domain.number % 10 == 9:
        lines.append(f"{address}._ok.{name}. A 127.0.0.2\n")
    if domain.ed25519:
        lines.append(_txt(f"{ED25519}._domainkey.{name}", f"v=DKIM1; k=ed25519; p={domain.ed25519.public}"))
    return "".join(lines)


def _spf(domain: Domain) -> list[tuple[str, str]]:
    """Its SPF records and where they are: of ten domains, three have one, the others need more questions."""
    name, own = domain.name, f"ip4:{domain.address}"
    shapes = {
        3: [
            ("", f"v=spf1 include:_spf.provider{domain.number % 5}.{BASE} include:_spf.{name} -all"),
            ("_spf.", f"v=spf1 {own} ~all"),
        ],
        5: [
            ("", f"v=spf1 include:_a.{name} -all"),
            ("_a.", f"v=spf1 include:_b.{name} ?all"),
            ("_b.", f"v=spf1 include:_c.{name} ?all"),
            ("_c.", f"v=spf1 {own} ?all"),
        ],
        6: [("", f"v=spf1 redirect=_r.{name}"), ("_r.", f"v=spf1 a:mail.{name} -all")],
        7: [("", "v=spf1 a mx ~all")],
        9: [("", f"v=spf1 exists:%{{i}}._ok.{name} mx -all")],
    }
    shapes |= {4: shapes[3], 8: shapes[7]}
    return shapes.get(domain.number % 10, [("", f"v=spf1 {own} ip4:198.51.100.0/25 -all")])


def _txt(name: str, text: str) -> str:
    strings = " ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))
    return f"{name}. TXT {strings}\n"
