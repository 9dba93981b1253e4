"""INV_004 and INV_005: what is left when recovery has run, and what the audit rows show of it."""

from model.events import Event, EventKind, Operation, Reason
from model.invariants.observed import Ending, InjectedFault
from model.state import TERMINAL, JobState


def recovery_restores_correctness(ending: Ending) -> str | None:
    """No accepted job is missing or stuck; SUCCEEDED has its one effect, FAILED has none."""
    keys = [job.key for job in ending.final.jobs]
    missing = [key for key in ending.accepted if key not in keys]
    if len(missing) > keys.count(None):  # a job without a key may be any that was asked for
        return f"the job of key {missing[0]!r} was accepted and is missing"
    for job in ending.final.jobs:
        state = ending.final.job_state(job.id)
        done = [effect.value for effect in ending.final.effects_of(job.id)]
        if state not in TERMINAL:
            return f"job-{job.id} is stuck in {state}"
        if len(done) != (1 if state is JobState.SUCCEEDED else 0):
            return f"job-{job.id} is {state} with {len(done)} effects"
        if ending.external and done and done[0] not in ending.final.charges:
            return f"job-{job.id} is {state} and was never charged"
    return None if ending.settled else "something still changes after every round that was allowed"


def failures_are_detectable(ending: Ending) -> str | None:
    """The audit rows alone show each fault that touched a job, and each job that was given up."""
    _, unrecorded = _matched(ending.events, ending.faults)
    for fault in unrecorded:
        of = f"exec-{fault.execution} of " if fault.execution else ""
        return f"no audit row records the {fault.kind} of {of}job-{fault.job}"
    buried = {event.job for event in ending.events if event.event == EventKind.BURIED}
    for job in ending.final.jobs:
        if ending.final.job_state(job.id) is JobState.FAILED and job.id not in buried:
            return f"job-{job.id} is FAILED and no audit row says why"
    return None


def _matched(
    events: tuple[Event, ...], faults: tuple[InjectedFault, ...]
) -> tuple[tuple[Event, ...], tuple[InjectedFault, ...]]:
    """Match each fault with the audit row that records it. Returns the rows and the faults without a match.

    Each failure and each duplicate has a row of its own. The crashes of one execution share the row that ends
    it.
    """
    rows, unrecorded = list(events), []
    for fault in faults:
        record = next((row for row in rows if row.job == fault.job and _records(row, fault)), None)
        if record is None:
            unrecorded.append(fault)
        elif fault.kind != "crash":
            rows.remove(record)
    return tuple(rows), tuple(unrecorded)


def _records(event: Event, fault: InjectedFault) -> bool:
    if fault.kind == "duplicate":
        return event.event == EventKind.DUPLICATE
    if fault.kind == "failure":
        return _is_of_failure(event)
    if event.event == EventKind.FINISHED:
        return event.operation == Operation.RECONCILE and event.execution == fault.execution
    return event.event == EventKind.EXPIRED and event.execution == fault.execution


def _is_of_failure(event: Event) -> bool:
    """True for the answer to the worker that holds the job, and not for one to another worker."""
    if event.reason == Reason.UNKNOWN_TOKEN:
        return False
    return event.operation == Operation.FAIL and event.event in (EventKind.FAILED, EventKind.REFUSED)


def condensed(
    events: tuple[Event, ...], faults: tuple[InjectedFault, ...]
) -> tuple[tuple[Event, ...], tuple[InjectedFault, ...]]:
    """The rows and faults that an ending still depends on. They give the same verdict as all of them.

    These are the faults that no row records yet, the first row that gave up each job, and the rows that could
    still record a later fault. A row that ends an execution could not: by INV_003 no fault touches the
    execution after that.
    """
    rows, unrecorded = _matched(events, faults)
    given_up: dict[int, Event] = {}
    spare = []
    for row in rows:
        if row.event == EventKind.BURIED:
            given_up.setdefault(row.job, row)
        elif row.event == EventKind.DUPLICATE or _is_of_failure(row):
            spare.append(row)
    return (*given_up.values(), *spare), unrecorded
