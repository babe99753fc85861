"""Every example in the documentation works as it is written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(conf|console|python|file|zone)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DROP_IN = re.compile(r"[#;] (conf\.d/\S+\.conf|policyd/\S+\.py|/etc/policyd/\S+|\S+\.zone)\n")
CHAPTER = re.compile(r"^(?=## )", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
RUNBOOK = re.compile(r"runbook: (\S+)#(\S+)")
HOME = "/etc/policyd/"  # on the pages; a directory of the test's own here


def blocks(kind: str) -> list[object]:
    """Each example of one kind, named by its page and number."""
    return [
        pytest.param(page, found[2], id=f"{page.name}-{number}")
        for page in PAGES
        for number, found in enumerate(BLOCK.finditer(page.read_text()), 1)
        if found[1] == kind
    ]


def drop_ins(page: str) -> dict[str, str]:
    """The files that a page, or a chapter of one, tells its reader to write."""
    examples = [found[2] for found in BLOCK.finditer(page)]
    return {found[1].removeprefix(HOME): text for text in examples if (found := DROP_IN.match(text))}


def files(page: str, example: str) -> dict[str, str]:
    """Those of the example's chapter, if it has some; otherwise all of the page's."""
    chapter = next(chapter for chapter in CHAPTER.split(page) if example in chapter)
    return drop_ins(chapter) or drop_ins(page)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A directory with a copy of the shipped conf.d, whose state is private."""
    shutil.copytree(ROOT / "conf.d", tmp_path / "conf.d")
    main = tmp_path / "conf.d" / "10-main.conf"
    main.write_text(main.read_text().replace("/var/lib/policyd", str(tmp_path / "state")))
    return tmp_path


def policyd(desk: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a shell command in which ``policyd`` is this checkout's."""
    wrapper = desk / "bin" / "policyd"
    wrapper.parent.mkdir(exist_ok=True)
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from policyd.cli import main; main()" "$@"\n')
    wrapper.chmod(0o755)
    checkout = desk if (desk / "policyd").exists() else ROOT
    environment = {**os.environ, "PATH": f"{wrapper.parent}:{os.environ['PATH']}", "PYTHONPATH": str(checkout)}
    return subprocess.run(
        ["bash", "-c", f"{{ {command}\n}} 2>&1"], cwd=desk, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("page", "text"), blocks("conf"))
def test_policy(desk: Path, page: Path, text: str) -> None:
    """A policy loads: a drop-in beside the shipped files, another one by itself."""
    drop_in = DROP_IN.match(text)
    for name, further in drop_ins(page.read_text()).items():
        if not name.startswith(("conf.d/", "policyd/")):
            (desk / name).write_text(further)
    path = desk / (drop_in[1] if drop_in else "example.conf")
    path.write_text(text.replace(HOME, f"{desk}/"))
    done = policyd(desk, "policyd check -c " + ("conf.d" if drop_in else "example.conf"))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("page", "text"), blocks("console"))
def test_console(desk: Path, page: Path, text: str) -> None:
    """What a command prints is what the page shows."""
    written = files(page.read_text(), text)
    if any(name.startswith("policyd/") for name in written):
        shutil.copytree(ROOT / "policyd", desk / "policyd", ignore=shutil.ignore_patterns("__pycache__"))
    for name, drop_in in written.items():
        (desk / name).write_text(drop_in.replace(HOME, f"{desk}/"))
    for example in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = example.partition("\n")
        printed = policyd(desk, command.replace(HOME, f"{desk}/")).stdout.replace(f"{desk}/", HOME)
        assert printed.splitlines() == expected.splitlines()


def test_there_are_examples() -> None:
    """The two tests above have something to do."""
    assert len(blocks("conf")) >= 5
    assert len(blocks("console")) >= 3


def anchors(page: Path) -> set[str]:
    """What a link to a heading of a page may say."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    """They lead to files and headings that are there."""
    links = [(page.parent / found[1] if found[1] else page, found[2]) for found in LINK.finditer(page.read_text())]
    assert [str(file) for file, _ in links if not file.exists()] == []
    assert [(file.name, at) for file, at in links if at and at not in anchors(file)] == []


def test_every_page_can_be_found() -> None:
    """README.md leads to each, in one step."""
    linked = {(ROOT / found[1]).resolve() for found in LINK.finditer((ROOT / "README.md").read_text()) if found[1]}
    assert [page.name for page in PAGES[1:] if page not in linked] == []


def test_runbooks() -> None:
    """Each alert leads to a heading."""
    runbooks = RUNBOOK.findall((ROOT / "docs" / "monitoring" / "alerts.yml").read_text())
    assert len(runbooks) >= 10
    assert [at for file, at in runbooks if at not in anchors(ROOT / file)] == []
