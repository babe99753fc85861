"""The main section: option settings and named lists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from policyd.config.exim_options import FORMER_NAMES, HEEDED, WITHOUT_EFFECT
from policyd.config.values import PARSERS, dequoted
from policyd.errors import PolicyError, Where
from policyd.language.acl import ACL_NAME
from policyd.language.compiler import Compiler
from policyd.language.registry import did_you_mean
from policyd.language.source import Source
from policyd.language.verdict import VERBS
from policyd.settings import OPTIONS, Kind

B = r"[ \t\r\n\v\f]"
LIST = re.compile(rf"(?:hide{B}+)?(domain|host|address|localpart)list(_cache)?(?:{B}+|$)")
LIST_NAME = re.compile(rf"([A-Za-z0-9_]+){B}*=?{B}*")
OPTION = re.compile(rf"(?:hide{B}+)?([A-Za-z][A-Za-z0-9_]*){B}*")
VALUE = re.compile(rf"={B}*")
IDLE = re.compile(rf"\+(?!(?:{'|'.join(HEEDED)})\b)[a-z0-9_]+")  # of log_selector
NEGATION = re.compile(r"not?_")
LIST_KINDS = {"domain": "domain", "host": "host", "address": "address", "localpart": "local_part"}


@dataclass(slots=True)
class MainSection:
    """The options set so far. What is set again in a later file wins; twice in one file is an error."""

    compiler: Compiler
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Where] = field(default_factory=dict)  # of options and lists, in the present file

    def read(self, lines: Iterable[Source]) -> None:
        """Read the main section of one configuration. What is wrong is reported, and the next line is read."""
        self.places.clear()
        for line in lines:
            try:
                found = LIST.match(line.text)
                if found:
                    self._define_list(line, found)
                else:
                    self._set_option(line)
            except PolicyError as error:
                self.compiler.report(error)

    def _define_list(self, line: Source, found: re.Match[str]) -> None:
        keyword = f"{found[1]}list"
        name = LIST_NAME.match(line.text, found.end())
        if name is None:
            raise line.error(found.end(), "the name of the list is missing", f"{keyword} NAME = …")
        if "=" not in name[0]:
            raise line.error(name.end(1), f'missing "=" after "{name[1]}"', f"{keyword} {name[1]} = …")
        self._once(f"{keyword} {name[1]}", line, name.start())
        value = dequoted(line.cut(name.end()))
        self.compiler.define_list(LIST_KINDS[found[1]], name[1], value, cached=found[2] is not None)

    def _set_option(self, line: Source) -> None:
        found = OPTION.match(line.text)
        if found is None:
            raise line.error(0, "an option setting was expected", "the main section reads NAME = VALUE")
        at, written = found.start(1), found[1]
        name, negated = _known(written)
        kind = _kind(name)
        if kind is None:
            raise line.error(at, f'unknown option "{written}"', _hint(line, name))
        self._once(name, line, at)
        if kind is Kind.BOOLEAN:
            value: Any = _switch(line, found, negated)
        elif negated:
            raise line.error(at, f'"{written}": only a boolean option can be negated', f"{name} = {kind.value}")
        else:
            value = PARSERS[kind](_value(line, found, kind))
        if kind is Kind.LOG_SELECTOR:
            for idle in IDLE.finditer(line.text):
                self.compiler.warn(line.where(idle.start()), f'log_selector: "{idle[0]}" changes nothing here')
        if name in WITHOUT_EFFECT:
            self.compiler.warn(line.where(at), _useless(name))
        else:
            self.values[name] = _within(line, found, name, value)

    def _once(self, name: str, line: Source, at: int) -> None:
        if name in self.places:
            raise line.error(at, f'"{name}" is set for the second time', f"first at {self.places[name]}")
        self.places[name] = line.where(at)


LISTS = tuple(f"{kind}list" for kind in LIST_KINDS)


def _useless(name: str) -> str:
    """Why an option of an MTA does nothing here."""
    if name.startswith("acl_"):
        return f'the ACL of "{name}" never runs: a milter is not asked at that moment'
    return f'option "{name}" has no effect in a milter'


def _kind(name: str) -> Kind | None:
    if name in OPTIONS:
        kind: Kind = OPTIONS[name].metadata["kind"]
        return kind
    return WITHOUT_EFFECT.get(name)


def _hint(line: Source, name: str) -> str:
    """What the author of an unknown option may have meant."""
    if name in VERBS or ACL_NAME.fullmatch(line.text):
        return 'ACLs stand behind a line "begin acl"'
    return did_you_mean(name, [*OPTIONS, *WITHOUT_EFFECT, *LISTS])


def _known(written: str) -> tuple[str, bool]:
    """The option's own name, and whether ``no_`` or ``not_`` stands before it."""
    prefix = NEGATION.match(written)
    if _kind(written) is None and prefix:
        return written[prefix.end() :], True
    return FORMER_NAMES.get(written, written), False


def _switch(line: Source, found: re.Match[str], negated: bool) -> bool:
    """A boolean: its name alone, negated or not, or ``= true``."""
    if found.end() == len(line.text):
        return not negated
    equals = VALUE.match(line.text, found.end())
    if negated or equals is None:
        expected = f'write "{found[1]}" alone' + ("" if negated else f', or "{found[1]} = true"')
        raise line.error(found.end(), f'text after the boolean option "{found[1]}"', expected)
    return bool(PARSERS[Kind.BOOLEAN](line.cut(equals.end())))


def _value(line: Source, found: re.Match[str], kind: Kind) -> Source:
    """What stands after ``=``."""
    equals = VALUE.match(line.text, found.end())
    if equals is None:
        raise line.error(found.end(1), f'missing "=" after "{found[1]}"', f"{found[1]} = {kind.value}")
    return line.cut(equals.end())


def _within(line: Source, found: re.Match[str], name: str, value: Any) -> Any:
    """*value*, if the option's limits allow it."""
    limits = OPTIONS[name].metadata["limits"]
    if limits is not None and not limits[0] <= value <= limits[1]:
        at = line.text.index("=", found.end()) + 1
        raise line.cut(at).strip().error(0, f"{value} is out of range", f"{name} is from {limits[0]} to {limits[1]}")
    return value
