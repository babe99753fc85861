"""``python -m fuzz.one TARGET SECONDS DIRECTORY``: atheris with one target; what breaks it stays in the directory."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["policyd", "dkim.util", "spf"]):
    import spf  # noqa: F401 - the checks load it when they need it
    from fuzz.targets import TARGETS

    import policyd.checks.spf_engine  # noqa: F401 - likewise

LIMITS = ["-seed=1", "-max_len=2048", "-timeout=5", "-rss_limit_mb=1024", "-verbosity=0"]


def main(name: str, seconds: str, directory: str) -> None:
    target = TARGETS[name]
    corpus = Path(directory, "corpus")
    corpus.mkdir()
    for number, seed in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(seed)
    atheris.Setup(
        [sys.argv[0], *LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={directory}/", str(corpus)], target.run
    )
    atheris.Fuzz()


main(*sys.argv[1:])
