"""INV_001 to INV_005, as predicates over what was observed.

They never look at the model's own state: an invariant is judged on durable rows and audit rows alone, so
it holds or breaks for any queue whose rows can be read into these values.
"""

from collections.abc import Callable

from attrs import field, frozen

from model.events import Event
from model.load import Load, storm
from model.state import HELD, TERMINAL, Durable, Execution, JobState, Settings, Status
from model.transitions import By, Lease, Transition, allowed, why_not, why_not_job


@frozen(kw_only=True)
class Change:
    """One durable commit: the rows before and after, its audit rows, the process and the time it read.

    `load` is what retries and failures had made before it, under the limits of the `settings`.
    """

    before: Durable
    after: Durable
    events: tuple[Event, ...]
    actor: str
    at: int
    load: Load = field(factory=Load)
    settings: Settings = field(factory=Settings)


@frozen(kw_only=True)
class Fault:
    """Something the world did to a job: a `crash`, a `failure` of its handler, or a `duplicate` enqueue."""

    kind: str
    job: int
    execution: int | None = None


@frozen(kw_only=True)
class Ending:
    """What is left when recovery has run and nothing changes any more.

    `accepted` are the keys whose enqueue committed. `settled` is False when the bound on rounds was hit.
    `external`: what a job asks for is charged by a gateway.
    """

    final: Durable
    events: tuple[Event, ...]
    accepted: tuple[str, ...]
    faults: tuple[Fault, ...]
    settled: bool
    external: bool = False


@frozen(kw_only=True)
class Invariant:
    """A named promise. `on_change` and `at_end` give the first breach as one line of text, or None."""

    id: str
    title: str
    promise: str
    on_change: Callable[[Change], str | None] | None = None
    at_end: Callable[[Ending], str | None] | None = None


def effect_at_most_once(change: Change) -> str | None:
    """At most one effect a job; at most one job a key; what was asked for once is done, and charged, once."""
    for job in change.after.jobs:
        effects = len(change.after.effects_of(job.id))
        if effects > 1:
            return f"job-{job.id} has {effects} effects"
    keys = [job.key for job in change.after.jobs if job.key is not None]
    for key in sorted(set(keys)):
        if keys.count(key) > 1:
            return f"key {key!r} has {keys.count(key)} jobs"
    values = [effect.value for effect in change.after.effects if effect.value is not None]
    for value in sorted(set(values)):
        if values.count(value) > 1:
            return f"what {value!r} asks for was done by {values.count(value)} jobs"
    charges = change.after.charges
    for charged in charges:
        if charges.count(charged) > 1:
            return f"what {charged!r} asks for was charged {charges.count(charged)} times"
    return None


def nothing_half_done(change: Change) -> str | None:
    """An effect exists if and only if a COMMITTED or DONE execution of that job does."""
    written = {(effect.job, effect.execution) for effect in change.after.effects}
    for execution in change.after.executions:
        committed = execution.status in (Status.COMMITTED, Status.DONE)
        has_effect = (execution.job, execution.id) in written
        if committed and not has_effect:
            return f"exec-{execution.id} is {execution.status} without an effect"
        if has_effect and not committed:
            return f"exec-{execution.id} is {execution.status} and has an effect"
        written.discard((execution.job, execution.id))
    for job, owner in sorted(written):
        return f"job-{job} has an effect of exec-{owner}, which is not an execution of it"
    return None


def explicit_transitions(change: Change) -> str | None:
    """Each change is in the table, made by who may make it, and has its audit row; terminal stays so."""
    before = {execution.id: execution for execution in change.before.executions}
    rows: dict[int | None, list[Event]] = {}
    for event in change.events:
        if event.after is not None:
            rows.setdefault(event.execution, []).append(event)
    for execution in change.after.executions:
        old = before.pop(execution.id, None)
        told = rows.pop(execution.id, [])
        if old == execution and not told:
            continue
        breach = _transition_breach(old, execution, told, change)
        if breach:
            return f"exec-{execution.id}: {breach}"
    for lost in sorted(before):
        return f"exec-{lost} is gone"
    for execution_id, told in rows.items():
        return f"exec-{execution_id}: the audit says {told[0].event}, and nothing changed"
    return _job_breach(change)


def _transition_breach(
    old: Execution | None, new: Execution, told: list[Event], change: Change
) -> str | None:
    status = old.status if old else None
    if old == new and told[0].before is not told[0].after:
        return f"the audit says {told[0].event}, and nothing changed"
    reason = why_not(status, new.status)
    if reason:
        return f"{status or 'new'} -> {new.status}: {reason}"
    if not told or (told[0].before, told[0].after) != (status, new.status):
        return f"{status or 'new'} -> {new.status} has no audit row"
    if len(told) > 1:
        return f"{status or 'new'} -> {new.status} has {len(told)} audit rows"
    row = told[0]
    if row.actor != change.actor:
        return f"{row.event} by {change.actor}, and the audit says by {row.actor}"
    fitting = [
        rule
        for rule in allowed(status, new.status)
        if rule.event == row.event and row.operation in rule.operations
    ]
    if not fitting:
        return f"{status or 'new'} -> {new.status} is not made by {row.operation}"
    breaches = [_rule_breach(rule, old or new, change) for rule in fitting]
    return breaches[0] if None not in breaches else _identity_breach(old or new, new, row)


def _rule_breach(rule: Transition, held: Execution, change: Change) -> str | None:
    """`held` is the execution as it was: whoever it was leased to is its holder, until the lease runs out."""
    if rule.by is By.HOLDER and change.actor != held.worker:
        return f"{rule.event} by {change.actor}, and the holder is {held.worker}"
    if rule.lease is Lease.LIVE and held.lease_expires_at <= change.at:
        return f"{rule.event} under a lease that had expired"
    if rule.lease is Lease.EXPIRED and held.lease_expires_at > change.at:
        return f"{rule.event} by {change.actor} while {held.worker} holds a live lease"
    return None


def _identity_breach(old: Execution, new: Execution, row: Event) -> str | None:
    """A transition changes the status; a heartbeat moves the end of the lease on; nothing else changes."""
    if (old.job, old.attempt, old.worker) != (new.job, new.attempt, new.worker):
        return f"{row.event} made it another execution: its job, attempt or worker changed"
    moved = new.lease_expires_at - old.lease_expires_at
    if moved < 0 or (moved and row.event != "extended"):
        return f"{row.event} moved the end of its lease by {moved / 1000:g}s"
    return None


def _job_breach(change: Change) -> str | None:
    kept = {job.id for job in change.after.jobs}
    for job in change.before.jobs:
        if job.id not in kept:
            return f"job-{job.id} is gone"
        old, new = change.before.job_state(job.id), change.after.job_state(job.id)
        reason = why_not_job(old, new)
        if reason:
            return f"job-{job.id}: {old} -> {new}: {reason}"
        executions = change.after.executions_of(job.id)
        if old in TERMINAL and len(executions) > len(change.before.executions_of(job.id)):
            return f"job-{job.id} is {old}, which is terminal, and was leased again"
        if sum(execution.status in HELD for execution in executions) > 1:
            return f"job-{job.id} is held by two executions at once"
    return None


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


def no_storm(change: Change) -> str | None:
    """No lease beyond what the retry budget and the circuit breaker promise."""
    return storm(change.load, change.events, change.after, change.settings)


def failures_are_detectable(ending: Ending) -> str | None:
    """Each fault that touched a job, and each job given up, can be told from the audit rows alone."""
    _, untold = _balance(ending.events, ending.faults)
    for fault in untold:
        of = f"exec-{fault.execution} of " if fault.execution else ""
        return f"no audit row tells of the {fault.kind} that hit {of}job-{fault.job}"
    buried = {event.job for event in ending.events if event.event == "buried"}
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
        return event.event == "duplicate"
    if fault.kind == "failure":
        return _is_of_failure(event)
    recovered = event.event == "expired" or (event.event == "finished" and event.operation == "reconcile")
    return recovered and event.execution == fault.execution


def _is_of_failure(event: Event) -> bool:
    return event.operation == "fail" and event.event in ("failed", "refused")


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
        if row.event == "buried":
            given_up.setdefault(row.job, row)
        elif row.event == "duplicate" or _is_of_failure(row):
            spare.append(row)
    return (*given_up.values(), *spare), untold


INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        id="INV_001",
        title="effect at most once",
        promise="A job has at most one effect, an idempotency key at most one job, and what was asked for "
        "under one key is done, and charged for, once.",
        on_change=effect_at_most_once,
    ),
    Invariant(
        id="INV_002",
        title="nothing half done",
        promise="In every durable state an effect exists if and only if a COMMITTED or DONE execution "
        "of that job does.",
        on_change=nothing_half_done,
    ),
    Invariant(
        id="INV_003",
        title="explicit transitions",
        promise="Each change between two durable states is in the table, is made by who may make it, and "
        "has its audit row in the same transaction; a terminal state stays terminal.",
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
        promise="Each fault that touched a job, and each job that was given up, can be told from the audit "
        "rows alone; and failures make no more attempts within a time than the limits allow.",
        on_change=no_storm,
        at_end=failures_are_detectable,
    ),
)


def invariant(invariant_id: str) -> Invariant:
    """The invariant of that id. Raises KeyError."""
    for known in INVARIANTS:
        if known.id == invariant_id:
            return known
    raise KeyError(invariant_id)
