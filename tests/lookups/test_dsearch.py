"""``dsearch``: names in a directory."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def here(tmp_path):
    (tmp_path / "d" / "sub").mkdir(parents=True)
    (tmp_path / "d" / "sub" / "deep").touch()
    (tmp_path / "d" / "file").touch()
    (tmp_path / "d" / "sp ace").touch()
    (tmp_path / "d" / "link").symlink_to("file")
    (tmp_path / "d" / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "d" / "pipe")
    return tmp_path


@pytest.mark.parametrize(
    "type_, key, want",
    [
        ("dsearch", "file", "[file]"),
        ("dsearch", "FILE", "none"),
        ("dsearch", "sub", "[sub]"),
        ("dsearch", "sp ace", "[sp ace]"),
        ("dsearch", "dangling", "[dangling]"),
        ("dsearch", ".", "none"),
        ("dsearch", "..", "none"),
        ("dsearch", "", "none"),
        ("dsearch,ret=full", "file", "[{here}/d/file]"),
        ("dsearch,filter=file", "file", "[file]"),
        ("dsearch,filter=file", "sub", "none"),
        ("dsearch,filter=file", "link", "none"),
        ("dsearch,filter=file", "pipe", "none"),
        ("dsearch,filter=dir", "sub", "[sub]"),
        ("dsearch,filter=dir", "file", "none"),
        ("dsearch,filter=subdir", "..", "none"),
        ("dsearch,key=path", "sub/deep", "[sub/deep]"),
        ("dsearch,key=path", "sub/../file", "none"),
        ("dsearch,key=path", "file/x", "none"),
        ("dsearch*", "nope", "none"),
    ],
)
def test_key(look, here, type_, key, want):
    found = look(f"${{lookup{{{key}}}{type_}{{{here}/d}}{{[$value]}}{{none}}}}")
    assert found == want.format(here=here)


@pytest.mark.parametrize(
    "key, want",
    [
        ("sub/deep", "key for dsearch lookup contains a slash: sub/deep"),
        ("/etc/passwd", "key for dsearch lookup contains a slash: /etc/passwd"),
        ("x" * 300, "File name too long"),
        ("x" * 65536, "File name too long"),
        ("a\0b", "embedded null character"),
    ],
)
def test_hostile_keys_defer(look, here, key, want):
    tx = look.message()
    tx.acl_variables["acl_m_key"] = key
    assert want in look.failure(f"${{lookup{{$acl_m_key}}dsearch{{{here}/d}}}}", tx)


@pytest.mark.parametrize(
    "name, want",
    [
        ("none", "No such file or directory"),
        ("d/file", "Not a directory"),
        ("a\\0b", "stat: embedded null character in path"),
    ],
)
def test_what_is_no_directory(look, here, name, want):
    failure = look.failure(f"${{lookup{{x}}dsearch{{{here}/{name}}}}}")
    assert failure.startswith("ExpansionError: failed to open")
    assert failure.endswith(f"for directory search: {want}")
