"""The DKIM ACL, its words, and their view of a message: what a live Exim shows, and where policyd goes further."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from ipaddress import ip_address

import pytest
from parts import exchange
from parts.signing import Records, ed25519, parted, rsa, signed

from policyd.conversation import Conversation, Reply
from policyd.errors import PolicyError
from policyd.language.verdict import Outcome
from policyd.mail.authres import written
from policyd.policy import Phase
from policyd.transaction import Client, Connection, Transaction

KEY, ED = rsa(2048), ed25519()
MESSAGE = b"From: a@a.test\r\nTo: b@b.test\r\nSubject:  hello\r\n\r\nHello  there. \r\n\r\nBye\r\n\r\n"
NOW = 1_800_000_000.0
RECORDS = {
    "s._domainkey.a.test": f"v=DKIM1; p={KEY.public}",
    "s._domainkey.b.test": f"v=DKIM1; k=rsa; t=y; n=my notes; s=email; g=us*; p={KEY.public}",
    "e._domainkey.a.test": f"k=ed25519; p={ED.public}",
    "strict._domainkey.a.test": f"t=s; p={KEY.public}",
    "s._domainkey.xn--bcher-kva.test": f"v=DKIM1; p={KEY.public}",
    "failing._domainkey.a.test": None,
}
PASS = signed(MESSAGE, KEY)
FAIL = PASS.replace(b"hello", b"jello")
BODY = PASS + b"footer\r\n"
SHA1 = signed(MESSAGE, KEY, a="rsa-sha1")
NO_KEY = signed(MESSAGE, KEY, s="nosuch")
NO_DNS = signed(MESSAGE, KEY, s="failing")
SYNTAX = signed(MESSAGE, KEY, v=None)
PARTLY = signed(MESSAGE, KEY, l="5")
UNKNOWN = signed(MESSAGE, KEY, q="http")
SEVERAL = signed(
    signed(signed(MESSAGE, ED, s="e", a="ed25519-sha256", i="Joe@a.test"), KEY, d="b.test", i="j:k@sub.b.test"), KEY
)


class World(exchange.World):
    """Policies as text, and messages put to them."""

    def __init__(self) -> None:
        super().__init__()
        self.records = Records(RECORDS)
        self.services = replace(self.services, resolver=self.records, clock=lambda: NOW)

    def talk(self, policy: str) -> Conversation:
        """A session that has got as far as DATA."""
        talk = Conversation(exchange.load(policy), self.services)
        talk.connect(Client(ip_address("192.0.2.1")))
        talk.helo("client.test")
        talk.mail("<a@a.test>")
        talk.rcpt("<b@b.test>")
        talk.predata()
        return talk

    def judge(self, policy: str, message: bytes, chunk: int = 65535) -> Reply:
        """What the policy says of a message."""
        talk = self.talk(policy)
        feed(talk, message, chunk)
        return talk.end_of_message()

    def dkim(self, statements: str, message: bytes, data: str = "accept", options: str = "") -> Reply:
        """The same for these statements of a DKIM ACL, and perhaps a DATA ACL."""
        return self.judge(f"{options}begin acl\nacl_check_dkim:\n{statements}\nacl_check_data:\n  {data}\n", message)


def feed(talk: Conversation, message: bytes, chunk: int = 65535) -> None:
    fields, body = parted(message)
    for name, value in fields:
        talk.header(name, value.encode("latin-1"))
    talk.end_of_headers()
    for start in range(0, len(body), chunk):
        talk.body(body[start : start + chunk])


@pytest.fixture
def world() -> World:
    return World()


# -- the runs of the ACL

RUN = "  accept logwrite = $dkim_cur_signer/$dkim_selector/$dkim_verify_status"


@pytest.mark.parametrize(
    ("message", "runs"),
    [
        (MESSAGE, []),
        (PASS, ["a.test/s/pass"]),
        (FAIL, ["a.test/s/fail"]),
        (signed(MESSAGE, KEY, i="@a.test"), ["a.test/s/pass", "@a.test/s/pass"]),
        (  # Ed25519 first, then from the top; each signer once, but for each of its signatures
            SEVERAL,
            ["a.test/e/pass", "a.test/s/pass", "Joe@a.test/e/pass", "b.test/s/pass", "j:k@sub.b.test/s/pass"],
        ),
        (signed(PASS, KEY), ["a.test/s/pass", "a.test/s/pass"]),
        (signed(PASS, KEY, d="A.TEST"), ["A.TEST/s/pass"] * 2 + ["a.test/s/pass"] * 2),
        (SHA1, []),  # a signature of that kind is none
        (signed(PASS, KEY, a="rsa-sha1"), ["a.test/s/pass"]),
        (SYNTAX, ["a.test/s/invalid"]),
        (signed(MESSAGE, KEY, d="nonsense"), ["nonsense/s/invalid"]),
        (signed(MESSAGE, KEY, d="no/name"), []),
    ],
)
def test_runs(world: World, message: bytes, runs: list[str]) -> None:
    world.dkim(RUN, message)
    assert world.logged == runs


@pytest.mark.parametrize(
    ("signers", "runs"),
    [
        ("x.test:a.test", ["x.test//none", "a.test/e/pass", "a.test/s/pass"]),
        ("JOE@A.test", ["JOE@A.test/e/pass"]),
        ("b.test:b.test:B.test", ["b.test/s/pass", "B.test/s/pass"]),
        ("<; a.test ; ; x.test", ["a.test/e/pass", "a.test/s/pass", "x.test//none"]),
        ("$sender_address_domain", ["a.test/e/pass", "a.test/s/pass"]),
        ("${if eq{$dkim_signers}{}{}{some}}", ["some//none"]),
        ("", []),
        ("${if eq{1}{2}{a}fail}", ['expansion of dkim_verify_signers option failed: "if" failed and "fail" requested']),
    ],
)
def test_dkim_verify_signers(world: World, signers: str, runs: list[str]) -> None:
    world.dkim(RUN, SEVERAL, options=f"dkim_verify_signers = {signers}\n")
    assert world.logged == runs


def test_lists_of_signers(world: World) -> None:
    data = "accept logwrite = $dkim_signers|$dkim_verify_signers"
    world.dkim(RUN.replace("/$dkim_selector", ""), PASS, data, "dkim_verify_signers = x.test:$dkim_signers\n")
    assert world.logged == ["x.test/none", "a.test/pass", "a.test|x.test:a.test"]
    world.log.lines.clear()
    world.judge("begin acl\nacl_check_data:\n  accept logwrite = $dkim_signers", SEVERAL)
    assert world.logged == ["a.test:Joe@a.test:a.test:b.test:j::k@sub.b.test"]


@pytest.mark.parametrize(
    ("statements", "outcome", "code", "logged"),
    [
        ("  accept", Outcome.OK, 0, []),
        ("  deny message = no $dkim_cur_signer", Outcome.FAIL, 550, ["rejected DKIM : no a.test"]),
        ("  deny message = 551 5.7.20 no", Outcome.FAIL, 551, ["rejected DKIM : 551 5.7.20 no"]),
        ("  defer message = wait", Outcome.DEFER, 451, ["temporarily rejected DKIM : wait"]),
        ("  drop message = bye", Outcome.DROP, 550, ["rejected DKIM : bye"]),
        ("  discard", Outcome.DISCARD, 0, ["DKIM : discarded by DKIM ACL"]),
        ("  warn", Outcome.FAIL, 550, ["rejected DKIM "]),  # running off the end
        ("  accept dkim_signers = a.test\n  deny", Outcome.FAIL, 550, ["rejected DKIM "]),  # the second signer
        ("  accept condition = ${nosuch:x}", None, 0, []),
    ],
)
def test_verdicts(world: World, statements: str, outcome: Outcome | None, code: int, logged: list[str]) -> None:
    if outcome is None:
        with pytest.raises(PolicyError):
            world.dkim(statements, PASS)
        return
    reply = world.dkim(statements, signed(MESSAGE, KEY, i="@a.test"), "accept logwrite = data")
    assert (reply.outcome, reply.code) == (outcome, code)
    assert [line.removeprefix("H=(client.test) [192.0.2.1] ") for line in world.logged] == (logged or ["data"])


def test_the_option_names_the_acl(world: World) -> None:
    policy = "acl_smtp_dkim = mine\nbegin acl\nmine:\n  deny\nacl_check_dkim:\n  accept\n"
    assert world.judge(policy, PASS).outcome is Outcome.FAIL


def test_headers_that_it_adds(world: World) -> None:
    """They are seen by the DATA ACL, but not by the next run; equal ones are added once."""
    statements = "  warn logwrite = <$h_X-D:> $headers_added\n  accept add_header = X-D: $dkim_domain"
    data = "accept logwrite = $h_X-D:|$headers_added"
    world.dkim(statements, signed(SEVERAL, KEY, i="@a.test"), data)
    assert world.logged[:3] == ["<> ", "<> X-D: a.test", "<> X-D: a.test"]
    assert world.logged[-1] == "a.test\\nb.test|"


def test_acl_variables_last(world: World) -> None:
    world.dkim("  accept set acl_m_n = ${eval:0$acl_m_n+1}", SEVERAL, "accept logwrite = $acl_m_n")
    assert world.logged == ["5"]


def test_nobody_left(world: World) -> None:
    policy = "begin acl\nacl_check_rcpt:\n  discard\nacl_check_dkim:\n  accept logwrite = run\n"
    assert world.judge(policy, PASS).outcome is Outcome.DISCARD
    assert not [line for line in world.logged if line == "run"]


# -- what it is told

NAMES = ["domain", "identity", "selector", "algo", "canon_headers", "canon_body", "headernames", "copiedheaders"]
NUMBERS = ["bodylength", "created", "expires"]
OF_KEY = ["testing", "nosubdomains", "srvtype", "granularity", "notes", "length"]
ALL = [f"$dkim_{name}" for name in [*NAMES, *NUMBERS, *[f"key_{name}" for name in OF_KEY], "verify_reason"]]
NOTHING = "|||||||" + "|9999999999999|0|9999999999999" + "|0|0|*|*||0|"


@pytest.mark.parametrize(
    ("message", "logged"),
    [
        (
            signed(MESSAGE, KEY, d="b.test", i="x@b.test", t="1799999999", x="1800009999", z="From:a=40a.test | To:b"),
            "b.test|x@b.test|s|rsa-sha256|relaxed|relaxed|from:to:subject|From:a=40a.test|To:b"
            "|9999999999999|1799999999|1800009999|1|0|email|us*|my notes|2048|",
        ),
        (
            signed(MESSAGE, ED, s="e", a="ed25519-sha256", c="simple/relaxed", h="From:X", l="21"),
            "a.test||e|ed25519-sha256|simple|relaxed|From:X||21|0|9999999999999|0|0|*|*||256|",
        ),
        (
            signed(MESSAGE, KEY, s="strict", i="@x.a.test", c="simple"),
            "a.test|@x.a.test|strict|rsa-sha256|simple|simple|from:to:subject||9999999999999|0|9999999999999"
            "|0|1|*|*||2048|pubkey_mismatch",
        ),
        (SYNTAX, "a.test||s|rsa-sha256|relaxed|relaxed|from:to:subject|" + NOTHING[7:-1] + "|signature_syntax"),
        (MESSAGE, NOTHING),
    ],
)
def test_variables(world: World, message: bytes, logged: str) -> None:
    who = "b.test" if b"d=b.test" in message else "a.test"
    world.dkim(f"  accept logwrite = {'|'.join(ALL)}", message, options=f"dkim_verify_signers = {who}\n")
    assert world.logged == [logged]


def test_variables_elsewhere(world: World) -> None:
    world.talk(f"begin acl\nacl_check_rcpt:\n  accept logwrite = {'|'.join(ALL)}<$dkim_verify_status$dkim_signers>\n")
    assert world.logged == [f"{NOTHING}<>"]


def test_variables_keep_their_values_in_data(world: World) -> None:
    world.dkim("  accept", SEVERAL, "accept logwrite = $dkim_cur_signer $dkim_domain $dkim_selector")
    assert world.logged == ["j:k@sub.b.test b.test s"]


# -- dkim_status


@pytest.mark.parametrize(
    ("message", "status", "reason", "names"),
    [
        (PASS, "pass", "", ["pass"]),
        (FAIL, "fail", "signature_incorrect", ["fail"]),
        (BODY, "fail", "bodyhash_mismatch", ["fail"]),
        (NO_KEY, "invalid", "pubkey_unavailable", ["invalid", "permerror"]),
        (NO_DNS, "invalid", "pubkey_unavailable", ["invalid", "temperror"]),
        (SYNTAX, "invalid", "signature_syntax", ["invalid", "permerror"]),
        (PARTLY, "invalid", "body_partly_signed", ["invalid", "policy"]),
        (UNKNOWN, "invalid", "signature_unknown", ["invalid", "neutral"]),
    ],
)
def test_statuses(world: World, message: bytes, status: str, reason: str, names: list[str]) -> None:
    every = ["pass", "fail", "invalid", "none", "policy", "neutral", "permerror", "temperror"]
    tests = "".join(f"  warn dkim_status = {name}\n       logwrite = {name}\n" for name in every)
    world.dkim(f"{tests}  accept logwrite = $dkim_verify_status $dkim_verify_reason", message, f"warn\n{tests}  accept")
    found = sorted(names, key=every.index)
    assert world.logged == [*found, f"{status} {reason}", *found]


@pytest.mark.parametrize(
    ("argument", "message", "holds"),
    [
        ("PASS", PASS, True),
        ("pass : fail", FAIL, True),
        ("!fail", PASS, True),
        ("!fail", FAIL, False),
        ("!pass : !fail", NO_KEY, True),
        ("*", NO_KEY, True),
        ("^in", NO_KEY, True),
        ("!invalid", NO_KEY, False),
        ("!permerror", NO_KEY, False),
        ("!permerror", NO_DNS, True),
        ("!temperror : invalid", NO_KEY, True),
        ("none : invalid : fail", PASS, False),
        ("${if eq{1}{1}{pass}{fail}}", PASS, True),
        ("", PASS, False),
    ],
)
def test_lists(world: World, argument: str, message: bytes, holds: bool) -> None:
    for negation, expected in (("", holds), ("!", not holds)):
        reply = world.dkim(f"  deny {negation}dkim_status = {argument}\n  accept", message)
        assert (reply.outcome is Outcome.FAIL) is expected


@pytest.mark.parametrize(
    ("message", "argument", "holds"),
    [
        (MESSAGE, "none", True),
        (MESSAGE, "pass", False),
        (MESSAGE, "!pass", True),
        (PASS, "none", False),
        (PASS, "pass", True),
        (FAIL, "fail", True),
        (signed(FAIL, KEY), "pass", True),  # any of them
        (signed(FAIL, KEY), "fail", True),
        (signed(FAIL, KEY), "invalid", False),
        (signed(FAIL, KEY), "!pass", True),
        (SHA1, "policy", True),
        (SHA1, "invalid", False),
        (SHA1, "none", False),
        (NO_DNS, "temperror", True),
        (NO_DNS, "invalid", True),
    ],
)
def test_in_the_data_acl(world: World, message: bytes, argument: str, holds: bool) -> None:
    """Real results, whether there is a DKIM ACL or not."""
    for acl in ("", "acl_check_dkim:\n  accept\n"):
        policy = f"begin acl\n{acl}acl_check_data:\n  deny dkim_status = {argument}\n  accept\n"
        assert (world.judge(policy, message).outcome is Outcome.FAIL) is holds


@pytest.mark.parametrize(
    ("message", "signers", "acl", "logged"),
    [
        (SEVERAL, "", True, "pass:pass:pass:pass:pass"),
        (SEVERAL, "", False, "pass:pass:pass"),
        (signed(FAIL, KEY), "", False, "pass:fail"),
        (PASS, "x.test:$dkim_signers", True, "none:pass"),
        (MESSAGE, "", True, ""),
        (SHA1, "", False, ""),
    ],
)
def test_all_statuses(world: World, message: bytes, signers: str, acl: bool, logged: str) -> None:
    option = f"dkim_verify_signers = {signers}\n" if signers else ""
    runs = "acl_check_dkim:\n  accept\n" if acl else ""
    policy = f"{option}begin acl\n{runs}acl_check_data:\n  accept logwrite = <$dkim_verify_status>\n"
    world.judge(policy, message)
    assert world.logged == [f"<{logged}>"]


def test_a_signer_without_a_signature(world: World) -> None:
    options = "dkim_verify_signers = x.test:$dkim_signers\n"
    reply = world.dkim("  accept", PASS, "deny dkim_status = none", options)
    assert reply.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("argument", "holds"),
    [
        ("a.test", True),
        ("A.TEST", True),
        ("*.test", True),
        ("^a", True),
        ("b.test : @a.test", False),
        ("!b.test", True),
        ("", False),
    ],
)
def test_dkim_signers(world: World, argument: str, holds: bool) -> None:
    reply = world.dkim(f"  deny dkim_signers = {argument}\n  accept", PASS)
    assert (reply.outcome is Outcome.FAIL) is holds


# -- a policy's own mind

WEAK = "  warn set dkim_verify_status = {}\n       set dkim_verify_reason = too weak: $dkim_key_length\n  accept"


@pytest.mark.parametrize(
    ("status", "listed", "result"),
    [
        ("fail", "fail", "fail (too weak: 2048)"),
        ("pass", "pass", "pass"),
        ("none", "none", "none (too weak: 2048)"),
        ("invalid", "invalid", "policy (too weak: 2048)"),
        ("policy", "policy", "policy (too weak: 2048)"),
        ("a:b", "a::b", "policy (too weak: 2048)"),
    ],
)
def test_set(world: World, status: str, listed: str, result: str) -> None:
    data = "accept logwrite = $dkim_verify_status $dkim_verify_reason\n       logwrite = ${authresults{mx.test}}"
    world.dkim(WEAK.format(status), PASS, data)
    assert world.logged[0] == f"{listed} too weak: 2048"
    assert f"dkim={result} header.d=a.test" in world.logged[1]


def test_set_counts_at_once_and_later(world: World) -> None:
    statements = (
        "  warn dkim_signers = a.test\n       set dkim_verify_status = fail\n"
        "  accept dkim_status = fail\n         logwrite = $dkim_cur_signer $dkim_verify_status <$dkim_verify_reason>\n"
        "  accept logwrite = not $dkim_cur_signer"
    )
    message = signed(signed(MESSAGE, KEY, d="b.test"), KEY, i="@a.test")
    world.dkim(statements, message, "accept dkim_status = fail\n         logwrite = $dkim_verify_status")
    assert world.logged == ["a.test fail <>", "@a.test fail <>", "not b.test", "fail:fail:pass"]


def test_set_for_a_signer_without_a_signature(world: World) -> None:
    statements = "  warn dkim_signers = x.test\n       set dkim_verify_status = fail\n  accept"
    options = "dkim_verify_signers = x.test:y.test:a.test\n"
    world.dkim(statements, PASS, "accept logwrite = $dkim_verify_status ${authresults{mx.test}}", options)
    assert world.logged[0].startswith("fail:none:pass ")
    assert "dkim=pass" in world.logged[0]


# -- options


@pytest.mark.parametrize(
    ("option", "message", "logged"),
    [
        ("", SHA1, []),
        ("dkim_verify_hashes = sha256 : sha1", SHA1, ["pass"]),
        ("dkim_verify_hashes = sha1", PASS, []),
        ("dkim_verify_keytypes = ed25519", PASS, []),
        ("dkim_verify_keytypes = rsa : ed25519", PASS, ["pass"]),
        ("dkim_verify_min_keysizes = rsa=4096", PASS, ["fail"]),
        ("dkim_verify_min_keysizes = rsa=2048 ed25519=250", PASS, ["pass"]),
        ("dkim_verify_minimal", signed(PASS, KEY), ["pass", "none"]),
        ("dkim_verify_minimal", signed(FAIL, KEY), ["pass", "none"]),
        ("dkim_max_signatures = 1", signed(PASS, KEY), ["pass"]),
        ("dkim_allow_unsigned_body", PARTLY, ["pass"]),
        ("", PARTLY, ["invalid"]),
    ],
)
def test_options(world: World, option: str, message: bytes, logged: list[str]) -> None:
    world.dkim("  accept logwrite = $dkim_verify_status", message, options=f"{option}\n")
    assert world.logged == logged


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("dkim_verify_hashes = md5", '"md5" is not sha256 or sha1'),
        ("dkim_verify_keytypes = rsa : dsa", '"dsa" is not rsa or ed25519'),
        ("dkim_verify_min_keysizes = rsa", "not a list of key sizes"),
        ("dkim_verify_min_keysizes = rsa=1024,ed25519=250", "not a list of key sizes"),
        ("dkim_verify_signers = ${nosuch:x}", "nosuch"),
        ("dkim_verify_signers = $nosuch", "nosuch"),
        ("dkim_max_signatures = 0", "out of range"),
    ],
)
def test_wrong_options(world: World, option: str, problem: str) -> None:
    with pytest.raises(PolicyError, match=r"^policy:1:") as caught:
        world.talk(f"{option}\n")
    assert problem in str(caught.value)


# -- where its words may stand


@pytest.mark.parametrize(
    ("phase", "item"),
    [
        ("rcpt", "dkim_status = pass"),
        ("data", "dkim_signers = a.test"),
        ("data", "set dkim_verify_status = fail"),
        ("rcpt", "set dkim_verify_reason = x"),
        ("dkim", "dmarc_status = none"),
        ("dkim", "!set dkim_verify_status = fail"),
        ("dkim", "set dkim_domain = x"),
        ("dkim", "set dkim_verify_status fail"),
    ],
)
def test_where_it_may_not_stand(world: World, phase: str, item: str) -> None:
    with pytest.raises(PolicyError):
        world.talk(f"begin acl\nacl_check_{phase}:\n  warn {item}\n  accept\n")


@pytest.mark.parametrize(
    "item",
    ["spf = pass", "senders = a@a.test", "hosts = *", "condition = $recipients", "add_header = X: y", "delay = 0s"],
)
def test_other_words_in_the_dkim_acl(world: World, item: str) -> None:
    assert world.dkim(f"  warn {item}\n  accept", PASS).outcome in (Outcome.OK, Outcome.DEFER)


@pytest.mark.parametrize("name", ["_HAVE_DKIM", "_HAVE_ARC", "_ACL_COND_DKIM_STATUS", "_OPT_MAIN_DKIM_VERIFY_SIGNERS"])
def test_macros_that_tell(world: World, name: str) -> None:
    policy = f"begin acl\nacl_check_rcpt:\n.ifdef {name}\n  accept logwrite = has it\n.endif\n"
    world.talk(policy)
    assert world.logged == ["has it"]


# -- the message as it passes


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_bodies_in_chunks(world: World, chunk: int) -> None:
    policy = "begin acl\nacl_check_data:\n  accept logwrite = $dkim_verify_status\n"
    for canonical in ("simple/simple", "relaxed/relaxed", "relaxed/simple"):
        world.judge(policy, signed(MESSAGE, KEY, c=canonical), chunk)
    assert world.logged == ["pass"] * 3


def test_what_acls_do_to_the_header_comes_later(world: World) -> None:
    policy = (
        "begin acl\nacl_check_rcpt:\n  accept add_header = From: x@x.test\n         remove_header = Subject\n"
        "acl_check_data:\n  accept logwrite = $dkim_verify_status <$h_Subject:>\n"
    )
    world.judge(policy, PASS)
    assert world.logged == ["pass <>"]


def test_a_policy_pays_for_what_it_asks(world: World) -> None:
    talk = world.talk("begin acl\nacl_check_data:\n  accept\n")
    feed(talk, PASS)
    assert "passing" not in talk.tx.facts
    talk.end_of_message()
    assert world.records.asked == []


@pytest.mark.parametrize(
    "policy",
    [
        "acl_check_data:\n  accept dkim_status = pass",
        "acl_check_data:\n  accept condition = $dkim_signers",
        "acl_check_data:\n  accept logwrite = $dkim_verify_status",
        "acl_check_data:\n  accept acl = other\nother:\n  accept dkim_status = pass",
        "acl_check_dkim:\n  accept",
        "acl_check_data:\n  accept dmarc_status = accept",
        "acl_check_data:\n  accept logwrite = ${authresults{mx.test}}",
    ],
)
def test_who_pays(world: World, policy: str) -> None:
    talk = world.talk(f"begin acl\n{policy}\n")
    feed(talk, PASS)
    assert "passing" in talk.tx.facts


def test_each_message_by_itself(world: World) -> None:
    talk = world.talk("begin acl\nacl_check_data:\n  accept logwrite = $dkim_verify_status\n")
    for message in (PASS, FAIL, MESSAGE):
        talk.mail("<a@a.test>")
        talk.rcpt("<b@b.test>")
        talk.predata()
        feed(talk, message)
        talk.end_of_message()
        talk.abort()
    assert world.logged == ["pass", "fail", ""]


@pytest.mark.parametrize("phase", ["connect", "rcpt"])
def test_switched_off(world: World, phase: str) -> None:
    policy = (
        f"begin acl\nacl_check_{phase}:\n  accept control = dkim_disable_verify\n"
        "acl_check_dkim:\n  accept logwrite = run\n"
        "acl_check_data:\n  accept dkim_status = none\n"
        "         logwrite = <$dkim_signers$dkim_verify_status> ${authresults{mx.test}}\n"
    )
    world.judge(policy, PASS)
    assert world.logged == ["<> Authentication-Results: mx.test; none"]
    assert world.records.asked == []


def test_text_that_is_only_found_while_mail_flows(world: World) -> None:
    """Nobody could know in time: that is an error, not a result."""
    policy = (
        "begin acl\nacl_check_rcpt:\n  accept set acl_m_what = deny dkim_status = none\n"
        "acl_check_data:\n  accept acl = $acl_m_what\n"
    )
    reply = world.judge(policy, PASS)
    assert reply.outcome is Outcome.ERROR
    assert "set acl_smtp_dkim, too" in world.logged[-1]


class Hurried(Records):
    """DNS that has no time before a deadline that is over."""

    def until(self, deadline: float) -> Records:
        return self if deadline > time.monotonic() else Records(dict.fromkeys(self.texts))


@pytest.mark.parametrize("acl", ["", "acl_check_dkim:\n  accept\n"])
def test_a_message_that_took_its_time(world: World, acl: str) -> None:
    """The time of the phase before does not count."""
    world.services = replace(world.services, resolver=Hurried(RECORDS))
    talk = world.talk(f"begin acl\n{acl}acl_check_data:\n  accept logwrite = $dkim_verify_status\n")
    feed(talk, PASS)
    talk.tx.deadline = 0
    talk.end_of_message()
    assert world.logged == ["pass"]


@pytest.mark.parametrize("text", ["$dkim_verify_status", "$dkim_signers", "$dkim_verify_reason", "$arc_state"])
def test_without_a_message(world: World, text: str) -> None:
    policy = exchange.load("")
    tx = Transaction(world.services, policy.settings, Connection(Client()), phase=Phase.DATA)
    assert policy.expansion(text)(tx) == ""


def test_one_question_for_all_words(world: World) -> None:
    data = "warn dkim_status = pass\n  warn dkim_status = fail\n  accept logwrite = ${authresults{mx.test}}"
    world.dkim("  accept dkim_status = *", PASS, data)
    assert world.records.asked == ["s._domainkey.a.test"]


# -- what others are told

TWINS = signed(PASS, KEY, h="from")
TWIN_RESULTS = ";\\n\t".join(
    f"dkim=pass header.d=a.test header.s=s header.a=rsa-sha256 header.b={written(octets.decode())}"
    for octets in re.findall(rb"; b=(.{8})", TWINS)
)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (PASS, "dkim=pass header.d=a.test header.s=s header.a=rsa-sha256"),
        (
            signed(MESSAGE, KEY, i="x@a.test"),
            "dkim=pass header.d=a.test header.i=x@a.test header.s=s header.a=rsa-sha256",
        ),
        (BODY, "dkim=fail (the body has changed) header.d=a.test header.s=s header.a=rsa-sha256"),
        (
            PARTLY,
            "dkim=policy (16 octets of the body are not signed) header.d=a.test header.s=s header.a=rsa-sha256"
            " policy.dkim-l=5",
        ),
        (SHA1, "dkim=policy (rsa-sha1 is not accepted here) header.d=a.test header.s=s header.a=rsa-sha1"),
        (MESSAGE, "dkim=none"),
        (
            signed(PASS, KEY, d="b.test"),
            "dkim=pass header.d=b.test header.s=s header.a=rsa-sha256;\\n\tdkim=pass header.d=a.test header.s=s"
            " header.a=rsa-sha256",
        ),
        (TWINS, TWIN_RESULTS),  # RFC 6008: which of two that look alike
        (
            signed(MESSAGE, KEY, d="b\xc3\xbccher.test", i="x@b\xc3\xbccher.test"),
            "dkim=pass header.d=xn--bcher-kva.test header.i=x@xn--bcher-kva.test header.s=s header.a=rsa-sha256",
        ),
    ],
)
def test_authresults(world: World, message: bytes, field: str) -> None:
    policy = "begin acl\nacl_check_data:\n  warn dkim_status = *\n  accept logwrite = ${authresults{mx.test}}\n"
    world.judge(policy, message)
    assert world.logged == [f"Authentication-Results: mx.test;\\n\t{field}"]


def test_authresults_without_being_asked(world: World) -> None:
    policy = "begin acl\nacl_check_data:\n  accept logwrite = ${authresults{mx.test}}\n"
    world.judge(policy, PASS)
    world.judge(policy, MESSAGE)
    assert "dkim=pass header.d=a.test" in world.logged[0]
    assert world.logged[1] == "Authentication-Results: mx.test; none"


@pytest.mark.parametrize(
    ("message", "counted"),
    [
        (PASS, [("dkim_results_total", "pass"), ("dkim_signatures_total", "pass", "rsa-sha256", "2048")]),
        (BODY, [("dkim_results_total", "fail"), ("dkim_signatures_total", "fail", "rsa-sha256", "unknown")]),
        (MESSAGE, [("dkim_results_total", "none")]),
        (SHA1, [("dkim_results_total", "policy"), ("dkim_signatures_total", "policy", "rsa-sha1", "unknown")]),
        (
            signed(BODY, ED, s="e", a="ed25519-sha256"),
            [
                ("dkim_results_total", "pass"),
                ("dkim_signatures_total", "pass", "ed25519-sha256", "ed25519"),
                ("dkim_signatures_total", "fail", "rsa-sha256", "unknown"),
            ],
        ),
        (
            signed(MESSAGE, KEY, a="x-y"),
            [("dkim_results_total", "neutral"), ("dkim_signatures_total", "neutral", "other", "unknown")],
        ),
    ],
)
def test_metrics(world: World, message: bytes, counted: list[tuple[str, ...]]) -> None:
    world.dkim("  accept", message, "accept dkim_status = pass")
    assert [entry for entry in world.counts.events if entry[0].startswith("dkim_")] == counted


@pytest.mark.parametrize(("bits", "label"), [(1024, "1024"), (4096, "gt2048")])
def test_metrics_of_keys(world: World, bits: int, label: str) -> None:
    world.records.texts = {"s._domainkey.a.test": f"p={rsa(bits).public}"}
    world.dkim("  accept", signed(MESSAGE, rsa(bits)))
    assert ("dkim_signatures_total", "pass", "rsa-sha256", label) in world.counts.events
