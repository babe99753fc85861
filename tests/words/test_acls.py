"""ACLs inside expansions."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

CONFIG = """
begin acl
echo:
  accept message = $acl_narg:$acl_arg1:$acl_arg2:$acl_arg9
refuse:
  deny message = no $acl_arg1
silent:
  accept
later:
  defer message = later
dropped:
  drop
gone:
  discard
wrong:
  warn condition = ${if ={x}{1}}
rcpt_only:
  accept local_parts = x
deeper:
  accept message = <${acl{echo}{$acl_arg1 again}}>
"""
expand = Expander(CONFIG)

CASES = [
    ("${acl{echo}}", "0:::"),
    ("${acl {echo} {a} {b c} }", "2:a:b c:"),
    ("${acl{echo}{1}{2}{3}{4}{5}{6}{7}{8}{9}}", "9:1:2:9"),
    ("${acl{ echo}{a}}", "1:a::"),
    ("${acl{${lc:ECHO}}}", "0:::"),
    ("${acl{refuse}{x}}", "no x"),
    ("${acl{silent}}", ""),
    ("${acl{deeper}{x}}$acl_arg1", "<1:x again::>"),
    ("${acl{nosuch}}", 'Failed: there is no ACL named "nosuch"'),
    ("${acl{later}}", 'Failed: DEFER from acl "later"'),
    ("${acl{dropped}}", 'Failed: FAIL_DROP from acl "dropped"'),
    ("${acl{gone}}", 'Failed: DISCARD from acl "gone"'),
    ("${acl{wrong}}", 'Failed: ERROR from acl "wrong"'),
    ("${acl{rcpt_only}}", 'Failed: ERROR from acl "rcpt_only"'),
    ("${if acl{{echo}{x}}{y $value}{n}}$value", "y 1:x::"),
    ("${if acl{{refuse}{x}}{y}{n $value}}", "n no x"),
    ("${if !acl{{silent}}{y}{n$value}}", "n"),
    ("${if acl{{later}}{y}{n}}", 'Failed: DEFER from acl "later"'),
    ("${if acl{{dropped}}{y}{n}}", 'Failed: FAIL_DROP from acl "dropped"'),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_acl(string, want):
    assert expand(string) == want


def test_the_messages_of_the_statement_that_asks_stay_its_own():
    frame = expand.tx.frame
    frame.user_message, frame.log_message = "mine", "too"
    assert expand.run("${acl{echo}}") == "0:::"
    assert (expand.tx.frame.user_message, expand.tx.frame.log_message) == ("mine", "too")


@pytest.mark.parametrize("depth", [1, 37, 100])
def test_acls_that_lead_to_themselves(depth):
    deep = "${uc:" * depth + "${acl{next}}" + "}" * depth
    chain = Expander(f"begin acl\nnext:\n  warn set acl_m_x = {deep}\n  accept\n")
    assert chain("${acl{next}}") == 'Failed: ERROR from acl "next"'
