"""Lookup types that cannot be had: the policy does not load, and says what to do."""

from __future__ import annotations

import sys

import pytest

from policyd.errors import PolicyError


@pytest.mark.parametrize(
    "text, want",
    [
        ("${lookup ldap{ldap:///x}}", "keep the data in a file (`lsearch`, `cdb`), in SQL or in Redis"),
        ("${lookup{x}dbm{/x}}", "`cdb` holds the same data"),
        ("${lookup{x}nis{x}}", "NIS is no longer in use"),
        ("${lookup oracle{select 1}}", "use `pgsql`, `mysql` or `sqlite`"),
        ("${lookup whoson{x}}", "Whoson is no longer in use"),
        ("${lookup{x}lserach{/x}}", 'did you mean "lsearch"?'),
        ("${lookup{x}lsearch,ret=ful{/x}}", 'has no option "ret=ful"'),
        ("${lookup{x}lsearch,ret=ful{/x}}", 'did you mean "ret=full"?'),
        ("${lookup{x}cdb,nonsense{/x}}", "it has ret=key, cache=no"),
        ("${lookup{x}lsearch{relative}}", 'absolute file name expected for "lsearch" lookup: "relative"'),
        ("${lookup{x}partial(abc)lsearch{/x}}", 'format error in lookup type "partial(abc)lsearch"'),
        ("${lookup partial-pgsql{x}}", '"partial" is not permitted for lookup type "pgsql"'),
        ("${lookup pgsql*{x}}", 'defaults using "*" or "*@" are not permitted for lookup type "pgsql"'),
        ("${lookup{x}pgsql{x}}", 'a single key was given for lookup type "pgsql"'),
        ("${lookup lsearch{/x}}", 'missing {key} for single-key "lsearch" lookup'),
    ],
)
def test_refused_at_load(look, text, want):
    with pytest.raises(PolicyError) as caught:
        look.policy.expansion(text)
    assert want in str(caught.value)


@pytest.mark.parametrize("name, package", [("pgsql", "psycopg"), ("mysql", "pymysql"), ("redis", "hiredis")])
def test_a_missing_package_is_named_with_its_extra(look, monkeypatch, name, package):
    for module in [
        module for module in sys.modules if module.startswith(("policyd.lookups.clients.", "policyd.links.redis"))
    ]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)  # what import then says is what it says when there is none
    with pytest.raises(PolicyError) as caught:
        look.policy.expansion(f"${{lookup {name}{{x}}}}")
    problem = caught.value.problems[0]
    assert problem.message.startswith(f'lookup type "{name}" needs a Python package that cannot be imported: ')
    assert problem.expected == f'pip install "policyd[{name}]"'


@pytest.mark.parametrize("type_", ["cdb", "dnsdb", "dsearch", "json", "lsearch", "passwd", "spf", "wildlsearch"])
def test_most_keys_need_no_quoting(look, type_):
    assert look(f"${{quote_{type_}:it's a\\\\b%}}") == "it's a\\b%"
