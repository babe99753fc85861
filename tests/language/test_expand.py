"""Trees to closures: what is evaluated, when, and what it leaves behind."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from parts.expanding import Expander

from policyd import words
from policyd.errors import Defer, ExpansionError, ForcedFail, PolicyError
from policyd.language import again, closures
from policyd.language.again import expansion
from policyd.language.closures import bounded
from policyd.language.compiler import Compiler
from policyd.language.expand import compile_text, expanded, parsed
from policyd.language.limits import MAX_DEPTH
from policyd.language.source import Source
from policyd.resolver import DnsTemporary

words.load()
expand = Expander("domainlist local = a.b\nbegin acl\nother:\n accept message = <$acl_arg1>\n")
expand.tx.acl_variables.update(acl_m_x="X", acl_m_client="$primary_hostname")

CASES = [
    ("", ""),
    ("a${lc:B}c$acl_m_x", "abcX"),
    ("$1${2}", ""),
    ("$acl_m_unset|$acl_c_unset", "|"),
    # yes and no
    ("${if eq{a}{a}}", "true"),
    ("${if eq{a}{b}}", ""),
    ("${if eq{a}{a}{y}{n}}", "y"),
    ("${if eq{a}{b}{y}{n}}", "n"),
    ("${if eq{a}{b}{y}}", ""),
    ("${if eq{a}{a}{}{n}}", ""),
    ("${if eq{a}{a}{y} fail}", "y"),
    ("${if eq{a}{b}{y} fail}", 'Failed: "if" failed and "fail" requested'),
    ("${if !eq{a}{b}{y}{n}}", "y"),
    ("${if and{}{y}{n}}", "y"),
    ("${if or{}{y}{n}}", "n"),
    ("${if and{{eq{a}{a}}{eq{b}{b}}}{y}{n}}", "y"),
    ("${if and{{eq{a}{a}}{eq{b}{c}}}{y}{n}}", "n"),
    ("${if or{{eq{a}{b}}{eq{b}{b}}}{y}{n}}", "y"),
    ("${if def:acl_m_x{y}{n}}${if def:acl_m_unset{y}{n}}", "yn"),
    ("${env{NOSUCH}{y}{n}}", "n"),
    # what is not needed is not evaluated
    ("${if eq{a}{b}{${eval:x}}{n}}", "n"),
    ("${if eq{a}{a}{y}{${eval:x}}}", "y"),
    ("${if or{{eq{a}{a}}{={x}{1}}}{y}{n}}", "y"),
    ("${if and{{eq{a}{b}}{={x}{1}}}{y}{n}}", "n"),
    ("${if eq{a}{b}{${if eq{a}{b}{x} fail}}{n}}", "n"),
    ("${extract{a}{b=1}{${eval:x}}{n}}", "n"),
    (
        "x${eval:x}",
        'Failed: error in expression evaluation: expecting number or opening parenthesis (after processing "")',
    ),
    # what a match captures, and what was found
    ("${if match{abc}{(b)}{$0$1$2}}$1", "bb"),
    ("${if match{abc}{(b)}{${if match{x}{y}{}{$1}}}}", "b"),
    ("${if match{abc}{(b)}{${if match{xyz}{(z)}{$1}}$1}}", "zb"),
    ("${if and{{match{abc}{(b)}}{eq{$1}{b}}}{y}{n}}", "y"),
    ("${if !match{abc}{(b)}{y}{$1}}", "b"),
    ("${sg{abc}{(b)}{<\\$1>}}$1", "a<b>c"),
    ("${extract{a}{a=1}{$value${extract{b}{b=2}{$value}}$value}}", "121"),
    ("${extract{a}{a=1}{${extract{b}{c=2}{$value}{[$value]}}}}", "[1]"),
    # names of lists and ACLs are known to what is expanded again
    ("${expand:\\${if match_domain{a.b\\}{+local\\}{y\\}{n\\}\\}}", "y"),
    ("${expand:\\${acl{other\\}{1\\}\\}}", "<1>"),
    ("${sg{x}{x}{\\${acl{other\\}{\\$0\\}\\}}}", "<x>"),
    ("${expand:$acl_m_client}", expand.policy.settings.primary_hostname),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_expansion(string, want):
    assert expand(string) == want


@pytest.mark.parametrize(
    ("string", "kind"),
    [
        ("${if eq{a}{b}{} fail}", ForcedFail),
        ("${eval:x}", ExpansionError),
        ("${if match_domain{a}{$x : @mx_any}{y}{n}}", Defer),
    ],
)
def test_what_is_raised(string, kind):
    temporary = Expander()
    temporary.tx.services = replace(temporary.tx.services, resolver=Silent())
    with pytest.raises(kind):
        temporary.run(string)


class Silent:
    """DNS that does not answer."""

    def lookup(self, rtype, name):
        raise DnsTemporary("no answer")

    def until(self, deadline):
        return self


# -- at load


def test_constant_text_is_folded():
    compiler = Compiler()
    expression = compile_text(Source.of("a${lc:B}${substr_1_1:xyz}${sha1:}"), compiler)

    assert expression.constant == "abyDA39A3EE5E6B4B0D3255BFEF95601890AFD80709"
    assert compile_text(Source.of("a$value"), compiler).constant is None
    assert compile_text(Source.of("${stat:/}"), compiler).constant is None  # what it says can change
    assert compile_text(Source.of("${randint:5}"), compiler).constant is None
    assert compile_text(Source.of("${eval:x}"), compiler).constant is None  # it fails when it runs


def test_what_a_string_uses_is_noted():
    compiler = Compiler()
    compile_text(Source.of("${if eq{$value}{${lc:x}}{${map{a}{$item}}}}"), compiler)

    assert {word.name for word in compiler.used} == {"eq", "value", "lc", "map", "item"}


@pytest.mark.parametrize(
    ("step", "column", "problem"),
    [
        ("set acl_m_x = ${run{/bin/true}}", 21, "${run} is not permitted"),
        ("set acl_m_x = ${readsocket{/a}{b}}", 21, "${readsocket} is not permitted"),
        ("set acl_m_x = ${acl{nosuch}}", 21, 'there is no ACL named "nosuch"'),
        ("condition = ${if acl{{nosuch}}}", 24, 'there is no ACL named "nosuch"'),
        ("set acl_m_x = ${if match_domain{a}{+x}}", 26, 'unknown named domain list "+x"'),
        ("set acl_m_x = ${if match_ip{a}{1.2.3}}", 26, "malformed IP address or address mask: 1.2.3"),
        ("set acl_m_x = ${lookup{a}lsearch{b}}", 32, 'absolute file name expected for "lsearch" lookup: "b"'),
        ("set acl_m_x = ${lookup{a}nosuch{b}}", 32, 'unknown lookup type "nosuch"'),
    ],
)
def test_problems_of_a_policy(step, column, problem):
    with pytest.raises(PolicyError) as error:
        Expander(f"begin acl\nacl_check_rcpt:\n warn {step}\n accept\n")
    assert [(found.where.exact, found.message) for found in error.value.problems] == [(f"policy:3:{column}", problem)]


def test_an_option_permits():
    assert Expander("allow_run")("${run{/bin/echo x}}") == "x\n"


# -- arguments of ACL words


def test_an_argument_names_the_string_that_failed():
    run = expanded(Source.of("${eval:x}"), Compiler())
    with pytest.raises(ExpansionError, match=r'^failed to expand ACL string "\$\{eval:x\}": error in expression'):
        run(expand.tx)


def test_a_constant_argument_is_parsed_once_at_load():
    calls = []

    def number(text):
        calls.append(text)
        return int(text)

    getter = parsed(number)(Source.of("${eval:1+1}"), Compiler())
    assert [getter(None), getter(None), calls] == [2, 2, ["2"]]
    with pytest.raises(PolicyError, match="invalid literal"):
        parsed(int)(Source.of("x"), Compiler())


def test_a_changing_argument_is_parsed_each_time():
    getter = parsed(int)(Source.of("$acl_m_n"), Compiler())
    other = Expander()
    other.tx.acl_variables["acl_m_n"] = "7"
    assert getter(other.tx) == 7
    other.tx.acl_variables["acl_m_n"] = "x"
    with pytest.raises(ExpansionError, match="invalid literal"):
        getter(other.tx)


# -- a second expansion


def test_texts_are_compiled_once_and_not_for_ever(monkeypatch):
    monkeypatch.setattr(again, "MAX_COMPILED", 2)
    compiler = Compiler()
    first = expansion("a", compiler)
    assert expansion("a", compiler) is first
    assert [expansion(text, compiler)(None) for text in ("b", "c")] == ["b", "c"]
    assert expansion("a", compiler) is not first
    with pytest.raises(ExpansionError, match="unknown variable"):
        expansion("$nosuch")


# -- too much


def test_the_deepest_tree_runs_in_a_thread():
    levels = MAX_DEPTH // 2 - 1
    deepest = "${if eq{a}{a}{" * levels + "$acl_m_x" + "}}" * levels
    answers = []
    thread = threading.Thread(target=lambda: answers.append(expand(deepest)))
    thread.start()
    thread.join()
    assert answers == ["X"]


def test_a_text_that_leads_to_itself_fails():
    loop = Expander()
    loop.tx.acl_variables["acl_m_x"] = "${expand:$acl_m_x}"
    assert "nested too deeply" in loop("${expand:$acl_m_x}")


def test_an_acl_that_leads_to_itself_fails():
    loop = Expander("begin acl\nx:\n accept message = ${acl{x}}\n")
    answers = []
    loop.tx.services.log.write = lambda target, text: answers.append(text)
    assert loop("${acl{x}}") == ""  # a message that cannot be expanded is left out
    assert any("ACL nested too deep" in text for text in answers)


def test_trees_and_texts_that_are_too_deep_together_fail():
    nested = Expander()
    nested.tx.acl_variables["acl_m_x"] = "${uc:" * 100 + "${expand:$acl_m_x}" + "}" * 100
    assert "nested too deeply" in nested("${uc:" * 100 + "${expand:$acl_m_x}" + "}" * 100)


def test_texts_have_an_end(monkeypatch):
    monkeypatch.setattr(closures, "MAX_TEXT", 1000)
    big = Expander()
    big.tx.acl_variables["acl_m_x"] = "x" * 600
    assert bounded("x" * 1000) == "x" * 1000
    for string in ("$acl_m_x$acl_m_x", "${map{a:b}{$acl_m_x}}", "${reduce{a:b:c}{$acl_m_x}{$value$value}}"):
        assert big(string).startswith("Failed: result longer than 1000 octets")


def test_loops_end_with_the_phase():
    loop = Expander()
    ten = ":".join("0123456789")
    string = f"${{map{{{ten}}}{{" * 8 + "x" + "}}" * 8
    started = time.monotonic()
    with pytest.raises(Defer, match="the time for this phase is over"):
        loop.run(string, seconds=0.2)
    assert time.monotonic() - started < 20


def test_replacements_end_with_the_phase():
    loop = Expander()
    with pytest.raises(ExpansionError, match="the time for this phase is over"):
        loop.run("${sg{aaa}{a}{x}}", seconds=-1)
