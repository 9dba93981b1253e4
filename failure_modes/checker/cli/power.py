"""The command `power`: it checks what a loss of power leaves of a database, for each setting of SQLite."""

from itertools import count
from typing import Any

import click
from attrs import asdict

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import seed_of
from failure_modes.checker.cli.output import Verdict, interrupted, output, show, warn
from failure_modes.checker.cli.sharing import PROCESSES, pool_of
from failure_modes.checker.real.power import SETTINGS, STEPS, STORE, PowerReport, Setting, check_images
from failure_modes.checker.report.progress import ProgressLines
from failure_modes.checker.simulation.disk.vfs import require
from failure_modes.checker.support.process_pool import WorkPool

FEWER = 10
"""The factor by which fewer images are checked for settings that are not the store's."""


@command()
@click.option(
    "--images",
    type=click.IntRange(1, 100_000_000),
    default=20_000,
    show_default=True,
    help="At least so many images with the store's settings; a tenth of it with each other setting.",
)
@seed_of("The seed of the first run; each run after it has the next number.")
@click.option(
    "--steps", type=click.IntRange(1, 1000), default=STEPS, show_default=True, help="Steps in a run."
)
@PROCESSES
def power(images: int, seed: int, steps: int, **options: Any) -> EXIT:
    """Record runs, let power fail after each file operation, and open the images that the disk may have.

    As expected if the store's settings lose no acknowledged commit and leave no corrupt database, and if
    other settings lose commits. Inconclusive if SQLite's file operations cannot be recorded here, or if the
    runs reached too little.
    """
    require()
    lines = ProgressLines("power")
    looked: dict[Setting, PowerReport] = {}
    try:
        with pool_of(options) as pool:
            for setting in (STORE, *[setting for setting in SETTINGS if setting != STORE]):
                wanted = images if setting == STORE else -(-images // FEWER)
                looked[setting] = _look(pool, (setting, seed, steps), wanted, lines)
    except KeyboardInterrupt:
        interrupted(f"{len(looked)} of {len(SETTINGS)} settings were checked; nothing is shown")
    store = looked[STORE]
    others = sum([looked[setting].lost for setting in SETTINGS if setting != STORE])
    _show(looked)
    wrong = bool(store.lost or store.corrupt or store.violations)
    too_little = not (store.at_risk and store.checkpoints)
    for setting in SETTINGS:
        _add(setting, looked[setting], inconclusive=setting == STORE and too_little)
    if wrong:
        return EXIT.NOT_AS_EXPECTED
    if too_little:
        warn("the runs reached no checkpoint, or no unsynced write, so they prove nothing")
        return EXIT.INCONCLUSIVE
    return EXIT.AS_EXPECTED if others else EXIT.NOT_AS_EXPECTED


def _add(setting: Setting, one: PowerReport, *, inconclusive: bool) -> None:
    held = Verdict.INCONCLUSIVE if inconclusive else Verdict.HELD
    broken = one.lost or one.corrupt or one.violations
    output().add(Verdict.BROKEN if broken else held, **asdict(setting), **asdict(one))


def _look(pool: WorkPool, first: tuple[Setting, int, int], wanted: int, lines: ProgressLines) -> PowerReport:
    """Run until enough images were checked. The number of processes does not change the runs."""
    setting, seed, steps = first
    total = PowerReport()
    asked = ((setting, number, steps) for number in count(seed))
    for one in pool.in_order(_look_at, asked):
        total += one
        lines.note(f"{setting.journal} {setting.synchronous}: {total.images:,} images of {wanted:,}")
        if total.images >= wanted:
            break
    return total


def _look_at(asked: tuple[Setting, int, int]) -> PowerReport:
    return check_images(*asked)


_COLUMNS = ("journal", "synchronous", "images", "distinct", "lost", "corrupt")


def _show(looked: dict[Setting, PowerReport]) -> None:
    rows = [_COLUMNS]
    for setting in SETTINGS:
        one = looked[setting]
        numbers = [f"{number:,}" for number in (one.images, one.distinct, one.lost, one.corrupt)]
        rows.append((setting.journal, setting.synchronous, *numbers))  # type: ignore[arg-type]
    for row in rows:
        cells = [cell.ljust(13) if at < 2 else cell.rjust(10) for at, cell in enumerate(row)]
        show("".join(cells))
    runs, commits = sum(one.runs for one in looked.values()), sum(one.commits for one in looked.values())
    store = looked[STORE]
    recovered = sum(one.recovered for one in looked.values())
    show(f"{runs:,} runs, {commits:,} commits; {recovered:,} distinct contents recovered and judged")
    show("lost     images in which an acknowledged commit is missing")
    show("corrupt  images that are no database, or have the content after no commit")
    description = f"the store's settings ({STORE.journal}, {STORE.synchronous})"
    show(f"{description}: {store.lost:,} lost, {store.corrupt:,} corrupt in {store.images:,} images")
    show(
        f" {store.at_risk:,} of them at moments with unsynced writes; there were {store.checkpoints:,} "
        "checkpoints"
    )
    for text in (store.first_problem, *store.violations[:5]):
        if text:
            show(f" {text}")
