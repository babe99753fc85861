"""``crypteq``."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

expand = Expander()
SHA512 = r"\$6\$salt\$i1etou/cjGIhaFRAAe9Ovyu8VW7eoR4C1h8EpVn8PpPcvBVwfsaYgJRGnPhBZyT5Z3JenrlmY/p02tjS7Gl0w/"  # glibc's

CASES = [
    ("${if crypteq{abc}{abFZSxKKdq5s6}{y}{n}}", "y"),
    (r"${if crypteq{abc}{\{crypt\}abFZSxKKdq5s6}{y}{n}}", "y"),
    ("${if crypteq{abd}{abFZSxKKdq5s6}{y}{n}}", "n"),
    (rf"${{if crypteq{{abc}}{{{SHA512}}}{{y}}{{n}}}}", "y"),
    ("${if crypteq{abc}{}{y}{n}}", "n"),
    ("${if crypteq{}{}{y}{n}}", "n"),
    ("${if crypteq{abc}{x}{y}{n}}", "n"),
    (r"${if crypteq{abc}{\{md5\}900150983cd24fb0d6963f7d28e17f72}{y}{n}}", "y"),
    (r"${if crypteq{abc}{\{MD5\}900150983CD24FB0D6963F7D28E17F72}{y}{n}}", "y"),
    (r"${if crypteq{abc}{\{md5\}kAFQmDzST7DWlj99KOF/cg==}{y}{n}}", "y"),
    (r"${if crypteq{abc}{\{md5\}x}{y}{n}}", "n"),
    (r"${if crypteq{abc}{\{sha1\}a9993e364706816aba3e25717850c26c9cd0d89d}{y}{n}}", "y"),
    (r"${if crypteq{abc}{\{sha1\}qZk+NkcGgWq6PiVxeFDCbJzQ2J0=}{y}{n}}", "y"),
    (r"${if crypteq{abc}{\{crypt16\}abFZSxKKdq5s6}{y}{n}}", "y"),
    (r"${if crypteq{abcdefghijk}{\{crypt16\}abYH7TYgEKz2QlLFI0X4YXyY}{y}{n}}", "y"),
    (r"${if crypteq{abcdefghijl}{\{crypt16\}abYH7TYgEKz2QlLFI0X4YXyY}{y}{n}}", "n"),
    (r"${if crypteq{abc}{\{crypt16\}x}{y}{n}}", "n"),
    (
        r"${if crypteq{abc}{\{foo\}x}{y}{n}}",
        'Failed: unknown encryption mechanism in "{foo}x"',
    ),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_passwords(string, want):
    assert expand(string) == want
