"""The grammar of an ACL section: logical lines to compiled ACLs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from policyd.errors import Defer, ExpansionError, ForcedFail, PolicyError, Unopened, Where
from policyd.language import marks
from policyd.language.acl_text import BLANK, call_words, logical_lines
from policyd.language.calls import Entry, RunAcl, call
from policyd.language.closures import Expression, Fixed
from policyd.language.expand import Getter, compile_text, expanded
from policyd.language.frame import Context
from policyd.language.registry import COMPUTED, Kind, Word, did_you_mean
from policyd.language.source import BLANKS, Source
from policyd.language.taint import Sink
from policyd.language.verdict import FAIL, NEGATED, OK, VERBS, Acl, Outcome, Statement, Step, Verdict, run_acl

if TYPE_CHECKING:
    from policyd.language.compiler import Compiler

ACL_NAME = re.compile(rf"{BLANK}([A-Za-z][A-Za-z0-9_]*){BLANK}:{BLANK}")
WORD = re.compile(rf"{BLANK}(!?){BLANK}([A-Za-z][A-Za-z0-9_]*|[^\s=]*){BLANK}")
VARIABLE = re.compile(rf"(\$?)(acl_[cm][0-9_][A-Za-z0-9_]*)(?={BLANK}=)")
SET_WORD = re.compile(rf"([A-Za-z][A-Za-z0-9_]*){BLANK}(?==)")  # what ``set`` may set besides: modifiers "set NAME"
NAME = re.compile(r"[A-Za-z0-9_.-]+")  # what can only be meant as the name of an ACL
SPECIAL = ("message", "log_message", "acl")  # with ``set`` and ``endpass``: what is no matter of the vocabulary
CALLED = Sink(marks.ACL_NAME, marks.REMEDIES[marks.ACL_NAME])
MAX_INLINE = 100  # computed ACL texts kept compiled

# -- sections


def read_acls(lines: Sequence[Source], compiler: Compiler) -> None:
    """Read the ACL section of one file. An ACL that an earlier file began is continued."""
    here: set[str] = set()
    acl: Acl | None = None
    body: list[Source] = []
    for line in lines:
        header = ACL_NAME.match(line.text)
        if header is None and acl is None:
            compiler.report(line.error(0, "missing or malformed ACL name", 'an ACL begins with a line "NAME:"'))
            acl = Acl("", line.where())
        elif header is None:
            body.append(line)
        else:
            read_statements(acl, body, compiler)
            acl, body = _begin(header, line, here, compiler), []
            _check_rest(line, header.end(), compiler)
    read_statements(acl, body, compiler)


def _check_rest(line: Source, at: int, compiler: Compiler) -> None:
    """What stands behind the name of an ACL is passed over, as in Exim; but only a comment can be meant so."""
    if at < len(line.text) and line.text[at] != "#":
        message = f'"{line.text[at:]}" stands behind the name of an ACL, where it is ignored'
        compiler.report(line.error(at, message, "the first statement begins on the next line"))


def _begin(header: re.Match[str], line: Source, here: set[str], compiler: Compiler) -> Acl:
    name, where = header[1], line.where(header.start(1))
    if name in here:
        compiler.report(PolicyError.at(where, f'there are two ACLs called "{name}" in one file'))
        return Acl(name, where)
    here.add(name)
    return compiler.acls.setdefault(name, Acl(name, where))


def read_statements(acl: Acl | None, lines: Sequence[Source], compiler: Compiler) -> None:
    """Compile *lines* and append them to *acl*. Wrong lines are reported, the others still read."""
    if acl is None:
        return
    compiler.current = acl
    verb: Source | None = None
    steps: list[Step] = []
    for line in lines:
        try:
            started, item = _verb(line)
        except PolicyError as error:
            compiler.report(error)
            continue
        if started is not None:
            _end(acl, verb, steps)
            verb, steps = started, []
            _note_verb(started, compiler)
        elif verb is None:
            compiler.report(_unknown_verb(line))
            continue
        if item is not None:
            _add_step(steps, item, (verb or line).text, compiler)
    _end(acl, verb, steps)
    compiler.current = None


def _end(acl: Acl, verb: Source | None, steps: list[Step]) -> None:
    if verb is not None:
        acl.statements.append(Statement.of(verb.text, verb.where(), steps))


def _note_verb(verb: Source, compiler: Compiler) -> None:
    word = compiler.words.find(Kind.VERB, verb.text)
    if word is not None:
        compiler.note(word, verb.where())
    if word is not None and word.phases is not None:
        compiler.require(word.phases, f'"{verb.text}"', verb.where())


def _verb(line: Source) -> tuple[Source | None, Source | None]:
    """The verb that begins this line, if one does, and the item on it, if there is one."""
    found = WORD.match(line.text)
    if found is None or found[2] not in VERBS:
        return None, line
    if found[1]:
        raise line.error(found.start(1), f'a verb cannot be negated: "{found[2]}"', "conditions can")
    rest = line.cut(found.end())
    verb = line.cut(found.start(2), found.end(2))
    if rest.text.startswith("="):
        return None, line
    return verb, rest if rest.text else None


def _unknown_verb(line: Source) -> PolicyError:
    found = WORD.match(line.text)
    name = found[2] if found else ""
    start = found.start(2) if found else 0
    nearest = did_you_mean(name, list(VERBS)) or "a statement begins with " + ", ".join(sorted(VERBS))
    return line.error(start, f'unknown ACL verb "{name}"', nearest)


def _add_step(steps: list[Step], item: Source, verb: str, compiler: Compiler) -> None:
    try:
        steps.append(read_item(item, verb, compiler))
    except PolicyError as error:
        compiler.report(error)


# -- items


def read_item(line: Source, verb: str, compiler: Compiler) -> Step:
    """One condition or modifier. Raises `PolicyError`."""
    found = WORD.match(line.text)
    assert found is not None  # the pattern matches any text
    negated, name, at = bool(found[1]), found[2], found.start(2)
    where = line.where(at)
    if name == "endpass":
        return _endpass(line, negated, verb, where)
    if name == "set":
        return _set(line, found.end(), negated, compiler)
    word = compiler.words.find(Kind.CONDITION, name) or compiler.words.find(Kind.MODIFIER, name)
    special = name in SPECIAL
    if word is None and not special:
        raise _unknown_item(line, name, at, compiler)
    argument = _argument(line, found.end(), name)
    if negated and not (name == "acl" or (word is not None and word.kind is Kind.CONDITION)):
        raise line.error(found.start(1), f'negation is not allowed with "{name}"', "only conditions can be negated")
    if word is not None and name == "message" and verb == "warn":  # elsewhere it is only a text
        compiler.note(word, where)
    if word is None or special:
        return _special(name, argument, negated, where, compiler)
    return _word_step(word, argument, negated, where, compiler)


def _unknown_item(line: Source, name: str, at: int, compiler: Compiler) -> PolicyError:
    for kind in (Kind.CONDITION, Kind.MODIFIER):
        refusal = compiler.words.refusal(kind, name)
        if refusal:
            return line.error(at, f'{kind.value} "{name}" is not offered', refusal)
    names = compiler.words.names(Kind.CONDITION, Kind.MODIFIER)
    nearest = did_you_mean(name, [*names, *VERBS, *SPECIAL, "set", "endpass"])
    return line.error(at, f'unknown ACL condition or modifier "{name}"', nearest or "a condition or a modifier")


def _argument(line: Source, at: int, name: str) -> Source:
    if not line.text.startswith("=", at):
        raise line.error(at, f'"=" missing after "{name}"', f"{name} = …")
    return line.cut(at + 1).strip()


def _endpass(line: Source, negated: bool, verb: str, where: Where) -> Step:
    if negated or verb not in ("accept", "discard"):
        raise line.error(0, f'"endpass" is not allowed with "{verb}"', "accept and discard allow it")
    return Step(where, "endpass", _nothing, role="endpass")


def _nothing(_: Context) -> None:
    """What a step does whose role only the statement understands."""


def _set(line: Source, at: int, negated: bool, compiler: Compiler) -> Step:
    where = line.where(at)
    other = SET_WORD.match(line.text, at)
    word = compiler.words.find(Kind.MODIFIER, f"set {other[1]}") if other and not negated else None
    if other and word:
        return _word_step(word, _argument(line, other.end(), word.name), negated, where, compiler)
    found = VARIABLE.match(line.text, at)
    if negated or found is None:
        raise line.error(
            at, 'invalid variable name after "set"', "acl_c or acl_m, then a digit or an underscore: acl_m_name"
        )
    if found[1]:
        compiler.warn(where, f'"set ${found[2]}": the variable is named without its dollar', f"set {found[2]} = …")
    name = found[2]
    value = expanded(_argument(line, _skip(line.text, found.end()), f"set {name}"), compiler, name)

    def run(ctx: Context) -> None:
        ctx.variables(name)[name] = value(ctx)

    return Step(where, f"set {name}", run)


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in BLANKS and at < len(text):
        at += 1
    return at


def _special(name: str, argument: Source, negated: bool, where: Where, compiler: Compiler) -> Step:
    if name == "acl":
        run = nested(argument, compiler)
        run = _negated(run) if negated else run
        return Step(where, f"acl = {argument.text}", run, negated=negated, decides=True)
    expression = compile_text(argument, compiler)
    return Step(where, argument.text, _nothing, text=expression.run, role=name)


def _word_step(word: Word, argument: Source, negated: bool, where: Where, compiler: Compiler) -> Step:
    compiler.note(word, where)
    if word.phases is not None:
        compiler.require(word.phases, f'{word.kind.value} "{word.name}"', where)
    getter = word.argument(argument, compiler)
    run = word.run
    label = f"{word.name} = {argument.text}"
    if word.kind is Kind.MODIFIER:
        return Step(where, label, lambda ctx: run(ctx, getter(ctx)) and None, phases=word.phases)
    return Step(where, label, _condition(run, getter, negated), negated=negated, decides=True, phases=word.phases)


def _condition(run: Callable[..., Any], getter: Getter, negated: bool) -> Callable[[Context], Outcome]:
    true, false = (FAIL, OK) if negated else (OK, FAIL)
    if isinstance(getter, Fixed):
        value = getter.value
        return lambda ctx: true if run(ctx, value) else false
    return lambda ctx: true if run(ctx, getter(ctx)) else false


def _negated(run: Callable[[Context], Outcome]) -> Callable[[Context], Outcome]:
    def opposite(ctx: Context) -> Outcome:
        outcome = run(ctx)
        return NEGATED.get(outcome, outcome)

    return opposite


# -- calling ACLs


def entry(source: Source, compiler: Compiler) -> Entry:
    """Compile the value of an ``acl_smtp_…`` option. Empty text is an ACL without statements: it denies."""
    acl = Acl("", source.where())
    previous, compiler.current = compiler.current, acl
    try:
        return Entry(_finder(compile_text(source, compiler, CALLED), source, acl, compiler), acl)
    finally:
        compiler.current = previous


def _finder(name: Expression, source: Source, caller: Acl, compiler: Compiler) -> RunAcl:
    """The closure that finds the ACL and runs it."""
    if name.constant is not None:
        return _found(name.constant.lstrip(BLANKS), source, caller, compiler)
    compiler.needs.add(COMPUTED)
    inline: dict[str, RunAcl] = {}

    def run(ctx: Context) -> Verdict:
        text = _computed(name, source, ctx).lstrip(BLANKS)
        found = inline.get(text)
        if found is None:
            if len(inline) >= MAX_INLINE:
                inline.clear()
            found = inline[text] = _found_now(text, source, compiler)
        return _guarded(found, ctx)

    return run


def _computed(name: Expression, source: Source, ctx: Context) -> str:
    """What an ACL's name comes to."""
    try:
        return name.run(ctx)
    except (ExpansionError, Defer) as error:
        raise type(error)(f'failed to expand ACL string "{source.text}": {error}') from error


def _guarded(run: RunAcl, ctx: Context) -> Verdict:
    """Run what nobody has checked for this phase: each word is checked when it is met."""
    frame = ctx.frame
    saved, frame.guarded = frame.guarded, True
    try:
        return run(ctx)
    finally:
        frame.guarded = saved


def _found(text: str, source: Source, caller: Acl, compiler: Compiler) -> RunAcl:
    """What a constant names: an ACL, a file, or statements."""
    if text.startswith("/"):
        return _from_file(text, compiler)
    if NAME.fullmatch(text):
        caller.calls.append((text, source.where()))
        if text not in VERBS:  # otherwise it is a statement, unless an ACL has this name
            return lambda ctx: run_acl(compiler.acls[text], ctx)
    inline = Acl("", source.where())
    read_statements(inline, list(logical_lines(text, source)), compiler)
    caller.requirements += inline.requirements
    caller.calls += inline.calls
    caller.foreseen += inline.foreseen
    return lambda ctx: run_acl(compiler.acls.get(text, inline), ctx)


def _found_now(text: str, source: Source, compiler: Compiler) -> RunAcl:
    """The same while mail flows: a name that does not exist, or wrong text, is an error then."""
    acl = compiler.acls.get(text)
    if acl is not None:
        return lambda ctx: run_acl(acl, ctx)
    fresh = compiler.fresh()
    run = _found(text, source, Acl("", source.where()), fresh) if text in VERBS or not NAME.fullmatch(text) else None
    if run is None or fresh.problems:
        detail = f": {fresh.problems[0].message}" if fresh.problems else ""
        raise ExpansionError(f'there is no ACL named "{text}"{detail}')
    return run


def _from_file(path: str, compiler: Compiler) -> RunAcl:
    """The statements in a file, read again when it has changed."""
    compiler.needs.add(COMPUTED)
    last: list[tuple[str, Acl]] = []

    def run(ctx: Context) -> Verdict:
        text = _statements_in(path, ctx)
        known = last[0] if last else ("", None)
        acl = known[1] if known[0] is text else None
        if acl is None:
            acl, fresh = Acl(path, Where(path, 1)), compiler.fresh()
            read_statements(acl, list(logical_lines(text, Source.of(text, path, 1))), fresh)
            if fresh.problems:
                raise ExpansionError(f"error in ACL: {fresh.problems[0]}")
            last[:] = [(text, acl)]
        read = acl
        return _guarded(lambda ctx: run_acl(read, ctx), ctx)

    return run


def _statements_in(path: str, ctx: Context) -> str:
    """The text of a file of statements. To be without it is an error, which no ``warn`` gets over."""
    try:
        return ctx.read_file(path)
    except Unopened as error:
        raise ExpansionError(str(error).replace(path, f'ACL file "{path}"', 1)) from None


def nested(source: Source, compiler: Compiler) -> Callable[[Context], Outcome]:
    """``acl = NAME argument …``: the other ACL's outcome; its messages stay behind for this statement."""
    words = list(call_words(source))
    parts = [
        compile_text(word, compiler, None if number else CALLED, f"acl_arg{number}" if number else "")
        for number, word in enumerate(words)
    ]
    if not parts:
        raise source.error(0, "an ACL name is missing", "acl = NAME")
    caller = compiler.current or Acl("", source.where())
    run = _finder(parts[0], words[0], caller, compiler)
    name = parts[0].run
    arguments = [part.run for part in parts[1:]]

    def condition(ctx: Context) -> Outcome:
        try:
            values = tuple([argument(ctx) for argument in arguments])
        except ForcedFail:
            raise ExpansionError("") from None  # Exim has no more to say about it
        except (ExpansionError, Defer) as error:
            raise type(error)(f'failed to expand ACL string "{name(ctx)}": {error}') from error
        return call(run, values, ctx).outcome

    return condition
