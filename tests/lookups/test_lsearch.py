"""``lsearch``: how a file is read. What a live Exim makes of the same files is in tests/oracle/test_lookups.py."""

from __future__ import annotations

import os
import threading
import time

import pytest

from tests.lookups.conftest import little_work

FILE = """\
# comment
alpha: one
Beta:  two words\x20\x20
gamma three
"quoted key": four
"esc\\"q\\x41": five
delta:six
   cont1
\t cont2
eps
only:
   cont
colon::x
spaced : y
"bare"z
unclosed"x: v
"unclosed: w
crlf: v\r
alpha: second
comment1: one
# inner
  lost
blank1: one

  lost
 leading: of nothing
8bit\xe9: \xff
*: star
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_text(FILE, encoding="latin-1", newline="")
    return path


@pytest.mark.parametrize(
    "key, want",
    [
        ("alpha", "one"),
        ("ALPHA", "one"),
        ("beta", "two words"),
        ("gamma", "three"),
        ("quoted key", "four"),
        ('esc"qA', "five"),
        ("delta", "six cont1 cont2"),
        ("eps", ""),
        ("only", " cont"),
        ("colon", ":x"),
        ("spaced", "y"),
        ("bare", "z"),
        ('unclosed"x', "v"),
        ("unclosed: w", ""),
        ("crlf", "v"),
        ("comment1", "one"),
        ("blank1", "one"),
        ("8bit\xe9", "\xff"),
        ("8bit\xc9", None),
        ("leading", None),
        ("lost", None),
        ("# comment", None),
        ("nothing", None),
    ],
)
def test_key(look, file, key, want):
    quoted = key.replace('"', '\\"')
    assert look(f"${{lookup{{{quoted}}}lsearch{{{file}}}{{[$value]}}{{none}}}}") == (
        "none" if want is None else f"[{want}]"
    )


@pytest.mark.parametrize(
    "key, want",
    [("beta", "Beta:  two words"), ("gamma", "gamma three"), ("quoted key", "quoted key: four"), ("eps", "eps")],
)
def test_ret_full(look, file, key, want):
    assert look(f"${{lookup{{{key}}}lsearch,ret=full{{{file}}}}}") == want


@pytest.mark.parametrize("key", ["x" * 65536, "a\0b", "\xff\xfe", "' OR 1=1 --", "../../etc/passwd", "\\", '"'])
def test_hostile_keys_are_not_there(look, file, key):
    tx = look.message()
    tx.acl_variables["acl_m_key"] = key
    assert look(f"${{lookup{{$acl_m_key}}lsearch{{{file}}}{{found}}{{none}}}}", tx) == "none"


@pytest.mark.parametrize(
    "path, want",
    [
        ("{here}/none", "failed to open {here}/none for linear search: No such file or directory"),
        ("{here}", "failed to open {here} for linear search: not a regular file"),
        ("{here}/pipe", "failed to open {here}/pipe for linear search: not a regular file"),
    ],
)
def test_what_cannot_be_read(look, tmp_path, path, want):
    os.mkfifo(tmp_path / "pipe")
    path, want = path.format(here=tmp_path), want.format(here=tmp_path)
    assert look.failure(f"${{lookup{{x}}lsearch{{{path}}}}}") == f"ExpansionError: {want}"


@pytest.mark.parametrize("text", ["", "\n", "# comment\n", " continued\n"])
def test_a_file_without_entries(look, tmp_path, text):
    (tmp_path / "empty").write_text(text)
    assert look(f"${{lookup{{x}}lsearch{{{tmp_path}/empty}}{{found}}{{none}}}}") == "none"


def test_a_large_file_is_read_once(look, tmp_path):
    (tmp_path / "large").write_text("".join(f"key{number}: value{number}\n" for number in range(100_000)))
    time.sleep(0.2)  # until it counts as settled
    text = f"${{lookup{{key99999}}lsearch{{{tmp_path}/large}}}}"
    assert look(text) == "value99999"
    with little_work(0.5):
        for _ in range(100):
            look(text)


def test_a_file_that_changes_under_load(look, tmp_path):
    """Whatever a lookup finds was in the file as a whole; and what was written last is found at once."""
    path = tmp_path / "file"
    path.write_text("key: 0\nsame: 0\n")
    text = f"${{lookup{{key}}lsearch{{{path}}}}}"
    expand = look.policy.expansion(text)
    wrong, done = [], threading.Event()

    def read():
        last = 0
        while not done.is_set():
            found = int(expand(look.message()))
            if found < last:
                wrong.append((last, found))
            last = found

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    for number in range(1, 60):
        fresh = tmp_path / "fresh"
        fresh.write_text(f"key: {number}\nsame: {number}\n")
        fresh.rename(path)
        assert expand(look.message()) == str(number)
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []
