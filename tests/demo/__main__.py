"""``make demo``: a private Postfix asks policyd, with the shipped conf.d, about sample messages."""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import smtplib
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from demo.samples import MACROS, RECIPIENT, SAMPLES, ZONES, Sample
from parts.daemon import Policyd
from parts.nsd import Nsd
from parts.postfix import Postfix
from parts.sink import Sink

CONF = Path(__file__).parents[2] / "conf.d"
DECISION = re.compile(r'client=\S+ phase=(\S+) verdict=(\S+) reply=".*" where=(\S+)')
WIDTH = shutil.get_terminal_size((160, 24)).columns
VERDICTS = {"ok": "accept", "fail": "reject", "drop": "reject", "defer": "defer", "error": "defer"}
ROW = "{:2}  {:22}  {:13}  {:7}  {:7}  {:31}  {}"

STAYS = """
Everything stays up until Ctrl-C. Send a message of your own:

    swaks --server 127.0.0.1 --port {smtp} --from alice@good.example --to {recipient} --xclient-addr 192.0.2.10

Metrics:     curl http://127.0.0.1:{metrics}/metrics
The policy:  {conf}; after a change: kill -HUP {pid}
The log of policyd follows.
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a sample, in the words of the table."""

    phase: str
    verdict: str
    reply: str
    where: str

    def is_as_expected(self, sample: Sample) -> bool:
        """Whether the policy said what it should."""
        return (self.phase, self.verdict, self.reply[:3]) == (sample.phase, sample.verdict, str(sample.code))


def main() -> int:
    """The exit status: 0 when every verdict was the expected one."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the sample messages")
    once = parser.parse_args().once
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        surprises = run(once)
    except (ChildProcessError, FileNotFoundError, PermissionError, TimeoutError) as error:
        print(error)
        return 1
    return 1 if surprises else 0


def run(once: bool) -> int:
    """Start everything, show the samples, and stay if not *once*; how many verdicts were not the expected ones."""
    began = time.monotonic()
    with ExitStack() as parts:
        sink = parts.enter_context(Sink())
        dns = parts.enter_context(Nsd(ZONES))
        postfix = parts.enter_context(Postfix(sink.port))
        macros = MACROS | {"DNS_SERVERS": "127.0.0.1", "DNS_PORT": str(dns.port)}
        policyd = parts.enter_context(Policyd(CONF, postfix.socket, macros=macros))
        print(f"Postfix, nsd and policyd are up after {time.monotonic() - began:.1f} s.\n")
        surprises = show(postfix, policyd)
        if not once:
            stay(postfix, policyd)
    return surprises


def show(postfix: Postfix, policyd: Policyd) -> int:
    """Send the samples and print the table; how many verdicts were not the expected ones."""
    print(ROW.format("", "message", "client", "phase", "verdict", "decided at", "reply"))
    surprises = 0
    for number, sample in enumerate(SAMPLES, 1):
        result = judged(sample, postfix, policyd)
        client = sample.client or "127.0.0.1"
        row = ROW.format(number, sample.title, client, result.phase, result.verdict, result.where, result.reply)
        print(row if len(row) <= WIDTH else row[: WIDTH - 1] + "…")
        if not result.is_as_expected(sample):
            surprises += 1
            print(f"    EXPECTED: {sample.verdict} at {sample.phase} with {sample.code}, not {result.reply}")
    print(f"\n{len(SAMPLES) - surprises} of {len(SAMPLES)} verdicts are the expected ones.")
    return surprises


def judged(sample: Sample, postfix: Postfix, policyd: Policyd) -> Result:
    """Send one sample; what the client was told, and what policyd logged about it."""
    for _ in range(sample.connections):
        with postfix.client(sample.client):
            pass
    before = len(policyd.log())
    with postfix.client(sample.client, NAME=sample.helo) as smtp:
        reply = sent(sample, smtp)
    decisions = DECISION.findall(policyd.log()[before:])
    if not decisions:
        return Result("-", "-", reply, "-")
    phase, outcome, where = decisions[-1]
    verdict = "hold" if is_held(reply, postfix) else VERDICTS.get(outcome, outcome)
    return Result(phase, verdict, reply, where.replace(str(policyd.configuration), "conf.d"))


def is_held(reply: str, postfix: Postfix) -> bool:
    """Whether a message was accepted, and then not delivered, but kept in the queue."""
    held = [entry["queue_id"] for entry in postfix.queue() if entry["queue_name"] == "hold"]
    return reply.rpartition(" ")[2] in held


def sent(sample: Sample, smtp: smtplib.SMTP) -> str:
    """The reply that decided: the first refusal, or the one to the message."""
    recipients = [f"RCPT TO:<{number}.{RECIPIENT}>" for number in range(1, sample.recipients)]
    recipients.append(f"RCPT TO:<{sample.recipient}>")
    commands = [f"EHLO {sample.helo}", f"MAIL FROM:<{sample.sender}>", *recipients, "DATA"]
    for command in [*commands, sample.message.decode() + "."]:
        smtp.send(f"{command}\r\n")
        code, text = smtp.getreply()
        if code >= 400:
            break
    return f"{code} " + re.sub(r"\n(\d\.\d+\.\d+ )?", " ", text.decode())


def stay(postfix: Postfix, policyd: Policyd) -> None:
    """Say how to go on, and show what policyd logs, until Ctrl-C."""
    ports = {"smtp": postfix.port, "metrics": policyd.metrics_port}
    print(STAYS.format(**ports, recipient=RECIPIENT, conf=CONF, pid=policyd.pid), flush=True)
    seen = len(policyd.log())
    try:
        while True:
            time.sleep(0.2)
            news = policyd.log()[seen:]
            seen += len(news)
            print(news, end="", flush=True)
    except KeyboardInterrupt:
        print("\nStopping.")


if __name__ == "__main__":
    sys.exit(main())
