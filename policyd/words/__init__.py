"""The vocabulary. Every module here and in `policyd.lookups` registers its words when it is imported."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from policyd.language.registry import VOCABULARY, Vocabulary


def load() -> Vocabulary:
    """Import every topic, in the order of their names; the complete vocabulary."""
    for package in ("policyd.words", "policyd.lookups"):
        for module in pkgutil.iter_modules(import_module(package).__path__):
            import_module(f"{package}.{module.name}")
    return VOCABULARY
