"""``policyd expand``."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from policyd import words
from policyd.cli import main
from policyd.language.registry import Kind

CONFIG = """
GREETING = hello
primary_hostname = mx.example.org
state_directory = STATE
domainlist local = example.org
begin acl
check:
  accept message = $sender_host_name and $acl_arg1
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "policy.conf"
    path.write_text(CONFIG.replace("STATE", str(tmp_path)))
    return path


@pytest.fixture
def expand(config):
    def expand(*arguments, stdin=b""):
        return CliRunner().invoke(main, ["expand", "-c", str(config), *arguments], input=stdin)

    return expand


def test_each_string_has_a_line(expand):
    answer = expand("${lc:ABC}", "", "$primary_hostname")

    assert (answer.exit_code, answer.stdout, answer.stderr) == (0, "abc\n\nmx.example.org\n", "")


def test_macros_lists_and_acls_apply(expand):
    answer = expand("GREETING", "${uc:GREETING}s", "${if match_domain{example.org}{+local}{y}{n}}", "${acl{check}{x}}")

    assert answer.stdout == "hello\nHELLOs\ny\n and x\n"


@pytest.mark.parametrize(
    ("string", "line", "hint"),
    [
        ("${eval:1/0}", 'Failed: error in expression evaluation: divide by zero (after processing "1/0")', ""),
        ("${if eq{a}{b}{c} fail}", 'Failed: "if" failed and "fail" requested', ""),
        ("$nosuch", 'Failed: unknown variable name "nosuch"', ""),
        ("$primary_hostnam", 'Failed: unknown variable name "primary_hostnam"', 'did you mean "primary_hostname"?\n'),
        ("${if match_domain{a}{+lokal}}", 'Failed: unknown named domain list "+lokal"', 'did you mean "local"?\n'),
    ],
)
def test_what_fails(expand, string, line, hint):
    answer = expand("a", string, "b")

    assert (answer.exit_code, answer.stdout, answer.stderr) == (1, f"a\n{line}\nb\n", hint)
    assert expand("-", stdin=string.encode()).stderr == ""  # of many strings nobody knew which one was meant


@pytest.mark.parametrize(
    ("variable", "string", "want"),
    [
        ("sender_address=a@Example.org", "$sender_address_local_part at $sender_address_domain", "a at Example.org"),
        ("local_part=Joe", "$local_part", "joe"),
        ("domain=Example.org", "$domain", "example.org"),
        ("sender_host_address=192.0.2.1", "$sender_host_address", "192.0.2.1"),
        ("sender_helo_name=there", "$sender_helo_name", "there"),
        ("acl_m_x=1=2", "$acl_m_x", "1=2"),
        ("acl_c_x=", "[$acl_c_x]", "[]"),
        ("h_Subject=hi there", "$h_subject:|$rh_subject:", "hi there| hi there\n"),
        ("authenticated_id=me", "$authenticated_id", "me"),
        ("sender_host_name=mail", "${acl{check}}", "mail and "),
        ("tod_epoch=7", "${eval:$tod_epoch+1}", "8"),
        ("value=\xe9", "$value", "\xe9"),
    ],
)
def test_variables(expand, variable, string, want):
    answer = expand("--var", variable, string)

    assert answer.exit_code == 0, answer.output
    assert answer.stdout == f"{want}\n"


def test_several_variables(expand):
    variables = ("local_part=a", "domain=b.c", "acl_m_x=x", "acl_m_x=y")
    arguments = [argument for variable in variables for argument in ("--var", variable)]

    assert expand(*arguments, "$local_part@$domain $acl_m_x").stdout == "a@b.c y\n"


@pytest.mark.parametrize(
    ("variable", "complaint"),
    [
        ("nosuch=1", 'unknown variable name "nosuch"'),
        ("primary_hostnam=1", 'unknown variable name "primary_hostnam" did you mean "primary_hostname"?'),
        ("spam_score=1", 'unknown variable name "spam_score" policyd does not scan for spam or viruses;'),
        ("nothing", "'nothing' is not NAME=VALUE"),
        ("sender_host_address=x", "sender_host_address: 'x' does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_wrong_variables(expand, variable, complaint):
    answer = expand("--var", variable, "x")

    assert (answer.exit_code, answer.stdout) == (2, "")
    assert complaint in " ".join(answer.stderr.split())


def test_a_variable_has_its_value_for_one_command_only(expand):
    before = words.load().find(Kind.VARIABLE, "authenticated_id")
    expand("--var", "authenticated_id=me", "--var", "nosuch=1", "x")
    expand("--var", "authenticated_id=me", "$authenticated_id")

    assert words.load().find(Kind.VARIABLE, "authenticated_id") is before


def test_strings_from_standard_input(expand):
    answer = expand("-", stdin=b"${uc:a}\r\n\n$nosuch\n\xff")

    assert answer.exit_code == 1
    assert answer.stdout_bytes == b'A\n\nFailed: unknown variable name "nosuch"\n\xff\n'


def test_lines_of_standard_input_go_on_after_a_backslash(expand):
    answer = expand("-", stdin=b"  a b \t \n\ta\nx \\\n  y\nz\\\\\nend\\")

    assert answer.stdout_bytes == b"  a b\n\ta\nx y\nzend\n"


def test_strings_know_nothing_of_each_other(expand):
    assert expand("${filter{a}{match{$item}{(a)}}}$1", "[$1]").stdout == "aa\n[]\n"


def test_zone_files_answer_dns(expand, tmp_path):
    zone = tmp_path / "zone"
    zone.write_text('$ORIGIN example.org.\n$TTL 60\n@ SOA ns admin 1 1 1 1 1\n@ TXT "hello there"\n')

    answer = expand("--zone", str(zone), "${lookup dnsdb{txt=example.org}}", "${lookup dnsdb{txt=example.net}{y}{n}}")
    assert (answer.exit_code, answer.stdout) == (0, "hello there\nn\n")


def test_a_wrong_zone_file(expand, tmp_path):
    answer = expand("--zone", str(tmp_path / "nosuch"), "x")

    assert (answer.exit_code, answer.stdout) == (1, "")
    assert "nosuch" in answer.stderr


def test_a_wrong_configuration(expand, config):
    config.write_text("strict_acl_varz\n")
    answer = expand("x")

    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr.startswith(f'{config}:1:1: unknown option "strict_acl_varz"\n')


def test_warnings_are_shown_and_do_not_count(expand, config):
    config.write_text(f"tls_crl = x\nstate_directory = {config.parent}\n")
    answer = expand("x")

    assert (answer.exit_code, answer.stdout) == (0, "x\n")
    assert "has no effect in a milter" in answer.stderr


def test_a_string_may_take_as_long_as_a_phase(expand, config):
    config.write_text(f"phase_timeout = 1s\nstate_directory = {config.parent}\n")
    ten = ":".join("0123456789")
    started = time.monotonic()
    answer = expand("${reduce{TEN}{}{".replace("TEN", ten) * 8 + "x" + "}}" * 8)

    assert answer.stdout == "Failed: the time for this phase is over\n"
    assert time.monotonic() - started < 10


def test_octets_go_in_and_out_as_they_are(config):
    strings = [b"\xff\xc3\xa9", b"${uc:a\xe9}", b"${length_1:\xc3\xa9}"]
    command = [sys.executable, "-c", "from policyd.cli import main; main()", "expand", "-c", config, *strings]
    answer = subprocess.run(command, capture_output=True, check=True)

    assert answer.stdout == b"\xff\xc3\xa9\nA\xe9\n\xc3\n"
