"""Events, changes and differences, described in a few words: the same for the model and for the system."""

from decimal import Decimal

from attrs import asdict

from model.answers import Accepted, Answer, Counts, Reconciled, Statuses
from model.events import Environment, Event, EventKind, Outcome, Reason
from model.state import Breaker, Durable, Effect, Execution, Job

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


def events_differ(model: tuple[Event, ...], system: tuple[Event, ...]) -> tuple[str, str]:
    """How the audit rows of one action differ: by what they did, or by the first column that differs."""
    expected, got = describe(model), describe(system)
    if expected != got or len(model) != len(system):
        return expected, got
    for one, other in zip(model, system, strict=True):
        for name, value in asdict(one).items():
            if getattr(other, name) != value:
                row = f"{name} of the audit row ({_describe(one)})"
                return f"{row} is {_value(name, value)}", f"{row} is {_value(name, getattr(other, name))}"
    raise AssertionError("audit rows that differ in no column are equal")


def answers_differ(model: Answer | None, system: Answer) -> tuple[str, str]:
    """How what the queue answered differs from what the model answered at the commit."""
    if model is None:
        return (
            f"{system.operation} has committed nothing",
            f"{system.operation} answered {describe_answer(system)}",
        )
    name = f"answer of {system.operation}"
    if model.operation is not system.operation:
        return (
            f"answer of {model.operation} is {describe_answer(model)}",
            f"{name} is {describe_answer(system)}",
        )
    return f"{name} is {describe_answer(model)}", f"{name} is {describe_answer(system)}"


def counts_differ(model: Counts, system: Counts) -> tuple[str, str]:
    """The first of the counts that differs."""
    for name, value in asdict(model).items():
        if getattr(system, name) != value:
            return (
                f"status.{name} is {_value(name, value)}",
                f"status.{name} is {_value(name, getattr(system, name))}",
            )
    raise AssertionError("counts that differ in no value are equal")


def statuses_differ(model: Statuses, system: Statuses) -> tuple[str, str]:
    """The first part of what `status` says of a job that differs."""
    return _first_difference(_of_statuses(model), _of_statuses(system))


def _of_statuses(said: Statuses) -> dict[str, str]:
    values = {"status.given_up": ", ".join([f"job-{job}" for job in said.given_up])}
    for one in said.jobs:
        parts = asdict(one, recurse=False)
        values |= {f"status of job-{one.job.id}.{name}": str(value) for name, value in parts.items()}
    return values


def describe_answer(answer: Answer) -> str:
    """Describe what the queue answered to its caller."""
    match answer.value:
        case None:
            return "no job"
        case Accepted(job=job, existed=existed, same_payload=same):
            return f"job-{job}{', a duplicate' * existed}{', of another payload' * (not same)}"
        case Execution() as one:
            until = _seconds(one.lease_expires_at)
            return (
                f"exec-{one.id} of job-{one.job}, attempt {one.attempt} by {one.worker}, "
                f"{one.status}, lease to {until}"
            )
        case Reconciled(finished=finished, aborted=aborted):
            return f"{finished} finished and {aborted} aborted"
        case done:
            return str(done).lower()


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
    """The first difference: `NAME is VALUE` in the model, and in the system with the same name."""
    return _first_difference(_values(model), _values(system))


def _first_difference(model: dict[str, str], system: dict[str, str]) -> tuple[str, str]:
    for name in model | system:
        expected, got = model.get(name, "missing"), system.get(name, "missing")
        if expected != got:
            return f"{name} is {expected}", f"{name} is {got}"
    raise AssertionError("what differs in no value is equal")


def contrast(expected: str, got: str) -> str:
    """A difference in one line; a name that both have is said once."""
    name, between, value = got.partition(" is ")
    same = between and expected.startswith(name + between)
    return f"{expected} in the model, {value if same else got} in the system"


def _values(durable: Durable) -> dict[str, str]:
    """Each value by its name, in a fixed order: rows by their ids, then what has no id."""
    rows: list[tuple[str, Job | Execution | Effect | Breaker]] = []
    rows += [(f"job-{job.id}", job) for job in durable.jobs]
    rows += [(f"exec-{execution.id}", execution) for execution in durable.executions]
    rows += [(f"effect-{number}", effect) for number, effect in enumerate(durable.effects, start=1)]
    rows += [("breaker", durable.breaker)]
    values: dict[str, str] = {}
    for name, row in rows:
        values[name] = "present"
        values |= {f"{name}.{key}": _value(key, value) for key, value in asdict(row).items()}
    values |= {f"charge-{number}": str(value) for number, value in enumerate(durable.charges, start=1)}
    values |= {f"retry-{number}": _seconds(at) for number, at in enumerate(durable.retries, start=1)}
    values["the order of the jobs"] = ", ".join([str(job.id) for job in durable.jobs])
    return values | {"the order of the executions": ", ".join([str(one.id) for one in durable.executions])}


def _value(key: str, value: object) -> str:
    if key == "payload":
        return repr(value)
    return _seconds(value) if (key == "at" or key.endswith("_at")) and isinstance(value, int) else str(value)


def _seconds(milliseconds: int) -> str:
    """Every digit of a time: two times that differ are not written alike."""
    return f"{Decimal(milliseconds) / 1000:f} s"


def _breaker(durable: Durable) -> str:
    until = durable.breaker.open_until_at
    where = "closed" if until is None else f"open to {until / 1000:g}s"
    return f"breaker: {where}, {durable.breaker.failures} failed in a row"


def steps_described(number: int) -> str:
    """A number of steps in words: `1 step`, `8 steps`."""
    return f"{number} step{'' if number == 1 else 's'}"
