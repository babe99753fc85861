"""Digests and hashes."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

expand = Expander()

CASES = [
    ("${md5:abc}", "900150983cd24fb0d6963f7d28e17f72"),
    ("${md5:}", "d41d8cd98f00b204e9800998ecf8427e"),
    ("${sha1:abc}", "A9993E364706816ABA3E25717850C26C9CD0D89D"),
    ("${sha256:abc}", "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"),
    ("${sha2:abc}", "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"),
    (
        "${sha2_384:abc}",
        "CB00753F45A35E8BB5A03D699AC65007272C32AB0EDED1631A8B605A43FF5BED8086072BA1E7CC2358BAECA134C825A7",
    ),
    (
        "${sha2_512:abc}",
        "DDAF35A193617ABACC417349AE20413112E6FA4E89A97EA20A9EEEE64B55D39A2192992A274FC1A836BA3C23A3FEEBBD454D4423643CE80E2A9AC94FA54CA49F",
    ),
    ("${sha2_224:abc}", "Failed: unrecognised sha2 variant"),
    ("${sha2_:abc}", "Failed: unrecognised sha2 variant"),
    ("${sha3:abc}", "3A985DA74FE225B2045C172D6BD390BD855F086E3E9D525B46BFE24511431532"),
    ("${sha3_224:abc}", "E642824C3F8CF24AD09234EE7D3C766FC9A3A5168D0C94AD73B46FDF"),
    ("${sha3_x:abc}", "Failed: unrecognised sha3 variant"),
    (r"${md5:\xff}", "00594fd4f42ba43fc1ca0427a0576295"),
    ("${hmac{md5}{key}{text}}", "d0ca6177c61c975fd2f8c07d8c6528c6"),
    ("${hmac{sha1}{key}{text}}", "369e2959eb49450338b212748f77d8ded74847bb"),
    ("${hmac{sha256}{key}{text}}", 'Failed: hmac algorithm "sha256" is not recognised'),
    ("${hmac{MD5}{key}{text}}", 'Failed: hmac algorithm "MD5" is not recognised'),
    ("${hash{3}{26}{monty}}", "jmg"),
    ("${hash{3}{monty}}", "jmg"),
    ("${hash_3:monty}", "jmg"),
    ("${h_3_26:monty}", "jmg"),
    ("${hash_4_62:monty python}", "fbWx"),
    ("${hash_4_63:monty python}", 'Failed: hash count "63" too big'),
    (r"${hash_5_60:abcdefgh\xff\xfeijklmn}", "GpUh1"),
    ("${hash_9:abc}", "abc"),
    ("${hash_0:abc}", ""),
    ("${hash_3_0:monty}", "Failed: a hash needs at least one letter to choose from"),
    ("${hash_3_:monty}", 'Failed: non-digit after underscore in "hash_3_"'),
    ("${hash{-1}{abc}}", 'Failed: "-1" is not a positive number (in "hash" expansion)'),
    ("${hash{x}{abc}}", 'Failed: "x" is not a number (in "hash" expansion)'),
    ("${nhash{8}{64}{supercalifragilisticexpialidocious}}", "6/33"),
    ("${nhash{100}{abc}}", "36"),
    ("${nhash_100:abc}", "36"),
    (r"${nh_100_7:abcdefghijklmnopqrstuvwxyzabcdefghijklm\xffno}", "60/6"),
    ("${nhash_100:}", "0"),
    ("${nhash_0:abc}", "Failed: a numeric hash needs a range of at least 1"),
    ("${nhash_3_0:abc}", "Failed: a numeric hash needs a range of at least 1"),
    ("${nhash{-3}{abc}}", "32236"),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_digests(string, want):
    assert expand(string) == want
