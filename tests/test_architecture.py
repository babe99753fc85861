"""Who may import whom, and where each third-party package is at home."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "policyd"

MAY_IMPORT = {  # unit: the units whose names it may use; every unit may use itself
    "errors": "",
    "values": "",
    "durations": "",
    "files": "errors metrics",
    "journal": "errors",
    "mail": "errors",
    "language": "errors",
    "metrics": "errors",
    "crowd": "",
    "edits": "errors mail",
    "settings": "errors language",
    "policy": "errors language settings",
    "resolver": "errors metrics stores",
    "links": "",
    "stores": "errors links metrics pools settings",
    "checks": "durations errors mail resolver stores",
    "outbox": "errors journal",
    "pools": "errors",
    "events": "errors journal language resolver transaction",
    "transaction": "crowd edits errors events files language mail metrics outbox policy pools resolver settings stores",
    "handover": "errors language mail replies transaction",
    "observers": "language policy resolver transaction",
    "lookups": "checks durations errors files language links mail pools resolver stores transaction",
    "words": "checks durations edits errors events handover language lookups mail observers outbox policy resolver"
    " settings stores transaction",
    "loglines": "errors language policy transaction",
    "replies": "errors language loglines mail policy transaction",
    "conversation": "edits errors events explanations handover journal language loglines mail observers policy replies"
    " settings transaction",
    "config": "durations errors language links policy settings",
    "gateway": "conversation errors journal language mail metrics policy replies settings stores transaction",
    "server": "checks config conversation edits errors explanations files gateway journal language loglines mail"
    " metrics observers outbox policy replies resolver settings stores transaction trials words",
    "trials": "config conversation errors files journal metrics observers outbox policy replies resolver settings"
    " stores transaction",
    "doctor": "durations server settings",
    "explanations": "errors journal language loglines mail policy replies resolver settings stores transaction",
    "cli": "*",
}

HOMES = {  # third-party package: where it may be imported, as the beginning of a path
    "click": "cli/",
    "cryptography": "checks/",
    "dkim": "checks/",
    "dns": "resolver/",
    "hiredis": "links/redis.py",
    "idna": "resolver/",
    "lmdb": "stores",
    "milter": "server/",
    "prometheus_client": "server/counts.py server/exporter.py",
    "psycopg": "lookups/clients/postgres.py",
    "publicsuffixlist": "checks/",
    "pymysql": "lookups/clients/mariadb.py",
    "spf": "checks/spf",
    "uvloop": "gateway/",
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def unit(module: Path) -> str:
    """The file or the directory right under policyd/ that *module* belongs to."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(module: Path) -> Iterator[str]:
    """The full name of everything imported, wherever the statement stands."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}:{node.lineno}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_imports(module):
    here = module.relative_to(PACKAGE).as_posix()
    for name in imports(module):
        package, _, rest = name.partition(".")
        if package == "policyd":
            assert may_import(unit(module), rest.split(".")[0]), f"policyd/{here} imports {name}"
        elif package not in sys.stdlib_module_names:
            homes = HOMES.get(package, "").split()
            assert any(map(here.startswith, homes)), f"{package} is not at home in policyd/{here}"


def may_import(importer: str, imported: str) -> bool:
    """Whether the table says so. The version, ``policyd.__version__``, and values are everybody's."""
    if imported in (importer, "__version__", "values") or importer == "__init__":
        return True
    return imported != "cli" and (MAY_IMPORT[importer] == "*" or imported in MAY_IMPORT[importer].split())


def test_every_unit_has_a_row():
    assert {unit(module) for module in MODULES} - {"__init__", "__main__"} == set(MAY_IMPORT)
