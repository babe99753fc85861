"""``nwildlsearch``: a text file whose keys are patterns."""

from __future__ import annotations

from policyd.language.registry import lookup
from policyd.lookups.lsearch import RETURN_FULL, entries
from policyd.lookups.wildlsearch import Keys, read_keys, search
from policyd.transaction import Transaction


@lookup("nwildlsearch", style="file", options=(RETURN_FULL,))
def _nwildlsearch(tx: Transaction, path: str, key: str, options: tuple[str, ...]) -> str | None:
    """The data of the first line whose key, as an item of a list, matches; like ``wildlsearch``, but keys are not
    expanded.
    """
    return search(tx, path, key, options, plain_keys)


def plain_keys(text: str) -> Keys:
    """The keys of an ``nwildlsearch`` file."""
    return read_keys(entries(text), lambda _: None)
