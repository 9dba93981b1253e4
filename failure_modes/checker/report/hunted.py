"""The failures that nobody had written down before a hunt found them: a section of the report card.

`failure_modes/judged/hunted.json` names each of them, how it was hunted, and the report of others that it
explains. Runs, seeds and seconds come from the numbers of the judgement, and the moves from the kept trace. A
failure that is no longer confirmed is refused: the section cannot say what the card does not.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from failure_modes.checker.support.atomic_files import read_lines
from failure_modes.checker.support.errors import FileError
from failure_modes.checker.traces.queue_trace import load_trace

HUNTED = "hunted.json"
NUMBERS = "judged.json"

_OPENING = """\
## What nobody had written down

When these failures were first found, nothing in the adapter described them: no limit among its claims, no
note and no report of others. The history of the adapter's file shows that. They were hunted once more for
this card. The moves are in the section of the queue, and in the trace."""


class NotKept(FileError):
    """A failure of the section is not kept as a confirmed finding."""


def lines_of_hunted(judged: Path) -> Iterator[str]:
    """The section; nothing if there is no list."""
    if not (judged / HUNTED).exists():
        return
    yield f"{_OPENING}\n"
    seconds: dict[str, float] = {}
    for name, one in read_lines(judged / HUNTED).items():
        numbers = read_lines(judged / one["queue"] / NUMBERS)[one["configuration"]]["hunts"]
        finding = numbers[one["hunt"]]
        if not finding["found"]:
            raise NotKept(f"{judged / HUNTED}: {name} is no confirmed finding of {one['queue']}")
        seconds[one["command"]] = max(hunt["seconds"] for hunt in numbers.values())
        yield f"**{name}**\n"
        yield f"{one['what']}\n"
        yield f"- trace: `failure_modes/judged/{_trace(judged, one)}`"
        yield f"- hunted with `{one['command']}`: {_found(finding)}"
        yield f"- what others report: {one['explains']}\n"
    yield f"The searches of this section took {sum(seconds.values()) / 60:.0f} minutes in all.\n"


def _found(finding: Mapping[str, Any]) -> str:
    return (
        f"{finding['found_by']} of {finding['seeds']} seeds, {after(finding)}; "
        f"{finding['replays_same']} of 100 "
        "replays are the same; confirmed with real processes"
    )


def after(one: Mapping[str, Any]) -> str:
    """The run of each seed that found it; of an older judgement, the runs of all of its seeds."""
    if not one["found_after"]:
        return f"in {one['runs']:,} runs"
    runs = [f"{run:,}" for run in one["found_after"] if run is not None]
    return f"by run {', '.join(runs)}" if len(runs) == 1 else f"by run {', '.join(runs[:-1])} and {runs[-1]}"


def _trace(judged: Path, one: Mapping[str, Any]) -> str:
    """The file of the kept trace."""
    kind, _, topic = one["hunt"].partition(" (")
    for path in sorted((judged / one["queue"] / "traces").glob("*.json")):
        trace = load_trace(path)
        if (trace.configuration, trace.kind) == (one["configuration"], kind) and (
            topic.rstrip(")") in ("", trace.topic)
        ):
            return f"{one['queue']}/traces/{path.name}"
    raise NotKept(f"{judged / HUNTED}: no trace of {one['hunt']} is kept")
