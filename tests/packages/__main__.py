"""`make deb-test`: the package is built and installed, used and removed in clean Debian trees."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from packages.tree import CHECKOUT, Tree

RELEASES = ("bookworm", "trixie")
LOCAL = "user = policyd\nHOSTNAME = mx.example.org\nBLOCKED_SENDERS = *@spam.example\n"

DATABASES = """
cd /
python3 -Ic "
import sys
sys.path.insert(0, '/usr/lib/policyd')
import hiredis, psycopg, pymysql
print(psycopg.pq.__impl__)"
"""

SESSION = """
printf 'EHLO client.example\\nMAIL FROM:<offers@spam.example>\\nQUIT\\n' |
    policyd session -c /etc/policyd/conf.d --client 203.0.113.5
"""

DAEMON = """
policyd serve -c /etc/policyd/conf.d 2>/tmp/policyd.log &
daemon=$!
for _ in $(seq 100); do [ -S /run/policyd/policyd.sock ] && break; sleep 0.1; done
python3 -c 'import urllib.request; urllib.request.urlopen("http://127.0.0.1:9810/readyz")'
for child in $daemon $(cat /proc/$daemon/task/$daemon/children); do stat -c %U /proc/$child; done | sort -u
kill $daemon
wait $daemon && echo ended
"""

STEPS = (  # what the package does, how one sees it, and what that prints
    ("installs", "apt-get -qq -y install /tmp/policyd.deb >/dev/null && policyd --version", "policyd"),
    (
        "has a user of its own",
        "id -un policyd && stat -c '%U %a' /var/lib/policyd /var/log/policyd",
        "policyd\npolicyd 750\npolicyd 750",
    ),
    ("has a unit", "ls /lib/systemd/system/policyd.service", "policyd.service"),
    ("its policy loads", "policyd check -c /etc/policyd/conf.d", "OK"),
    ("takes its databases along", DATABASES, "binary"),
    ("judges a sender", SESSION, "550 5.7.1"),
    ("runs as a daemon, as its user", DAEMON, "policyd\nended"),
    (
        "keeps what was configured",
        "apt-get -qq -y reinstall /tmp/policyd.deb >/dev/null && cat /etc/policyd/conf.d/00-local.conf",
        "mx.example.org",
    ),
    (
        "goes",
        "apt-get -qq -y remove policyd >/dev/null && ! ls /usr/bin/policyd /usr/lib/policyd && ls /etc/policyd/conf.d",
        "00-local.conf",
    ),
)


def tried(release: str, directory: Path) -> bool:
    """Build the package for *release*, and go through the steps. Whether all of them were as expected."""
    with Tree.made(release, directory / "build") as build:
        build.copy(CHECKOUT, "checkout")
        build.run("cd /checkout && .ci/deb")
        package = next((build.root / "checkout/dist").glob("*.deb"))
        with Tree.made(release, directory / "clean") as clean:
            shutil.copy(package, clean.root / "tmp/policyd.deb")
            local = clean.root / "etc/policyd/conf.d/00-local.conf"
            local.parent.mkdir(parents=True)
            local.write_text(LOCAL)
            return False not in [_step(clean, *step) for step in STEPS]


def _step(tree: Tree, what: str, command: str, expected: str) -> bool:
    output = tree.run(command, check=False)
    good = expected in output
    print(f"{tree.release:9} {what:30} {'ok' if good else 'NOT ok'}", flush=True)
    if not good:
        print(output)
    return good


def main() -> int:
    """0 when the package works everywhere."""
    good = True
    for release in sys.argv[1:] or RELEASES:
        directory = Path(tempfile.mkdtemp(prefix="policyd-package-"))
        try:
            good &= tried(release, directory)
        except subprocess.CalledProcessError as error:
            print(release, error, error.stdout, sep="\n")
            good = False
        finally:
            shutil.rmtree(directory)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
