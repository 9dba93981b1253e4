"""A copy of the checkout in which mutmut works. No file of the checkout changes.

mutmut keeps in the copy what it knows: beside each file of the code the exit code of each of its mutants, and
in one file a map of the tests that reach each function. It writes an exit code once the mutant has run.
"""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from failure_modes.checker.support.atomic_files import write_atomically
from failure_modes.checker.support.errors import MachineError
from tests.mutants.plans import Plan

ROOT = Path(__file__).parents[2]
MAP = Path("mutants", "mutmut-stats.json")
"""mutmut's map of the tests that reach each function."""
NO_MUTANT = "no mutant"
"""A pattern that no mutant matches: mutmut makes the mutants and the map, and ends."""
INTERRUPTED = 2
"""The exit code of a mutant whose run was interrupted."""
_CODES = "exit_code_by_key"

Codes = Mapping[str, int | None]
"""The exit code of each mutant, by mutmut's name for it; None if it has not run."""


class MutmutFailed(MachineError):
    """mutmut ended with an error, so nothing is known of the mutants."""


def make(folder: Path, plan: Plan) -> None:
    """Copy the files that git knows; what mutmut has found out there stays."""
    listed = subprocess.run(("git", "ls-files", "-z"), cwd=ROOT, capture_output=True, check=True, text=True)
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    for old in folder.glob("*"):
        if old.name != "mutants":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    (folder / "pyproject.toml").write_text(_settings(plan), encoding="utf-8")


def _settings(plan: Plan) -> str:
    """The project's settings, with those of mutmut."""
    names = {path.name for path in ROOT.glob("*") if _visible(path)}
    beside = sorted(names - set(plan.sources))
    without = " and ".join([f"not {part}" for part in plan.not_tests])
    values = {
        "source_paths": list(plan.sources),
        "only_mutate": list(plan.files),
        "also_copy": beside,
        "timeout_multiplier": 4.0,  # a busy machine is no endless loop
        "timeout_constant": 5.0,
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-q", "-x", "-k", without],
        "pytest_add_cli_args_test_selection": list(plan.tests),
    }
    lines = [f"{key} = {value!r}" for key, value in values.items()]
    return "\n".join([(ROOT / "pyproject.toml").read_text(encoding="utf-8"), "[tool.mutmut]", *lines, ""])


def _visible(path: Path) -> bool:
    return not path.name.startswith((".", "__")) and path.suffix != ".egg-info"


def prepare(folder: Path, *, until: float) -> bool:
    """Make the mutants and the map, if they are not up to date; False if the time is over before.

    Raises MutmutFailed.
    """
    try:
        return run(folder, (NO_MUTANT,), until=until)
    except MutmutFailed:
        if not (folder / MAP).is_file():
            raise
    return True


def run(folder: Path, names: tuple[str, ...], *, until: float, processes: int = 1) -> bool:
    """Run these mutants, or without names all that have not run, until that time; True if it was enough.

    Raises MutmutFailed.
    """
    command = (sys.executable, "-m", "mutmut", "run", "--max-children", str(processes), *names)
    with subprocess.Popen(command, cwd=folder, preexec_fn=_can_be_terminated) as running:
        try:
            running.wait(max(0.0, until - time.time()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            _end(running)
            return False
    if running.returncode:
        raise MutmutFailed(f"mutmut ended with exit code {running.returncode}; nothing is known")
    return True


def _can_be_terminated() -> None:
    """Mutmut ends its processes by SIGTERM, which a child of the checker ignores, and so what it starts."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _end(running: subprocess.Popen[bytes]) -> None:
    """End mutmut: it keeps what it knows at each mutant."""
    running.send_signal(signal.SIGINT)
    try:
        running.wait(20)
    except subprocess.TimeoutExpired:  # it was started with SIGINT ignored
        running.terminate()


def codes(folder: Path) -> dict[str, int | None]:
    """The exit code of each mutant in the copy."""
    return {name: code for _, known in _files(folder) for name, code in known[_CODES].items()}


def keep(folder: Path, found: Codes) -> None:
    """Write exit codes that were found in another copy into this one."""
    for path, known in _files(folder):
        new = {name: found[name] for name in known[_CODES] if found.get(name) is not None}
        if new:
            write_atomically(path, json.dumps({**known, _CODES: {**known[_CODES], **new}}, indent=4))


def _files(folder: Path) -> list[tuple[Path, dict[str, dict[str, int | None]]]]:
    """The files in which mutmut keeps what it knows of the mutants of a module, and their content."""
    return [
        (path, json.loads(path.read_text(encoding="utf-8")))
        for path in sorted((folder / "mutants").rglob("*.py.meta"))
    ]


def chosen(known: Codes, patterns: tuple[str, ...], *, again: bool) -> tuple[str, ...]:
    """The mutants that match a pattern, or all without patterns; those that have run only `again`."""
    return tuple(
        [
            name
            for name, code in known.items()
            if (again or code in (None, INTERRUPTED))
            and (not patterns or any(fnmatchcase(name, pattern) for pattern in patterns))
        ]
    )
