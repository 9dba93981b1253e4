"""The cost of a proof: with and without reductions, in one process and in two."""

import resource
from collections.abc import Iterator
from time import process_time
from typing import Any

from attrs import evolve, frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import Limits, prove
from system.clock import Stopwatch
from tests.bench.output import progress

SMALL = Proof(scope=Scope(), bounds=Bounds(jobs=2, ticks=1, crashes=1), fault=guarded)
LARGE = evolve(SMALL, bounds=Bounds(jobs=2, ticks=2, crashes=1, failures=1, reconciles=1))
PLAIN = evolve(SMALL, reductions=Reductions(symmetry=False, sleep=False, memory=False, rows=False))


@frozen(kw_only=True)
class ProofRun:
    """A proof that is measured, and in how many processes."""

    what: str
    proof: Proof
    processes: int
    compared: str | None = None
    """The run before it that its time is divided by."""


RUNS = (
    ProofRun(what="small", proof=SMALL, processes=1),
    ProofRun(what="small, without reductions", proof=PLAIN, processes=1, compared="small"),
    ProofRun(what="large", proof=LARGE, processes=1),
    ProofRun(what="large, two processes", proof=LARGE, processes=2, compared="large"),
)


def proofs(seconds_max: float) -> Iterator[dict[str, Any]]:
    """Measure each in turn. A proof is stopped after so long."""
    for run in RUNS:
        progress(f"explorer: {run.what}")
        stopwatch, before = Stopwatch(), _cpu_seconds()
        result = prove(run.proof, processes=run.processes, limits=Limits(seconds_max=seconds_max))
        yield {
            "what": run.what,
            "compared": run.compared,
            "processes": run.processes,
            "complete": result.complete,
            "states": result.counts.states,
            "transitions": result.counts.transitions,
            "real_steps": result.counts.real_steps,
            "seconds": stopwatch.seconds,
            "cpu_seconds": _cpu_seconds() - before,
        }


def _cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime
