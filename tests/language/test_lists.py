"""Lists: cutting, items that all kinds have, and how they are scanned."""

from __future__ import annotations

import threading
import time
from ipaddress import ip_address

import pytest
from parts.exchange import World, exchange, load, problems
from parts.list_cases import ROWS, client, config, dialogue, shown, write_files

from policyd.conversation import Conversation
from policyd.errors import Where
from policyd.files import SETTLED
from policyd.language import lists
from policyd.language.compiler import Compiler
from policyd.language.cutting import cut, separator_of
from policyd.language.lists import MAX_COMPILED, pattern
from policyd.transaction import Client


@pytest.mark.parametrize(
    "text, items",
    [
        ("", []),
        ("  ", []),
        ("a", ["a"]),
        (" a ", ["a"]),
        ("a:b", ["a", "b"]),
        ("a : b", ["a", "b"]),
        (":", [""]),
        (": :", ["", ""]),
        ("::", [":"]),
        (":::", [":"]),  # the doubled one is data, the third ends the item
        ("a:", ["a"]),
        ("a: :b", ["a", "", "b"]),
        ("a::b", ["a:b"]),
        ("a:::b", ["a:", "b"]),
        ("a::", ["a:"]),
        ("a b : c\td", ["a b", "c\td"]),
        ("<;a;b", ["a", "b"]),
        ("  <; a:b ; c;;d", ["a:b", "c;d"]),
        ("<<a<b", ["a", "b"]),
        ("<", []),
        ("<a", ["<a"]),  # a letter is no separator
        ("< a", ["< a"]),
        ("<,", []),
        ("<\na\n\nb", ["a", "", "b"]),  # doubled, a control character is an empty item
        ("<\x1fa \x1f b", ["a", "b"]),
        ("<\x7fa\x7fb", ["a", "b"]),
        ("<\n\na", ["", "a"]),
        ("a\n:b", ["a", "b"]),
    ],
)
def test_cut(text, items):
    assert [item for _, item in cut(text)] == items


@pytest.mark.parametrize(
    "text, offsets", [("a:b", [0, 2]), (" a : bc:d", [1, 5, 8]), ("<; a;b", [3, 5]), ("a::b:c", [0, 5])]
)
def test_offsets(text, offsets):
    assert [offset for offset, _ in cut(text)] == offsets


@pytest.mark.parametrize("text, separator", [("a:b", (":", 0)), ("  a", (":", 2)), (" <;a", (";", 3)), ("<", (":", 1))])
def test_separator(text, separator):
    assert separator_of(text) == separator


@pytest.mark.parametrize("condition, subject, text, ours, exims", ROWS)
def test_list(condition, subject, text, ours, exims, tmp_path):
    write_files(tmp_path)
    session = exchange(
        config(condition, text, tmp_path), dialogue(condition, subject), client=client(condition, subject)
    )
    assert shown(session.log[-1]).replace(str(tmp_path), "{dir}") == ours


# -- what is wrong with a list


def in_list(condition, text):
    return problems(f"domainlist local = x\nacl_smtp_rcpt = r\nbegin acl\nr:\n  accept {condition} = {text}\n")


@pytest.mark.parametrize(
    "condition, text, problem",
    [
        ("domains", "a : +locl", '5:24: unknown named domain list "+locl" | did you mean "local"?'),
        ("domains", "!  +x", '5:20: unknown named domain list "+x"'),
        ("local_parts", "+local", '5:24: unknown named local part list "+local"'),
        ("domains", "+include_unknown", '5:20: unknown named domain list "+include_unknown"'),
        ("domains", "+caseful", '5:20: unknown named domain list "+caseful"'),
        ("domains", "a : lsearc;/x", '5:24: unknown lookup type "lsearc" | did you mean "lsearch"?'),
        ("domains", "@mx_some", '5:20: unknown item "@mx_some" | '
                                "@mx_any, @mx_primary, @mx_secondary, each with /ignore="),
        ("domains", "@mx_any/ignore=foo", '5:20: "foo" is not an address, a network or a lookup | '
                                          "names mean nothing here"),
        ("recipients", "@@y.org", '5:23: a lookup is missing after "@@": "y.org" | @@lsearch;/path/of/a/file'),
        ("hosts", "10.0.0 : *", "5:18: malformed IP address or address mask: 10.0.0 | "
                                "'10.0.0' does not appear to be an IPv4 or IPv6 network"),
        ("hosts", "* : 2001:xyz::1", "5:22: malformed IP address or address mask: 2001 | "
                                     "an IPv6 address in a list needs another separator, \"<; 2001:db8::1\", "
                                     "or its colons doubled"),
        ("hosts", "10.0.0.0/255.0.0.0", "5:18: malformed IP address or address mask: 10.0.0.0/255.0.0.0 | "
                                        "a mask is a number of bits"),
        ("hosts", "net-lsearc;/x", '5:18: unknown lookup type "lsearc" | did you mean "lsearch"?'),
        ("hosts", "${lc:10.0.0}", "5:18: malformed IP address or address mask: 10.0.0 | "
                                  "'10.0.0' does not appear to be an IPv4 or IPv6 network"),
    ],
)  # fmt: skip
def test_problems(condition, text, problem):
    assert in_list(condition, text) == [problem]


def test_a_regular_expression_that_is_wrong():
    (problem,) = in_list("domains", "a : ^(x")
    assert problem.startswith("5:24: ")
    assert '"^(x"' in problem


def test_every_item_is_looked_at():
    assert [problem[:5] for problem in in_list("hosts", "1.2 : * : 1.2.3.4.5 : 10.0.0.0/33 : 5")] == [
        "5:18:", "5:28:", "5:40:", "5:54:",
    ]  # fmt: skip


def test_a_named_list_is_checked_where_it_is_defined():
    assert problems("hostlist bad = 1.2.3\nhostlist worse = +bad : +none\n") == [
        "1:16: malformed IP address or address mask: 1.2.3 | '1.2.3' does not appear to be an IPv4 or IPv6 network",
        '2:18: unknown named host list "+bad"',
        '2:25: unknown named host list "+none"',
    ]


def test_no_such_kind():
    with pytest.raises(ValueError, match="no such kind of list: colour"):
        pattern("colour", "red", Where("x", 1), Compiler(), False)


# -- texts that are only known while mail flows


def session(condition, text, *more, world=None, **details):
    policy = f"domainlist local = y : x\nacl_smtp_rcpt = r\nbegin acl\nr:\n  accept {condition} = {text}\n"
    return exchange(policy, "EHLO h", "MAIL FROM:<a@x>", *(more or ("RCPT TO:<b@y>",)), world=world, **details)


REFUSED, LATER = "550 Administrative prohibition", "451 Temporary local problem - please try later"


@pytest.mark.parametrize(
    "condition, text, reply, said",
    [
        ("domains", "${if def:domain{+local}}", "250 Accepted", None),
        ("domains", "${if def:domain{+none}}", LATER, 'unknown named domain list "+none" (policy:5)'),
        ("local_parts", "${if def:domain{+none}}", LATER, 'unknown named local part list "+none" (policy:5)'),
        ("domains", "${if def:domain{nosuch;/x}}", LATER, 'unknown lookup type "nosuch" (policy:5)'),
        ("domains", "${eval:1/0}", LATER, 'failed to expand "${eval:1/0}" while checking a list (policy:5): '
                                          'error in expression evaluation: divide by zero (after processing "1/0")'),
        ("hosts", "${if def:domain{1.2.3}}", REFUSED, None),
        ("hosts", "${if def:domain{+include_unknown : 1.2.3}}", "250 Accepted",
         "malformed IP address or address mask: 1.2.3: accepted by +include_unknown"),
        ("hosts", "${if def:domain{+ignore_unknown : 1.2.3 : *}}", "250 Accepted", None),
        ("hosts", "${if eq{1}{2}{*} fail}", REFUSED, None),
        ("recipients", "${if def:domain{$local_part@$domain}}", "250 Accepted", None),
        ("recipients", "/nonexistent", LATER, "H=(h) [192.0.2.1] F=<a@x> temporarily rejected RCPT <b@y>: "
                                              "failed to open /nonexistent: No such file or directory"),
        ("hosts", "+ignore_defer : /nonexistent : *", "250 Accepted", None),
        ("hosts", "+include_defer : /nonexistent", "250 Accepted",
         "failed to open /nonexistent: No such file or directory: accepted by +include_defer"),
    ],
)  # fmt: skip
def test_while_mail_flows(condition, text, reply, said):
    found = session(condition, text)
    assert found.replies[-1] == reply
    assert said is None or said in found.log


def test_texts_that_change_are_kept_but_not_for_ever():
    recipients = [f"RCPT TO:<{number}@y>" for number in range(MAX_COMPILED + 2)]
    found = session("local_parts", "$local_part", *recipients, *recipients[:2], recipients[1])
    assert set(found.replies[3:]) == {"250 Accepted"}


def test_files_that_are_wrong(tmp_path):
    file = tmp_path / "list"
    file.write_text("# ok\nx\n!  (\n^(\n")
    assert session("domains", str(file)).replies[-1] == LATER
    assert [line for line in session("domains", str(file)).log if f"({file}:4)" in line]
    file.write_text("1.2.3\n")
    assert session("hosts", str(file)).replies[-1] == REFUSED
    assert session("hosts", f"!{file}").replies[-1] == REFUSED  # what cannot be decided is no match, negated or not
    assert session("hosts", f"+ignore_unknown : !{file}").replies[-1] == "250 Accepted"


def test_a_file_has_neither_named_lists_nor_other_files(tmp_path):
    file = tmp_path / "list"
    file.write_text(f"+local\n{file}\n")
    assert session("domains", str(file)).replies[-1] == REFUSED


def test_a_file_is_read_again_when_it_has_changed(tmp_path):
    file, world = tmp_path / "list", World()
    file.write_text("y\n")
    time.sleep(2 * SETTLED)
    again = ("RCPT TO:<b@y>", "RCPT TO:<c@y>")
    assert session("domains", str(file), *again, world=world).replies[-2:] == ["250 Accepted", "250 Accepted"]
    file.write_text("z\n")
    assert session("domains", str(file), world=world).replies[-1] == REFUSED


def test_a_file_is_compiled_once_for_all_who_wait_for_it(tmp_path, monkeypatch):
    """Those who come while it is compiled wait, and look again."""
    file, compiled, begun = tmp_path / "list", [], threading.Barrier(2)
    file.write_text("y\n")
    time.sleep(2 * SETTLED)
    items = lists._file_items

    def slowly(*arguments):
        compiled.append(arguments)
        begun.wait(30)
        time.sleep(0.1)
        return items(*arguments)

    monkeypatch.setattr(lists, "_file_items", slowly)
    policy, services, replies = load(f"begin acl\nacl_check_rcpt:\n  accept domains = {file}\n"), World().services, []

    def talk():
        conversation = Conversation(policy, services)
        conversation.connect(Client(ip_address("192.0.2.1")))
        conversation.mail("<a@x>")
        replies.append(conversation.rcpt("<b@y>").outcome.value)

    first = threading.Thread(target=talk)
    first.start()
    begun.wait(30)
    talk()
    first.join()
    assert (replies, len(compiled)) == (["ok", "ok"], 1)


@pytest.mark.parametrize("condition", ["domains", "local_parts", "recipients", "senders", "hosts"])
def test_a_query_is_put_as_it_is(condition):
    world = World("known.test. A 192.0.2.7\n")
    assert session(condition, "dnsdb;a=known.test", world=world).replies[-1] == "250 Accepted"
    assert session(condition, "dnsdb;a=unknown.test", world=world).replies[-1] == REFUSED
    assert session(condition, "! dnsdb; a=unknown.test", world=world).replies[-1] == "250 Accepted"


@pytest.mark.parametrize(
    "items, answer",
    [
        ("*", ""),
        ("192.0.2.0/24", ""),
        ("10.0.0.1", None),
        ("lsearch;{file}", "found"),  # each key is an address
        ("net24-lsearch;{file}", "net"),
        ("! 192.0.2.1", None),
        ("<; 2001:db8::/32", None),
    ],
)
def test_a_list_of_addresses_alone(items, answer, tmp_path):
    file = tmp_path / "list"
    file.write_text("192.0.2.1: found\n192.0.2.0/24: net\n")
    load("")
    matches = Compiler().matcher("ip", items.format(file=file), Where("x", 1))
    tx = Conversation(load(""), World().services).tx
    assert matches(tx, ip_address("192.0.2.1")) == answer


def test_an_undecided_list_is_in_the_trace():
    found = session("hosts", "*.example.org")
    assert found.replies[-1] == REFUSED
    assert "list matching forced to fail: failed to find host name for 192.0.2.1" in found.trace


def test_an_undecided_list_without_anybody_who_looks():
    policy = load("begin acl\nx:\n  accept hosts = *.example.org\n")
    talk = Conversation(policy, World().services)
    talk.connect(Client(ip_address("192.0.2.1")))
    assert talk.tx.trace is None
    assert policy.acls["x"].statements[0].steps[0].run(talk.tx).value == "fail"
