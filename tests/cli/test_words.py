"""``policyd words``, and the manual that it prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from policyd import words
from policyd.cli import main
from policyd.cli.words import TITLES
from policyd.language.registry import Kind

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def say(*arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error."""
    answer = CliRunner().invoke(main, ["words", *arguments])
    return answer.exit_code, answer.stdout, answer.stderr


@pytest.mark.parametrize(("option", "page"), [("--markdown", "words.md"), ("--options", "options.md")])
def test_the_manual_is_fresh(option: str, page: str) -> None:
    """``make docs`` writes it."""
    assert say(option)[1] == (REFERENCE / page).read_text()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("phase_timeout", "phase_timeout = 25s   (main option: time)"),
        ("explain_size", "explain_size = 64M   (main option: integer)"),
        ("dns_cache_size", "dns_cache_size = 20000   (main option: integer)"),
        ("milter_socket_mode", "milter_socket_mode = 0660   (main option: octal mode)"),
        ("dry_run", "dry_run = no   (main option: boolean)"),
        ("taint", "taint = error   (main option: error or warn)"),
        ("dns_serve_stale", "dns_serve_stale = 0s   (main option: time)"),
        ("dkim_verify_keytypes", "dkim_verify_keytypes = ed25519 : rsa   (main option: list of ed25519 and rsa)"),
        ("primary_hostname", "primary_hostname = …   (main option: string)"),
    ],
)
def test_a_main_option(name: str, line: str) -> None:
    """With the value that it has by itself, as a policy would say it."""
    assert line in say(name)[1].splitlines()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("lc", "${lc:…}   (expansion operator)"),
        ("sg", "${sg{…}{…}{…}}   (expansion item)"),
        ("$sender_address", "$sender_address   (variable)"),
        ("ratelimit", "ratelimit = …   (condition)"),
        ("message", "message = …   (modifier)"),
        ("deny", "deny   (verb)"),
        ("lsearch", "${lookup{key}lsearch{file}}   (lookup type)"),
        ("pgsql", "${lookup pgsql{query}}   (lookup type)"),
        ("freeze", "control = freeze   (control)"),
    ],
)
def test_one_word(name: str, line: str) -> None:
    """Its form, what it means, and where it may stand."""
    code, output, _ = say(name)
    assert code == 0
    assert line in output.splitlines()


def test_an_unknown_word() -> None:
    """The nearest one is named."""
    assert say("ratelimt") == (1, "", 'there is no word "ratelimt" did you mean "ratelimit"?\n')


def test_every_kind_has_a_chapter() -> None:
    """And every word a text."""
    vocabulary = words.load()
    assert set(TITLES) == set(Kind)
    assert [word.name for word in vocabulary if not (word.run.__doc__ or "").strip()] == []


def test_the_list() -> None:
    """Without a name: every name, by kind."""
    code, output, _ = say()
    assert code == 0
    assert "ratelimit" in output
