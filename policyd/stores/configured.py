"""The store that the main options describe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from policyd.metrics import Metrics
from policyd.settings import Settings
from policyd.stores.host import LmdbStore
from policyd.stores.protocol import Store

DIRECTORY = "store"  # under state_directory


@dataclass(frozen=True, slots=True)
class Stores:
    """*shared*: what all hosts share, where they do. *here*: the database of this host; it may be the same."""

    shared: Store
    here: Store

    def close(self) -> None:
        """Close both. Raises `Defer`."""
        self.shared.close()
        self.here.close()


def configured(settings: Settings, metrics: Metrics, tell: Callable[[str], object]) -> Store:
    """The store of *settings*, not yet opened. *tell* gets a line when it stops working, and when it works again."""
    return stores(settings, metrics, tell).shared


def stores(settings: Settings, metrics: Metrics, tell: Callable[[str], object]) -> Stores:
    """The same, and this host's own."""
    here = LmdbStore(Path(settings.state_directory) / DIRECTORY, complain=tell)
    if not settings.store and settings.store_error != "accept":
        return Stores(here, here)
    from policyd.stores.breaker import Breaker
    from policyd.stores.guarded import GuardedStore, Otherwise
    from policyd.stores.substitutes import AloneStore, LenientStore

    otherwise: dict[str, Callable[[], Store | None]] = {
        "local": lambda: AloneStore(here, settings.store_nodes),
        "defer": lambda: None,
        "accept": LenientStore,
    }
    word = settings.store_error
    store = _redis(settings) if settings.store else here
    return Stores(GuardedStore(store, Otherwise(word, otherwise[word]()), Breaker(), metrics, tell), here)


def _redis(settings: Settings) -> Store:
    from policyd.links.places import place
    from policyd.stores.dialler import Dialler
    from policyd.stores.redis import RedisStore

    there = place(settings.store)
    dialler = Dialler(there, settings.store_tls_verify_certificates, settings.store_tls_certificate)
    return RedisStore(there, timeout=settings.store_timeout, dialler=dialler)
