"""The state of one load."""

from __future__ import annotations

from policyd import words
from policyd.errors import PolicyError, Where
from policyd.language.acl import read_statements
from policyd.language.compiler import Compiler
from policyd.language.registry import Kind, Vocabulary
from policyd.language.source import Source
from policyd.language.verdict import Acl
from policyd.policy import Phase

HERE = Where("file", 3, 7)
VOCABULARY = words.load()


def test_the_same_is_said_once_of_a_place():
    compiler = Compiler()
    for where in (HERE, HERE, Where("file", 4)):
        compiler.report_once(PolicyError.at(where, "wrong"))
    assert [problem.where.line for problem in compiler.problems] == [3, 4]


def test_phases_are_required_of_the_acl_that_is_compiled():
    compiler = Compiler()
    compiler.require(Phase.RCPT, "this", HERE)  # outside of any: nobody minds
    compiler.current = Acl("x", HERE)
    compiler.require(Phase.RCPT, "that", HERE)
    assert compiler.current.requirements == [(Phase.RCPT, "that", HERE)]


def test_what_is_asked_of_dns_outside_of_any_acl_is_not_foreseen():
    compiler = Compiler()
    compiler.foresee(Phase.RCPT, lambda tx: ())
    compiler.current = Acl("x", HERE)
    compiler.foresee(Phase.MAIL, lambda tx: ())
    assert [phase for phase, _ in compiler.current.foreseen] == [Phase.MAIL]


def test_verbs_have_a_meaning_before_they_have_a_manual():
    compiler, acl = Compiler(words=Vocabulary()), Acl("x", HERE)
    read_statements(acl, [Source.of("accept"), Source.of("deny")], compiler)
    assert [statement.verb for statement in acl.statements] == ["accept", "deny"]
    assert compiler.used == {}


def test_the_first_use_of_a_word_counts():
    compiler = Compiler()
    word = VOCABULARY.find(Kind.OPERATOR, "lc")
    compiler.note(word, HERE)
    compiler.note(word, Where("file", 9))
    assert compiler.used == {word: HERE}


def test_a_fresh_one_has_the_definitions_and_no_problems():
    compiler = Compiler()
    compiler.define_list("domain", "x", Source.of("a.b"))
    compiler.report(PolicyError.at(HERE, "wrong"))
    fresh = compiler.fresh()
    assert fresh.lists is compiler.lists
    assert fresh.problems == []


def test_a_list_that_is_not_expanded():
    matches = Compiler().matcher("domain", "*.x : $y", HERE)
    frame = type("Frame", (), {"captures": (), "matched": None})()
    ctx = type("Context", (), {"frame": frame})()
    assert [matches(ctx, subject) for subject in ("a.x", "$y", "y")] == ["*.x", "$y", None]


def test_references_are_checked_at_the_end():
    compiler = Compiler()
    compiler.define_list("domain", "locals", Source.of("a.b"))
    compiler.matcher("domain", "+local", HERE)
    compiler.matcher("address", "+locals", HERE)
    compiler.finish({})
    assert [(problem.message, problem.expected) for problem in compiler.problems] == [
        ('unknown named domain list "+local"', 'did you mean "locals"?'),
        ('unknown named address list "+locals"', ""),
    ]
