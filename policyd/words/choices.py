"""Arguments that name a word of their own: ``control = freeze/no_tell``, ``verify = helo``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from policyd.errors import ExpansionError
from policyd.language.expand import Getter, compile_text, expanded
from policyd.language.registry import Kind, Word, condition, modifier
from policyd.language.source import BLANKS
from policyd.mail.octets import lower
from policyd.transaction import Transaction

if TYPE_CHECKING:
    from policyd.language.compiler import Compiler
    from policyd.language.source import Source

CHOICE = re.compile(r"([A-Za-z0-9_]*)[ \t]*((?:[=/].*)?)", re.DOTALL)
Choice = tuple[Word, Any]


def flags(*names: str) -> Callable[[str], frozenset[str]]:
    """What reads options that are just words: ``/defer_ok``. It raises ValueError for others."""

    def read(text: str) -> frozenset[str]:
        found = [lower(part.strip(BLANKS)) for part in text.split("/")]
        unknown = [part for part in found if part and part not in names]
        if found[0] or unknown:
            raise ValueError(f'unknown option "{(unknown or found)[0]}"\nthere is {" and ".join(names)}')
        return frozenset(found[1:])

    return read


def chosen(kind: Kind) -> Callable[[Source, Compiler], Getter]:
    """The argument strategy of conditions and modifiers whose argument is a word of *kind*, with its options.

    A constant one is found at load; another one when it is used.
    """

    def strategy(source: Source, compiler: Compiler) -> Getter:
        expression = compile_text(source, compiler)
        if expression.constant is None:
            text = expanded(source, compiler)
            return lambda tx: _chosen_now(kind, text(tx), tx, compiler)
        try:
            found = _choice(kind, expression.constant, compiler)
        except ValueError as error:
            message, _, hint = str(error).partition("\n")
            raise source.error(0, message, hint) from None
        word = found[0]
        compiler.note(word, source.where())
        if word.traits.get("warning"):
            compiler.warn(source.where(), f'{kind.value} "{word.name}" has no effect: {word.traits["warning"]}')
        if word.phases is not None:
            compiler.require(word.phases, f'{kind.value} "{word.name}"', source.where())
        return lambda _: found

    return strategy


def _choice(kind: Kind, text: str, compiler: Compiler) -> Choice:
    """The word that *text* names, and its options. Raises ValueError: what is wrong, and on a second line a hint."""
    parts = CHOICE.fullmatch(text)
    name, rest = parts.groups() if parts else (text, "")
    word = compiler.words.find(kind, lower(name) if kind is Kind.VERIFICATION else name)
    if word is None:
        refusal = compiler.words.refusal(kind, name)
        if refusal:
            raise ValueError(f'{kind.value} "{name}" is not offered\n{refusal}')
        raise ValueError(f'unknown {kind.value} "{name}"\n{compiler.words.nearest(name, kind)}')
    options = word.traits["options"]
    if options is None and rest:
        raise ValueError(f'{kind.value} "{name}" has no options: "{rest}"')
    return word, options(rest) if options else None


def _chosen_now(kind: Kind, text: str, tx: Transaction, compiler: Compiler) -> Choice:
    try:
        word, options = _choice(kind, text, compiler)
    except ValueError as error:
        raise ExpansionError(str(error).replace("\n", " ").rstrip()) from None
    if word.phases is not None and not tx.phase & word.phases:
        raise ExpansionError(f'cannot use "{kind.value}={word.name}" in {tx.phase.title} ACL')
    return word, options


@modifier("control", argument=chosen(Kind.CONTROL))
def _control(tx: Transaction, choice: Choice) -> None:
    """Switch something for this message or connection: see the controls."""
    word, options = choice
    word.run(tx, options)


@condition("verify", argument=chosen(Kind.VERIFICATION))
def _verify(tx: Transaction, choice: Choice) -> bool:
    """Check something about the client, the sender or the message: see the verifications.

    Where a check fails, it says why: in the log, and some of them to the client,
    unless ``message`` and ``log_message`` say something else.
    """
    word, options = choice
    answer: bool = word.run(tx, options)
    return answer
