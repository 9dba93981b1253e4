"""INV_001 to INV_008, as predicates over what was observed.

An invariant never looks at the model's own state. It is judged on durable rows and audit rows alone, so it
holds or breaks for any queue whose rows can be read into these values.
"""

from collections.abc import Callable

from attrs import frozen

from model.invariants.attempts import attempts_are_bounded
from model.invariants.changes import explicit_transitions
from model.invariants.effects import effect_at_most_once, nothing_half_done
from model.invariants.endings import condensed, failures_are_detectable, recovery_restores_correctness
from model.invariants.observed import Change, Ending, InjectedFault
from model.invariants.turns import due_jobs_take_turns, leases_wait_for_due_times


@frozen(kw_only=True)
class Invariant:
    """A named promise. `on_change` and `at_end` return the first breach as one line of text, or None."""

    id: str
    title: str
    promise: str
    on_change: Callable[[Change], str | None] | None = None
    at_end: Callable[[Ending], str | None] | None = None


INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        id="INV_001",
        title="effect at most once",
        promise="A job has at most one effect, and an idempotency key at most one job. A request under one "
        "key is done once, and charged once.",
        on_change=effect_at_most_once,
    ),
    Invariant(
        id="INV_002",
        title="nothing half done",
        promise="In every durable state an effect exists if and only if a COMMITTED or DONE execution of its "
        "job exists.",
        on_change=nothing_half_done,
    ),
    Invariant(
        id="INV_003",
        title="explicit transitions",
        promise="Each change between two durable states is in the table, is made by the right process, and "
        "has its audit row in the same transaction. A terminal state stays terminal.",
        on_change=explicit_transitions,
    ),
    Invariant(
        id="INV_004",
        title="recovery restores correctness",
        promise="After recovery and a fair schedule no accepted job is missing and none is stuck: SUCCEEDED "
        "has exactly one effect, FAILED has none.",
        at_end=recovery_restores_correctness,
    ),
    Invariant(
        id="INV_005",
        title="failures are detectable",
        promise="The audit rows alone show each fault that touched a job, and each job that was given up.",
        at_end=failures_are_detectable,
    ),
    Invariant(
        id="INV_006",
        title="attempts are bounded",
        promise="After failures no more attempts begin within a time than the retry budget and the circuit "
        "breaker allow.",
        on_change=attempts_are_bounded,
    ),
    Invariant(
        id="INV_007",
        title="due times",
        promise="No job is leased before its due time: the end of its lease, or of its backoff.",
        on_change=leases_wait_for_due_times,
    ),
    Invariant(
        id="INV_008",
        title="fairness",
        promise="A due job is not passed over: a lease takes the retry that has been due longest, else the "
        "new job that was enqueued first. Only a job that another transaction holds, and a retry beyond the "
        "retry budget, may wait.",
        on_change=due_jobs_take_turns,
    ),
)


def invariant(invariant_id: str) -> Invariant:
    """The invariant of that id. Raises KeyError."""
    for known in INVARIANTS:
        if known.id == invariant_id:
            return known
    raise KeyError(invariant_id)


__all__ = [
    "INVARIANTS",
    "Change",
    "Ending",
    "InjectedFault",
    "Invariant",
    "condensed",
    "invariant",
]
