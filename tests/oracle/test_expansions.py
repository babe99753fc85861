"""Expansions put to a live Exim and to policyd, side by side: the same text, or both fail."""

from __future__ import annotations

import itertools

import pytest
from oracle.expressions import Expressions
from parts.differences import explained

from policyd import config, words
from policyd.cli.expand import answer
from policyd.metrics import NoMetrics
from policyd.policy import Phase
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Connection, Services, Transaction

GENERATED = 5000
SEED = 21
CONFIG = (
    "primary_hostname = mx.example.org\n"
    "domainlist a_list = a.b : +b_list : c\n"
    "domainlist b_list = <; x ; y:z\n"
    "domainlist doubled = x::y\n"
    "hostlist a_host = 1.2.3.4\n"
    "hostlist with_names = *.example.org : 1.2.3.4\n"
    "hostlist ignoring = +ignore_unknown : *.example.org : 1.2.3.4\n"
    "hostlist nested = !9.9.9.9 : +a_host : 5.6.7.8\n"
)
FORGET = "${filter{a}{match{}{^}}}"  # Exim takes $1 and so on from one string to the next

EXPLAINED = (  # words of the explanation in the documentation, a string, Exim's answer, policyd's
    ("NUL octets", "a\\0b", "a", "a\0b"),
    ("operator that takes none", "${lc_3:ABC}", "abc", "Failed"),
    ("list of `match_ip`", "${if match_ip{1.2.3.4}{x}{y}{n}}", "n", "Failed"),
    ("no named list of this name", "${if match_domain{a}{a:+x}{y}{n}}", "y", "Failed"),
    ("`sort` by numbers", "${sort{3:a:2}{<}{$item}}", "2:3:a", "Failed"),
    ("begins with the separator", "${sort{x1:x0:X1}{gti}{:${length_1:$item}}}", "X1:x1:x0", "x1:x0:X1"),
    ("`ipv6norm`", "${ipv6norm:1:2::3} z", "1:2::3", "1:2::3 z"),
    ("`listextract`", "${listextract{-5}{a:b}}", "a", ""),
    ("beyond 2^62", "${eval:9223372036854775806+1}", "Failed", "9223372036854775807"),
    ("beyond 2^62", "${eval:-9223372036854775807-2}", "9223372036854775807", "Failed"),
    ("`0x` without digits", "${eval:0xg}", "0", "Failed"),
    ("`time_interval`", "${time_interval:99999999999}", "2010w1d4h56m31s", "165343w6d9h46m39s"),
    ("too long for its character", "${utf8clean:\\xe0\\x80\\x80}", "\xe0\x80\x80", "?"),
    ("`from_utf8`", "${from_utf8:\\x80}", "\x80", "_"),
    ("character sets", "${rfc2047d:=?utf-8*en?q?a?=}", "Failed", "a"),
    ("commas inside JSON strings", '${extract json{b}{\\{"b":"x,y"\\}}}', '"x', '"x,y"'),
    ("`listnamed`", "${listnamed:doubled}", "x:y", "x::y"),
    ("`inbound_srs`", '${if inbound_srs{SRS0=x=bb=d=u"x}{}{$srs_recipient}}', '"u"x"@d', '"u\\"x"@d'),
    ("`$value` is what was found last", "${run{/bin/echo x}{y}}[$value]", "y[x\n]", "y[]"),
    ("nobody asks", "${if or{{eq{a}{a}}{bool{x}}}{y}{n}}", "Failed", "y"),
    ("nobody asks", "${if or{{eq{a}{a}}{forany{a:b}{>{$item}{0}}}}{y}{n}}", "Failed", "y"),
    ("nobody asks", "${if eq{a}{b}{${length{x}{y}}}{n}}", "Failed", "n"),
    ("newer than 4.96", "${xtextd:a+20b}", "Failed", "a b"),
    ("in `mask_n`", "${mask_n:::1/24}", ":/24", "::/24"),
    ("loses an empty item at the end", "${sort{b: :a}{gt}{x$item}}", "b:a", "b:a: "),
    ("before its last brace", "${sort {b:a} {lt} {$item} }", "Failed", "a:b"),
    ("from 2^31 on", "${length{4294967296}{abc}}", "", "abc"),
    ("from 2^31 on", "${if bool{4294967296}{y}{n}}", "n", "y"),
    ("a remainder for", "${eval:(-9223372036854775807-1)%-1}", "9223372036854775807", "0"),
    ("`utf8_localpart_from_alabel`", "${utf8_localpart_from_alabel:xn--a.b}", "\xc2\x8d\xc2\x80\xc2\x8c", "Failed"),
    ("`reverse_ip`", "${reverse_ip:::FFFF:1.2.3.4}", "4.0.3.0.2.0.1.0.f.f.f.f" + 20 * ".0", "4.3.2.1"),
    ("sometimes set although", "${if match_domain{a.b}{!a.b}{y}{n[$value]}}", "n[a.b]", "n[]"),
    ("runs statements and files", "${acl{deny message = x}}", "x", "Failed"),
    ("`readfile` of a directory", "${readfile{/}}", "", "Failed"),
    ("`authresults`", "${authresults{mx}}", "Authentication-Results: mx", "Authentication-Results: mx; none"),
)


@pytest.fixture(scope="module")
def policyd(tmp_path_factory):
    """A function from a string, and header fields, to what policyd makes of it."""
    words.load()
    path = tmp_path_factory.mktemp("expansions") / "policyd.conf"
    path.write_text(CONFIG + "allow_run\nallow_readsocket\n")
    policy = config.load(path)
    services = Services(ZoneResolver(), MemoryStore(), NoMetrics(), log=None)

    def expand(string, fields=()):
        connection = Connection(Client())
        tx = Transaction(services, policy.settings, connection, phase=Phase.DATA)
        for name, value in fields:
            tx.message.receive([(name, value)])
        if fields:
            tx.message.body(b"body\r\n")
            tx.message.complete = True
        return answer(string, policy, tx)[0]

    return expand


def same(theirs, ours):
    """Whether two answers are one: how a failure is worded does not count."""
    return theirs == ours or (theirs.startswith("Failed: ") and ours.startswith("Failed: "))


def shortened(answer):
    """An answer, without the reason of a failure."""
    return "Failed" if answer.startswith("Failed: ") else answer


def ask(exim, strings, config=CONFIG):
    """Exim's answers to *strings*, none of which knows of the one before."""
    return exim.expand(list(itertools.chain.from_iterable((string, FORGET) for string in strings)), config)[::2]


def is_known(exim):
    """Whether this is the Exim whose mistakes are explained; others may have others."""
    return "version 4.96" in exim.run("", "-bV").stdout


def test_generated_expansions(exim, policyd):
    strings = list(dict.fromkeys(itertools.islice(Expressions(SEED), GENERATED)))
    theirs = ask(exim, strings)

    ours = [policyd(string) for string in strings]
    different = [case for case in zip(strings, theirs, ours, strict=True) if not same(*case[1:])]

    assert len(strings) > 0.95 * GENERATED
    assert 0.1 < sum(answer.startswith("Failed: ") for answer in theirs) / len(strings) < 0.3
    assert different[0 if is_known(exim) else len(strings) // 50 :] == []


@pytest.mark.parametrize(("words", "string", "exims", "policyds"), EXPLAINED, ids=[row[1] for row in EXPLAINED])
def test_each_explanation_is_written_down_and_true(exim, policyd, words, string, exims, policyds):
    assert explained("Expansions", words)
    assert shortened(policyd(string)) == policyds
    if is_known(exim):
        assert shortened(*ask(exim, [string])) == exims


FIELDS = (
    ("Received", " from a by b\n\tfor c; Mon"),
    ("Received", " second"),
    ("From", " A B <a@b.c>"),
    ("From", " second@x.y"),
    ("To", " x@y.z,\n u@v.w"),
    ("to", " third@t"),
    ("Subject", " =?utf-8?q?caf=c3=a9?= and\n   =?iso-8859-1?q?=e9?=  end  "),
    ("Empty", ""),
    ("Empty", "   "),
    ("X-One", "one"),
    ("X-One", "  two  "),
    ("X-Colon", " a:b::c"),
    ("X-Unknown", " =?nosuch?q?abc?= x"),
    ("X-Bad", " =?utf-8?q?=e9?="),
    ("X-Mixed", " =?nosuch?q?abc?= =?utf-8?q?d?="),
    ("X-8bit", " \xc3\xa9\xff"),
    ("X-Tab", "\ttab\t"),
    ("X-Long", f" =?utf-8?b?{'YWFh' * 20}?="),
    ("Reply-To", "   "),
    ("Cc", " a@b"),
    ("Cc", ""),
    ("Message-Id", " <a@b>"),
    ("Date", " Sat, 21 Nov 2026 02:30:30 +0000"),
)
KINDS = ("h", "rh", "bh", "lh", "header", "rheader", "bheader", "lheader")
EVERY_FIELD = (f"[${kind}_{name}:]" for kind in KINDS for name in sorted({name.lower() for name, _ in FIELDS}))
ABOUT_FIELDS = [
    *EVERY_FIELD,
    *[
        r"",
        r"[$h_nosuch:]",
        r"[$h_SUBJECT:]",
        r"[$h_subject]",
        r"[$h_:]",
        r"$h_x-one: x",
        r"$h_x-one}",
        r"${h_subject}",
        r"${if def:h_empty:{y}{n}}",
        r"${if def:h_nosuch:{y}{n}}",
        r"${if def:h_x-one:{y}{n}}",
        r"${if def:header_subject:{y}{n}}",
        r"${if def:rh_subject:{y}{n}}",
        r"${if def:lh_cc:{y}{n}}",
        r"${if def:h_x-one {y}{n}}",
        r"${if def:h_x-one{y}{n}}",
        r"${lc:$h_x-one:}",
        r"${lc:$h_x-one}",
        r"${lc:$h_x-one }",
        r"${length_3:$h_subject:}",
        r"${map{$lh_x-one:}{[$item]}}",
        r"${listcount:$lh_received:}",
        r"${addresses:$h_to:}",
        r"${address:$h_from:}",
        r"$received_count",
        r"$message_linecount",
        r"[$reply_address]",
        r"[$message_headers]",
        r"[$message_headers_raw]",
        r"",
    ][1:-1],
]


def test_header_fields(exim, policyd):
    message = exim.directory / "message"
    message.write_text("".join(f"{name}:{value}\n" for name, value in FIELDS) + "\nbody\n", encoding="latin-1")
    mark = "=== next ==="
    lines = "".join(f"{string}\n{mark}\n" for string in ABOUT_FIELDS)
    output = exim.run(CONFIG, "-bem", str(message), stdin=lines).stdout
    theirs = [text.removeprefix("> ").removesuffix("\n") for text in output.split(f"> {mark}\n")[:-1]]

    for string, their in zip(ABOUT_FIELDS, theirs, strict=True):
        our = policyd(string, FIELDS)
        assert same(their, our), string


WITH_FILES = r"""
${readfile{FILE}}
${readfile{FILE}{,}}
${readfile{FILE.nosuch}}
${stat:FILE}
${extract{size}{${stat:FILE}}}
${stat:FILE.nosuch}
${if exists{FILE}{y}{n}}
${if exists{FILE.nosuch}{y}{n}}
${lookup{a}lsearch{FILE}{[$value]}{no}}
${lookup{b}lsearch{FILE}}
${lookup{c}lsearch{FILE}{y} fail}
${lookup{a}lsearch{FILE.nosuch}}
${run{/bin/cat FILE}{[$value]}{no}}
${run{/bin/cat FILE.nosuch}{y}{n $runrc}}
${run{/bin/echo ${lc:A} 'x  y' "z  \""}}
${run{/bin/sh -c 'exit 3'}{y}{n$runrc}}
${run{/nosuch}{y}{$runrc}}
${run{/bin/echo x} fail}
${run{/bin/false}{y} fail}
${run,preexpand{/bin/echo ${if eq {a} {a} {x y}}}}
${run{/bin/echo ${if eq {a} {a} {x y}}}}
${run,nosuch{/bin/echo x}}
${run /bin/echo x}
${run{/bin/sh -c 'kill -9 \$\$'}{y}{n}}
${run{/bin/echo \}}}
${readsocket{FILE}{x}}
${readsocket{FILE}{x}{1s}{}{failed}}
${readsocket{FILE}{x}{nosuch}{}{failed}}
"""


def test_files_and_programs(exim, policyd):
    file = exim.directory / "file"
    file.write_text("a: one\nb: two\n")
    strings = WITH_FILES.replace("FILE", str(file)).split("\n")[1:-1]

    for string, theirs in zip(strings, ask(exim, strings), strict=True):
        assert same(theirs, policyd(string)), string


OF_THE_DAY = [
    r"",
    r"$tod_zone",
    r"${prvs{a@b.c}{secret}{7}}",
    r"${prvs{a@b.c}{secret}}",
    r"${prvscheck{${prvs{a@b.c}{secret}{1}}}{secret}{[$prvscheck_result|$prvscheck_keynum|$prvscheck_address]}}",
    r"${prvscheck{${prvs{a@b.c}{secret}{1}}}{other}{[$prvscheck_result]}}",
    r"${prvscheck{${prvs{a@b.c}{secret}}}{secret}}",
    r"${srs_encode{secret}{User@Example.com}{example.org}}",
    r'${srs_encode{secret}{"a b"@example.com}{example.org}}',
    r"${srs_encode{secret}{}{x}}",
    r"${srs_encode{secret}{a}{x}}",
    r"${if inbound_srs{${local_part:${srs_encode{s}{u@d}{o}}}}{s}{y $srs_recipient}{n}}",
    r"${if inbound_srs{${local_part:${srs_encode{s}{u@d}{o}}}}{t}{y $srs_recipient}{n}}",
    r"${if inbound_srs{SRS0=x=bb=D=u(x}{}{y $srs_recipient}{n}}",
    r"${if inbound_srs{srs0=x=bb=D=.u}{}{y $srs_recipient}{n}}",
    r"",
][1:-1]


def test_what_changes_from_day_to_day(exim, policyd):
    for _ in range(2):  # a day may end between the two
        theirs, ours = ask(exim, OF_THE_DAY), [policyd(string) for string in OF_THE_DAY]
        if theirs == ours:
            break
    assert ours == theirs
