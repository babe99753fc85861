"""Static taint in lists: where a computed part of an item names a file, a lookup's file, or a query.

Only what stands in the list itself is read; what comes out of a branch or a
variable is compared with the policy's own text when the list is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from policyd.errors import Where
from policyd.language.cutting import separator_of
from policyd.language.marks import FILE_NAME, REMEDIES
from policyd.language.registry import Kind, Vocabulary
from policyd.language.syntax import Join, Literal, Lookup, Node, Tail
from policyd.language.taint import Flow, Sink

LOOKUP = re.compile(r"(?:.*@|net[0-9]*-|partial[0-9]*(?:\([^)]*\)|-))?([A-Za-z0-9]+)[*@]*\s*(?:,[^;]*)?;")
LISTED_FILE = Sink(f"{FILE_NAME} in a list", REMEDIES[FILE_NAME])


def computed_parts(tree: Node) -> Iterator[tuple[int, str, Node]]:
    """Each part of a list that is no constant: its item's number, what is written before it there, and the part."""
    parts = tree.parts if isinstance(tree, Join) else (tree,)
    separator, start = separator_of(parts[0].text if isinstance(parts[0], Literal) else "")
    number, before = 0, ""
    for part in parts:
        if isinstance(part, Literal):
            *whole, last = part.text[start:].replace(separator * 2, "\0").split(separator)
            number, before = number + len(whole), last if whole else before + last
        else:
            yield number, before.replace("\0", separator), part
        start = 0


def note(tree: Node, where: Where, words: Vocabulary, flow: Flow) -> None:
    """Tell *flow* where the computed parts of a list lead."""
    for _, before, part in computed_parts(tree):
        item = before.lstrip("! \t\n")
        found = LOOKUP.match(item)
        if item.startswith("/"):
            flow.add(part, LISTED_FILE)
        elif found and (word := words.find(Kind.LOOKUP, found[1])):
            key = None if word.traits["style"] == "query" else Literal("")
            flow.add(Lookup(found[1], key, part, Tail("lookup"), where))
