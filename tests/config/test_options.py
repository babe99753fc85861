"""Main options: which there are, what they accept, and what is said about the others."""

from __future__ import annotations

from dataclasses import fields

import pytest

from policyd import config, words
from policyd.config.exim_options import NAMES, WITHOUT_EFFECT
from policyd.config.options import MainSection
from policyd.config.splice import physical_line
from policyd.errors import PolicyError
from policyd.language.compiler import Compiler
from policyd.settings import OPTIONS, Settings


@pytest.fixture
def load(tmp_path):
    words.load()

    def load(text):
        (tmp_path / "policy").write_text(text, encoding="latin-1", newline="")
        return config.load(tmp_path / "policy")

    return load


def problems_of(load, text):
    with pytest.raises(PolicyError) as refusal:
        load(text)
    return refusal.value.problems


@pytest.mark.parametrize(
    "line, name, value",
    [
        ("primary_hostname = mx.example.org", "primary_hostname", "mx.example.org"),
        ("primary_hostname = mx.example.org", "qualify_domain", "mx.example.org"),
        ("strict_acl_vars", "strict_acl_vars", True),
        ("no_strict_acl_vars", "strict_acl_vars", False),
        ("not_strict_acl_vars", "strict_acl_vars", False),
        ("strict_acl_vars = yes", "strict_acl_vars", True),
        ("strict_acl_vars = false", "strict_acl_vars", False),
        ("dns_cache_size = 1K", "dns_cache_size", 1024),
        ("workers = 4", "workers", 4),
        ("milter_socket = inet:8891@127.0.0.1", "milter_socket", "inet:8891@127.0.0.1"),
        ("milter_socket_mode = 0600", "milter_socket_mode", 0o600),
        ("phase_timeout = 20s", "phase_timeout", 20.0),
        ("dns_servers = 192.0.2.1 : 192.0.2.2", "dns_servers", ("192.0.2.1", "192.0.2.2")),
        ("dns_timeout = 1.5s", "dns_timeout", 1.5),
        ("hide dns_port = 5353", "dns_port", 5353),
        ("", "dns_port", 53),
        ("", "milter_socket_mode", 0o660),
    ],
)
def test_option(load, line, name, value):
    assert getattr(load(line + "\n").settings, name) == value


def test_hostname_is_the_systems_where_unset(load):
    assert load("").settings.primary_hostname == config.os.uname().nodename


@pytest.mark.parametrize(
    "line, column, message, expected",
    [
        ("workers = many", 11, '"many" is not an integer', "digits, and perhaps K, M or G: 500, 0x1f, 10K"),
        ("workers =  -1", 12, "-1 is out of range", "workers is from 0 to 1024"),
        ("dns_port = 0", 12, "0 is out of range", "dns_port is from 1 to 65535"),
        ("state_directory = x", 19, '"x" is not an absolute path', "it must begin with /"),
        ("hide dns_timeot = 5s", 6, 'unknown option "dns_timeot"', 'did you mean "dns_timeout"?'),
        ("no_strict_acl_var", 1, 'unknown option "no_strict_acl_var"', 'did you mean "strict_acl_vars"?'),
        ("acl_data_smtp_prdr = x", 1, 'unknown option "acl_data_smtp_prdr"', 'did you mean "acl_smtp_data_prdr"?'),
        ("hostlst x = y", 1, 'unknown option "hostlst"', 'did you mean "hostlist"?'),
        ("xyzzy = y", 1, 'unknown option "xyzzy"', ""),
        ("acl_check_rcpt:", 1, 'unknown option "acl_check_rcpt"', 'ACLs stand behind a line "begin acl"'),
        ("deny message = x", 1, 'unknown option "deny"', 'ACLs stand behind a line "begin acl"'),
        ("state_directory: /x", 16, 'missing "=" after "state_directory"', "state_directory = absolute path"),
        ("strict_acl_vars yes", 17, 'text after the boolean option "strict_acl_vars"',
         'write "strict_acl_vars" alone, or "strict_acl_vars = true"'),
        ("no_strict_acl_vars = yes", 20, 'text after the boolean option "no_strict_acl_vars"',
         'write "no_strict_acl_vars" alone'),
        ("no_workers", 1, '"no_workers": only a boolean option can be negated', "workers = integer"),
        ("domainlist", 11, "the name of the list is missing", "domainlist NAME = …"),
        ("hostlist = x", 10, "the name of the list is missing", "hostlist NAME = …"),
        ("tls_certificate = \"x", 19, "this quote is never closed", 'a quoted string ends with "'),
        ("smtp_accept_max = x", 19, '"x" is not an integer', "digits, and perhaps K, M or G: 500, 0x1f, 10K"),
    ],
)  # fmt: skip
def test_refused(load, line, column, message, expected):
    [problem] = problems_of(load, f"# one\n{line}\n")

    where = problem.where
    assert (where.line, where.column, problem.message, problem.expected) == (2, column, message, expected)
    assert where.text == line


@pytest.mark.parametrize("line", ["tls_certificate = /x", "smtp_accept_max = 5", "no_queue_only", "hosts_xclient = *"])
def test_options_of_an_mta_are_named_and_ignored(load, line):
    [warning] = load(line + "\n").warnings

    name = line.split()[0].removeprefix("no_")
    assert str(warning).splitlines()[0].endswith(f'policy:1:1: warning: option "{name}" has no effect in a milter')


@pytest.mark.parametrize(
    "value, named",
    [
        ("+smtp_confirmation +proxy -spf +tls_sni", [(16, "+smtp_confirmation"), (47, "+tls_sni")]),
        ("+all -tls_sni +pid", []),
        ("+received_sender +received_recipients +subject +millisec +incoming_port +incoming_interface", []),
        ("+subjects", None),
    ],
)
def test_log_selectors_without_effect(load, value, named):
    if named is None:
        with pytest.raises(PolicyError):
            load(f"log_selector = {value}\n")
        return
    warnings = load(f"log_selector = {value}\n").warnings
    assert [(warning.where.column, warning.message) for warning in warnings] == [
        (column, f'log_selector: "{name}" changes nothing here') for column, name in named
    ]


@pytest.mark.parametrize("name", ["acl_smtp_vrfy", "acl_smtp_starttls", "acl_not_smtp", "acl_smtp_mime"])
def test_acls_of_moments_without_a_milter_never_run(load, name):
    [warning] = load(f"{name} = accept\n").warnings

    said = f'warning: the ACL of "{name}" never runs: a milter is not asked at that moment'
    assert str(warning).splitlines()[0].endswith(f"policy:1:1: {said}")


def test_the_table_of_ignored_options_is_in_order():
    for names in NAMES.values():
        assert names.split() == sorted(set(names.split()))
    assert len(WITHOUT_EFFECT) == sum(len(names.split()) for names in NAMES.values())
    assert not set(WITHOUT_EFFECT) & set(OPTIONS)


def test_every_default_has_its_type_and_every_option_its_meaning():
    settings = Settings()
    for row in fields(Settings):
        assert row.metadata["meaning"]
        assert row.default == getattr(settings, row.name)


@pytest.mark.parametrize(
    "line, kind, name",
    [
        ("domainlist x = a", "domain", "x"),
        ("hostlist x = 192.0.2.1", "host", "x"),
        ("hide addresslist 9_x = a@b", "address", "9_x"),
        ("localpartlist_cache x = a", "local_part", "x"),
    ],
)
def test_named_list(line, kind, name):
    words.load()
    compiler = Compiler()
    MainSection(compiler).read([physical_line(line, "policy", 1)])

    assert list(compiler.lists) == [(kind, name)]
    assert compiler.problems == []
