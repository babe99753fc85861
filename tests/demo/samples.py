"""The messages that the demo sends, and the verdict that each deserves under the shipped policy."""

from __future__ import annotations

from dataclasses import dataclass

from parts.signing import ed25519, signed

RECIPIENT = "you@here.example"
LIST = "friends@here.example"
KEY = ed25519()


@dataclass(frozen=True, slots=True)
class Sample:
    """One message. *phase*, *verdict* and *code* are what must come of it.

    *client* is empty for one from this host. *connections*: how many clients
    of that address come before this one, at once. *recipients*: how many;
    *recipient*: the last of them. *author*: the address in From:, if it is not
    the sender; *signer*: whose DKIM signature the message has; *fields*: further
    header fields.
    """

    title: str
    client: str
    helo: str
    sender: str
    phase: str
    verdict: str
    code: int
    connections: int = 0
    recipients: int = 1
    recipient: str = RECIPIENT
    author: str = ""
    signer: str = ""
    fields: tuple[str, ...] = ()

    @property
    def message(self) -> bytes:
        """Header and body."""
        names = {"From": self.author or self.sender, "To": self.recipient, "Subject": self.title}
        lines = [*(f"{name}: {value}" for name, value in names.items()), *self.fields, "", "Hello.", ""]
        message = "\r\n".join(lines).encode()
        return signed(message, KEY, d=self.signer, a="ed25519-sha256") if self.signer else message


SAMPLES = (
    Sample("SPF says pass", "192.0.2.10", "mx.good.example", "alice@good.example", "data", "accept", 250),
    Sample("SPF says fail: forged", "198.51.100.66", "mx.evil.example", "alice@good.example", "mail", "reject", 550),
    Sample("SPF says softfail", "198.51.100.67", "mx.other.example", "bob@unsure.example", "data", "accept", 250),
    Sample("no SPF record", "198.51.100.68", "mx.plain.example", "carol@plain.example", "data", "accept", 250),
    Sample("SPF cannot be found", "198.51.100.69", "mx.broken.example", "dan@broken.example", "mail", "defer", 451),
    Sample("bounce, forged HELO", "198.51.100.70", "good.example", "", "mail", "reject", 550),
    Sample("listed sender", "198.51.100.71", "mx.plain.example", "win@lottery.example", "mail", "reject", 550),
    Sample("listed client", "203.0.113.7", "mx.plain.example", "erin@plain.example", "connect", "reject", 550),
    Sample("fifth connection", "192.0.2.20", "mx.plain.example", "fay@plain.example", "connect", "defer", 451, 4),
    Sample("tenth recipient", "192.0.2.30", "mx.plain.example", "gus@plain.example", "rcpt", "defer", 451, 0, 10),
    Sample("DKIM says pass", "192.0.2.40", "mx.plain.example", "x@plain.example", "data", "accept", 250,
           author="kim@strict.example", signer="strict.example"),
    Sample("DMARC says reject", "192.0.2.41", "mx.plain.example", "x@plain.example", "data", "reject", 550,
           author="kim@strict.example"),
    Sample("the same by a list", "192.0.2.42", "mx.plain.example", "x@plain.example", "data", "hold", 250,
           author="kim@strict.example", fields=("List-Id: <chat.plain.example>",)),
    Sample("p=reject, to a list", "192.0.2.12", "mx.strict.example", "kim@strict.example", "data", "reject", 550,
           recipient=LIST),
    Sample("p=none, to a list", "192.0.2.10", "mx.good.example", "alice@good.example", "data", "accept", 250,
           recipient=LIST),
    Sample("our own host, SPF fail", "", "localhost", "alice@good.example", "data", "accept", 250),
)  # fmt: skip

MACROS = {  # 00-local.conf of the demo: small limits, so that few messages reach them
    "CONNECTION_LIMIT": "4",
    "RECIPIENT_LIMIT": "9",
    "BLOCKED_CLIENTS": "203.0.113.0/24",
    "BLOCKED_SENDERS": "*@lottery.example",
    "MAILING_LISTS": LIST,
}

HEAD = """\
$TTL 300
@ SOA ns.here.example. hostmaster.here.example. 1 3600 600 86400 300
@ NS ns.here.example.
"""

ZONES = {
    "good.example": HEAD + '@ TXT "v=spf1 ip4:192.0.2.10 mx -all"\n@ MX 10 mx\nmx A 192.0.2.10\n',
    "strict.example": HEAD
    + '@ TXT "v=spf1 ip4:192.0.2.12 -all"\n_dmarc TXT "v=DMARC1; p=reject"\n'
    + f's._domainkey TXT "v=DKIM1; k=ed25519; p={KEY.public}"\n',
    "unsure.example": HEAD + '@ TXT "v=spf1 ip4:192.0.2.11 ~all"\n',
    "plain.example": HEAD + "@ MX 10 mx\nmx A 198.51.100.68\n",
    "broken.example": "this is no zone file: the server answers SERVFAIL\n",
}
