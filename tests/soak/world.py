"""Everything that runs: name servers, a Redis, a small disk, policyd with the shipped policy, a Postfix and a sink."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmark.build import HOME
from benchmark.domains import domains, zone
from benchmark.isolation import isolate
from benchmark.messages import Sample, samples
from parts.daemon import POLICYD, Policyd
from parts.nsd import Nsd
from parts.ports import free_port, wait_until
from parts.postfix import Postfix
from parts.programs import Running, remove, spawn, stop
from parts.redis_server import RedisServer
from parts.sink import Sink
from parts.unbound import Unbound

CONF = Path(__file__).parents[2] / "conf.d"
LOG = HOME.parent / "soak.log"  # policyd's log, kept
DISK = "96m"  # what all state of policyd has
TTL = 30  # seconds: DNS is asked again and again
WORKERS = 2

RECORDS = """\
*.wild.soak.example. TXT "v=spf1 ip4:192.0.2.0/24 -all"
busy.soak.example. A 198.51.100.66
plain.soak.example. TXT "v=spf1 ip4:192.0.2.0/24 ip4:127.0.0.1 -all"
*.strict.soak.example. A 192.0.2.99
_dmarc.strict.soak.example. TXT "v=DMARC1; p=reject"
"""

POLICY = """\
begin acl

acl_check_rcpt:
{lines}
  deny message = 550 5.1.1 generation {generation}: nobody is here
       domains = nobody.example
"""

SHADOW = """\
begin acl

acl_check_rcpt:
  deny message = 550 5.1.1 the shadow knows nobody
       domains = shadow.example
  accept

acl_check_data:
  deny spf = softfail
  accept
"""


class World(Running):
    """Exists while the ``with`` block runs. *limit*: connections a minute that one client may have. Needs root."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.generation = 0

    def _start(self, undo: ExitStack) -> None:
        isolate()
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-soak-"))
        undo.callback(remove, self.directory)
        self.directory.chmod(0o755)
        self._mount(undo)
        HOME.mkdir(parents=True, exist_ok=True)
        senders = domains(HOME / "keys")
        self.samples: list[Sample] = [each for each in samples(senders) if each.kind == "good"]
        records = zone(senders).replace("$TTL 86400", f"$TTL {TTL}", 1) + RECORDS
        self._nsd = undo.enter_context(Nsd({".": records}))
        self.unbound = undo.enter_context(Unbound(self._nsd.port))
        self.redis = undo.enter_context(RedisServer())
        self._dns_port = self._relay(undo)
        self._policyd(undo)
        self.sink = undo.enter_context(Sink())
        self.postfix = undo.enter_context(Postfix(self.sink.port, self.socket_option))

    # -- what runs

    def _mount(self, undo: ExitStack) -> None:
        """A disk that can be full without harm to anybody else."""
        self.disk = self.directory / "disk"
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0755", "soak", self.disk], check=True)
        undo.callback(lambda: subprocess.run(["umount", "--lazy", self.disk], check=True))
        for name in ("state", "metrics"):
            (self.disk / name).mkdir()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self.disk / "metrics")

    def _relay(self, undo: ExitStack) -> int:
        """The name server that policyd asks; its port."""
        port = free_port()
        script = Path(__file__).with_name("slow_dns.py")
        command: list[str | Path] = [sys.executable, script, str(port), str(self.unbound.port)]
        self.relay = spawn(command, self.directory / "relay.log")
        undo.callback(stop, self.relay)
        return port

    def _policyd(self, undo: ExitStack) -> None:
        self._sources = self.directory / "policy"
        self._sources.mkdir()
        for file in CONF.glob("[1-9]*.conf"):
            (self._sources / file.name).symlink_to(file)
        self.write_policy()
        self.socket = str(self.directory / "milter.sock")
        self.socket_option = f"unix:{self.socket}"
        options = {
            "state_directory": f"{self.disk}/state",
            "store": f"redis://127.0.0.1:{self.redis.port}",
            "store_error": "local",
            "dns_servers": "127.0.0.1",
            "dns_port": str(self._dns_port),
            "workers": str(WORKERS),
            "explain_size": "16M",
            "dns_cache_size": "5000",  # full within minutes: what grows later is something else
        }
        macros = {
            "HOSTNAME": "mx.soak.example",
            "TRUSTED_CLIENTS": "<; 198.51.100.200",
            "BLOCKED_SENDERS": "*@spam.example",
            "CONNECTION_LIMIT": str(self._limit),
            "RECIPIENT_LIMIT": "100000",
        }
        self.policyd = undo.enter_context(Policyd(self._sources, self.socket_option, options, macros))
        undo.callback(lambda: LOG.write_text(self.policyd.log()))
        self._exporter = self.children()[0]  # it is the first that the supervisor starts
        self._install_shadow(options["state_directory"])

    def _install_shadow(self, state: str) -> None:
        file = self.directory / "shadow.conf"
        file.write_text(f"state_directory = {state}\n{SHADOW}")
        subprocess.run([POLICYD, "shadow", "-c", file], check=True, capture_output=True)

    # -- what policyd is told

    def write_policy(self, text: str = "") -> None:
        """Another generation of the policy, or *text* in its place."""
        if not text:
            self.generation += 1
            text = POLICY.format(generation=self.generation, lines="#\n" * self.generation)  # rules with new names
        (self._sources / "60-soak.conf").write_text(text)

    # -- what is seen of it

    def children(self) -> list[int]:
        """The process ids of the supervisor's children."""
        return list(map(int, Path(f"/proc/{self.policyd.pid}/task/{self.policyd.pid}/children").read_text().split()))

    def workers(self) -> list[int]:
        """Those of them that judge mail, in the order of their birth."""
        return [child for child in self.children() if child != self._exporter]

    def processes(self) -> dict[int, str]:
        """All that belong to the daemon, and what they are."""
        known = {self.policyd.pid: "supervisor", self._exporter: "exporter"}
        return known | dict.fromkeys(self.workers(), "worker")

    def metrics(self) -> dict[str, float]:
        """Every sample: by name and labels, as the exporter writes them."""
        return dict(_sample(line) for line in self.policyd.page("/metrics").splitlines() if line[0] != "#")

    def kill_worker(self, spared: int) -> None:
        """SIGKILL to one that is not *spared*, and wait for its successor."""
        victim = next(worker for worker in self.workers() if worker != spared)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in self.workers() and len(self.workers()) == WORKERS, "another worker")

    def panics(self) -> list[str]:
        """The lines of the panic log."""
        return [line.removeprefix("panic: ") for line in self.policyd.log().splitlines() if line.startswith("panic: ")]


def _sample(line: str) -> tuple[str, float]:
    name, _, value = line.rpartition(" ")
    return re.sub("^policyd_", "", name), float(value)
