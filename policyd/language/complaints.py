"""What is wrong with an expansion, in Exim's words: authors look for them."""

from __future__ import annotations

from policyd.language.registry import Kind, Word

YES_OR_NO = "curly-bracket problem in conditional yes/no parsing: "
ARGUMENTS = {
    "filter": ("first arg", "last arg"),
    "map": ("first arg", "last arg"),
    "reduce": ("first arg", "second arg", "last arg"),
    "sort": ("list arg", "comparator arg", "extractor arg"),
    "listextract": ("arg 1", "arg 2"),
}
"""What an error message calls the arguments of an item: Exim reads each of these items in a way of its own."""


def missing(word: Word, number: int) -> str:
    """What is wrong when there are no more than *number* arguments."""
    if word.kind is Kind.TEST:
        return f"too few arguments or bracketing error for {word.name}"
    if word.name in ARGUMENTS:
        return f"missing '{{' for {ARGUMENTS[word.name][number]} of {word.name}"
    return f"Not enough arguments for '{word.name}' (min is {word.arity[0]})"


def unclosed(word: Word) -> str:
    """What is wrong when the condition in an argument goes on after its end."""
    if word.kind is Kind.TEST:
        return f'missing }} at end of condition inside "{word.name}"'
    return f'missing }} at end of condition or expression inside "{word.name}"; could be an unquoted }} in the content'


def wrong_number(word: Word, name: str, number: int) -> str:
    """What is wrong when an operator, which is written as *name*, has *number* arguments after underscores."""
    if word.name == "quote":
        return f'unknown lookup type "{name.partition("_")[2]}"'
    if number < word.arity[0]:
        return f"missing values after {name}"
    return f'non-digit after underscore in "{name}"' if word.arity[0] else f'unexpected arguments in "{name}"'


def about_acl_variables(name: str) -> str:
    """What to know of the names of ACL variables, when *name* looks like one and is none."""
    if not name.startswith("acl_"):
        return ""
    if name[4:5] not in ("c", "m"):
        return " (user-defined ACL variables must start acl_c or acl_m)"
    return " (6th character of a user-defined ACL variable must be a digit or underscore)"


def arity(word: Word) -> str:
    """How many arguments an operator takes."""
    least, most = word.arity
    if most == 0:
        return f"${{{word.name}:…}} takes none"
    return f"it takes {least}" if least == most else f"it takes {least} to {most}"
