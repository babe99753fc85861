"""``dnsdb``, ``dnslists`` and ``seen`` put to a live Exim, whose only name server is ours.

Exim asks whoever ``/etc/resolv.conf`` names, on port 53. So it runs in a network of its own, where there is nothing
but a loopback interface and nsd. policyd answers the same questions from the same zone files.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import tempfile
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
from parts import nsd
from parts.differences import explained
from parts.dns_world import FAILING, RECORDS, SUBZONES, ZONE
from parts.ports import wait_until
from parts.programs import environment, program, spawn, stop

from policyd import words
from policyd.config import load
from policyd.conversation import Conversation
from policyd.errors import Defer, ExpansionError, ForcedFail, PolicyError
from policyd.metrics import NoMetrics
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Connection, Services, Transaction

pytestmark = pytest.mark.xdist_group("dns-of-its-own")

ENTER = "mount --bind {here}/resolv.conf /etc/resolv.conf && ip link set lo up && exec {nsd} -d -c {here}/nsd.conf"


@pytest.fixture(scope="module")
def apart(exim):
    """The live Exim, in the network where our name server is."""
    here = Path(tempfile.mkdtemp(prefix="policyd-apart-"))
    (here / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    zones = {".": nsd.ROOT + RECORDS, **SUBZONES, FAILING: None}
    for name, text in zones.items():
        if text is not None:  # one that cannot be loaded is answered with SERVFAIL
            (here / f"{name}zone").write_text(text)
    listed = [nsd.ZONE.format(name=name, file=here / f"{name}zone") for name in zones]
    (here / "nsd.conf").write_text(nsd.SERVER.format(port=53, here=here) + "".join(listed))
    server = program("nsd")
    command = ["unshare", "--mount", "--net", "sh", "-c", ENTER.format(here=here, nsd=server)]
    process = spawn(command, here / "log", environment(server))
    try:
        wait_until(lambda: process.poll() is not None or "nsd started" in (here / "log").read_text(), "nsd")
        if process.poll() is not None:
            pytest.skip(f"no network of its own for Exim here: {(here / 'log').read_text().strip()[-200:]}")
        wrapper = here / "exim"
        wrapper.write_text(f'#!/bin/sh\nexec nsenter --target {process.pid} --mount --net -- {exim.program} "$@"\n')
        wrapper.chmod(0o755)
        yield dataclasses.replace(exim, program=wrapper)
    finally:
        stop(process)
        shutil.rmtree(here)


class Log(list):
    """The lines of the main log."""

    def write(self, target, text):
        if target == "main":
            self.append(text)


class Ours:
    """policyd, answering from the same zones."""

    def __init__(self, directory):
        words.load()
        (directory / "zone").write_text(ZONE)
        self.file = directory / "policy.conf"
        self.log = Log()
        below = [f"{prefix}.{FAILING}" for prefix in ("", "2.2.0.192", "a.b", "c.d")]
        resolver = ZoneResolver([directory / "zone"], failing=[name.removeprefix(".") for name in below])
        self.services = Services(resolver, MemoryStore(), NoMetrics(), self.log)

    def load(self, text):
        self.file.write_text(text)
        return load(self.file)

    def expand(self, strings):
        policy = self.load("primary_hostname = mx.example.org\n")
        return [self._expanded(policy, string) for string in strings]

    def _expanded(self, policy, string):
        tx = Transaction(self.services, policy.settings, Connection(Client(None)))
        try:
            return policy.expansion(string)(tx)
        except (Defer, ExpansionError, ForcedFail, PolicyError) as error:
            return f"Failed: {error}"

    def connect(self, policy, client):
        self.log.clear()
        Conversation(self.load(policy), self.services).connect(Client(ip_address(client)))
        return list(self.log)


@pytest.fixture
def ours(tmp_path):
    return Ours(tmp_path)


def words_of(text):
    """A list of names is easier to read as text."""
    return text.split()


TYPES = words_of("a aaaa a+ mx mxh cname ns ptr soa spf srv tlsa txt zns csa any bogus")
NAMES = words_of("""a.test mx.test nullmx.test c.test cc.test dangling.test txt.test spf.test spf99.test srv.test
_443._tcp.test _25._tcp.test ptr.test 192.0.2.1 2001:db8::1 empty.nonterm.test nonterm.test nosuch.test d.e.nstop.test
nstop.test soa.test ok.csa.test no.csa.test unk.csa.test odd.csa.test v2.csa.test A.TEST a.test.""")
FORMATS = ["", ">: ", ">:, ", ">:,/ ", ">\\n,x "]
QUERIES = [
    "txt.test",
    "A = a.test",
    "  a  =  a.test  ",
    "a=a.test:empty.nonterm.test:nosuch.test",
    "a=nosuch.test : a.test",
    ">, a=<; a.test ; empty.nonterm.test",
    "ptr=<; 2001:db8::1 ; 192.0.2.1",
    ">x; txt=txt.test",
    ">:; mx=mx.test",
    ">:; soa=soa.test",
    "> a=a.test",
    ">:a=a.test",
    "a=not valid.test",
    "a=",
    "a=.",
    "ns=.",
    "",
    "txt=a.test:txt.test=x",
    "defer_strict,a=a.test",
    "defer_bogus,a=a.test",
    "defer_strict a=a.test",
    "defer_strict , a=a.test",
    "DEFER_Strict,A=a.test",
    "dnssec_bogus,a=a.test",
    "dnssec_strict,a=a.test",
    "dnssec_strict,defer_never,a=a.test",
    "dnssec_strict, defer_lax, a=a.test",
    "dnssec_strict,a=nosuch.test",
    "retrans_1s,retry_1,a=a.test",
    "retrans_1,a=a.test",
    "retrans_0s,a=a.test",
    "retrans_1s , a=a.test",
    "retry_x,a=a.test",
    "retry_-1,a=a.test",
    f"a={FAILING}",
    f"a={FAILING} : a.test",
    f"defer_strict,a={FAILING} : a.test",
    f"defer_never,a={FAILING}",
    f"defer_lax,a={FAILING}",
]


def test_dnsdb(apart, ours):
    queries = [f"{form}{type_}={name}" for form in FORMATS for type_ in TYPES for name in NAMES] + QUERIES
    strings = [f"${{lookup dnsdb{{{query}}}{{[$value]}}{{none}}}}" for query in queries]
    strings += [
        f"${{lookup dnsdb{{dnssec_{mode},a={name}}}{{$value}}{{none}}}}/$lookup_dnssec_authenticated"
        for mode in ("lax", "never")
        for name in ("a.test", "nosuch.test")
    ]
    results = zip(strings, apart.expand(strings), ours.expand(strings), strict=True)
    assert [line for line in results if _shown(line[1]) != _shown(line[2])] == []


def _shown(result):
    return "Failed" if result.startswith("Failed: ") else result


POLICY = """\
acl_smtp_connect = con
begin acl
con:
  warn dnslists = {argument}
       logwrite = HIT d=$dnslist_domain m=$dnslist_matched v=$dnslist_value t=$dnslist_text
  accept logwrite = END d=$dnslist_domain m=$dnslist_matched v=$dnslist_value t=$dnslist_text
"""

VALUES = ["127.0.0.2", "127.0.0.4", "127.0.0.2,127.0.0.4", "127.0.0.9", "0.0.0.2", "0.0.0.6", "10.0.0.1", "192.0.2.99"]
OPERATORS = ["=", "==", "!=", "!==", "&", "=&", "!&", "!=&"]
LISTS = [(f"192.0.2.{last}", f"bl.test{operator}{value}")
         for last in (1, 2, 3, 4, 7) for operator in OPERATORS for value in VALUES]  # fmt: skip
LISTS += [(f"192.0.2.{last}", "bl.test") for last in (1, 2, 3, 4, 7, 8, 9, 10)]
LISTS += [
    ("192.0.2.5", "bl.test=127.255.255.254"),
    ("192.0.2.6", "bl.test=127.0.0.1"),
    ("192.0.2.2", "nosuch.test : bl.test"),
    ("192.0.2.2", "sub.test : bl.test"),
    ("192.0.2.2", "<; nosuch.test ; bl.test"),
    ("192.0.2.1", "bl.test/192.0.2.3"),
    ("192.0.2.1", "bl.test/192.0.2.1::192.0.2.3"),
    ("192.0.2.1", "bl.test/<;192.0.2.1;192.0.2.3"),
    ("192.0.2.1", "<;bl.test/<,2001:db8::1,192.0.2.2"),
    ("192.0.2.1", "rhs.test/bad.example"),
    ("192.0.2.1", "rhs.test/<,good.example,bad.example"),
    ("192.0.2.1", "rhs.test=127.0.0.3/bad.example"),
    ("192.0.2.1", "rhs.test/"),
    ("192.0.2.2", "sub.test,merged.test"),
    ("192.0.2.2", "sub.test,merged.test=127.0.0.6"),
    ("192.0.2.2", "sub.test,merged.test&0.0.0.2"),
    ("192.0.2.2", "sub.test,merged.test=127.0.0.2"),
    ("192.0.2.2", "nosub.test,merged.test"),
    ("192.0.2.2", "+include_unknown : bl.test"),
    ("192.0.2.2", "BL.Test"),
    ("192.0.2.2", "bl.test."),
    ("192.0.2.2", "bl.test/.192.0.2.2"),
    ("192.0.2.2", "bl.test/$sender_host_address"),
    ("192.0.2.2", "bl.test=127.0.0.3, 127.0.0.2"),
    ("192.0.2.2", "bl.test= 127.0.0.2 /192.0.2.2"),
    ("192.0.2.2", "${if eq{a}{b}{x}fail}"),
    ("192.0.2.2", "${if eq{a}{a}{bl.test}}"),
    ("192.0.2.2", "${if eq{a}{a}{+bogus : bl.test}}$acl_c_x"),
    ("192.0.2.2", "${if eq{a}{a}{!bl.test}}$acl_c_x"),
    ("192.0.2.2", ""),
]
LISTS += [
    ("192.0.2.2", f"{mode}{argument}")
    for mode in ("", "+include_unknown : ", "+exclude_unknown : ", "+defer_unknown : ")
    for argument in (
        FAILING,
        f"{FAILING} : bl.test",
        f"bl.test : {FAILING}",
        f"{FAILING}/a.b::c.d",
        f"{FAILING}!=127.0.0.2",
        f"{FAILING},bl.test",
        f"{FAILING} : {FAILING}",
    )
]


def test_dnslists(apart, ours):
    different = []
    for client, argument in LISTS:
        policy = POLICY.format(argument=argument)
        theirs = list(apart.session(policy, client, "QUIT\r\n").log)
        mine = [re.sub(r" \(\S+:\d+\)", "", line) for line in ours.connect(policy, client)]
        if theirs != mine:
            different.append((client, argument, theirs, mine))
    assert different == []


@pytest.mark.parametrize("last, code", [("5", "127.255.255.254"), ("6", "127.0.0.1")])
def test_error_codes_of_a_list_are_listings_to_exim_only(apart, ours, last, code):
    assert explained("Lookups and DNS lists", "a listing is any answer in 127/8")
    client, policy = f"192.0.2.{last}", POLICY.format(argument="bl.test")
    theirs = apart.session(policy, client, "QUIT\r\n").log
    assert theirs[0] == f"HIT d=bl.test m={client} v={code} t="
    assert ours.connect(policy, client) == [
        f"DNS list lookup for {client} at bl.test returned {code}; not a listing but an error: assumed not in list",
        "END d= m= v= t=",
    ]


SEEN = [
    "5m / key=a",
    "5m / key=a",
    "-5m / key=a",
    "-0s / key=a",
    "-5m / key=b / readonly",
    "5m / key=b / readonly",
    "-5m / key=c",
    "5m",
    "5m",
    "5m / write / readonly / key=a",
    "5m/key=a",
    "5m / refresh=1s / key=a",
    "-1s / key=d",
    "1s / key=e",
    "-1s / key=f / write",
    "-1s / key=g / refresh=2s",
]


def test_seen(exim, ours):
    """The same conditions three times, with a pause that some of them notice."""
    steps = "".join(f"  warn seen = {argument}\n       logwrite = {number}\n" for number, argument in enumerate(SEEN))
    policy = f"acl_smtp_connect = con\nbegin acl\ncon:\n{steps}  accept\n"
    spool = Path(tempfile.mkdtemp(dir=exim.directory))
    os.chown(spool, *(os.stat(exim.directory).st_uid,) * 2)
    for pause in (0, 1.2, 1.2):
        time.sleep(pause)
        theirs = exim.session(f"spool_directory = {spool}\n{policy}", "192.0.2.1", "QUIT\r\n").log
        assert list(theirs) == ours.connect(policy, "192.0.2.1")


UNREADABLE = ["bogus", "5", "--5m", "- 5m", "/ key=a", "5m//key=a", "5m / bogus", "5m / KEY=q", "5m / key = q"]


@pytest.mark.parametrize("argument", [*UNREADABLE, "-5m / refresh=x"])
def test_what_exim_cannot_read_does_not_load_here(exim, ours, argument):
    assert explained("Configuration", "an argument that it cannot read")
    policy = f"acl_smtp_connect = con\nbegin acl\ncon:\n  warn seen = {argument}\n  accept\n"
    (line,) = exim.session(policy, "192.0.2.1", "QUIT\r\n").log
    with pytest.raises(PolicyError) as caught:
        ours.load(policy)
    assert line.endswith(f'temporarily rejected connection in "connect" ACL: {caught.value.problems[0].message}')


NAMES_OF_CLIENTS = [
    *(
        "*.test",
        "a.test",
        "!*.test",
        "*.org",
        "b.test",
        "nosuch.test",
        "+include_unknown : *.org",
        "+ignore_unknown : *.test",
    ),
    *(FAILING, f"+include_defer : {FAILING}", f"+ignore_defer : {FAILING} : *", f"+ignore_unknown : {FAILING} : *"),
    *(
        "*.test : 192.0.2.0/24",
        "192.0.2.0/24 : *.test",
        "^a",
        "@",
        "+include_defer : *.test",
        "+ignore_defer : *.test : *",
    ),
]


def said(lines):
    """What a log says, but that there is no name, or no address of one, and where a mistake is."""
    assert explained("Sessions", "a client without a name is logged")
    lines = [re.sub(r" \(\S+:\d+\)", "", line) for line in lines]
    return [line for line in lines if not re.match(r"no (host name|IP address) found for ", line)]


@pytest.mark.parametrize("client", ["192.0.2.1", "192.0.2.2"])
def test_names_of_clients(apart, ours, client):
    different = []
    for hosts in NAMES_OF_CLIENTS:
        policy = "acl_smtp_connect = con\nbegin acl\ncon:\n"
        policy += f"  warn hosts = {hosts}\n    log_message = one of them\n  accept\n"
        theirs, mine = said(apart.session(policy, client, "QUIT\r\n").log), said(ours.connect(policy, client))
        if theirs != mine:
            different.append((hosts, theirs, mine))
    assert different == []


@pytest.mark.parametrize("client", ["192.0.2.1", "192.0.2.2"])
def test_reverse_host_lookup(apart, ours, client):
    policy = "acl_smtp_connect = con\nbegin acl\ncon:\n  warn !verify = reverse_host_lookup\n"
    policy += "    log_message = <$acl_verify_message> $host_lookup_failed $host_lookup_deferred\n  accept\n"
    assert said(ours.connect(policy, client)) == said(apart.session(policy, client, "QUIT\r\n").log)
