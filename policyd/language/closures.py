"""What compiled expansions are made of: closures that take a `Context`, and how small ones become large ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from policyd.errors import ExpansionError, ForcedFail
from policyd.language import fields
from policyd.language.complaints import YES_OR_NO
from policyd.language.frame import Context
from policyd.language.limits import MAX_TEXT

T = TypeVar("T")
Text = Callable[[Context], str]
Found = Callable[[Context], str | None]
Check = Callable[[Context], bool]


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled string. *constant* is its value when it never changes."""

    run: Text
    constant: str | None = None


@dataclass(frozen=True, slots=True)
class Fixed:
    """The getter of an argument that never changes."""

    value: Any

    def __call__(self, _: Context) -> Any:
        return self.value


def constant(text: str) -> Expression:
    """An expression that is always *text*."""
    return Expression(lambda _: text, text)


def bounded(text: str) -> str:
    """*text* itself. Raises `ExpansionError` when it is longer than any may be."""
    if len(text) > MAX_TEXT:
        raise ExpansionError(f"result longer than {MAX_TEXT} octets")
    return text


def guarded(run: Text) -> Text:
    """Trees, ACLs and texts can lead to one another: together they may be deeper than Python allows."""

    def closure(ctx: Context) -> str:
        try:
            return run(ctx)
        except RecursionError:
            raise ExpansionError("nested too deeply") from None

    return closure


def joined(parts: list[Expression]) -> Expression:
    """One text after the other."""
    texts = [part.constant for part in parts if part.constant is not None]
    if len(texts) == len(parts):
        return constant("".join(texts))
    runs = [part.run for part in parts]
    return Expression(lambda ctx: bounded("".join([run(ctx) for run in runs])))


def captured(number: int) -> Text:
    """``$0``, ``$1`` …"""

    def run(ctx: Context) -> str:
        captures = ctx.frame.captures
        return captures[number] if number < len(captures) else ""

    return run


# -- calling words


def operated(run: Callable[..., str], subject: Expression, arguments: tuple[str, ...], pure: bool) -> Expression:
    """An operator, which (unless *pure*) gets the context too.

    What fails at load is left to fail when it runs, as it may never be reached.
    """
    text = subject.run
    if not pure:
        return Expression(lambda ctx: run(ctx, text(ctx), *arguments))
    if subject.constant is not None:
        try:
            return constant(run(subject.constant, *arguments))
        except ExpansionError:
            pass
    if arguments:
        return Expression(lambda ctx: run(text(ctx), *arguments))
    return Expression(lambda ctx: run(text(ctx)))


def called(run: Callable[..., T], texts: list[Callable[[Context], Any]]) -> Callable[[Context], T]:
    """A word with its arguments evaluated."""
    if len(texts) == 1:
        (only,) = texts
        return lambda ctx: run(ctx, only(ctx))
    if len(texts) == 2:
        first, second = texts
        return lambda ctx: run(ctx, first(ctx), second(ctx))
    return lambda ctx: run(ctx, *[text(ctx) for text in texts])


def itself(value: T) -> Callable[[Context], T]:
    """An argument that is not evaluated: the word does that itself, or it is a value already."""
    return lambda _: value


# -- yes and no


def conditional(test: Check, yes: Text, no: Text) -> Text:
    """``${if``. What the condition captured and found is forgotten after it."""

    def run(ctx: Context) -> str:
        frame = ctx.frame
        captures, value = frame.captures, frame.value
        try:
            return yes(ctx) if test(ctx) else no(ctx)
        finally:
            frame.captures, frame.value = captures, value

    return run


def chosen(produce: Found, yes: Text | None, no: Text) -> Text:
    """An item with its *yes* and *no*. Without *yes*, it is what it found."""

    def run(ctx: Context) -> str:
        frame = ctx.frame
        captures, value = frame.captures, frame.value
        try:
            found = produce(ctx)
            if found is None:
                return no(ctx)
            if yes is None:
                return found
            frame.value = found
            return yes(ctx)
        finally:
            frame.captures, frame.value = captures, value

    return run


def forced(name: str) -> Text:
    """``fail`` in the place of *no*."""

    def run(_: Context) -> str:
        raise ForcedFail(f'"{name}" failed and "fail" requested')

    return run


def extracted(form: str, runs: list[Text], no: Text) -> Text:
    """``${extract``: its first argument says which of the others are its own. *no*: what there is in their place."""
    key, rest = runs[0], runs[1:]

    def run(ctx: Context) -> str:
        field = fields.Field.read(key(ctx), form)
        number = field.arguments
        if len(rest) < number:
            raise ExpansionError(f"missing '{{' for arg {len(runs) + 1} of extract")
        if len(rest) > number + 2:
            raise ExpansionError(f"{YES_OR_NO}did not close with '}}'")
        yes = rest[number] if len(rest) > number else None
        if no is not nothing and len(rest) != number + 1:
            raise ExpansionError(f"{YES_OR_NO}'yes' part did not start with '{{'")
        otherwise = rest[number + 1] if len(rest) > number + 1 else no
        return chosen(lambda _: field.of(*[text(ctx) for text in rest[:number]]), yes, otherwise)(ctx)

    return run


def nothing(_: Context) -> str:
    """The empty text."""
    return ""


# -- conditions


def negated(test: Check) -> Check:
    """``!``"""
    return lambda ctx: not test(ctx)


def every(tests: list[Check]) -> Check:
    """``and``: up to the first that is false."""

    def run(ctx: Context) -> bool:
        try:
            return all(test(ctx) for test in tests)
        except (ExpansionError, ForcedFail) as error:
            raise type(error)(f'{error} inside "and{{...}}" condition') from error

    return run


def some(tests: list[Check]) -> Check:
    """``or``: up to the first that is true."""

    def run(ctx: Context) -> bool:
        try:
            return any(test(ctx) for test in tests)
        except (ExpansionError, ForcedFail) as error:
            raise type(error)(f'{error} inside "or{{...}}" condition') from error

    return run
