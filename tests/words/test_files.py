"""Files in expansions."""

from __future__ import annotations

import os

import pytest
from parts.expanding import Expander

expand = Expander()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo \xe9\n")
    path.chmod(0o640)
    os.utime(path, (1_000_000_000, 1_000_000_001))
    return path


@pytest.mark.parametrize(
    ("string", "want"),
    [
        ("${readfile{PATH}}", "one\ntwo \xe9\n"),
        ("${readfile{PATH}{, }}", "one, two \xe9, "),
        ("${readfile{PATH}{}}", "onetwo \xe9"),
        ("${readfile{PATH.nosuch}}", "Failed: failed to open PATH.nosuch: No such file or directory"),
        ("${if exists{PATH}{y}{n}}${if exists{PATH.nosuch}{y}{n}}${if exists{PATH\\0}{y}{n}}", "ynn"),
        ("${extract{mode}{${stat:PATH}}} ${extract{smode}{${stat:PATH}}}", "0640 -rw-r-----"),
        ("${extract{size}{${stat:PATH}}} ${extract{links}{${stat:PATH}}}", "10 1"),
        ("${extract{atime}{${stat:PATH}}} ${extract{mtime}{${stat:PATH}}}", "1000000000 1000000001"),
        ("${extract{smode}{${stat:/}}}", "drwxr-xr-x"),
        ("${stat:PATH.nosuch}", "Failed: stat(PATH.nosuch) failed: No such file or directory"),
    ],
)
def test_files(path, string, want):
    assert expand(string.replace("PATH", str(path))) == want.replace("PATH", str(path))


@pytest.mark.parametrize("string", ["${readfile{/\\0}}", "${stat:/\\0}"])
def test_no_file_has_a_nul_in_its_name(string):
    assert expand(string).startswith("Failed: ")


def test_a_file_that_changes_is_read_again(path):
    assert expand(f"${{readfile{{{path}}}}}") == "one\ntwo \xe9\n"
    path.write_text("three")
    assert expand(f"${{readfile{{{path}}}}}") == "three"


def test_names_are_octets(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xe9", "w"):
        assert expand(f"${{if exists{{{tmp_path}/\xe9}}{{y}}{{n}}}}") == "y"
        assert expand(f"${{extract{{size}}{{${{stat:{tmp_path}/\xe9}}}}}}") == "0"
