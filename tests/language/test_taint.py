"""What a client controls must not reach a file name, a query unquoted, an ACL name, a command or a second expansion."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from policyd import config, words
from policyd.conversation import Conversation
from policyd.errors import PolicyError, Severity
from policyd.metrics import NoMetrics
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Services

words.load()

REFUSED = [
    # a statement of the RCPT ACL, what is named as the source, and what it must not reach
    ("condition = ${lookup pgsql{SELECT 1 FROM t WHERE a='$sender_address'}}", "$sender_address", "query"),
    (
        "condition = ${lookup pgsql{SELECT 1 FROM t WHERE a='${quote_mysql:$sender_address}'}}",
        "$sender_address",
        "query",
    ),
    ("condition = ${lookup mysql{SELECT 1 FROM t WHERE a='${lc:$local_part}'}}", "$local_part", "query"),
    ("condition = ${lookup redis{GET $sender_helo_name}}", "$sender_helo_name", "query"),
    ("condition = ${lookup{x}lsearch{/etc/mail/$local_part}}", "$local_part", "file name"),
    ("condition = ${lookup{x}lsearch{/etc/mail/${domain:$sender_address}}}", "$sender_address", "file name"),
    ("condition = ${if exists{/var/mail/$local_part}}", "$local_part", "file name"),
    ("condition = ${if exists{/var/mail/${if match{$local_part}{\\N^(.+)$\\N}{$1}}}}", "$local_part", "file name"),
    ("condition = ${stat:/var/mail/$local_part}", "$local_part", "file name"),
    ("condition = ${readfile{/etc/$domain}}", "$domain", "file name"),
    ("condition = ${expand:$h_x-policy:}", "$h_x-policy:", "second expansion"),
    ("condition = ${sg{a}{a}{$h_subject:}}", "$h_subject:", "second expansion"),
    ("condition = ${expand:${map{<, $sender_address}{$item}}}", "$sender_address", "second expansion"),
    ("condition = ${expand:${reduce{a:b}{}{$value$local_part}}}", "$local_part", "second expansion"),
    ("acl = check_$local_part", "$local_part", "ACL name"),
    ("condition = ${acl{$local_part}}", "$local_part", "ACL name"),
    ("condition = ${run{/bin/echo $sender_address}}", "$sender_address", "command"),
    ("set acl_m_who = $sender_address\n  condition = ${expand:$acl_m_who}", "$sender_address", "second expansion"),
    ("set acl_c_a = $acl_m_b\n  set acl_m_b = $local_part\n  condition = ${expand:$acl_c_a}", "$local_part", "second"),
    ("acl = helper $sender_address", "$sender_address", "file name"),
    ("condition = ${acl{helper}{$sender_address}}", "$sender_address", "file name"),
    ("condition = ${if acl{{helper}{x$local_part}}}", "$local_part", "file name"),
    ("condition = ${if match{$local_part}{\\N(.+)\\N}{${acl{helper}{$1}}}}", "$local_part", "file name"),
    ("condition = ${if acl{{between}{x}{$local_part}}}", "$local_part", "file name"),
    ("condition = ${readsocket{/run/$local_part}{x}}", "$local_part", "address of a server"),
    ("condition = ${readsocket{inet:$sender_helo_name:25}{x}}", "$sender_helo_name", "address of a server"),
    ("udpsend = $sender_helo_name:514:x", "$sender_helo_name", "address of a server"),
    ("udpsend = <; 192.0.2.1 ; 51$local_part ; x", "$local_part", "address of a server"),
    ("domains = lsearch;/etc/mail/$sender_address_domain", "$sender_address_domain", "file name"),
    ("domains = y : ! partial-lsearch*;/etc/$sender_helo_name", "$sender_helo_name", "file name"),
    ("domains = y : !/etc/mail/$sender_helo_name", "$sender_helo_name", "file name"),
    ("domains = <; y ; lsearch;;/etc/mail/${lc:$sender_helo_name}", "$sender_helo_name", "file name"),
    ("hosts = net24-iplsearch;/etc/mail/$sender_helo_name", "$sender_helo_name", "file name"),
    ("senders = a@lsearch;/etc/$domain", "$domain", "file name"),
    ("senders = @@lsearch;/etc/$domain", "$domain", "file name"),
    ("senders = pgsql;SELECT 1 FROM t WHERE a='$local_part'", "$local_part", "query"),
]

ALLOWED = [
    "condition = ${lookup pgsql{SELECT 1 FROM t WHERE a='${quote_pgsql:$sender_address}'}}",
    "condition = ${lookup redis{GET ${quote_redis:$sender_address}}}",
    "condition = ${lookup{$sender_address}lsearch{/etc/aliases}}",
    "condition = ${lookup{x}lsearch{/etc/mail/${md5:$local_part}}}",
    "condition = ${lookup{x}lsearch{/etc/mail/${lookup{$local_part}lsearch{/etc/aliases}}}}",
    "condition = ${expand:${lookup{$local_part}lsearch{/etc/aliases}}}",
    "condition = ${if exists{/var/mail/${if eq{$local_part}{root}{root}{other}}}}",
    "condition = ${if match{$local_part}{\\N^(.+)$\\N}{${if exists{/etc/$primary_hostname}}}}",
    "set acl_m_who = $local_part\n  set acl_m_file = root\n  condition = ${if exists{/var/mail/$acl_m_file}}",
    "domains = $sender_address_domain",
    "message = $sender_address is not welcome, $h_subject:",
    "condition = ${readsocket{/run/checker}{$local_part}}",
    "udpsend = 192.0.2.1:514:$sender_address said $h_subject:",
    "senders = pgsql;SELECT 1 FROM t WHERE a='${quote_pgsql:$local_part}'",
    "domains = lsearch;/etc/mail/$primary_hostname : $sender_address_domain",
    "senders = $local_part@$domain : lsearch;/etc/mail/${md5:$local_part}",
    "condition = ${acl{between}{x}{root}}",
]

OPTIONS = "pgsql_servers = a/b/c/d\nmysql_servers = a/b/c/d\nredis_servers = 127.0.0.1//\nallow_run\nallow_readsocket\n"
ACLS = """\
check_x:
 accept
helper:
 accept condition = ${if exists{/var/mail/$acl_arg1}}
between:
 accept condition = ${acl{helper}{${lc:$acl_arg2}}}
"""


def policy(path: Path, statement: str, options: str = "") -> config.Policy:
    """A configuration whose RCPT ACL has one statement."""
    file = path / "policy.conf"
    file.write_text(f"{options}{OPTIONS}begin acl\n{ACLS}acl_check_rcpt:\n accept {statement}\n")
    return config.load(file)


@pytest.mark.parametrize(("statement", "source", "sink"), REFUSED)
def test_refused(tmp_path: Path, statement: str, source: str, sink: str) -> None:
    """It does not load; the error names the variable, where the text must not go, and what to do instead."""
    with pytest.raises(PolicyError) as caught:
        policy(tmp_path, statement)
    [problem] = caught.value.problems
    assert source in problem.message
    assert sink in problem.message
    assert problem.expected
    assert problem.where.column > 1


@pytest.mark.parametrize("statement", ALLOWED)
def test_allowed(tmp_path: Path, statement: str) -> None:
    """What is quoted, looked up, digested, or only compared is no danger."""
    assert policy(tmp_path, statement).phases


def test_an_unreached_acl_is_read_as_well(tmp_path: Path) -> None:
    """``helper`` above is harmless as long as nobody gives it the client's text."""
    assert policy(tmp_path, "acl = helper root").phases


@pytest.mark.parametrize(("statement", "source", "sink"), REFUSED)
def test_warning(tmp_path: Path, statement: str, source: str, sink: str) -> None:
    """With ``taint = warn`` the same is a warning: for the time of a migration."""
    warnings = [w for w in policy(tmp_path, statement, "taint = warn\n").warnings if source in w.message]
    assert [warning.severity for warning in warnings] == [Severity.WARNING]


@pytest.mark.parametrize(
    ("items", "sender", "reply"),
    [
        ("$sender_helo_name", "/etc/hostname", "451"),
        ("$sender_helo_name", "lsearch;/etc/hostname", "451"),
        ("$sender_helo_name", "+local", "451"),
        ("y.example : $sender_helo_name", "/etc/hostname", "451"),
        ("+local : $sender_helo_name", "/etc/hostname", "451"),
        ("$sender_helo_name", "x.example", "250"),
        ("$sender_helo_name", "y.example", "550"),
        ("+other : $sender_helo_name", "x.example", "250"),
    ],
)
def test_a_list_of_the_clients_names_no_file(tmp_path: Path, items: str, sender: str, reply: str) -> None:
    """What a client puts into a list is compared as text; it cannot make the list read something."""
    file = tmp_path / "policy.conf"
    lists = "domainlist local = z.example\ndomainlist other = y.example\n"
    file.write_text(f"{lists}begin acl\nacl_check_rcpt:\n accept domains = {items}\n")
    talk = Conversation(config.load(file), Services(ZoneResolver(), MemoryStore(), NoMetrics(), Lines()))
    talk.connect(Client(ip_address("192.0.2.1")))
    talk.helo(sender)
    talk.mail("<a@b.example>")
    assert str(talk.rcpt("<u@x.example>").code or 250) == reply


class Lines:
    """A log that is not read."""

    def write(self, target: str, text: str) -> None:
        """Forget the line."""


def test_the_way_is_shown(tmp_path: Path) -> None:
    """Text that went through a variable says where it was put there."""
    with pytest.raises(PolicyError, match=r"\$local_part \(in \$acl_m_x, set at \S+policy\.conf:\d+\) is controlled"):
        policy(tmp_path, "set acl_m_x = $local_part\n  condition = ${expand:$acl_m_x}")
