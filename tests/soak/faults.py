"""What is done to policyd, in turn, and undone: each fault lasts as long as its ``with`` block."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from parts.ports import wait_until
from soak.tally import Tally
from soak.world import World

PATIENCE = 15.0  # seconds until a reload has to have reached the traffic
STORM, STORM_LASTS = 50, 2.0  # signals, seconds


@dataclass(frozen=True)
class Scene:
    """Where faults happen. *elder*: the worker that lives from the beginning to the end."""

    world: World
    tally: Tally
    elder: int


Fault = Callable[[Scene], AbstractContextManager[None]]


@contextmanager
def worker_killed(scene: Scene) -> Iterator[None]:
    """SIGKILL, in the middle of whatever it does."""
    scene.world.kill_worker(scene.elder)
    yield


@contextmanager
def dns_dead(scene: Scene) -> Iterator[None]:
    """The resolver does not move."""
    with _stopped(scene.world.unbound.pid):
        yield


@contextmanager
def dns_slow(scene: Scene) -> Iterator[None]:
    """Every answer comes 1.5 s late."""
    scene.world.relay.send_signal(signal.SIGUSR1)
    try:
        yield
    finally:
        scene.world.relay.send_signal(signal.SIGUSR2)


@contextmanager
def redis_dead(scene: Scene) -> Iterator[None]:
    """Killed, and started again: it has forgotten everything."""
    scene.world.redis.kill()
    try:
        yield
    finally:
        scene.world.redis.start()


@contextmanager
def redis_paused(scene: Scene) -> Iterator[None]:
    """It takes connections, and says nothing."""
    with _stopped(scene.world.redis.pid):
        yield


@contextmanager
def disk_full(scene: Scene) -> Iterator[None]:
    """Not an octet is left for state and counts."""
    ballast = scene.world.disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                _fill(file.fileno(), size)
        yield
    finally:
        ballast.unlink()


@contextmanager
def bad_policy(scene: Scene) -> Iterator[None]:
    """SIGHUP with a policy that does not load: the one in force stays."""
    world = scene.world
    world.write_policy("begin acl\nacl_check_rcpt:\n  deny nonsense = 1\n")
    world.policyd.reload()
    wait_until(lambda: world.metrics()["config_last_reload_successful"] == 0, "the refusal of the policy", PATIENCE)
    try:
        yield
    finally:
        _reloaded(scene)


@contextmanager
def good_policy(scene: Scene) -> Iterator[None]:
    """SIGHUP with another policy: new connections are judged by it."""
    _reloaded(scene)
    yield


@contextmanager
def hangup_storm(scene: Scene) -> Iterator[None]:
    """Many SIGHUPs, the policy changing meanwhile."""
    world = scene.world
    for number in range(STORM):
        if number % 10 == 0:
            world.write_policy()
        world.policyd.reload()
        time.sleep(STORM_LASTS / STORM)
    _reloaded(scene)
    yield


@contextmanager
def worker_killed_disk_full(scene: Scene) -> Iterator[None]:
    """Its successor begins on a disk without room."""
    with disk_full(scene), worker_killed(scene):
        yield


@contextmanager
def worker_killed_redis_dead(scene: Scene) -> Iterator[None]:
    """Its successor begins without the store."""
    with redis_dead(scene), worker_killed(scene):
        yield


FAULTS: dict[str, Fault] = {
    each.__name__: each
    for each in (
        worker_killed,
        dns_dead,
        dns_slow,
        redis_dead,
        redis_paused,
        disk_full,
        bad_policy,
        good_policy,
        hangup_storm,
        worker_killed_disk_full,
        worker_killed_redis_dead,
    )
}

KILLS = (worker_killed, worker_killed_disk_full, worker_killed_redis_dead)

EXPECTED = (
    r"worker-\d+ ended unasked: SIGKILL",
    r'the policy stays as it was: .*/60-soak\.conf:3:8: unknown ACL condition or modifier "nonsense"',
    r" +deny nonsense = 1",
    r" +\^",
    r" +a condition or a modifier",
    r"store not available, store_error = local: redis://\S+: (Connection refused|timed out)",
    r"store not available, store_error = local: redis://\S+: .*(closed|reset).*",
    r"store available again after [\d.]+ s",
    r".*/explanations: full: 16 MiB; what would expire first makes room",
)
"""Lines of the panic log that these faults bring about."""


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _fill(descriptor: int, size: int) -> None:
    """Write until nothing of *size* fits any more."""
    try:
        while True:
            os.write(descriptor, bytes(size))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def _reloaded(scene: Scene) -> None:
    """Another generation of the policy is in force: the traffic has met it."""
    world = scene.world
    world.write_policy()
    world.policyd.reload()
    wait_until(lambda: scene.tally.generation == world.generation, f"generation {world.generation}", PATIENCE)
