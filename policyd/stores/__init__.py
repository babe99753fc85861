"""Shared state: a key, an octet string, and a time to live."""

from __future__ import annotations

from policyd.stores.host import LmdbStore
from policyd.stores.memory import MemoryStore
from policyd.stores.protocol import Operation, Step, Store

__all__ = ["LmdbStore", "MemoryStore", "Operation", "Step", "Store"]
