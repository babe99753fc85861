"""Real parts for end-to-end tests. They need root, because Postfix does; everything is private and on 127.0.0.1."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from parts.daemon import Policyd
from parts.postfix import Postfix
from parts.sink import Sink


@pytest.fixture(scope="session", autouse=True)
def root() -> None:
    """Postfix changes users."""
    if os.geteuid():
        pytest.skip("needs root, to start a private Postfix: sudo make test")


@pytest.fixture
def sink() -> Iterator[Sink]:
    """Where delivered messages arrive."""
    with Sink() as running:
        yield running


@pytest.fixture
def postfix(sink: Sink) -> Iterator[Postfix]:
    """A Postfix whose milter is whoever listens on its ``socket``."""
    with Postfix(sink.port) as running:
        yield running


@pytest.fixture
def policyd(postfix: Postfix) -> Iterator[Callable[..., Policyd]]:
    """``policyd(POLICY, **options)`` starts one for that Postfix, until the end of the test."""
    with ExitStack() as running:

        def start(policy: str, **options: str) -> Policyd:
            return running.enter_context(Policyd(policy, postfix.socket, options))

        yield start
