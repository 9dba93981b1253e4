"""What was measured, as tables in Markdown. Each takes the values of one part, as they are in the JSON."""

import statistics
from collections.abc import Iterable
from typing import Any

from tests.bench.output import spread, table

Values = dict[str, Any]

PHASES = {
    "work": "the workers alone, after all jobs were enqueued",
    "together": "from the first enqueue to the last DONE; the producer and the workers begin together",
    "enqueue": "one producer, and no worker",
}
OURS = {"SQLite": "this queue (SQLite)", "PostgreSQL": "this queue (PostgreSQL)"}

FAST_SECONDS = 0.5
"""A search that costs no more is as fast as it should be."""


def jobs_a_second(queue: Values, phase: str) -> str:
    """The median of the rounds, the least and the most; by the number of workers."""
    rows = [
        (name, *[spread(_of(queue, name, count, phase)) for count in queue["workers"]])
        for name in queue["databases"]
    ]
    return table(("jobs/s", *_heads(queue["workers"])), rows)


def ratios(queue: Values, phase: str) -> str:
    """Our jobs a second by those of each other queue in the same round: median, least and most."""
    rows = []
    for name, database in queue["databases"].items():
        ours = OURS[database]
        if name == ours or ours not in queue["databases"]:
            continue
        cells = []
        for count in queue["workers"]:
            pairs = zip(_of(queue, ours, count, phase), _of(queue, name, count, phase), strict=False)
            cells.append(spread([one / other for one, other in pairs], 2))
        rows.append((f"{ours} / {name}", *cells))
    return table(("times", *_heads(queue["workers"])), rows)


def work_cpu(queue: Values) -> str:
    """CPU microseconds of the workers for each job, when they work alone."""
    rows = [
        (name, *[spread(_of(queue, name, count, "work_cpu_microseconds")) for count in queue["workers"]])
        for name in queue["databases"]
    ]
    return table(("microseconds a job", *_heads(queue["workers"])), rows)


def _of(queue: Values, name: str, workers: int, what: str) -> list[float]:
    runs = [run for run in queue["runs"] if run["name"] == name and run["workers"] == workers]
    return [run[what] for run in runs]


def _heads(workers: Iterable[int]) -> list[str]:
    return [f"{count} worker{'s' if count > 1 else ''}" for count in workers]


def durability(queue: Values) -> str:
    """The settings that each queue's own connection has."""
    return table(("", "settings of its connection"), list(queue["durability"].items()))


def promises(queue: Values) -> str:
    """What each guarantees."""
    names = ("commits", "acknowledged", "redelivered", "effect", "once", "history")
    rows = [(name, *[of[each] for each in names]) for name, of in queue["promises"].items()]
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


_COSTS = {
    "statements": "statements",
    "commits": "commits",
    "pages": "pages to the log",
    "log_bytes": "bytes to the log",
    "stat_calls": "`stat` calls",
    "cpu_microseconds": "CPU microseconds",
    "cpu_microseconds_in_memory": "CPU microseconds, in memory",
}


def job_costs(costs: list[Values]) -> str:
    """The work of one job."""
    rows = [
        (one["database"], *[f"{one[name]:,.1f}" if name in one else "" for name in _COSTS]) for one in costs
    ]
    return table(("", *_COSTS.values()), rows)


def lease_latency(levels: list[Values]) -> str:
    """p50 and p99 of each level, and how they compare with the level below; and the time of `status`."""
    rows = []
    for one in levels:
        below = [
            other
            for other in levels
            if other["database"] == one["database"] and 0 < other["waiting"] < one["waiting"]
        ]
        row = [one["database"], f"{one['waiting']:,}"]
        for name in ("fresh", "later"):
            row += [f"{one[name]['p50']:,.0f}", f"{one[name]['p99']:,.0f}"]
            times = [one[name][p] / below[-1][name][p] for p in ("p50", "p99")] if below else []
            row.append(", ".join([f"{each:.2f}" for each in times]))
        rows.append((*row, f"{one['status_milliseconds']:,.1f}"))
    head = ("", "waiting", "p50", "p99", "times", "p50 later", "p99 later", "times later", "`status`, ms")
    return table(head, rows)


def weighed(burdens: list[Values]) -> str:
    """What weighs on a queue."""
    rows = [(one["database"], one["what"], f"{one['value']:,.1f} {one['unit']}") for one in burdens]
    return table(("", "what", "median"), rows)


def steps(checker: Values) -> str:
    """The time of a lock-step at each granularity."""
    rows = [(name, f"{each:,.0f}") for name, each in checker["step_microseconds"].items()]
    return table(("granularity", "microseconds a step, set-up included"), rows)


def searched(checker: Values, compared: tuple[str, ...] = ("walk", "plain Hypothesis machine")) -> str:
    """A row for each driver: its times, and its median by that of others over the same breaks."""
    of: dict[str, list[Values]] = {}
    for one in checker["searches"]:
        of.setdefault(one["driver"], []).append(one)
    rows = []
    for driver, breaks in of.items():
        spent = sorted([seconds for one in breaks for seconds in one["cpu_seconds"]])
        medians = [statistics.median(one["cpu_seconds"]) for one in breaks]
        numbers = (
            f"{statistics.median(spent):.2f} s",
            f"{max(medians):.2f} s",
            f"{spent[-1]:.2f} s",
            f"{sum(seconds < FAST_SECONDS for seconds in spent):,}",
            f"{sum(one['found'] for one in breaks):,}",
            f"{sum(one['shortest'] for one in breaks):,}",
        )
        times = [_times_faster(breaks, of[other]) if other in of else "" for other in compared]
        rows.append((driver, f"{len(spent):,}", *numbers, *times))
    head = (
        *(
            "driver",
            "searches",
            "median",
            "greatest median of a break",
            "longest",
            f"under {FAST_SECONDS} s",
            "found",
            "at the shortest length",
        ),
        *[f"times the {other}" for other in compared],
    )
    return table(head, rows)


def _times_faster(breaks: list[Values], other: list[Values]) -> str:
    """The ratio of the median times of each break: the median, the least and the most."""
    known = {(one["id"], one["breaks"]): statistics.median(one["cpu_seconds"]) for one in other}
    of_breaks = [
        (known.get((one["id"], one["breaks"])), statistics.median(one["cpu_seconds"])) for one in breaks
    ]
    return spread([mine / theirs for theirs, mine in of_breaks if theirs], 2)


def proofs(explorer: list[Values]) -> str:
    """A row for each proof."""
    rows = []
    seconds = {one["what"]: one["seconds"] for one in explorer}
    for one in explorer:
        compared = one["compared"]
        times = f"{one['seconds'] / seconds[compared]:.2f} of {compared}" if compared in seconds else ""
        rows.append(
            (
                one["what"],
                f"{one['states']:,}",
                f"{one['transitions']:,}",
                f"{one['real_steps']:,}" if "real_steps" in one else "",
                f"{one['seconds']:.1f} s",
                f"{one['cpu_seconds']:.1f} s",
                f"{one['states'] / one['seconds']:,.0f}",
                times,
                "complete" if one["complete"] else "stopped",
            )
        )
    head = (
        "proof",
        "states",
        "transitions",
        "real steps",
        "time",
        "CPU time",
        "states a second",
        "time, times",
        "",
    )
    return table(head, rows)
