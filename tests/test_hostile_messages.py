"""The shipped policy, with all its checks, against messages that are meant to keep it busy."""

from __future__ import annotations

import shutil
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
from parts.signing import Records

from policyd import words
from policyd.config import load
from policyd.conversation import Conversation
from policyd.metrics import NoMetrics
from policyd.stores import MemoryStore
from policyd.transaction import Client, Services

SHIPPED = Path(__file__).parents[1] / "conf.d"
LOCAL = "HOSTNAME = mx.here.test\nMAILING_LISTS = friends@here.test\nARC_SEALERS = list.test\n"
DNS = {"reject.test": "v=spf1 ip4:192.0.2.1 -all", "_dmarc.reject.test": "v=DMARC1; p=reject"}

MANY = 100_000  # fields
LONG = 10_000_000  # octets of one field
SECONDS = 10  # of CPU time: some times what the slowest takes, and a small part of quadratic time

SIGNATURE = "v=1; a=rsa-sha256; d=reject.test; s=s; h=from:to:x; bh=AA==; b=AA=="
FIELDS = {
    "From": "a@reject.test",
    "DKIM-Signature": SIGNATURE,
    "ARC-Seal": f"i=1; cv=none; {SIGNATURE}",
    "ARC-Message-Signature": f"i=1; {SIGNATURE}",
    "ARC-Authentication-Results": "i=1; list.test; none",
    "Authentication-Results": "mx.here.test; spf=pass",
    "Received-SPF": "pass receiver=mx.here.test",
    "List-Id": "<a.list.test>",
    "Received": "from a by b",
    "X-Other": "x",
}
UNITS = [" ", "\n ", "(", '"', "\\", "a", "a,", "a;", "a=", "=?", "h=x:", "@", "i=1;", "receiver=", "<", ":;"]


class Log(list):
    """Every line."""

    def write(self, target, text):
        self.append(text)


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    words.load()
    directory = tmp_path_factory.mktemp("shipped") / "conf.d"
    shutil.copytree(SHIPPED, directory)
    (directory / "00-local.conf").write_text(LOCAL)
    return load(directory)


def judged(policy, *fields):
    """The code at the end of a message with these fields, and the CPU time it took."""
    talk = Conversation(policy, Services(Records(DNS), MemoryStore(), NoMetrics(), Log()))
    talk.connect(Client(ip_address("192.0.2.1")))
    talk.helo("client.test")
    talk.mail("<a@reject.test>")
    talk.rcpt("<bob@here.test>")
    talk.predata()
    start = time.process_time()
    for name, value in fields:
        talk.header(name, value)
    talk.end_of_headers()
    talk.body(b"x\r\n")
    return talk.end_of_message().code, time.process_time() - start


@pytest.mark.parametrize(("name", "value"), FIELDS.items(), ids=FIELDS)
def test_many_fields(policy, name, value):
    code, seconds = judged(policy, ("From", b"a@reject.test"), *[(name, value.encode())] * MANY)
    assert code == (550 if name == "From" else 0)
    assert seconds < SECONDS


def test_many_authors(policy):
    fields = [("From", f"a@d{number}.test".encode()) for number in range(MANY)]
    code, seconds = judged(policy, *fields)
    assert code == 550
    assert seconds < SECONDS


def test_many_names(policy):
    fields = [(f"X-{number}", b"x") for number in range(MANY)]
    signature = SIGNATURE.replace("from:to:x", ":".join(["from", *(name for name, _ in fields[:5000])]))
    code, seconds = judged(policy, ("From", b"a@reject.test"), ("DKIM-Signature", signature.encode()), *fields)
    assert code == 0
    assert seconds < SECONDS


@pytest.mark.parametrize("beginning", ["", "well"])
@pytest.mark.parametrize("name", FIELDS)
def test_a_long_field(policy, name, beginning):
    """libmilter itself takes no more than a megabyte of one."""
    for unit in UNITS:
        value = (FIELDS[name] if beginning else "") + unit * (LONG // len(unit))
        fields = [(name, value.encode())] if name == "From" else [("From", b"a@reject.test"), (name, value.encode())]
        _, seconds = judged(policy, *fields)
        assert seconds < SECONDS, unit
