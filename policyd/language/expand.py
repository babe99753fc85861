"""Trees to closures: what a policy's strings are when mail flows.

A constant subtree folds to a constant, so that a mistake in it is found at
load and costs nothing at message time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from policyd.errors import Defer, ExpansionError, ForcedFail
from policyd.language import fields, lookup
from policyd.language.frame import Context
from policyd.language.parser import parse
from policyd.language.source import Source
from policyd.language.syntax import (
    Argument,
    Capture,
    Comparison,
    Defined,
    Every,
    Extract,
    If,
    Item,
    Join,
    Literal,
    Lookup,
    Node,
    Not,
    Operator,
    Some,
    Tail,
    Test,
    Variable,
)

if TYPE_CHECKING:
    from policyd.language.compiler import Compiler

T = TypeVar("T")
Text = Callable[[Context], str]
Check = Callable[[Context], bool]


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled string. *constant* is its value when it never changes."""

    run: Text
    constant: str | None = None


def constant(text: str) -> Expression:
    """An expression that is always *text*."""
    return Expression(lambda _: text, text)


def compile_text(source: Source, compiler: Compiler) -> Expression:
    """Parse and compile. Raises `PolicyError` at the character that is wrong."""
    return compile_node(parse(source, compiler.words), compiler)


def compile_node(node: Node, compiler: Compiler) -> Expression:
    """One closure for a tree."""
    return _NODES[type(node)](node, compiler)


def compile_test(test: Test, compiler: Compiler) -> Check:
    """One closure for a condition of ``${if``."""
    return _TESTS[type(test)](test, compiler)


# -- strings


def _literal(node: Literal, _: Compiler) -> Expression:
    return constant(node.text)


def _capture(node: Capture, _: Compiler) -> Expression:
    number = node.number

    def run(ctx: Context) -> str:
        captures = ctx.frame.captures
        return captures[number] if number < len(captures) else ""

    return Expression(run)


def _variable(node: Variable, compiler: Compiler) -> Expression:
    return Expression(_value_of(node, compiler))


def _value_of(node: Variable, compiler: Compiler) -> Text:
    compiler.note(node.word, node.where)
    run: Callable[..., str] = node.word.run
    if not node.word.is_prefix:
        return run
    suffix = node.suffix
    return lambda ctx: run(ctx, suffix)


def _join(node: Join, compiler: Compiler) -> Expression:
    parts = [compile_node(part, compiler) for part in node.parts]
    texts = [part.constant for part in parts if part.constant is not None]
    if len(texts) == len(parts):
        return constant("".join(texts))
    runs = [part.run for part in parts]
    return Expression(lambda ctx: "".join([run(ctx) for run in runs]))


def _operator(node: Operator, compiler: Compiler) -> Expression:
    compiler.note(node.word, node.where)
    subject = compile_node(node.subject, compiler)
    run: Callable[..., str] = node.word.run
    arguments = node.arguments
    if node.word.traits.get("context"):
        return Expression(lambda ctx: run(ctx, subject.run(ctx), *arguments))
    if subject.constant is None:
        return Expression(lambda ctx: run(subject.run(ctx), *arguments))
    return _folded(run, subject.constant, arguments)


def _folded(run: Callable[..., str], text: str, arguments: tuple[str, ...]) -> Expression:
    """The operator's constant result; what fails is left to fail when it runs, as it may never be reached."""
    try:
        return constant(run(text, *arguments))
    except ExpansionError:
        return Expression(lambda _: run(text, *arguments))


def _item(node: Item, compiler: Compiler) -> Expression:
    compiler.note(node.word, node.where)
    produce = _call(node.word.run, node.arguments, compiler, node.word.shape)
    if node.tail is None:
        return Expression(produce)
    return _with_tail(produce, node.tail, compiler)


def _call(
    run: Callable[..., T], arguments: tuple[Argument, ...], compiler: Compiler, shape: tuple[str, ...]
) -> Callable[[Context], T]:
    """Call a word with its arguments evaluated, but for those it evaluates itself."""
    compiled = [_compile_argument(argument, compiler) for argument in arguments]
    if not set(shape) & {"lazy", "test"}:
        texts = [argument.run for argument in compiled]
        if len(texts) == 1:
            only = texts[0]
            return lambda ctx: run(ctx, only(ctx))
        return lambda ctx: run(ctx, *[text(ctx) for text in texts])
    shapes = [*shape, *["text"] * len(arguments)]
    pairs = [(argument.run, shapes[number] in ("lazy", "test")) for number, argument in enumerate(compiled)]
    return lambda ctx: run(ctx, *[value if lazy else value(ctx) for value, lazy in pairs])


@dataclass(frozen=True, slots=True)
class _Test:
    run: Check


def _compile_argument(argument: Argument, compiler: Compiler) -> Expression | _Test:
    if type(argument) in _TESTS:
        return _Test(compile_test(argument, compiler))  # type: ignore[arg-type]
    return compile_node(argument, compiler)  # type: ignore[arg-type]


def _extract(node: Extract, compiler: Compiler) -> Expression:
    arguments = [compile_node(argument, compiler) for argument in node.arguments]
    runs = [argument.run for argument in arguments]
    fail = node.fail

    def run(ctx: Context) -> str:
        key = runs[0](ctx)
        used = fields.arguments(key)
        if len(runs) < used or len(runs) > used + 2:
            raise ExpansionError(f"wrong number of arguments for extract: its first is {key!r}")
        found = fields.extract(key, [text(ctx) for text in runs[1:used]])
        yes = runs[used] if len(runs) > used else None
        no = runs[used + 1] if len(runs) > used + 1 else None
        return _choose(ctx, found, yes, no, "extract" if fail else "")

    return Expression(run)


def _lookup(node: Lookup, compiler: Compiler) -> Expression:
    type_ = lookup.find_type(node.type, node.where, compiler)
    compiler.note(type_.word, node.where)
    lookup.check_key(type_, node.key is not None, node.where)
    subject = compile_node(node.subject, compiler)
    key = compile_node(node.key, compiler) if node.key is not None else None
    return _with_tail(lookup.finder(type_, subject.run, key.run if key else None), node.tail, compiler)


def _if(node: If, compiler: Compiler) -> Expression:
    test = compile_test(node.test, compiler)
    tail = node.tail
    yes = compile_node(tail.yes, compiler).run if tail.yes is not None else constant("true").run
    no = _negative(tail, compiler)

    def run(ctx: Context) -> str:
        saved = ctx.frame.captures
        try:
            return yes(ctx) if test(ctx) else no(ctx)
        finally:
            ctx.frame.captures = saved

    return Expression(run)


def _negative(tail: Tail, compiler: Compiler) -> Text:
    """What ``{no}`` is: its text, nothing, or a forced failure."""
    if tail.no is not None:
        return compile_node(tail.no, compiler).run
    if not tail.fail:
        return constant("").run
    return _forced(tail.name)


def _forced(name: str) -> Text:
    def run(_: Context) -> str:
        raise ForcedFail(f'"{name}" failed and "fail" requested')

    return run


def _with_tail(produce: Callable[[Context], str | None], tail: Tail, compiler: Compiler) -> Expression:
    yes = compile_node(tail.yes, compiler).run if tail.yes is not None else None
    no = _negative(tail, compiler)

    def run(ctx: Context) -> str:
        saved = ctx.frame.captures
        try:
            return _choose(ctx, produce(ctx), yes, no, "")
        finally:
            ctx.frame.captures = saved

    return Expression(run)


def _choose(ctx: Context, found: str | None, yes: Text | None, no: Text | None, forced: str) -> str:
    """The branch after an item: ``$value`` is what was found, during *yes* only."""
    if found is None:
        if forced:
            raise ForcedFail(f'"{forced}" failed and "fail" requested')
        return no(ctx) if no else ""
    if yes is None:
        return found
    frame = ctx.frame
    saved, frame.value = frame.value, found
    try:
        return yes(ctx)
    finally:
        frame.value = saved


# -- conditions


def _not(test: Not, compiler: Compiler) -> Check:
    inner = compile_test(test.test, compiler)
    return lambda ctx: not inner(ctx)


def _every(test: Every, compiler: Compiler) -> Check:
    inner = [compile_test(part, compiler) for part in test.tests]
    return lambda ctx: all(part(ctx) for part in inner)


def _some(test: Some, compiler: Compiler) -> Check:
    inner = [compile_test(part, compiler) for part in test.tests]
    return lambda ctx: any(part(ctx) for part in inner)


def _defined(test: Defined, compiler: Compiler) -> Check:
    exists = test.variable.word.traits.get("exists")
    if exists is not None:
        suffix = test.variable.suffix
        return lambda ctx: bool(exists(ctx, suffix))
    value = _value_of(test.variable, compiler)
    return lambda ctx: value(ctx) != ""


def _comparison(test: Comparison, compiler: Compiler) -> Check:
    compiler.note(test.word, test.where)
    return _call(test.word.run, test.arguments, compiler, test.word.shape)


_NODES: dict[type, Callable[[Any, Compiler], Expression]] = {
    Literal: _literal,
    Capture: _capture,
    Variable: _variable,
    Join: _join,
    Operator: _operator,
    Item: _item,
    Extract: _extract,
    Lookup: _lookup,
    If: _if,
}
_TESTS: dict[type, Callable[[Any, Compiler], Check]] = {
    Not: _not,
    Every: _every,
    Some: _some,
    Defined: _defined,
    Comparison: _comparison,
}


# -- arguments of ACL conditions and modifiers

Getter = Callable[[Any], Any]


def expanded(source: Source, compiler: Compiler) -> Getter:
    """The argument strategy of words that want plain text."""
    expression = compile_text(source, compiler)
    return _explained(expression.run, source.text)


def parsed(parser: Callable[[str], T]) -> Callable[[Source, Compiler], Getter]:
    """The argument strategy of words with a syntax of their own: *parser* raises ValueError with what is wrong.

    A constant argument is parsed once, at load; another one each time.
    """

    def strategy(source: Source, compiler: Compiler) -> Getter:
        expression = compile_text(source, compiler)
        if expression.constant is not None:
            try:
                value = parser(expression.constant)
            except ValueError as error:
                raise source.error(0, str(error)) from None
            return lambda _: value
        return _parsed_each_time(_explained(expression.run, source.text), parser)

    return strategy


def _parsed_each_time(text: Text, parser: Callable[[str], T]) -> Getter:
    def getter(ctx: Context) -> T:
        try:
            return parser(text(ctx))
        except ValueError as error:
            raise ExpansionError(str(error)) from None

    return getter


def _explained(run: Text, raw: str) -> Text:
    """Failures name the string that failed, as Exim's log does."""

    def getter(ctx: Context) -> str:
        try:
            return run(ctx)
        except (ExpansionError, Defer) as error:
            raise type(error)(f'failed to expand ACL string "{raw}": {error}') from error

    return getter
