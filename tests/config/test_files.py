"""Which files are read: one, a conf.d directory, Debian's tree; and what is said about those that cannot be."""

from __future__ import annotations

import os
import pickle

import pytest

from policyd import config, words
from policyd.errors import PolicyError


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    words.load()
    monkeypatch.chdir(tmp_path)


def write(**files):
    for name, text in files.items():
        path = name.replace("__", "/").replace("_conf", ".conf")
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "w", encoding="latin-1", newline="") as file:
            file.write(text)


def problems(path="conf.d"):
    with pytest.raises(PolicyError) as refusal:
        config.load(path)
    return [str(problem).splitlines()[0] for problem in refusal.value.problems]


def test_a_directory_is_read_in_lexical_order():
    write(**{"conf.d/20_conf": "qualify_domain = DOMAIN\n", "conf.d/10_conf": "DOMAIN = a\n"})

    policy = config.load("conf.d")

    assert list(policy.snapshot.texts) == ["conf.d/10.conf", "conf.d/20.conf"]
    assert policy.settings.qualify_domain == "a"


@pytest.mark.parametrize("path", ["conf.d", "conf.d/", "./conf.d"])
def test_files_are_named_as_the_directory_was(path):
    write(**{"conf.d/10_conf": "x\n"})

    assert problems(path) == [f'{path.rstrip("/")}/10.conf:1:1: unknown option "x"']


@pytest.mark.parametrize("name", [".10_conf", "10_conf~", "10_conf.bak", "10.txt", "#10_conf#", "10_confx", "README"])
def test_other_files_are_left_alone(name):
    write(**{"conf.d/10_conf": "", f"conf.d/{name}": "nonsense\n"})

    assert list(config.load("conf.d").snapshot.texts) == ["conf.d/10.conf"]


def test_links_are_followed():
    write(elsewhere_conf="qualify_domain = a\n")
    os.mkdir("conf.d")
    os.symlink("../elsewhere.conf", "conf.d/10.conf")
    os.symlink("conf.d", "link")

    assert config.load("link").settings.qualify_domain == "a"


def test_every_file_begins_in_the_main_section():
    write(
        **{
            "conf.d/10_conf": "begin acl\nx:\n  accept\n",
            "conf.d/20_conf": "qualify_domain = a\nbegin acl\ny:\n  deny\n",
        }
    )

    policy = config.load("conf.d")

    assert policy.settings.qualify_domain == "a"
    assert list(policy.acls) == ["x", "y"]


def test_an_option_set_again_in_a_later_file_wins():
    write(
        **{"conf.d/10_conf": "qualify_domain = a\ntls_crl = x\n", "conf.d/20_conf": "qualify_domain = b\ntls_crl = y\n"}
    )

    assert config.load("conf.d").settings.qualify_domain == "b"


def test_a_list_defined_again_in_a_later_file_wins():
    write(**{"conf.d/10_conf": "domainlist x = a\n", "conf.d/20_conf": "domainlist x = b\n"})

    config.load("conf.d")


def test_a_macro_is_defined_once_in_all_files():
    write(**{"conf.d/10_conf": "FOO = 1\n", "conf.d/20_conf": "FOO = 2\n", "conf.d/30_conf": "FOO == 3\n"})

    assert problems() == ['conf.d/20.conf:1:1: macro "FOO" is already defined']


def test_an_acl_of_a_later_file_is_appended():
    write(
        **{
            "conf.d/10_conf": "begin acl\nx:\n  warn\n",
            "conf.d/20_conf": "begin acl\ny:\n  deny\nx:\n  defer\n",
            "conf.d/30_conf": "begin acl\nx:\n  accept\n",
        }
    )

    statements = config.load("conf.d").acls["x"].statements

    assert [(statement.verb, str(statement.where)) for statement in statements] == [
        ("warn", "conf.d/10.conf:3"),
        ("defer", "conf.d/20.conf:5"),
        ("accept", "conf.d/30.conf:3"),
    ]


def test_a_conditional_ends_in_its_file():
    write(**{"conf.d/10_conf": ".ifdef X\n", "conf.d/20_conf": ".endif\n"})

    assert problems() == [
        "conf.d/10.conf:1:1: this conditional is never closed",
        'conf.d/20.conf:1:1: ".endif" without an ".ifdef" or ".ifndef" before it',
    ]


def test_a_continuation_ends_in_its_file():
    write(**{"conf.d/10_conf": "qualify_domain = a\\\n", "conf.d/20_conf": "b\n"})

    assert problems() == ['conf.d/20.conf:1:1: unknown option "b"']


def test_debians_tree_is_one_configuration():
    write(
        **{
            "tree/main/01_macros": ".ifndef NAME\nNAME = a\n.endif\n.ifdef NAME\n",
            "tree/main/02_options": "qualify_domain = NAME\n.endif\n",
            "tree/main/02_options.dpkg-old": "nonsense\n",
            "tree/acl/00_header": "begin acl\n",
            "tree/acl/30_rcpt": "acl_check_rcpt:\n  accept\n",
            "tree/acl/40_data": "nonsense\n",
            "tree/acl/40_data.rul": "acl_check_data:\n  deny\n",
            "tree/router/00_header": "begin routers\nx:\n  driver = accept\n",
            "tree/unrelated/00": "nonsense\n",
        }
    )

    policy = config.load("tree")

    assert policy.settings.qualify_domain == "a"
    assert [f"{acl.name} {acl.where}" for acl in policy.acls.values()] == [
        "acl_check_rcpt tree/acl/30_rcpt:1",
        "acl_check_data tree/acl/40_data.rul:1",
    ]
    assert [str(warning).splitlines()[0] for warning in policy.warnings] == [
        'tree/router/00_header:1:1: warning: section "routers" has no effect in a milter: it is skipped'
    ]


def test_in_a_tree_nothing_is_set_or_defined_twice():
    write(
        **{
            "tree/main/01": "qualify_domain = a\n",
            "tree/main/02": "qualify_domain = b\n",
            "tree/acl/00": "begin acl\nx:\n  accept\n",
            "tree/acl/01": "x:\n  deny\n",
        }
    )

    assert problems("tree") == [
        'tree/main/02:1:1: "qualify_domain" is set for the second time',
        'tree/acl/01:1:1: there are two ACLs called "x" in one file',
    ]


def test_includes_are_part_of_the_snapshot_and_compiled_without_the_disk():
    write(**{"conf.d/10_conf": ".include parts/a\n", "conf.d/parts/a": "qualify_domain = a\n"})
    snapshot = config.read("conf.d")
    write(**{"conf.d/parts/a": "qualify_domain = b\n"})
    os.unlink("conf.d/10.conf")

    assert config.compile(snapshot).settings.qualify_domain == "a"
    assert list(snapshot.texts) == ["conf.d/10.conf", "conf.d/parts/a"]


def test_a_snapshot_can_be_sent_to_another_process():
    write(**{"conf.d/10_conf": "NAME = a\n.include missing\n"})
    snapshot = config.read("conf.d", {"EXTRA": "1"})

    sent = pickle.loads(pickle.dumps(snapshot))

    assert sent == snapshot
    with pytest.raises(PolicyError, match=r"cannot read conf\.d/missing: No such file or directory"):
        config.compile(sent)


def test_a_file_that_appears_after_reading_is_not_there():
    write(**{"conf.d/10_conf": f".include_if_exists {os.getcwd()}/extra\n"})
    snapshot = config.read("conf.d")
    write(extra="nonsense\n")

    assert config.compile(snapshot).settings.qualify_domain == config.compile(snapshot).settings.primary_hostname


def test_given_macros_decide_what_is_read():
    write(
        **{"conf.d/10_conf": ".ifdef EXTRA\n.include extra\n.endif\nqualify_domain = a EXTRA\n", "conf.d/extra": "\n"}
    )

    snapshot = config.read("conf.d", {"EXTRA": "1"})

    assert list(snapshot.texts) == ["conf.d/10.conf", "conf.d/extra"]
    assert config.compile(snapshot).settings.qualify_domain == "a 1"


def test_octets_are_characters():
    with open("policy", "wb") as file:
        file.write(b"qualify_domain = \xc3\xa9\xff\n")

    assert config.load("policy").settings.qualify_domain == "\xc3\xa9\xff"


def test_file_names_are_octets_too():
    os.mkdir(b"conf-\xc3\xa9.d")
    with open(b"conf-\xc3\xa9.d/1.conf", "w") as file:
        file.write("x\n")

    assert problems(os.fsdecode(b"conf-\xc3\xa9.d")) == ['conf-\xc3\xa9.d/1.conf:1:1: unknown option "x"']


@pytest.mark.parametrize(
    "path, problem",
    [
        ("nowhere", "nowhere: cannot be read: No such file or directory"),
        ("policy/x", "policy/x: cannot be read: Not a directory"),
        ("empty", "empty: no policy here"),
        ("pipe", "pipe: cannot be read: not a regular file"),
        ("dangling", "dangling/10.conf: cannot be read: No such file or directory"),
        ("directory", "directory/10.conf: cannot be read: not a regular file"),
        ("including", "including:2:10: cannot read missing: No such file or directory"),
        ("devices", "devices:1:10: cannot read /dev/zero: not a regular file"),
        ("nameless", 'nameless:1:9: ".include" needs the name of a file'),
        ("nameless2", 'nameless2:1:10: ".include" needs the name of a file'),
        ("ring", "b:1:10: ring includes itself"),
    ],
)
def test_what_cannot_be_read_is_named(path, problem):
    write(
        policy="",
        including="\n.include missing\n",
        devices=".include /dev/zero\n",
        nameless=".include\n",
        nameless2='.include ""\n',
        ring=".include b\n",
        b=".include ring\n",
    )
    for directory in ("empty", "dangling", "directory/10.conf"):
        os.makedirs(directory)
    os.mkfifo("pipe")
    os.symlink("nowhere", "dangling/10.conf")

    assert problems(path) == [problem]


def test_includes_end_somewhere():
    os.mkdir("d")
    write(**{"d/policy": ".include ../d/policy\n"})

    assert problems("d/policy")[-1].endswith("included files are nested too deeply")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_permissions():
    write(policy="")
    os.chmod("policy", 0)

    assert problems("policy") == ["policy: cannot be read: Permission denied"]
