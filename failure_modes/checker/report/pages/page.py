"""The page of a trace: one HTML file that shows the trace on one system, or on two beside one another.

`write_page` is the front door. It draws what a replay recorded, and runs nothing.
"""

from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from failure_modes.checker.oracle.describe import steps_described
from failure_modes.checker.report.pages.story import Side, kind_of, side_of
from failure_modes.checker.report.pages.templating import filled
from failure_modes.checker.report.rendering import shows_recovery
from failure_modes.checker.support.atomic_files import write_atomically
from failure_modes.checker.traces.replay import Replayed
from model.invariants import invariant


@frozen(kw_only=True)
class Heading:
    """What stands above the runs."""

    name: str
    title: str
    invariant: str
    """The invariant that the trace breaks, with its title."""
    why: str
    facts: tuple[str, ...]
    policy: str
    command: str
    home: str


def write_page(
    path: Path,
    replays: Sequence[Replayed],
    *,
    title: str | None = None,
    why: str | None = None,
    labels: Sequence[str] | None = None,
    command: str = "",
    home: str = "",
) -> None:
    """Write the page of one or two replays of the same actions. Raises OSError, NotInstalled.

    `labels` name the systems; without them they are `broken` and `guarded`. `title` and `why` take the place
    of the failure mode's title and of the sentence in the trace. `command` is what a reader can type to run
    the trace again; `home` is the address of the index.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = page_text(replays, title=title, why=why, labels=labels, command=command, home=home)
    write_atomically(path, text)


def page_text(
    replays: Sequence[Replayed],
    *,
    title: str | None = None,
    why: str | None = None,
    labels: Sequence[str] | None = None,
    command: str = "",
    home: str = "",
) -> str:
    """The HTML of a page: see `write_page`."""
    names = labels or ["guarded" if replayed.guarded else "broken" for replayed in replays]
    to_end = any(shows_recovery(replayed) for replayed in replays)
    sides = tuple(
        [
            side_of(replayed, label=label, key=key, to_end=to_end)
            for replayed, label, key in zip(replays, names, "abcdefgh", strict=False)
        ]
    )
    first = replays[0]
    trace, mode = first.trace, first.mode
    broken = trace.breaks.invariant
    heading = Heading(
        name=trace.failure_mode or "",
        title=title or (mode.title if mode else "a trace"),
        invariant=f"{broken} {invariant(broken).title}" if broken else "the model",
        why=trace.why if why is None else why,
        facts=(
            f"{trace.scope.store}",
            f"{trace.scope.granularity} granularity",
            steps_described(len(trace.actions)),
            trace.scope.description,
        ),
        policy=mode.policy if mode else "",
        command=command,
        home=home,
    )
    return filled(
        "page.html.jinja",
        script="page.js",
        heading=heading,
        sides=sides,
        chosen=_chosen(sides[0]),
        kind_of=kind_of,
    )


def _chosen(side: Side) -> str:
    """The number of the row that is open at first: the violation, else the divergence, else the last one."""
    row = side.row_of("broken") or side.row_of("diverged") or side.rows[-1]
    return row.id[1:]
