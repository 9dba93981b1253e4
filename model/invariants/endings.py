"""INV_004 and INV_005: what is left when recovery has run, and what the audit rows say of it."""

from model.events import Event, EventKind, Operation
from model.invariants.observed import Ending, Fault
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
    """Each fault that touched a job, and each job given up, can be told from the audit rows alone."""
    _, untold = _balance(ending.events, ending.faults)
    for fault in untold:
        of = f"exec-{fault.execution} of " if fault.execution else ""
        return f"no audit row tells of the {fault.kind} that hit {of}job-{fault.job}"
    buried = {event.job for event in ending.events if event.event == EventKind.BURIED}
    for job in ending.final.jobs:
        if ending.final.job_state(job.id) is JobState.FAILED and job.id not in buried:
            return f"job-{job.id} is FAILED and no audit row says why"
    return None


def _balance(
    events: tuple[Event, ...], faults: tuple[Fault, ...]
) -> tuple[tuple[Event, ...], tuple[Fault, ...]]:
    """The rows that are left when each fault has taken the one that tells of it, and the faults left over.

    Each failure and each duplicate has a row of its own. The crashes that hit one execution share the row
    that ends it.
    """
    rows, untold = list(events), []
    for fault in faults:
        telling = next((row for row in rows if row.job == fault.job and _tells(row, fault)), None)
        if telling is None:
            untold.append(fault)
        elif fault.kind != "crash":
            rows.remove(telling)
    return tuple(rows), tuple(untold)


def _tells(event: Event, fault: Fault) -> bool:
    if fault.kind == "duplicate":
        return event.event == EventKind.DUPLICATE
    if fault.kind == "failure":
        return _is_of_failure(event)
    if event.event == EventKind.FINISHED:
        return event.operation == Operation.RECONCILE and event.execution == fault.execution
    return event.event == EventKind.EXPIRED and event.execution == fault.execution


def _is_of_failure(event: Event) -> bool:
    return event.operation == Operation.FAIL and event.event in (EventKind.FAILED, EventKind.REFUSED)


def condensed(
    events: tuple[Event, ...], faults: tuple[Fault, ...]
) -> tuple[tuple[Event, ...], tuple[Fault, ...]]:
    """What every ending still depends on of the rows and faults so far; put in their place they do as well.

    The faults that no row tells of yet; the first row that gave up each job; and rows that tell of no fault
    so far and could of a later one. A row that ends an execution could not: INV_003 lets nothing hit it then.
    """
    rows, untold = _balance(events, faults)
    given_up: dict[int, Event] = {}
    spare = []
    for row in rows:
        if row.event == EventKind.BURIED:
            given_up.setdefault(row.job, row)
        elif row.event == EventKind.DUPLICATE or _is_of_failure(row):
            spare.append(row)
    return (*given_up.values(), *spare), untold
