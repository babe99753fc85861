"""Trees to closures: what a policy's strings are when mail flows.

A constant subtree folds to a constant, so that a mistake in it is found at
load and costs nothing at message time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from policyd.errors import Defer, ExpansionError, Where
from policyd.language import closures, lookup
from policyd.language.closures import Check, Expression, Fixed, Text, constant
from policyd.language.frame import Context
from policyd.language.items import words
from policyd.language.parser import parse
from policyd.language.registry import Word
from policyd.language.source import Source
from policyd.language.syntax import (
    Argument,
    Capture,
    Command,
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
    from policyd.language.taint import Sink

T = TypeVar("T")
DEEP = 40  # braces: deeper trees may, with all that surrounds them, be too deep
RAW = "raw "  # before the kind of list that an argument is


def compile_text(source: Source, compiler: Compiler, sink: Sink | None = None, variable: str = "") -> Expression:
    """Parse and compile. Raises `PolicyError` at the character that is wrong.

    *sink* and *variable* say what becomes of the text, for `policyd.language.taint`.
    """
    try:
        node = parse(source, compiler.words)
        compiler.flow.add(node, sink, variable)
        expression = compile_node(node, compiler)
    except RecursionError:  # many strings, each within the limit, that lead to one another
        raise source.error(0, "nested too deeply") from None
    if source.text.count("{") < DEEP:
        return expression
    return Expression(closures.guarded(expression.run), expression.constant)


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
    return Expression(closures.captured(node.number))


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
    return closures.joined([compile_node(part, compiler) for part in node.parts])


def _operator(node: Operator, compiler: Compiler) -> Expression:
    compiler.note(node.word, node.where)
    subject = compile_node(node.subject, compiler)
    pure = not node.word.traits.get("context")
    return closures.operated(_bound(node.word, compiler), subject, node.arguments, pure)


def _item(node: Item, compiler: Compiler) -> Expression:
    compiler.note(node.word, node.where)
    run = closures.called(_bound(node.word, compiler), _arguments(node.word, node.arguments, node.where, compiler))
    return Expression(run) if node.tail is None else _with_tail(run, node.tail, compiler)


def _bound(word: Word, compiler: Compiler) -> Callable[..., Any]:
    """The word's function; those that need the definitions of the policy get them first."""
    return partial(word.run, compiler) if word.traits.get("compiler") else word.run


def _arguments(word: Word, arguments: tuple[Argument, ...], where: Where, compiler: Compiler) -> list[Any]:
    shapes = [word.shape_of(number) for number in range(len(arguments))]
    return [_argument(argument, shape, where, compiler) for argument, shape in zip(arguments, shapes, strict=True)]


def _argument(argument: Any, shape: str, where: Where, compiler: Compiler) -> Callable[[Context], Any]:
    """The closure of an argument's value, which for some shapes is a closure itself. See `Word.shape_of`."""
    if shape == "test":
        return closures.itself(compile_test(argument, compiler))
    if shape == "lazy":
        return closures.itself(compile_node(argument, compiler).run)
    if shape.startswith(RAW):
        return closures.itself(compiler.matcher(shape.removeprefix(RAW), argument.text, where))
    if shape == "command":
        return _command(argument, compiler)
    expression = compile_node(argument, compiler)
    if shape == "acl" and expression.constant is not None and compiler.current is not None:
        compiler.current.calls.append((expression.constant, where))
    return expression.run


def _command(command: Command, compiler: Compiler) -> Callable[[Context], list[str]]:
    """The words of a command."""
    parts = [compile_node(part, compiler).run for part in command.parts]
    if command.whole:
        (whole,) = parts
        return lambda ctx: [word.text for word in words(Source.of(whole(ctx)))]
    return lambda ctx: [part(ctx) for part in parts]


def _lookup(node: Lookup, compiler: Compiler) -> Expression:
    type_ = lookup.find_type(node.type, node.where, compiler)
    compiler.note(type_.word, node.where)
    lookup.check_key(type_, node.key is not None, node.where)
    subject = compile_node(node.subject, compiler)
    lookup.check_source(type_, subject.constant, node.where)
    key = compile_node(node.key, compiler) if node.key is not None else None
    return _with_tail(lookup.finder(type_, subject.run, key.run if key else None), node.tail, compiler)


# -- strings that depend on something


def _if(node: If, compiler: Compiler) -> Expression:
    test = compile_test(node.test, compiler)
    yes = compile_node(node.tail.yes, compiler) if node.tail.yes is not None else constant("true")
    return Expression(closures.conditional(test, yes.run, _otherwise(node.tail, compiler)))


def _with_tail(run: closures.Found, tail: Tail, compiler: Compiler) -> Expression:
    yes = compile_node(tail.yes, compiler).run if tail.yes is not None else None
    return Expression(closures.chosen(run, yes, _otherwise(tail, compiler)))


def _otherwise(tail: Tail, compiler: Compiler) -> Text:
    """What *no* is: its text, a forced failure, or nothing."""
    if tail.no is not None:
        return compile_node(tail.no, compiler).run
    return closures.forced(tail.name) if tail.fail else closures.nothing


def _extract(node: Extract, compiler: Compiler) -> Expression:
    runs = [compile_node(argument, compiler).run for argument in node.arguments]
    no = closures.forced("extract") if node.fail else closures.nothing
    return Expression(closures.extracted(node.form, runs, no))


# -- conditions


def _not(test: Not, compiler: Compiler) -> Check:
    return closures.negated(compile_test(test.test, compiler))


def _every(test: Every, compiler: Compiler) -> Check:
    return closures.every([compile_test(part, compiler) for part in test.tests])


def _some(test: Some, compiler: Compiler) -> Check:
    return closures.some([compile_test(part, compiler) for part in test.tests])


def _defined(test: Defined, compiler: Compiler) -> Check:
    value = _value_of(test.variable, compiler)
    exists = test.variable.word.traits.get("exists")
    if exists is None:
        return lambda ctx: value(ctx) != ""
    suffix = test.variable.suffix
    return lambda ctx: bool(exists(ctx, suffix))


def _comparison(test: Comparison, compiler: Compiler) -> Check:
    compiler.note(test.word, test.where)
    return closures.called(_bound(test.word, compiler), _arguments(test.word, test.arguments, test.where, compiler))


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


def expanded(source: Source, compiler: Compiler, variable: str = "") -> Getter:
    """The argument strategy of words that want plain text. *variable*: the ACL variable that gets it."""
    expression = compile_text(source, compiler, variable=variable)
    return _explained(expression.run, source.text) if expression.constant is None else Fixed(expression.constant)


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
            return Fixed(value)
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
