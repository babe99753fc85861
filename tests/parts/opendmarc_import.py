"""Debian's opendmarc-import, and the tables that it fills."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from parts.mariadb import DATABASE, PASSWORD, USER
from parts.programs import PRIVATE, environment, program

TABLES = {
    "domains": "name VARCHAR(255)",
    "selectors": "name VARCHAR(255), domain INT",
    "ipaddr": "addr VARCHAR(64)",
    "reporters": "name VARCHAR(255)",
    "requests": "domain INT, repuri VARCHAR(255), adkim INT, aspf INT, policy INT, spolicy INT, pct INT,"
    " locked INT DEFAULT 0",
    "messages": "date TIMESTAMP NULL, jobid VARCHAR(128), reporter INT, policy INT, disp INT, ip INT, env_domain INT,"
    " from_domain INT, policy_domain INT, spf INT, align_dkim INT, align_spf INT, sigcount INT, arc INT,"
    " arc_policy INT",
    "signatures": "message INT, domain INT, selector INT, pass INT, error INT",
    "arcauthresults": "message INT, instance INT, arc_client_addr VARCHAR(64)",
    "arcseals": "message INT, domain INT, selector INT, instance INT",
}
SCHEMA = "".join(
    f"CREATE TABLE {name} (id INT AUTO_INCREMENT PRIMARY KEY, {columns});\n" for name, columns in TABLES.items()
)


def import_history(history: Path, port: int) -> str:
    """Read a history file into the MariaDB at *port*; what it complains about."""
    perl = [PRIVATE / "usr/share/perl5", *PRIVATE.glob("usr/lib/*-linux-gnu/perl5/*")]
    options = {"dbhost": "127.0.0.1", "dbport": port, "dbname": DATABASE, "dbuser": USER, "dbpasswd": PASSWORD}
    libraries = {"LD_LIBRARY_PATH": os.pathsep.join(map(str, PRIVATE.glob("usr/lib/*-linux-gnu")))}
    done = subprocess.run(
        ["perl", program("opendmarc-import"), *(f"--{name}={value}" for name, value in options.items())],
        input=history.read_text(),
        env=environment(Path("perl")) | libraries | {"PERL5LIB": os.pathsep.join(map(str, perl))},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr
