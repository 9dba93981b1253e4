"""One proof by two versions of this project: its states, its CPU seconds, and where they go.

The other version is a checkout in a folder. The proof is a whole command in one process, with the same
interpreter and the same libraries for both. The versions take turns.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from failure_modes.checker.experiment.bounds import KINDS
from tests.bench.explorer import LARGE
from tests.bench.output import progress
from tests.bench.whole_command import ROOT, run_python

SAMPLER = Path(__file__).with_name("sampler.py")
ROUNDS = 2

COMMAND = (
    *("prove", "--workers", str(LARGE.scope.workers)),
    *[
        word
        for kind in KINDS
        if (number := getattr(LARGE.bounds, kind))
        for word in (f"--{kind.replace('_', '-')}", str(number))
    ],
    *("--processes", "1", "--json"),
)
"""The proof *large*. Versions from 2026-11-26 on take these options."""


def versions(against: Path, command: tuple[str, ...] = COMMAND, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Measure our version and the other one: what each is, its proof, and its profile."""
    folders = (ROOT, against.resolve())
    measured: list[dict[str, Any]] = [{"version": described(folder), "cpu_seconds": []} for folder in folders]
    for number in range(rounds):
        for one, folder in zip(measured, folders, strict=True):
            progress(f"versions: {one['version']}, round {number + 1} of {rounds}")
            ran = run_python("-m", "failure_modes", *command, folder=folder)
            one["cpu_seconds"].append(ran.cpu_seconds)
            answer = json.loads(ran.printed)["results"][0]
            one |= {name: answer[name] for name in ("states", "transitions", "complete")}
    for one, folder in zip(measured, folders, strict=True):
        progress(f"versions: {one['version']}, a profile")
        with tempfile.TemporaryDirectory() as there:
            file = Path(there, "samples.json")
            run_python("-P", str(SAMPLER), str(file), str(folder), *command, folder=folder)
            one["profile"] = json.loads(file.read_text("utf-8"))
    return measured


def described(folder: Path) -> str:
    """The last commit of a checkout: its hash and its date."""
    log = ("git", "-C", str(folder), "log", "-1", "--format=%h (%cs)")
    return subprocess.run(log, check=True, capture_output=True, text=True).stdout.strip()
