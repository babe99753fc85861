"""``${authresults{…}}`` and the modifier that puts it on top of a message, where nobody else may have."""

from __future__ import annotations

import time
from ipaddress import ip_address

import pytest
from parts import exchange

from policyd.conversation import Conversation
from policyd.edits import AddHeader, ChangeHeader
from policyd.errors import PolicyError
from policyd.transaction import Client

ZONE = """\
pass.test           TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.pass.test    TXT "v=DMARC1; p=reject"
host.pass.test      A   192.0.2.1
1.2.0.192.in-addr.arpa PTR host.pass.test.
2.2.0.192.in-addr.arpa PTR host.pass.test.
"""
HEAD = "Authentication-Results: mx.here.test"


@pytest.fixture
def world():
    return World(ZONE, failing=["3.2.0.192.in-addr.arpa"])


class World(exchange.World):
    """Policies as text, and messages judged by them."""

    def judge(
        self, data, *fields, sender="user@pass.test", address="192.0.2.1", name="", helo="host.pass.test", **macros
    ):
        policy = f"primary_hostname = mx.here.test\nbegin acl\nacl_check_data:\n{data}"
        talk = Conversation(exchange.load(policy), self.services)
        talk.macros.update(macros)
        talk.connect(Client(ip_address(address) if address else None, name=name))
        talk.helo(helo)
        talk.mail(f"<{sender}>")
        talk.rcpt("<a@here.test>")
        talk.predata()
        for field in fields:
            header, _, value = field.partition(":")
            talk.header(header, value.encode("latin-1"))
        talk.end_of_headers()
        talk.end_of_message()
        return talk.edits


@pytest.mark.parametrize(
    ("before", "details", "field"),
    [
        ("", {}, "; none"),
        ("  warn spf = *\n", {}, ";\\n\tspf=pass smtp.mailfrom=pass.test"),
        ("  warn spf = *\n", {"sender": ""}, ";\\n\tspf=none smtp.helo=host.pass.test"),
        ("  warn spf_guess = *\n", {"sender": "a@host.pass.test"},
         ";\\n\tspf=pass (best guess record for domain) smtp.mailfrom=host.pass.test"),
        ("  warn spf = *\n       spf_helo = *\n", {"helo": "pass.test", "sender": "a@none.test"},
         ";\\n\tspf=none smtp.mailfrom=none.test;\\n\tspf=pass smtp.helo=pass.test"),
        ("  warn spf_helo = *\n       spf = *\n", {"helo": "pass.test", "sender": ""},
         ";\\n\tspf=pass smtp.helo=pass.test"),
        ("  warn condition = ${if def:sender_host_name}\n", {},
         ";\\n\tiprev=pass (host.pass.test) smtp.remote-ip=192.0.2.1"),
        ("", {"name": "mta.test"}, ";\\n\tiprev=pass (mta.test) smtp.remote-ip=192.0.2.1"),
        ("  warn condition = ${if def:sender_host_name}\n", {"address": "192.0.2.2"},
         ";\\n\tiprev=fail smtp.remote-ip=192.0.2.2"),
        ("  warn condition = ${if def:sender_host_name}\n", {"address": "192.0.2.3"},
         ";\\n\tiprev=temperror smtp.remote-ip=192.0.2.3"),
        ("  warn condition = ${if def:sender_host_name}\n", {"address": "192.0.2.4"},
         ";\\n\tiprev=fail smtp.remote-ip=192.0.2.4"),
        ("", {"address": ""}, "; none"),
        ("", {"auth_type": "PLAIN", "auth_authen": "bob"}, ";\\n\tauth=pass (PLAIN) smtp.auth=bob"),
        ("", {"auth_type": "PLAIN"}, ";\\n\tauth=pass (PLAIN, no id saved)"),
        ("", {"auth_type": "PLAIN", "auth_authen": "bob; spf=pass", "auth_author": "a@b.test"},
         ';\\n\tauth=pass (PLAIN) smtp.auth="bob; spf=pass" smtp.mailfrom=a@b.test'),
        ("  warn dmarc_status = *\n", {},
         ";\\n\tspf=pass smtp.mailfrom=pass.test;\\n\tdkim=none"
         ";\\n\tdmarc=pass header.from=pass.test policy.dmarc=reject"),
    ],
)  # fmt: skip
def test_the_item(world, before, details, field):
    """In Exim's order, and nothing that has not been checked."""
    world.judge(f"{before}  accept logwrite = ${{authresults{{mx.here.test}}}}\n", "From: a@pass.test", **details)
    assert world.logged == [HEAD + field]


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        ("$primary_hostname", "mx.here.test"),
        ("$h_subject:", '"x?y z"'),
        ("b\xfccher", '"b?cher"'),
        ("b\xc3\xbccher.test", "xn--bcher-kva.test"),
    ],
)
def test_whose_results_they_are(world, text, logged):
    world.judge(f"  accept logwrite = ${{authresults{{{text}}}}}\n", "Subject: x\ty z")
    assert world.logged == [f"Authentication-Results: {logged}; none"]


def test_a_name_is_needed(world):
    world.judge("  deny message = ${authresults{$h_x:}}\n")
    assert "authresults: the name of this host is empty" in world.logged[0]


# -- the modifier

MODIFIER = "  warn spf = *\n       authresults = $primary_hostname\n  accept\n"


def test_it_puts_the_field_on_top(world):
    (edit,) = world.judge(MODIFIER, "From: a@pass.test")
    assert edit == AddHeader("Authentication-Results", " mx.here.test;\n\tspf=pass smtp.mailfrom=pass.test", 0)


@pytest.mark.parametrize(
    "value",
    [
        "mx.here.test; spf=pass",
        "mx.here.test;\n\tspf=pass",
        "MX.Here.TEST; spf=pass",
        "mx.here.test 1; spf=pass",
        '"mx.here.test"1; spf=pass',
        "mx.here.test. ; spf=pass",
        "(comment) mx.here.test (comment) 1; spf=pass",
        "mx(comment).here.test; spf=pass",
        "mx . here . test; spf=pass",
        '"mx.here.test"; spf=pass',
        "mx.here.test/1; spf=pass",
        "mx.here.test",
        "",
        "; spf=pass",
        "(never closed mx.here.test; spf=pass",
        "=?utf-8?q?mx.here.test?=; spf=pass",
    ],
)
def test_what_claims_to_be_ours_goes(world, value):
    deletion, addition = world.judge(MODIFIER, f"Authentication-Results: {value}")
    assert deletion == ChangeHeader("Authentication-Results", 1)
    assert (addition.name, addition.index) == ("Authentication-Results", 0)
    assert ("auth_results_headers_removed_total", "authentication-results") in world.counts.events


@pytest.mark.parametrize(
    "value",
    [
        "other.test; spf=pass",
        "here.test; none",
        "amx.here.test; none",
        "x (mx.here.test); none",
        'x "mx.here.test"; none',
    ],
)
def test_what_others_say_stays(world, value):
    (edit,) = world.judge(MODIFIER, f"Authentication-Results: {value}")
    assert isinstance(edit, AddHeader)
    assert not [entry for entry in world.counts.events if entry[0].startswith("auth_results")]


@pytest.mark.parametrize(
    ("value", "goes"),
    [
        ("pass (mx.here.test: domain of a@bank.test designates 192.0.2.1 as permitted sender)", True),
        ("pass receiver=mx.here.test", True),
        ('pass receiver = "MX.here.TEST."', True),
        ("pass receiver=id.test", True),
        ("pass", True),
        ("pass client-ip=192.0.2.1", True),
        ("pass receiver=other.test", False),
        ("pass (other.test: designates 192.0.2.1) client-ip=192.0.2.1", False),
    ],
)
def test_a_forged_result_of_spf_goes_too(world, value, goes):
    """By the ID, or by the name that our own field has."""
    edits = world.judge("  accept authresults = id.test\n", f"Received-SPF: {value}")
    assert (edits[0] == ChangeHeader("Received-SPF", 1)) is goes
    assert (("auth_results_headers_removed_total", "received-spf") in world.counts.events) is goes


def test_our_own_result_of_spf_stays(world):
    policy = "  warn spf = *\n       add_header = :at_start:$spf_received\n" + MODIFIER
    edits = world.judge(policy, "Received-SPF: pass receiver=mx.here.test")
    deletion, *additions = edits
    assert deletion == ChangeHeader("Received-SPF", 1)
    assert [(type(edit), edit.name) for edit in additions] == [
        (AddHeader, "Authentication-Results"),
        (AddHeader, "Received-SPF"),
    ]


def test_names_in_unicode(world):
    """The same name in A-labels and in U-labels."""
    policy = "  accept authresults = b\xc3\xbccher.test\n"
    for value in ("xn--bcher-kva.test; none", "b\xc3\xbccher.test; none", "B\xc3\x9cCHER.test; none"):
        assert len(world.judge(policy, f"Authentication-Results: {value}")) == 2


def test_forgeries_go_from_the_last_to_the_first(world):
    """Each deletion moves the numbers of those below it."""
    fields = ["mx.here.test; a=b", "other.test; a=b", "MX.HERE.TEST; a=b", "other.test; a=b", "mx.here.test; a=b"]
    names = ["Authentication-Results", "authentication-results", "AUTHENTICATION-RESULTS", "Authentication-Results"]
    edits = world.judge(MODIFIER, *[f"{names[n % 4]}: {value}" for n, value in enumerate(fields)])
    assert [edit.index for edit in edits] == [5, 3, 1, 0]
    assert [edit.name.lower() for edit in edits] == ["authentication-results"] * 4
    assert edits[-1].value.startswith(" mx.here.test;")


def test_forgeries_and_a_removal_of_all(world):
    policy = "  warn remove_header = Authentication-Results\n" + MODIFIER
    edits = world.judge(policy, "Authentication-Results: mx.here.test; a=b", "Authentication-Results: other.test; a=b")
    assert [edit.index for edit in edits] == [2, 1, 0]


def test_many_forgeries(world):
    start = time.process_time()
    edits = world.judge(MODIFIER, *["Authentication-Results: mx.here.test; a=b"] * 50_000)
    assert len(edits) == 50_001
    assert time.process_time() - start < 10


@pytest.mark.parametrize("phase", ["mail", "rcpt", "predata"])
def test_where_it_may_not_stand(world, phase):
    with pytest.raises(PolicyError, match="authresults"):
        exchange.load(f"begin acl\nacl_check_{phase}:\n  accept authresults = x\n")
