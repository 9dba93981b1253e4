"""What was measured, as tables for people and as values for programs."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import asdict

from tests.bench.burdens import Burden
from tests.bench.checker import Searched
from tests.bench.contender import Contender
from tests.bench.latency import Latency, percentiles
from tests.bench.output import percentile, spread, table
from tests.bench.throughput import Rounds

PHASES = {
    "together": "from the first enqueue to the last DONE, producer and workers at once",
    "enqueue": "one producer, nobody working",
    "work": "all jobs enqueued before",
}

FAST_SECONDS = 0.5
"""A search that costs no more is as fast as it should be."""


def disk(rounds: Rounds) -> str:
    """What a wait for the disk took."""
    p50, p99 = percentile(rounds.synced, 50), percentile(rounds.synced, 99)
    return f"a write of 4 KB is on the disk after {p50:,.0f} microseconds (p50), {p99:,.0f} (p99)"


def jobs_a_second(rounds: Rounds, contenders: Sequence[Contender], workers: Sequence[int]) -> str:
    """A table for each phase: the median of the rounds, the least and the most."""
    tables = []
    for phase, meaning in PHASES.items():
        rows = [
            (
                contender.name,
                *[spread([getattr(one, phase) for one in rounds.runs[contender.name, n]]) for n in workers],
            )
            for contender in contenders
        ]
        head = ("jobs/s", *[f"{count} worker{'s' if count > 1 else ''}" for count in workers])
        tables.append(f"{phase}: {meaning}\n\n{table(head, rows)}")
    return "\n\n".join(tables)


def promises(contenders: Sequence[Contender]) -> str:
    """What each guarantees."""
    names = ("commits", "acknowledged", "redelivered", "effect", "once", "history")
    rows = [(each.name, *[getattr(each.promises, name) for name in names]) for each in contenders]
    head = (
        "",
        "commits a job",
        "acknowledged",
        "after a worker's death",
        "result",
        "a late worker",
        "history",
    )
    return table(head, rows)


def lease_latency(measured: Sequence[Latency]) -> str:
    """p50 and p99 of each level, and how they compare with the level below."""
    rows = []
    for one in measured:
        below = [
            other for other in measured if other.database == one.database and other.waiting < one.waiting
        ]
        row = [one.database, f"{one.waiting:,}"]
        for name in ("fresh", "later"):
            p50, p99 = percentiles(getattr(one, name))
            row += [f"{p50:,.0f}", f"{p99:,.0f}"]
            if below and below[-1].waiting:
                b50, b99 = percentiles(getattr(below[-1], name))
                row.append(f"{p50 / b50:.2f}, {p99 / b99:.2f}")
            else:
                row.append("")
        rows.append(row)
    head = ("", "waiting", "p50", "p99", "times", "p50 later", "p99 later", "times later")
    return table(head, rows)


def weighed(measured: Sequence[Burden]) -> str:
    """What weighs on a queue."""
    head = ("", "what", "median")
    rows = [(one.database, one.what, f"{one.value:,.1f} {one.unit}") for one in measured]
    return table(head, rows)


def searched(measured: Sequence[Searched]) -> Iterator[str]:
    """A line for each break, and a row for each driver."""
    for one in measured:
        median, longest = statistics.median(one.cpu_seconds), max(one.cpu_seconds)
        times = f"{median:.2f} s (median), {longest:.2f} s (longest)"
        short = f"{one.shortest} of {len(one.cpu_seconds)} shortest"
        yield f"{one.id} {one.breaks}, {one.driver}: {times}; {short}"
    rows = []
    for driver in dict.fromkeys([one.driver for one in measured]):
        of_driver = [one for one in measured if one.driver == driver]
        spent = sorted([seconds for one in of_driver for seconds in one.cpu_seconds])
        shortest = sum(one.shortest for one in of_driver)
        fast = sum(seconds < FAST_SECONDS for seconds in spent)
        numbers = f"{statistics.median(spent):.2f} s", f"{spent[-1]:.2f} s", f"{fast:,}", f"{shortest:,}"
        rows.append((driver, f"{len(spent):,}", *numbers))
    head = ("driver", "searches", "median", "longest", f"under {FAST_SECONDS} s", "at the shortest length")
    yield table(head, rows)


def as_values(rounds: Rounds, contenders: Sequence[Contender]) -> dict[str, Any]:
    """The same for programs: every run."""
    return {
        "synced_microseconds": {n: percentile(rounds.synced, n) for n in (50, 99)},
        "promises": {one.name: asdict(one.promises) for one in contenders},
        "runs": [
            {"name": name, "workers": workers, **asdict(one)}
            for (name, workers), runs in rounds.runs.items()
            for one in runs
        ],
    }


def latency_values(measured: Sequence[Latency]) -> list[dict[str, Any]]:
    """The same of the leases."""
    return [
        {
            "database": one.database,
            "waiting": one.waiting,
            **{
                name: dict(zip(("p50", "p99"), percentiles(getattr(one, name)), strict=True))
                for name in ("fresh", "later")
            },
        }
        for one in measured
    ]
