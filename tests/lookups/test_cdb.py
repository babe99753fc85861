"""``cdb``: constant databases, and files that are none."""

from __future__ import annotations

import struct

import pytest

RECORDS = [(b"one", b"Hello"), (b"empty", b""), (b"*", b"any"), (b"dup", b"1st"), (b"dup", b"2nd"), (b"ONE", b"caps")]


def cdb(records):
    """A database, as the format's description has it: three passes over the records."""
    body, places = b"", []
    for key, data in records:
        digest = 5381
        for octet in key:
            digest = (digest * 33 ^ octet) & 0xFFFFFFFF
        places.append((digest, 2048 + len(body)))
        body += struct.pack("<LL", len(key), len(data)) + key + data
    header, tables = b"", b""
    for number in range(256):
        mine = [place for place in places if place[0] % 256 == number]
        slots = [(0, 0)] * (len(mine) * 2)
        for digest, place in mine:
            at = digest // 256 % len(slots)
            while slots[at][1]:
                at = (at + 1) % len(slots)
            slots[at] = digest, place
        header += struct.pack("<LL", 2048 + len(body) + len(tables), len(slots))
        tables += b"".join(struct.pack("<LL", *slot) for slot in slots)
    return header + body + tables


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "t.cdb"
    many = [(f"key{number}".encode(), b"x" * number) for number in range(1000)]
    path.write_bytes(cdb(RECORDS + many))
    return path


@pytest.mark.parametrize(
    "type_, key, want",
    [
        ("cdb", "one", "[Hello]"),
        ("cdb", "ONE", "[caps]"),
        ("cdb", "One", "none"),
        ("cdb", "dup", "[1st]"),
        ("cdb", "empty", "[]"),
        ("cdb", "nope", "none"),
        ("cdb*", "nope", "[any]"),
        ("cdb,ret=key", "one", "[one]"),
        ("cdb", "key999", f"[{'x' * 999}]"),
    ],
)
def test_key(look, file, type_, key, want):
    assert look(f"${{lookup{{{key}}}{type_}{{{file}}}{{[$value]}}{{none}}}}") == want


@pytest.mark.parametrize("key", ["x" * 65536, "a\0b", "\xff\xfe"])
def test_hostile_keys(look, tmp_path, key):
    file = tmp_path / "h.cdb"
    file.write_bytes(cdb([(key.encode("latin-1"), b"yes")]))
    tx = look.message()
    for name, value in {"acl_m_there": key, "acl_m_not": key + "x"}.items():
        tx.acl_variables[name] = value
    assert look(f"${{lookup{{$acl_m_there}}cdb{{{file}}}}}${{lookup{{$acl_m_not}}cdb{{{file}}}}}", tx) == "yes"


def test_another_file_in_its_place_is_seen_at_once(look, tmp_path):
    text = f"${{lookup{{k}}cdb{{{tmp_path}/c}}}}"
    for value in (b"1", b"2"):
        (tmp_path / "new").write_bytes(cdb([(b"k", value)]))
        (tmp_path / "new").rename(tmp_path / "c")
        assert look(text) == value.decode()


def test_what_is_no_database(look, file, tmp_path):
    octets = file.read_bytes()
    (tmp_path / "header").write_bytes(octets[:100])
    (tmp_path / "short").write_bytes(octets[:2100])
    (tmp_path / "empty").write_bytes(b"")

    def failure(name):
        return look.failure(f"${{lookup{{one}}cdb{{{tmp_path}/{name}}}}}").replace(str(tmp_path), "")

    assert failure("none") == "ExpansionError: failed to open /none for cdb lookup: No such file or directory"
    assert failure("a\\0b").endswith("failed to open /a\0b for cdb lookup: open: embedded null character in path")
    assert failure("empty") == "ExpansionError: failed to open /empty for cdb lookup: too short"
    assert failure("header") == "ExpansionError: failed to open /header for cdb lookup: too short"
    assert failure("short") == 'Defer: lookup of "one" gave DEFER: cdb: corrupt cdb file /short (too short)'
    assert "Is a directory" in failure("")


@pytest.mark.parametrize("seed", range(20))
def test_damage_is_never_worse_than_a_deferral(look, file, tmp_path, seed):
    octets = bytearray(file.read_bytes())
    for at in range(seed, len(octets), 97):
        octets[at] ^= 0xA5 + seed
    (tmp_path / "damaged").write_bytes(octets)
    for key in ("one", "nope", "key500"):
        try:
            look(f"${{lookup{{{key}}}cdb{{{tmp_path}/damaged}}}}")
        except Exception as error:
            assert type(error).__name__ == "Defer"
