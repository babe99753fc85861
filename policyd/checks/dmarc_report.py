"""DMARC failure reports: who wants them, who may get them, and what they say.  RFC 9991, in the format of RFC 6591."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from urllib.parse import unquote

from policyd.checks.dmarc import DmarcOutcome, DmarcResult, mail_domain
from policyd.checks.dmarc_history import Reception, Signed
from policyd.checks.dmarc_record import DmarcRecord, Psd, parse_record
from policyd.mail.authres import plain
from policyd.mail.octets import visible
from policyd.resolver import DnsTemporary, Resolver

MAX_RECIPIENTS = 5  # of one report
MAX_HEADER = 65536  # octets of the message's own header
MAX_LINE = 998  # RFC 5322 2.1.1

ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@([A-Za-z0-9._-]{1,253})")  # RFC 5321 4.1.2, unquoted

Organization = Callable[[str], str]
"""The organizational domain of a domain. Raises `DnsTemporary`."""


def is_wanted(outcome: DmarcOutcome) -> bool:
    """Whether the domain's owner has asked for a report of this outcome (RFC 9989 4.7, ``fo``).

    Never for a public suffix (RFC 9991 section 2). Reports about SPF or DKIM
    alone, ``s`` and ``d``, are not offered.
    """
    record = outcome.record
    if record is None or not record.ruf or record.psd is Psd.YES:
        return False
    if outcome.result is DmarcResult.FAIL:
        return bool(record.fo & {"0", "1"})
    return (
        outcome.result is DmarcResult.PASS and "1" in record.fo and not (outcome.spf_aligned and outcome.dkim_aligned)
    )


# -- to whom


def recipients(resolver: Resolver, record: DmarcRecord, used: str, organization: Organization) -> list[str]:
    """The addresses that the record of the domain *used* names, and that have agreed (RFC 9990 section 4).

    Who is of another organization has to say so in DNS; where that cannot be
    found out, the answer is no.
    """
    found: list[str] = []
    for address in addresses(record.ruf)[:MAX_RECIPIENTS]:
        try:
            found += _agreed(resolver, address, used, organization)
        except DnsTemporary:
            continue
    return found


def addresses(uris: Sequence[str]) -> list[str]:
    """The addresses of ``mailto:`` URIs that are plain ones, each once."""
    found: dict[str, None] = {}
    for uri in uris:
        scheme, _, rest = uri.partition(":")
        address = unquote(rest.partition("?")[0])
        parts = ADDRESS.fullmatch(address)
        if scheme.lower() == "mailto" and parts and mail_domain(parts[1]):
            found[address] = None
    return list(found)


def _agreed(resolver: Resolver, address: str, used: str, organization: Organization) -> list[str]:
    """The address, when it may be sent to, or the one its domain names instead. Raises `DnsTemporary`."""
    domain = mail_domain(address.rpartition("@")[2])
    if domain == used or organization(domain) == organization(used):
        return [address]
    answer = resolver.lookup("TXT", f"{used}._report._dmarc.{domain}")
    texts = (b"".join(strings).decode("latin-1") for strings in answer.records)
    consents = [record for text in texts if (record := parse_record(text)) is not None]
    if not consents:
        return []
    others = [other for record in consents for other in addresses(record.ruf)]
    return [other for other in others if mail_domain(other.rpartition("@")[2]) == domain][:1] or [address]


# -- what


@dataclass(frozen=True, slots=True)
class FailureReport:
    """What a report is made of. *mail_from*: empty for the null sender. *header*: the message's, as it came.

    *results*: an ``Authentication-Results:`` field. *spf_record*: what the sender's
    domain publishes, if SPF should have spoken for the author.
    """

    outcome: DmarcOutcome
    reception: Reception
    mail_from: str
    results: str
    header: str
    spf_record: str = ""
    port: int = 0

    def message(self, sender: str, recipient: str, unique: str) -> bytes:
        """The whole message. *unique*: letters and digits that nobody could have guessed."""
        boundary = f"=_{unique}"
        parts = (self._explanation(), "\n".join(self._fields()) + "\n", self.header[:MAX_HEADER])
        types = ("text/plain", "message/feedback-report", "text/rfc822-headers")
        lines = [
            *self._top(sender, recipient, unique, boundary),
            *(f"--{boundary}\n{_part(kind, text)}" for kind, text in zip(types, parts, strict=True)),
            f"--{boundary}--\n",
        ]
        return "\n".join(lines).encode("latin-1").replace(b"\n", b"\r\n")

    def _top(self, sender: str, recipient: str, unique: str, boundary: str) -> Iterator[str]:
        found = self.reception
        yield f"From: {visible(sender)}"
        yield f"To: {recipient}"
        yield f"Date: {formatdate(found.received)}"
        yield f"Message-ID: <{unique}@{mail_domain(found.reporter) or 'localhost'}>"
        yield f"Subject: DMARC Forensic Report for {self.outcome.author} from IP {found.address}"
        yield "Auto-Submitted: auto-generated"
        yield "MIME-Version: 1.0"
        yield f'Content-Type: multipart/report; report-type=feedback-report;\n\tboundary="{boundary}"\n'

    def _explanation(self) -> str:
        outcome, found = self.outcome, self.reception
        return (
            f"This is an authentication failure report about a message that was received\n"
            f"from {found.address} on {formatdate(found.received)}.\n\n"
            f"Author domain: {outcome.author}\n"
            f"DMARC: {outcome.result} (policy {outcome.published})\n"
            f"SPF alignment: {'yes' if outcome.spf_aligned else 'no'}\n"
            f"DKIM alignment: {'yes' if outcome.dkim_aligned else 'no'}\n"
        )

    def _fields(self) -> Iterator[str]:
        """RFC 6591 3.1 and 3.2, RFC 9991 section 4."""
        outcome, found = self.outcome, self.reception
        yield "Feedback-Type: auth-failure"
        yield "User-Agent: policyd"
        yield "Version: 1"
        yield "Auth-Failure: dmarc"
        yield self.results
        yield f"Identity-Alignment: {', '.join(self._unaligned()) or 'none'}"
        yield f"Original-Envelope-Id: {plain(found.job, 100) or 'none'}"
        yield f"Original-Mail-From: <{plain(self.mail_from, 320)}>"
        yield f"Arrival-Date: {formatdate(found.received)}"
        yield f"Source-IP: {found.address}"
        if self.port:
            yield f"Source-Port: {self.port}"  # RFC 6692
        yield f"Reported-Domain: {outcome.author}"
        if not outcome.dkim_aligned and (signed := self._failed_signature()):
            yield f"DKIM-Domain: {plain(signed.domain, 253)}"
            yield f"DKIM-Identity: {plain(signed.identity, 320) or plain('@' + signed.domain, 254)}"
            yield f"DKIM-Selector: {plain(signed.selector, 253)}"
        if self.spf_record:
            quoted = plain(self.spf_record, 500).replace("\\", "\\\\").replace('"', '\\"')
            yield f'SPF-DNS: txt : {plain(found.sender_domain, 253)} : "{quoted}"'

    def _unaligned(self) -> Iterator[str]:
        if not self.outcome.dkim_aligned:
            yield "dkim"
        if not self.outcome.spf_aligned:
            yield "spf"

    def _failed_signature(self) -> Signed | None:
        """The first signature by the author's domain, or one above or below it, that did not pass."""
        author = self.outcome.author
        for signed in self.reception.signatures:
            if signed.result != "pass" and related(signed.domain, author):
                return signed
        return None


def related(one: str, other: str) -> bool:
    """Whether one of two domains is the other, or below it."""
    first, second = (f".{mail_domain(name)}" for name in (one, other))
    return len(min(first, second, key=len)) > 1 and (first.endswith(second) or second.endswith(first))


def _part(kind: str, text: str) -> str:
    """A part of a multipart message; what is not plain ASCII, or has too long lines, in base64."""
    head = f"Content-Type: {kind}"
    line = text.replace("\n", "").replace("\t", "")
    is_plain = visible(line) == line
    if is_plain and max(map(len, text.split("\n"))) <= MAX_LINE:
        return f"{head}\n\n{text}"
    octets = text.replace("\n", "\r\n").encode("latin-1")
    return f"{head}\nContent-Transfer-Encoding: base64\n\n{base64.encodebytes(octets).decode('ascii')}"
