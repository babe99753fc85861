"""``policyd check``, and the command line it hangs on."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from policyd import __version__
from policyd.cli import COMMANDS, main

GOOD = {
    "10-main.conf": "LIMIT = 5\nacl_smtp_mail = \\\n  judge_sender\n",
    "20-acl.conf": (
        "begin acl\n"
        "judge_sender:\n"
        "  deny message = at most LIMIT\n"
        "       !condition = ${if eq{a}{b}}\n"
        "  accept\n"
        "acl_check_rcpt:\n"
        "  deny hosts = 192.0.2.1\n"
    ),
    "30-more.conf": "begin acl\nacl_check_rcpt:\n  warn set acl_m_x = 1\n  accept\nunused:\n  drop\n",
}


@pytest.fixture
def check(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def check(files, *arguments):
        (tmp_path / "conf.d").mkdir(exist_ok=True)
        for name, text in files.items():
            (tmp_path / "conf.d" / name).write_text(text, encoding="latin-1", newline="")
        return CliRunner().invoke(main, ["check", "-c", "conf.d", *arguments])

    return check


def test_a_good_configuration(check):
    answer = check(GOOD)

    assert (answer.exit_code, answer.stdout, answer.stderr) == (0, "conf.d: 3 files, 3 ACLs: OK\n", "")


def test_warnings_do_not_refuse(check):
    answer = check({"a.conf": "tls_crl = x\nbegin acl\nacl_check_mail:\n  accept\n"})

    assert answer.exit_code == 0
    assert answer.stdout == "conf.d: 1 file, 1 ACL: OK\n"
    assert answer.stderr == (
        'conf.d/a.conf:1:1: warning: option "tls_crl" has no effect in a milter\n    tls_crl = x\n    ^\n'
    )


@pytest.mark.parametrize(
    "text, warned",
    [
        ("", True),
        ("begin acl\nmy_own:\n  accept\n", True),  # nothing says when it runs
        ("begin acl\nacl_check_helo:\n  accept\n", False),
        ("gateway_listen = 127.0.0.1:2525\n", False),  # no milter there, perhaps
    ],
)
def test_a_policy_that_judges_nothing(check, text, warned):
    answer = check({"a.conf": text})

    assert answer.exit_code == 0
    assert ("conf.d: warning: no ACL is in effect, so everything is accepted\n" in answer.stderr) == warned


def test_errors_refuse(check):
    answer = check({"a.conf": "strict_acl_varz\n", "b.conf": "begin acl\nx:\n  dny\n"})

    assert answer.exit_code == 1
    assert answer.stdout == ""
    assert answer.stderr == (
        'conf.d/a.conf:1:1: unknown option "strict_acl_varz"\n'
        "    strict_acl_varz\n"
        "    ^\n"
        '    did you mean "strict_acl_vars"?\n'
        'conf.d/b.conf:3:3: unknown ACL verb "dny"\n'
        "      dny\n"
        "      ^\n"
        '    did you mean "deny"?\n'
    )


def test_problems_are_printed_in_the_octets_they_were_written_in(check):
    answer = check({"a.conf": "\xc3\xa9\xff = 1\n"})

    assert b"    \xc3\xa9\xff = 1\n" in answer.stderr_bytes


def test_a_missing_configuration(check):
    answer = CliRunner().invoke(main, ["check", "-c", "nowhere"])

    assert (answer.exit_code, answer.stderr) == (1, "nowhere: cannot be read: No such file or directory\n")


def test_the_list_of_what_is_in_effect(check):
    answer = check(GOOD, "--list")

    assert answer.exit_code == 0
    assert answer.stdout == (
        "mail: judge_sender  (conf.d/10-main.conf:3)\n"
        "rcpt: acl_check_rcpt\n"
        "\n"
        "judge_sender:  (conf.d/20-acl.conf:2)\n"
        "  conf.d/20-acl.conf:3: deny\n"
        "  conf.d/20-acl.conf:3:   message = at most 5\n"
        "  conf.d/20-acl.conf:4:   ! condition = ${if eq{a}{b}}\n"
        "  conf.d/20-acl.conf:5: accept\n"
        "\n"
        "acl_check_rcpt:  (conf.d/20-acl.conf:6)\n"
        "  conf.d/20-acl.conf:7: deny\n"
        "  conf.d/20-acl.conf:7:   hosts = 192.0.2.1\n"
        "  conf.d/30-more.conf:3: warn\n"
        "  conf.d/30-more.conf:3:   set acl_m_x\n"
        "  conf.d/30-more.conf:4: accept\n"
        "\n"
        "unused:  (conf.d/30-more.conf:5)\n"
        "  conf.d/30-more.conf:6: drop\n"
    )


def test_an_option_set_to_nothing_is_listed_as_what_it_does(check):
    assert check({"a.conf": "acl_smtp_rcpt =\n"}, "--list").stdout == "rcpt: (nothing: denies)  (conf.d/a.conf:1)\n"


def test_version_and_help_import_no_command():
    program = (
        "import sys; from policyd.cli import main\n"
        "for word in '--version', '--help': main([word], standalone_mode=False)\n"
        "print([name for name in sys.modules if name.startswith('policyd.')])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert output.startswith(f"policyd {__version__}\n")
    assert output.endswith("['policyd.cli']\n")
    assert all(f"  {name} " in output for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_its_help(name):
    answer = CliRunner().invoke(main, [name, "--help"])

    assert answer.exit_code == 0
    assert answer.stdout.startswith(f"Usage: main {name} ")


def test_an_unknown_command():
    answer = CliRunner().invoke(main, ["chekc"])

    assert answer.exit_code == 2
    assert "No such command 'chekc'" in answer.stderr
