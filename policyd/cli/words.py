"""``policyd words``: the manual of the vocabulary, from the words themselves."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import click

from policyd import words
from policyd.cli import mainoptions
from policyd.cli.options import complain, octets, say
from policyd.language.registry import Kind, Vocabulary, Word

TITLES = {
    Kind.VERB: "Verbs of ACLs",
    Kind.CONDITION: "Conditions of ACLs",
    Kind.MODIFIER: "Modifiers of ACLs",
    Kind.CONTROL: "Controls",
    Kind.VERIFICATION: "Verifications",
    Kind.VARIABLE: "Variables",
    Kind.PREFIX: "Variables with a name of their own",
    Kind.ITEM: "Expansion items",
    Kind.OPERATOR: "Expansion operators",
    Kind.TEST: "Expansion conditions",
    Kind.LOOKUP: "Lookup types",
    Kind.LIST: "List items",
}
"""Each kind of word, as the manual's chapters are called, in their order."""

SHAPES = {
    Kind.VERB: "{}",
    Kind.CONDITION: "{} = …",
    Kind.MODIFIER: "{} = …",
    Kind.CONTROL: "control = {}",
    Kind.VERIFICATION: "verify = {}",
    Kind.VARIABLE: "${}",
    Kind.PREFIX: "${}…",
    Kind.OPERATOR: "${{{}:…}}",
    Kind.LIST: "{} list",
}
"""How a word looks where it is used."""


@click.command(help="Print what NAME means, or every word and main option that a policy may use.")
@click.argument("name", required=False)
@click.option("--markdown", is_flag=True, help="The whole manual, as docs/reference/words.md.")
@click.option("--options", is_flag=True, help="The main options, as docs/reference/options.md.")
def command(name: str | None, markdown: bool, options: bool) -> None:
    """Exit status 1 for a word that does not exist."""
    vocabulary = words.load()
    if markdown:
        say(manual(vocabulary))
    elif options:
        say(mainoptions.manual())
    elif name is None:
        say([*listing(vocabulary), *mainoptions.listing()])
    else:
        found = [line for word in vocabulary if word.name == octets(name).lstrip("$") for line in entry(word)]
        found += mainoptions.entry(octets(name))
        if not found:
            complain([f'there is no word "{name}" {vocabulary.nearest(octets(name), *Kind)}'.rstrip()])
            sys.exit(1)
        say(found)


def form(word: Word) -> str:
    """A word as it is written in a policy."""
    if word.kind is Kind.ITEM:
        return f"${{{word.name}{_braces(word)}}}"
    if word.kind is Kind.TEST:
        return f"{word.name}{_braces(word)}"
    if word.kind is Kind.LOOKUP:
        query = word.traits["style"] == "query"
        return f"${{lookup {word.name}{{query}}}}" if query else f"${{lookup{{key}}{word.name}{{file}}}}"
    return SHAPES[word.kind].format(word.name)


def _braces(word: Word) -> str:
    least, most = word.arity
    return "{…}" * least + "[{…}]" * min(most - least, 3)


def text(word: Word) -> str:
    """Its docstring, without the indentation of the program."""
    return inspect.cleandoc(word.run.__doc__ or "")


def notes(word: Word) -> Iterator[str]:
    """Where it may stand, and whether Exim has it."""
    if word.phases is not None:
        yield "ACLs: " + ", ".join(str(phase.name).lower() for phase in word.phases)
    if word.extension:
        yield "not in Exim"


def entry(word: Word) -> Iterator[str]:
    """A word for a terminal."""
    yield f"{form(word)}   ({word.kind.value})"
    for line in text(word).split("\n"):
        yield f"    {line}" if line else ""
    for note in notes(word):
        yield f"    [{note}]"


def listing(vocabulary: Vocabulary) -> Iterator[str]:
    """Every name, by kind."""
    for kind, title in TITLES.items():
        yield f"{title}:"
        yield "    " + " ".join(vocabulary.names(kind))


def manual(vocabulary: Vocabulary) -> Iterator[str]:
    """The reference page."""
    yield "# Words"
    yield ""
    yield "Everything a policy may say. Printed by `policyd words --markdown`."
    for kind, title in TITLES.items():
        yield from ("", f"## {title}", "")
        for name in vocabulary.names(kind):
            word = vocabulary.find(kind, name)
            assert word is not None  # it has just been listed
            yield from (f"### `{form(word)}`", "", text(word), "")
            remarks = "; ".join(notes(word))
            yield from (f"*{remarks}*", "") if remarks else ()
