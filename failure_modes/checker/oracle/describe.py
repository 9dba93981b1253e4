"""Events and changes, told in a few words. The same words for the model and for the system."""

from itertools import zip_longest

from failure_modes.checker.simulation.process_snapshot import Moved
from failure_modes.checker.simulation.stepping import label
from model.events import Event, Outcome
from model.state import Durable

_REFUSED = {
    "already_committed": "{job} has committed",
    "lease_lost": "exec-{execution} lost its lease",
    "lease_expired": "the lease of exec-{execution} has expired",
    "already_started": "exec-{execution} has started",
    "not_started": "exec-{execution} has not started",
    "already_finished": "exec-{execution} is finished",
}


def told_of(moved: Moved) -> str | None:
    """The statement that ran, in a word or two, and why it failed, if it did."""
    if moved.ran is None:
        return None
    return label(moved.ran) + (f": {moved.problem}" if moved.problem else "")


def tell(events: tuple[Event, ...]) -> str:
    """What a transaction did."""
    return ", ".join([_tell(event) for event in events]) or "nothing"


def tell_outcome(outcome: Outcome | None) -> str:
    """What the model did; `-` where it took no step."""
    if outcome is None:
        return "-"
    if outcome.operation in ("tick", "crash", "power loss", "charge", "recognise"):
        return outcome.operation
    return tell(outcome.events)


def _tell(event: Event) -> str:
    match event.event:
        case "enqueued":
            return f"job-{event.job}"
        case "duplicate":
            return f"duplicate of job-{event.job}"
        case "refused":
            reason = _REFUSED.get(event.reason or "", event.reason or "no reason given")
            return f"refused ({reason.format(job=f'job-{event.job}', execution=event.execution)})"
        case "exhausted":
            return "retry budget spent"
        case "opened" | "closed":
            return f"breaker {event.event}"
        case "buried":
            return f"bury job-{event.job}"
    verb = {
        "leased": "lease",
        "started": "start",
        "extended": "extend",
        "committed": "commit",
        "finished": "finish",
        "failed": "fail",
        "expired": "expire",
    }.get(event.event, event.event)
    return f"{verb} exec-{event.execution}"


def changes(before: Durable, after: Durable) -> str:
    """What is durable now and was not before."""
    kinds = (_job_changes, _effect_changes, _charges, _breaker_changes)
    return ", ".join([text for told in kinds for text in told(before, after)])


def _job_changes(before: Durable, after: Durable) -> list[str]:
    told = []
    known = {job.id for job in before.jobs}
    for job in after.jobs:
        old = before.job_state(job.id) if job.id in known else "new"
        new = after.job_state(job.id)
        if old != new:
            told.append(f"job-{job.id}: {old} -> {new}")
    told += [f"job-{job} is gone" for job in sorted(known - {job.id for job in after.jobs})]
    statuses = {execution.id: execution for execution in before.executions}
    left = {execution.id for execution in after.executions}
    told += [f"exec-{lost} is gone" for lost in statuses if lost not in left]
    for execution in after.executions:
        previous = statuses.get(execution.id)
        if previous is None:
            if not any(text.startswith(f"job-{execution.job}:") for text in told):
                told.append(f"exec-{execution.id}: new -> {execution.status}")
        elif previous.status != execution.status:
            told.append(f"exec-{execution.id}: {previous.status} -> {execution.status}")
        elif previous.lease_expires_at != execution.lease_expires_at:
            told.append(f"exec-{execution.id}: lease to {execution.lease_expires_at / 1000:g}s")
    return told


def _effect_changes(before: Durable, after: Durable) -> list[str]:
    told = []
    for job in after.jobs:
        old, new = len(before.effects_of(job.id)), len(after.effects_of(job.id))
        if old != new:
            told.append(f"effects of job-{job.id}: {old} -> {new}")
    return told


def _charges(before: Durable, after: Durable) -> list[str]:
    values = dict.fromkeys(after.charges)
    counts = [(value, before.charges.count(value), after.charges.count(value)) for value in values]
    return [f"charges for {value}: {old} -> {new}" for value, old, new in counts if old != new]


def _breaker_changes(before: Durable, after: Durable) -> list[str]:
    return [_breaker(after)] if before.breaker != after.breaker else []


def difference(model: Durable, system: Durable) -> tuple[str, str]:
    """The first place where the model and the system differ, told for each."""
    for of in (
        _jobs_told,
        _due_times_told,
        _executions_told,
        _effects_told,
        _charges_told,
        _limits_told,
        _in_full,
    ):
        for expected, got in zip_longest(of(model), of(system), fillvalue="nothing more"):
            if expected != got:
                return expected, got
    raise AssertionError("two durable states that differ in no row are alike")


def _jobs_told(durable: Durable) -> list[str]:
    told = []
    for job in durable.jobs:
        lease = "no lease" if job.available_at is None else f"a lease at {job.available_at / 1000:g}s"
        told.append(f"job-{job.id} (key {job.key}, {job.attempts_max} attempts) open to {lease}")
    return told


def _due_times_told(durable: Durable) -> list[str]:
    return [f"job-{job.id} has {'a' if job.timed else 'no'} due time of its own" for job in durable.jobs]


def _executions_told(durable: Durable) -> list[str]:
    return [
        f"exec-{e.id} of job-{e.job}: attempt {e.attempt} by {e.worker}, {e.status}, "
        f"lease to {e.lease_expires_at / 1000:g}s"
        for e in durable.executions
    ]


def _effects_told(durable: Durable) -> list[str]:
    return [
        f"an effect of job-{effect.job} by exec-{effect.execution}: {effect.value}"
        for effect in durable.effects
    ]


def _charges_told(durable: Durable) -> list[str]:
    return [f"a charge for {value}" for value in durable.charges]


def _limits_told(durable: Durable) -> list[str]:
    retries = ", ".join([f"{at / 1000:g}s" for at in durable.retries]) or "none"
    return [f"retries in the window: {retries}", _breaker(durable)]


def _in_full(durable: Durable) -> list[str]:
    """Each value to the last digit: above, long times are rounded."""
    rows = (durable.jobs, durable.executions, durable.effects, durable.retries, (durable.breaker,))
    return [str(row) for kind in rows for row in kind]


def _breaker(durable: Durable) -> str:
    until = durable.breaker.open_until_at
    where = "closed" if until is None else f"open to {until / 1000:g}s"
    return f"breaker: {where}, {durable.breaker.failures} failed in a row"


def steps_told(number: int) -> str:
    """A number of steps in words: `1 step`, `8 steps`."""
    return f"{number} step{'' if number == 1 else 's'}"
