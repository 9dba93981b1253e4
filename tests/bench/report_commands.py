"""Whole commands and two versions, as tables in Markdown. Each takes the values of one part."""

import statistics
from typing import Any

from tests.bench.output import spread, table
from tests.bench.sampler import OTHER, PACKAGES, SQLITE

Values = dict[str, Any]

_ROWS = (*[package for package in PACKAGES.values() if package != OTHER], SQLITE, OTHER)

SAMPLED = """
Where the time of a proof goes: shares of the CPU time of one more run, which was sampled. A sample counts for
the package that ran then, with the libraries that the package called. *SQLite*: lines that run a statement.
*other*: the command line, imports, the rest.
"""


def whole_commands(commands: list[Values]) -> str:
    """A row for each command; one that could not be measured says why."""
    rows = []
    for one in commands:
        numbers = (
            [f"not measured: {one['missing']}", ""]
            if "missing" in one
            else [f"{spread(one[name], 2)} s" for name in ("seconds", "cpu_seconds")]
        )
        rows.append((f"`{one['command']}`", *numbers))
    return table(("command", "time", "CPU time"), rows)


def two_versions(versions: list[Values]) -> str:
    """A row for each version: its proof, and our CPU time divided by that of the other one."""
    ours, *_ = [statistics.median(one["cpu_seconds"]) for one in versions]
    rows = [
        (
            name,
            f"{one['states']:,}",
            f"{one['transitions']:,}",
            f"{spread(one['cpu_seconds'], 1)} s",
            "" if one is versions[0] else f"{ours / statistics.median(one['cpu_seconds']):.2f}",
            "complete" if one["complete"] else "stopped",
        )
        for name, one in zip(_names(versions), versions, strict=True)
    ]
    return table(("version", "states", "transitions", "CPU time", "CPU time of ours, times", ""), rows)


def profiles(versions: list[Values]) -> str:
    """Where the CPU time of each goes: a row for each package."""
    rows = []
    for package in _ROWS:
        cells = []
        for one in versions:
            samples, seconds = one["profile"]["samples"], one["profile"]["cpu_seconds"]
            share = samples.get(package, 0) / sum(samples.values())
            cells.append(f"{100 * share:.0f}%, {share * seconds:.1f} s")
        rows.append((package, *cells))
    return table(("package", *_names(versions)), rows)


def _names(versions: list[Values]) -> list[str]:
    """The version that measured is the first."""
    ours, *others = [one["version"] for one in versions]
    return [f"this version, {ours}", *others]
