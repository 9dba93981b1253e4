"""`nox -s mutants`: mutate the code, run the tests, and compare the survivors with `docs/mutants.md`.

The session works in a copy of the checkout below `.nox`, so that it changes no file of it. It continues where
it was stopped: a mutant runs again only if its function, or a test, has changed, or if a pattern chooses it.
"""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click

from tests.mutants.plans import PLANS, Plan
from tests.mutants.survivors import (
    EQUIVALENT,
    NOT_RUN,
    NOTICED,
    Mutant,
    as_row,
    figures,
    function_of,
    mutant,
    results,
    reviewed,
    same_sql,
)

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "mutants.md"
UNREVIEWED = 1
"""The exit code if a mutant survived that the document does not list."""
INCONCLUSIVE = 3
"""The exit code if no mutant has run."""


@click.command()
@click.argument("patterns", nargs=-1)
@click.option(
    "--plan", "name", type=click.Choice([plan.name for plan in PLANS]), default="queue", show_default=True
)
@click.option("--minutes", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Stop after.")
@click.option("--processes", type=click.IntRange(min=1), default=2, show_default=True)
def main(patterns: tuple[str, ...], name: str, minutes: float, processes: int) -> None:
    """Run the mutants that have not run; or those of PATTERNS such as 'system.policies.*', also again.

    The pattern 'model.*__mutmut_*1' chooses a sample: the mutants of each function whose number ends in 1.
    `--minutes 0` only reports.

    Exit code 0: each survivor is listed in docs/mutants.md, with its reason. 1: one is not. 3: none has run.
    """
    [plan] = [plan for plan in PLANS if plan.name == name]
    folder = ROOT / ".nox" / "mutants" / plan.name
    _copy(folder)
    (folder / "pyproject.toml").write_text(_settings(plan), encoding="utf-8")
    if minutes:
        _run(folder, patterns, minutes=minutes, processes=processes)
    if not (folder / "mutants").is_dir():
        raise click.ClickException("no mutant was made: give --minutes more than 0")
    sys.exit(_report(folder))


def _copy(folder: Path) -> None:
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


def _settings(plan: Plan) -> str:
    """The project's settings, with those of mutmut."""
    names = {path.name for path in ROOT.glob("*") if _visible(path)}
    beside = sorted(names - set(plan.sources))
    without = " and ".join([f"not {part}" for part in plan.not_tests])
    values = {
        "source_paths": list(plan.sources),
        "only_mutate": list(plan.files),
        "also_copy": beside,
        "timeout_multiplier": 6.0,  # a busy machine is no endless loop
        "timeout_constant": 5.0,
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-q", "-x", "-k", without],
        "pytest_add_cli_args_test_selection": list(plan.tests),
    }
    lines = [f"{key} = {value!r}" for key, value in values.items()]
    return "\n".join([(ROOT / "pyproject.toml").read_text(encoding="utf-8"), "[tool.mutmut]", *lines, ""])


def _visible(path: Path) -> bool:
    return not path.name.startswith((".", "__")) and path.suffix != ".egg-info"


def _run(folder: Path, patterns: tuple[str, ...], *, minutes: float, processes: int) -> None:
    """Run mutants until all have run, or the time is over. What has run is kept.

    Without patterns, mutmut leaves out the mutants that have run.
    """
    command = (sys.executable, "-m", "mutmut", "run", "--max-children", str(processes), *patterns)
    with subprocess.Popen(command, cwd=folder) as running:
        try:
            running.wait(60 * minutes)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            click.echo(f"\nstopped after {minutes:g} min; the next run continues from here")
            _end(running)
            return
    if running.returncode:
        raise click.ClickException(f"mutmut ended with exit code {running.returncode}; nothing is known")


def _end(running: subprocess.Popen[bytes]) -> None:
    """End mutmut: it keeps what it knows at each mutant."""
    running.send_signal(signal.SIGINT)
    try:
        running.wait(20)
    except subprocess.TimeoutExpired:  # it was started with SIGINT ignored
        running.terminate()


def _report(folder: Path) -> int:
    """Print the figures, the survivors without a review, and the reviewed ones that are noticed now."""
    statuses = results(_mutmut(folder, "results", "--all", "true"))
    survivors = {
        name: mutant(name, _mutmut(folder, "show", name))
        for name, status in sorted(statuses.items())
        if status not in (*NOTICED, *NOT_RUN)
    }
    known = reviewed(DOCUMENT.read_text(encoding="utf-8"))
    same = [
        name
        for name, survivor in survivors.items()
        if same_sql(survivor) or known.get(survivor, "").startswith(EQUIVALENT)
    ]
    click.echo("\n".join(figures(statuses, same)))
    open_ = sorted({found for found in survivors.values() if found not in known and not same_sql(found)})
    for survivor in open_:
        click.echo(as_row(survivor, "**not reviewed**"))
    for row in _noticed_now(statuses, known, set(survivors.values())):
        click.echo(f"{row}: noticed by a test now, or changed; remove it from docs/mutants.md")
    not_run = sum([status in NOT_RUN for status in statuses.values()])
    click.echo(f"{len(open_)} survivors without a review; {not_run:,} mutants have not run")
    if not_run == len(statuses):
        return INCONCLUSIVE
    return UNREVIEWED if open_ else 0


def _noticed_now(
    statuses: dict[str, str], known: dict[Mutant, str], survivors: set[Mutant]
) -> tuple[str, ...]:
    """The reviewed survivors that survive no more, of functions whose mutants have all run."""
    waiting = {function_of(name) for name, status in statuses.items() if status in NOT_RUN}
    ran = {function_of(name) for name in statuses} - waiting
    gone = [survivor for survivor in known if survivor not in survivors and survivor.function in ran]
    return tuple([f"`{survivor.function}`: {survivor.change}" for survivor in sorted(gone)])


def _mutmut(folder: Path, *arguments: str) -> str:
    command = (sys.executable, "-m", "mutmut", *arguments)
    return subprocess.run(command, cwd=folder, capture_output=True, check=True, text=True).stdout


if __name__ == "__main__":
    main()
