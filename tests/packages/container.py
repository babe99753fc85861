"""`make image-test`: the image, built from a clean Debian; its daemon judges mail. Root, debootstrap, buildah."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from milter_client import MilterClient
from packages.tree import CHECKOUT, Tree
from parts.ports import is_listening, wait_until

BASE, IMAGE = "localhost/debian:trixie-slim", "localhost/policyd"
MILTER = ("127.0.0.1", 8891)  # in a network of its own
MACROS = "HOSTNAME = mx.example.org\nBLOCKED_SENDERS = *@spam.example\n"
SPAM = b"<offers@spam.example>"
ANSWERS = {  # what the image's daemon says to a client about this sender
    "192.0.2.1": "550 5.7.1 Mail from <offers@spam.example> is not accepted here",
    "127.0.0.1": "continue",
}


class Images:
    """buildah, with images and containers in a directory of their own. Raises `subprocess.CalledProcessError`."""

    def __init__(self, directory: Path) -> None:
        self._options = ["--root", str(directory / "images"), "--runroot", str(directory / "run")]
        self._options += ["--storage-driver", "vfs"]
        self._environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}

    def __call__(self, *words: str) -> str:
        """What a command prints."""
        return subprocess.run(
            ["buildah", *self._options, *words],
            check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self._environment,
        ).stdout.strip()  # fmt: skip

    def import_tree(self, tree: Tree) -> None:
        """Have a Debian tree as the image to begin with."""
        container = self("from", "--quiet", "scratch").splitlines()[-1]
        self("add", "--quiet", container, str(tree.root), "/")
        self("commit", "--quiet", container, BASE)
        self("rm", container)

    @contextmanager
    def running(self, option: str, container: str, *command: str) -> Iterator[None]:
        """A command in a container, until it is told to end."""
        run = ["buildah", *self._options, "run", option, container, "--", *command]
        process = subprocess.Popen(run, env=self._environment)
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


def judged(images: Images, directory: Path) -> bool:
    """Whether the daemon of the image, as `Containerfile` starts it, says what it should."""
    local = directory / "local"
    local.mkdir()
    (local / "00-local.conf").write_text(MACROS)
    container = images("from", "--quiet", IMAGE).splitlines()[-1]
    volume = f"--volume={local}:/etc/policyd/local:ro"
    print(images("run", volume, container, "--", "policyd", "check", "-c", "/etc/policyd/conf.d"))
    with images.running(volume, container, "policyd", "serve", "-c", "/etc/policyd/conf.d"):
        wait_until(lambda: is_listening(MILTER), "the daemon in the container", patience=60)
        answers = {client: _answer(client) for client in ANSWERS}
    for client, answer in answers.items():
        print(f"{client:16}{'ok' if answer == ANSWERS[client] else f'NOT ok: {answer}'}")
    return answers == ANSWERS


def _answer(client: str) -> str:
    with MilterClient(MILTER) as mta:
        mta.connect(client)
        mta.helo()
        return mta.mail(SPAM)


def build(images: Images, directory: Path) -> None:
    """The image, on a Debian of our own."""
    with Tree.made("trixie", directory / "debian") as tree:
        images.import_tree(tree)
    images("bud", "--quiet", "--build-arg", f"DEBIAN={BASE}", "--tag", IMAGE, str(CHECKOUT))


def main() -> int:
    """0 when the image can be built, and judges mail: in a network that is only its daemon's and its client's."""
    if len(sys.argv) > 1:
        return 0 if judged(Images(Path(sys.argv[1])), Path(sys.argv[1])) else 1
    with tempfile.TemporaryDirectory(prefix="policyd-container-") as directory:
        build(Images(Path(directory)), Path(directory))
        again = [sys.executable, "-m", "packages.container", directory]
        alone = ["unshare", "--net", "sh", "-ec", 'ip link set lo up && exec "$@"', "sh", *again]
        return subprocess.run(alone, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
