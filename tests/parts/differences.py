"""docs/differences-from-exim.md, for the tests that know of a difference: what they know is written down there."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "differences-from-exim.md"


def rows(section: str) -> list[str]:
    """The rows of the table in a section."""
    text = PAGE.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [line for line in text.split("\n") if line.startswith("| ")][1:]


def explained(section: str, words: str) -> bool:
    """Whether just one row of *section* has these words."""
    return sum(words in row for row in rows(section)) == 1
