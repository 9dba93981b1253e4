"""Samples where the CPU time of a command goes: `python -P sampler.py FILE FOLDER COMMAND…`, by the bench.

The command is one of `failure_modes`, of the version in FOLDER. So this file imports nothing of the project.
A sample belongs to the package of the innermost frame that is the project's; to SQLite if its line runs a
statement. FILE gets the samples of each package, and the CPU seconds of the process.
"""

import json
import linecache
import re
import runpy
import signal
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from time import process_time
from types import FrameType

EVERY_SECONDS = 0.002
SQLITE, OTHER = "SQLite", "other"
CHECKER = "failure_modes/checker"
PACKAGES = {
    "model": "model",
    "system": "system",
    **{f"{CHECKER}/{name}": name for name in ("simulation", "subject", "oracle", "proof")},
    "failure_modes": OTHER,
}
"""The names of packages, by their folders: a folder after those within it. Libraries may be beside them."""
_RUNS_A_STATEMENT = re.compile(r"\.(execute|executemany|fetchone|fetchall)\(")


def sample(command: list[str], folder: Path) -> Counter[str]:
    """Run the command of that version, and count the samples of each package."""
    counted: Counter[str] = Counter()

    @cache
    def package_of(file: str) -> str | None:
        return next((name for place, name in PACKAGES.items() if file.startswith(f"{folder}/{place}/")), None)

    @cache
    def runs_a_statement(file: str, line: int) -> bool:
        return _RUNS_A_STATEMENT.search(linecache.getline(file, line)) is not None

    def count(_: int, frame: FrameType | None) -> None:
        innermost, package = frame, None
        while frame is not None and package is None:
            package, found = package_of(frame.f_code.co_filename), frame
            frame = frame.f_back
        if package and found is innermost and runs_a_statement(found.f_code.co_filename, found.f_lineno or 0):
            package = SQLITE
        counted[package or OTHER] += 1

    signal.signal(signal.SIGPROF, count)
    signal.setitimer(signal.ITIMER_PROF, EVERY_SECONDS, EVERY_SECONDS)
    sys.argv = ["failure_modes", *command]
    try:
        runpy.run_module("failure_modes", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code:
            raise
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return counted


def main(file: str, folder: str, *command: str) -> None:
    """Sample the command, and write the file."""
    samples = sample(list(command), Path(folder))
    Path(file).write_text(json.dumps({"cpu_seconds": process_time(), "samples": samples}), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
