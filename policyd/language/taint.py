"""Static taint: which text a client controls, and the places it must not reach. Nothing runs; trees are read.

Words carry `policyd.language.marks`: variables whose text comes from the
client, arguments that no such text may reach, results that are harmless
whatever goes in. Lookups clean: what they find is the administrator's.
``${quote_TYPE:…}`` makes text fit for a query of that type.

``$acl_m…``, ``$acl_c…`` and ``$acl_arg…`` are as tainted as anything that any
statement puts into them, or any expansion that calls an ACL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from policyd.errors import Problem, Severity, Where
from policyd.language.marks import ACL_NAME, CONTROLLED, FILE_NAME, HARMLESS, REMEDIES, SINKS
from policyd.language.registry import Word
from policyd.language.syntax import (
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
    Variable,
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where client-controlled text comes from: the variable as it is written, and through what it came."""

    name: str
    where: Where
    through: str = ""

    def __str__(self) -> str:
        return f"{self.name}{self.through}"


@dataclass(frozen=True, slots=True)
class Sink:
    """A place that client-controlled text must not reach: *what* it is, and what to do instead."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What captures, ``$value`` and ``$item`` carry at a point of a tree. *quoting*: the query type quoted for."""

    captures: Origin | None = None
    value: Origin | None = None
    item: Origin | None = None
    quoting: str = ""


@dataclass(slots=True)
class Flow:
    """Every tree of a policy, and what its statements assign."""

    trees: list[tuple[Node, Sink | None]] = field(default_factory=list)
    assigned: dict[str, list[Node]] = field(default_factory=dict)  # by the variable's name
    passed: dict[str, Origin] = field(default_factory=dict)  # by expansions that call ACLs, by the variable's name
    _known: dict[str, Origin | None] = field(default_factory=dict)

    def add(self, node: Node, sink: Sink | None = None, variable: str = "") -> None:
        """A tree whose result goes into *sink*, and which *variable* gets."""
        self.trees.append((node, sink))
        if variable:
            self.assigned.setdefault(variable, []).append(node)

    def problems(self, severity: Severity) -> list[Problem]:
        """Every way from the client to a sink."""
        self._follow()
        found: list[Problem] = []
        walk = Walk(self, found, severity)
        for node, sink in self.trees:
            walk.into(node, Scope(), sink)
        return list(dict.fromkeys(found))

    def _follow(self) -> None:
        """Find out what is passed to ACLs: what one is passed, it may pass on, so until nothing is new."""
        silent, before = Walk(self, [], Severity.ERROR), -1
        while before < len(self.passed):
            before = len(self.passed)
            self._known.clear()
            for node, _ in self.trees:
                silent.origin(node, Scope())

    def origin(self, node: Node) -> Origin | None:
        """Where the text of a tree comes from, if from the client. Only when all trees are known."""
        return Walk(self, [], Severity.ERROR).origin(node, Scope())

    def variable(self, name: str) -> Origin | None:
        """What the ACL variable *name* may carry."""
        if name not in self._known:
            self._known[name] = None  # an assignment from itself adds nothing
            silent = Walk(self, [], Severity.ERROR)
            origin = silent.first(self.assigned.get(name, ()), Scope()) or self.passed.get(name)
            if origin is not None:
                through = f" (in ${name}, set at {origin.where}{origin.through})"
                self._known[name] = replace(origin, through=through)
        return self._known[name]


@dataclass(slots=True)
class Walk:
    """One reading of the trees. Each method answers where the text of a node comes from, if from the client."""

    flow: Flow
    problems: list[Problem]
    severity: Severity

    def origin(self, node: Any, scope: Scope) -> Origin | None:
        """The first client-controlled part of a node's text."""
        return _READ[type(node)](self, node, scope)

    def first(self, nodes: Iterable[Any], scope: Scope) -> Origin | None:
        """The first among several; all of them are read."""
        origins = [self.origin(node, scope) for node in nodes]
        return next((origin for origin in origins if origin is not None), None)

    def into(self, node: Any, scope: Scope, sink: Sink | None) -> Origin | None:
        """Read a node whose text goes into *sink*."""
        origin = self.origin(node, scope)
        if origin is not None and sink is not None:
            self.problems.append(
                Problem(
                    origin.where,
                    f"{origin} is controlled by the client and reaches {sink.what}",
                    sink.remedy.replace("{}", origin.name),
                    self.severity,
                )
            )
        return origin

    # -- text

    def nothing(self, _: Any, __: Scope) -> Origin | None:
        """Constants come from the policy."""
        return None

    def capture(self, node: Capture, scope: Scope) -> Origin | None:
        return scope.captures

    def variable(self, node: Variable, scope: Scope) -> Origin | None:
        if node.word.name in ("acl_c", "acl_m"):
            return self._moved(self.flow.variable(node.suffix), node)
        if node.word.name.startswith("acl_arg"):
            return self._moved(self.flow.variable(node.word.name), node)
        if node.word.name in ("value", "item"):
            return scope.value if node.word.name == "value" else scope.item
        if not hasattr(node.word.run, CONTROLLED):
            return None
        name = f"{node.word.name}{node.suffix}:" if node.word.is_prefix else node.word.name
        return Origin(f"${name}", node.where)

    def _moved(self, origin: Origin | None, node: Variable) -> Origin | None:
        """What a variable carries, seen from where the variable is used."""
        return None if origin is None else replace(origin, where=node.where)

    def operator(self, node: Operator, scope: Scope) -> Origin | None:
        origin = self.into(node.subject, scope, _sink(node.word, 0))
        harmless = hasattr(node.word.run, HARMLESS) or node.word.name == f"quote_{scope.quoting}"
        return None if harmless else origin

    def item(self, node: Item, scope: Scope) -> Origin | None:
        origin = self._arguments(node.word, node.arguments, scope)
        if hasattr(node.word.run, HARMLESS):
            origin = None
        return origin if node.tail is None else self._tail(node.tail, replace(scope, value=origin), origin)

    def _arguments(self, word: Word, arguments: tuple[Any, ...], scope: Scope) -> Origin | None:
        """Arguments that a word evaluates itself see the first one as ``$item`` and ``$value``."""
        first: Origin | None = None
        inner, calls = scope, getattr(word.run, SINKS, {}).get(0) == ACL_NAME
        for number, argument in enumerate(arguments):
            shape = word.shape_of(number)
            if shape.startswith("raw "):
                continue
            itself = shape in ("lazy", "test")
            origin = self.into(argument, inner if itself else scope, _sink(word, number))
            if origin is not None and calls:
                self.flow.passed.setdefault(f"acl_arg{number}", origin)
            first = first or (None if shape == "test" else origin)
            inner = replace(inner, item=inner.item or origin, value=inner.value or origin)
        return first

    def command(self, node: Command, scope: Scope) -> Origin | None:
        return self.first(node.parts, scope)

    def extract(self, node: Extract, scope: Scope) -> Origin | None:
        return self.first(node.arguments, scope)

    def lookup(self, node: Lookup, scope: Scope) -> Origin | None:
        key = self.origin(node.key, scope) if node.key is not None else None
        name = node.type.partition(",")[0]
        if node.key is None:
            sink = Sink(f'a query of lookup type "{name}" unquoted', f"write ${{quote_{name}:{{}}}}")
            self.into(node.subject, replace(scope, quoting=name), sink)
        else:
            self.into(node.subject, scope, Sink(f'{FILE_NAME}, of lookup type "{name}"', REMEDIES[FILE_NAME]))
        return self._tail(node.tail, replace(scope, value=None, captures=key), None)

    def _tail(self, tail: Tail, scope: Scope, found: Origin | None) -> Origin | None:
        branches = [branch for branch in (tail.yes, tail.no) if branch is not None]
        origin = self.first(branches, scope)
        return origin if tail.yes is not None else origin or found

    def choice(self, node: If, scope: Scope) -> Origin | None:
        captures = self._captured(node.test, scope)
        inner = scope if captures is _UNTOUCHED else replace(scope, captures=captures)
        self.origin(node.test, scope)
        return self._tail(node.tail, inner, None)

    def join(self, node: Join, scope: Scope) -> Origin | None:
        return self.first(node.parts, scope)

    # -- conditions

    def opposite(self, node: Not, scope: Scope) -> Origin | None:
        return self.origin(node.test, scope)

    def several(self, node: Every | Some, scope: Scope) -> Origin | None:
        return self.first(node.tests, scope)

    def defined(self, _: Defined, __: Scope) -> Origin | None:
        return None

    def comparison(self, node: Comparison, scope: Scope) -> Origin | None:
        self._arguments(node.word, node.arguments, scope)
        return None

    def _captured(self, test: Any, scope: Scope) -> Any:
        """Where what a condition captures comes from."""
        matches = [part for part in _comparisons(test) if part.word.name.startswith("match")]
        if not matches:
            return _UNTOUCHED
        silent = Walk(self.flow, [], self.severity)
        return silent.first([part.arguments[0] for part in matches], scope)


_UNTOUCHED = object()


def _comparisons(test: Any) -> Iterator[Comparison]:
    if isinstance(test, Comparison):
        yield test
    elif isinstance(test, Not):
        yield from _comparisons(test.test)
    elif isinstance(test, Every | Some):
        for part in test.tests:
            yield from _comparisons(part)


def _sink(word: Word, number: int) -> Sink | None:
    what = getattr(word.run, SINKS, {}).get(number)
    return None if what is None else Sink(f'{what}, of {word.kind.value} "{word.name}"', REMEDIES[what])


_READ: dict[type, Callable[[Walk, Any, Scope], Origin | None]] = {
    Literal: Walk.nothing,
    Capture: Walk.capture,
    Variable: Walk.variable,
    Operator: Walk.operator,
    Item: Walk.item,
    Command: Walk.command,
    Extract: Walk.extract,
    Lookup: Walk.lookup,
    If: Walk.choice,
    Join: Walk.join,
    Not: Walk.opposite,
    Every: Walk.several,
    Some: Walk.several,
    Defined: Walk.defined,
    Comparison: Walk.comparison,
}
