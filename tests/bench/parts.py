"""The parts of the bench: each measures something, and gives its values for the JSON."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from failure_modes.checker.experiment.granularity import Granularity
from tests.bench.burdens import burdens
from tests.bench.checker import searches, step_microseconds
from tests.bench.commands import commands
from tests.bench.contender import DURABLE
from tests.bench.contenders import ALL, why_not
from tests.bench.explorer import proofs
from tests.bench.job_costs import job_costs
from tests.bench.latency import latencies, percentiles
from tests.bench.output import percentile, progress
from tests.bench.places import Places
from tests.bench.throughput import Rounds, rounds
from tests.bench.versions import versions


@frozen(kw_only=True)
class Sizes:
    """How much is measured."""

    jobs: int
    runs: int
    seconds: float
    workers: tuple[int, ...]
    waiting: tuple[int, ...]
    rows: int
    worked_off: int
    leases: int
    seeds: int
    plain_seeds: int
    breaks_max: int | None
    proof_seconds: float
    against: Path | None


Part = Callable[[Places, Sizes], Any]


def queue(places: Places, sizes: Sizes) -> dict[str, Any]:
    """Jobs a second beside the peers, as durable as ours."""
    missing = {
        each.name: why
        for each in ALL
        if (why := why_not(each) or (places.why_no_server if each.database == "PostgreSQL" else None))
    }
    contenders = [each for each in ALL if each.name not in missing]
    done = rounds(
        places,
        contenders,
        jobs=sizes.jobs,
        workers=sizes.workers,
        runs=sizes.runs,
        seconds=sizes.seconds,
        durable=DURABLE,
    )
    return {
        "jobs": sizes.jobs,
        "workers": list(sizes.workers),
        "databases": {each.name: each.database for each in contenders},
        "missing": missing,
        "failures": list(done.failures),
        "durability": done.durability,
        "synced_microseconds": {str(n): percentile(done.synced, n) for n in (50, 99)},
        "promises": {each.name: asdict(each.promises) for each in contenders},
        "runs": _runs(done),
    }


def _runs(done: Rounds) -> list[dict[str, Any]]:
    return [
        {"name": name, "workers": workers, **asdict(run)}
        for (name, workers), runs in done.runs.items()
        for run in runs
    ]


def job(places: Places, _: Sizes) -> list[dict[str, Any]]:
    """The work of one job."""
    return list(job_costs(places))


def latency(places: Places, sizes: Sizes) -> list[dict[str, Any]]:
    """A lease and `status`, by the number of jobs that wait."""
    return [
        {
            "database": one.database,
            "waiting": one.waiting,
            "status_milliseconds": one.status_milliseconds,
            **{
                name: dict(zip(("p50", "p99"), percentiles(getattr(one, name)), strict=True))
                for name in ("fresh", "later")
            },
        }
        for one in latencies(
            places,
            _kinds(places),
            tuple(sorted(set(sizes.waiting))),
            leases=sizes.leases,
            worked_off=sizes.worked_off,
        )
    ]


def weights(places: Places, sizes: Sizes) -> list[dict[str, Any]]:
    """What weighs on a queue."""
    return [asdict(one) for one in burdens(places, _kinds(places), sizes.rows, sizes.worked_off)]


def checker(_: Places, sizes: Sizes) -> dict[str, Any]:
    """A step of the lock-step, and the searches."""
    measured = {}
    for granularity in Granularity:
        progress(f"checker: steps at granularity {granularity}")
        measured[granularity.value] = step_microseconds(granularity)
    found = searches(sizes.seeds, sizes.plain_seeds, sizes.breaks_max)
    return {"step_microseconds": measured, "searches": [asdict(one) for one in found]}


def explorer(_: Places, sizes: Sizes) -> list[dict[str, Any]]:
    """Proofs of the guarded system."""
    return list(proofs(sizes.proof_seconds))


def both_versions(_: Places, sizes: Sizes) -> list[dict[str, Any]]:
    """The same proof by this version and another one."""
    assert sizes.against is not None, "it is asked for by its folder"
    return versions(sizes.against)


def whole_commands(_: Places, sizes: Sizes) -> list[dict[str, Any]]:
    """Commands as a user starts them."""
    del sizes
    return list(commands())


def _kinds(places: Places) -> tuple[str, ...]:
    return ("SQLite",) if places.server is None else ("SQLite", "PostgreSQL")


PARTS: dict[str, Part] = {
    "queue": queue,
    "job": job,
    "latency": latency,
    "burdens": weights,
    "checker": checker,
    "commands": whole_commands,
    "explorer": explorer,
    "versions": both_versions,
}
OF_TWO_VERSIONS = "versions"
"""The part that needs another version of the project."""
ON_DATABASES = ("queue", "job", "latency", "burdens")
"""The parts that need a disk, and a server if there is one."""
