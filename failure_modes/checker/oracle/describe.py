"""Events, changes and differences, described in a few words: the same for the model and for the system."""

from itertools import zip_longest

from model.events import Environment, Event, EventKind, Outcome, Reason
from model.state import Durable

_REFUSED: dict[str, str] = {
    Reason.ALREADY_COMMITTED: "{job} has committed",
    Reason.LEASE_LOST: "exec-{execution} lost its lease",
    Reason.LEASE_EXPIRED: "the lease of exec-{execution} has expired",
    Reason.ALREADY_STARTED: "exec-{execution} has started",
    Reason.NOT_STARTED: "exec-{execution} has not started",
    Reason.ALREADY_FINISHED: "exec-{execution} is finished",
}
_VERBS: dict[str, str] = {
    EventKind.LEASED: "lease",
    EventKind.STARTED: "start",
    EventKind.EXTENDED: "extend",
    EventKind.COMMITTED: "commit",
    EventKind.FINISHED: "finish",
    EventKind.FAILED: "fail",
    EventKind.EXPIRED: "expire",
}


def describe(events: tuple[Event, ...]) -> str:
    """Describe what a transaction did."""
    return ", ".join([_describe(event) for event in events]) or "nothing"


def describe_outcome(outcome: Outcome | None) -> str:
    """Describe what the model did; `-` where it took no step."""
    if outcome is None:
        return "-"
    if isinstance(outcome.operation, Environment) and outcome.operation is not Environment.NONE:
        return outcome.operation
    return describe(outcome.events)


def _describe(event: Event) -> str:
    match event.event:
        case EventKind.ENQUEUED:
            return f"job-{event.job}"
        case EventKind.DUPLICATE:
            return f"duplicate of job-{event.job}"
        case EventKind.REFUSED:
            reason = _REFUSED.get(event.reason or "", event.reason or "no reason given")
            return f"refused ({reason.format(job=f'job-{event.job}', execution=event.execution)})"
        case EventKind.EXHAUSTED:
            return "retry budget spent"
        case EventKind.OPENED | EventKind.CLOSED:
            return f"breaker {event.event}"
        case EventKind.BURIED:
            return f"bury job-{event.job}"
    return f"{_VERBS.get(event.event, event.event)} exec-{event.execution}"


def changes(before: Durable, after: Durable) -> str:
    """The durable changes between two states."""
    kinds = (_job_changes, _effect_changes, _charges, _breaker_changes)
    return ", ".join([text for kind in kinds for text in kind(before, after)])


def _job_changes(before: Durable, after: Durable) -> list[str]:
    found = []
    known = {job.id for job in before.jobs}
    for job in after.jobs:
        old = before.job_state(job.id) if job.id in known else "new"
        new = after.job_state(job.id)
        if old != new:
            found.append(f"job-{job.id}: {old} -> {new}")
    found += [f"job-{job} is gone" for job in sorted(known - {job.id for job in after.jobs})]
    statuses = {execution.id: execution for execution in before.executions}
    left = {execution.id for execution in after.executions}
    found += [f"exec-{lost} is gone" for lost in statuses if lost not in left]
    for execution in after.executions:
        previous = statuses.get(execution.id)
        if previous is None:
            if not any(text.startswith(f"job-{execution.job}:") for text in found):
                found.append(f"exec-{execution.id}: new -> {execution.status}")
        elif previous.status != execution.status:
            found.append(f"exec-{execution.id}: {previous.status} -> {execution.status}")
        elif previous.lease_expires_at != execution.lease_expires_at:
            found.append(f"exec-{execution.id}: lease to {execution.lease_expires_at / 1000:g}s")
    return found


def _effect_changes(before: Durable, after: Durable) -> list[str]:
    found = []
    for job in after.jobs:
        old, new = len(before.effects_of(job.id)), len(after.effects_of(job.id))
        if old != new:
            found.append(f"effects of job-{job.id}: {old} -> {new}")
    return found


def _charges(before: Durable, after: Durable) -> list[str]:
    values = dict.fromkeys(after.charges)
    counts = [(value, before.charges.count(value), after.charges.count(value)) for value in values]
    return [f"charges for {value}: {old} -> {new}" for value, old, new in counts if old != new]


def _breaker_changes(before: Durable, after: Durable) -> list[str]:
    return [_breaker(after)] if before.breaker != after.breaker else []


def difference(model: Durable, system: Durable) -> tuple[str, str]:
    """The first difference between the model and the system, described for each of the two."""
    for of in (
        _described_jobs,
        _described_due_times,
        _described_executions,
        _described_effects,
        _described_charges,
        _described_limits,
        _in_full,
    ):
        for expected, got in zip_longest(of(model), of(system), fillvalue="nothing more"):
            if expected != got:
                return expected, got
    raise AssertionError("two durable states that differ in no row are alike")


def _described_jobs(durable: Durable) -> list[str]:
    found = []
    for job in durable.jobs:
        lease = "no lease" if job.available_at is None else f"a lease at {job.available_at / 1000:g}s"
        found.append(f"job-{job.id} (key {job.key}, {job.attempts_max} attempts) open to {lease}")
    return found


def _described_due_times(durable: Durable) -> list[str]:
    return [f"job-{job.id} has {'a' if job.timed else 'no'} due time of its own" for job in durable.jobs]


def _described_executions(durable: Durable) -> list[str]:
    return [
        f"exec-{e.id} of job-{e.job}: attempt {e.attempt} by {e.worker}, {e.status}, "
        f"lease to {e.lease_expires_at / 1000:g}s"
        for e in durable.executions
    ]


def _described_effects(durable: Durable) -> list[str]:
    return [
        f"an effect of job-{effect.job} by exec-{effect.execution}: {effect.value}"
        for effect in durable.effects
    ]


def _described_charges(durable: Durable) -> list[str]:
    return [f"a charge for {value}" for value in durable.charges]


def _described_limits(durable: Durable) -> list[str]:
    retries = ", ".join([f"{at / 1000:g}s" for at in durable.retries]) or "none"
    return [f"retries in the window: {retries}", _breaker(durable)]


def _in_full(durable: Durable) -> list[str]:
    """Each value to the last digit: the descriptions above round long times."""
    rows = (durable.jobs, durable.executions, durable.effects, durable.retries, (durable.breaker,))
    return [str(row) for kind in rows for row in kind]


def _breaker(durable: Durable) -> str:
    until = durable.breaker.open_until_at
    where = "closed" if until is None else f"open to {until / 1000:g}s"
    return f"breaker: {where}, {durable.breaker.failures} failed in a row"


def steps_told(number: int) -> str:
    """A number of steps in words: `1 step`, `8 steps`."""
    return f"{number} step{'' if number == 1 else 's'}"
