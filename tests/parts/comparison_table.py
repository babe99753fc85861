"""What policyd and the milters it replaces say about the same messages, as a page; and why they differ."""

from __future__ import annotations

from collections.abc import Mapping

NULL = (
    "RFC 7208 2.4: with the null sender, MAIL FROM is postmaster at the HELO name; pyspf-milter takes the name of the"
    " client's address for it"
)
KEYLESS = (
    "RFC 6376 3.6.1, 6.1.2 and RFC 8601 2.7.1: a key that is missing, revoked or not for this use is a permanent error;"
    " `fail` is a signature that does not verify"
)
SYNTAX = "RFC 6376 3.5, 6.1.1: a signature that cannot be read is a permanent error, as for them one without `bh=`"
IGNORED = "RFC 6376 3.3.4 and RFC 8601 2.7.1: a signature that this host has no way to process is `neutral`"
SHA1 = "RFC 8301 3.1: rsa-sha1 must not be used to verify; RFC 8601 2.7.1: `policy`, what a receiver does not take"
LENGTH = (
    "RFC 6376 8.2: what is behind `l=` is anybody's; RFC 8601 2.7.1: `policy`, as for whatever a receiver does not take"
)
BASE64 = "RFC 6376 2.10: `!` is no base64; OpenDKIM passes over it"
FOLLOWS = "as DKIM does not pass there"
LETTER = "RFC 9989 4.4, 4.10.2: forwarder.test is not a.test; OpenDMARC takes them for aligned, but not with home.test"
INVALID = "RFC 9989 4.10.1: a record with an invalid `p` and no `rua` does not apply"
REPORTED = "RFC 9989 4.10.1: a record with an invalid `p` and a valid `rua` means `p=none`"
AUTHORS = (
    "RFC 9989 5.3.1, 11.5: a receiver may go on where there are several author domains;"
    " policyd evaluates each, and the strictest outcome counts"
)
NO_AUTHOR = (
    "RFC 9989 5.3.1, 9.2: without an author domain there is nothing to evaluate, now or later; OpenDMARC writes nothing"
)
LITERAL = "RFC 9989 5.3.1: an address literal is no author domain"
UNSIGNED = "RFC 8601 2.7.1: a message without a signature is `none`, whatever its From"
FORGED = "RFC 8601 5: what claims to come from this host is removed; their chain keeps it beside its own"

EXPLAINED: dict[tuple[str, str], tuple[str, str, str]] = {
    ("null sender, HELO allowed", "spf"): ("none", "pass", NULL),
    ("null sender, HELO forbidden", "spf"): ("none", "fail", NULL),
    ("null sender, HELO aligned", "spf"): ("none", "pass", NULL),
    ("null sender, HELO aligned", "dmarc"): ("fail", "pass", "as SPF has no result for them"),
    ("no key", "dkim"): ("fail", "permerror", KEYLESS),
    ("key revoked", "dkim"): ("fail", "permerror", KEYLESS),
    ("key of another version", "dkim"): ("fail", "permerror", KEYLESS),
    ("key for another service", "dkim"): ("fail", "permerror", KEYLESS),
    ("key for SHA-1 only", "dkim"): ("fail", "permerror", KEYLESS),
    ("key for its domain only, i= elsewhere", "dkim"): ("fail", "permerror", KEYLESS),
    ("rsa-sha1", "dkim"): ("pass", "policy", SHA1),
    ("rsa-sha1", "dmarc"): ("pass", "fail", FOLLOWS),
    ("unknown algorithm", "dkim"): ("permerror", "neutral", IGNORED),
    ("l= leaves something out", "dkim"): ("pass", "policy", LENGTH),
    ("l= leaves something out", "dmarc"): ("pass", "fail", FOLLOWS),
    ("l= is too much", "dkim"): ("fail", "permerror", "RFC 6376 3.5: `l=` must not exceed the body"),
    ("no d=", "dkim"): ("-", "permerror", SYNTAX),
    ("signature of nonsense", "dkim"): ("-", "permerror", SYNTAX),
    ("b= of nonsense", "dkim"): ("pass", "permerror", BASE64),
    ("b= of nonsense", "dmarc"): ("pass", "fail", FOLLOWS),
    ("DMARC a: not aligned", "dmarc"): ("pass", "fail", LETTER),
    ("DMARC broken: aligned by SPF", "dmarc"): ("permerror", "none", INVALID),
    ("DMARC broken: not aligned", "dmarc"): ("permerror", "none", INVALID),
    ("DMARC reporting: aligned by SPF", "dmarc"): ("permerror", "pass", REPORTED),
    ("DMARC reporting: not aligned", "dmarc"): ("permerror", "fail", REPORTED),
    ("From: two addresses of two domains", "dmarc"): ("-", "fail", AUTHORS),
    ("From: an empty group", "dkim"): ("permerror", "none", UNSIGNED),
    ("From: an empty group", "dmarc"): ("-", "permerror", NO_AUTHOR),
    ("From: no domain", "dkim"): ("permerror", "none", UNSIGNED),
    ("From: no domain", "dmarc"): ("-", "permerror", NO_AUTHOR),
    ("From: no address", "dkim"): ("permerror", "none", UNSIGNED),
    ("From: no address", "dmarc"): ("-", "permerror", NO_AUTHOR),
    ("From: an address literal", "dmarc"): ("none", "permerror", LITERAL),
    ("From: missing", "dkim"): ("permerror", "none", UNSIGNED),
    ("From: missing", "dmarc"): ("-", "permerror", NO_AUTHOR),
    ("From: twice", "dmarc"): ("pass", "fail", AUTHORS),
    ("forged results", "spf"): ("fail, pass", "fail", FORGED),
    ("forged results", "dmarc"): ("fail, pass", "fail", FORGED),
}
"""By message and method: what they say, what policyd says, and what decides it."""

INTRODUCTION = """\
# policyd beside the milters it replaces

One Postfix gave {messages} messages to Debian's pyspf-milter, OpenDKIM and OpenDMARC, in this order, and to policyd.
The table is what their Authentication-Results fields say, all of it measured by `tests/e2e/test_comparison.py`, which
fails when this page is stale. Where two results stand, the first is theirs, and the second, in bold, is policyd's; a
dash is no result. There are {differences} differences, each with its reason [below](#differences).

None of the three verifies ARC: there, dkimpy's answer about the same message stands for theirs. Both sides ask unbound
in front of nsd. OpenDMARC has a public suffix list with the one suffix that the messages use.

| message | SPF | DKIM | DMARC | ARC |
|---|---|---|---|---|
"""

Results = Mapping[str, str]


def page(measured: Mapping[str, tuple[Results, Results]]) -> str:
    """The whole page. *measured*: by message, what they say and what policyd says, by method."""
    rows = [f"| {name} | {' | '.join(_cells(theirs, ours))} |\n" for name, (theirs, ours) in measured.items()]
    head = INTRODUCTION.format(messages=len(measured), differences=len(EXPLAINED))
    reasons = "| message | method | they | policyd | what decides it |\n|---|---|---|---|---|\n" + "".join(
        f"| {name} | {method.upper()} | {theirs} | {ours} | {why} |\n"
        for (name, method), (theirs, ours, why) in EXPLAINED.items()
    )
    return f"{head}{''.join(rows)}\n## Differences\n\n{reasons}"


def _cells(theirs: Results, ours: Results) -> list[str]:
    """A cell for each method."""
    return [said if said == ours[method] else f"{said} / **{ours[method]}**" for method, said in theirs.items()]
