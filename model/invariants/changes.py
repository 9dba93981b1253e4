"""INV_003: each change of an execution or a job is a row of the table, and has its audit row.

The table is `model.transitions`. Nothing here says on its own what is allowed.
"""

from attrs import evolve

from model.events import Event, EventKind
from model.invariants.observed import Change
from model.state import HELD, TERMINAL, Execution, Status
from model.transitions import By, Lease, Transition, allowed, why_not, why_not_job


def explicit_transitions(change: Change) -> str | None:
    """Each change is in the table, made by the right process, and has its audit row; terminal states stay."""
    before = {execution.id: execution for execution in change.before.executions}
    rows: dict[int | None, list[Event]] = {}
    for event in change.events:
        if event.after is not None:
            rows.setdefault(event.execution, []).append(event)
    for execution in change.after.executions:
        old = before.pop(execution.id, None)
        recorded = rows.pop(execution.id, [])
        if old == execution and not recorded:
            continue
        breach = _breach(old, execution, recorded, change)
        if breach:
            return f"exec-{execution.id}: {breach}"
    for lost in sorted(before):
        return f"exec-{lost} is gone"
    for execution_id, recorded in rows.items():
        return f"exec-{execution_id}: the audit says {recorded[0].event}, and nothing changed"
    return _job_breach(change)


def _breach(old: Execution | None, new: Execution, recorded: list[Event], change: Change) -> str | None:
    """A fused operation may lease and start an execution: these are two changes, each with its audit row."""
    kinds = [row.event for row in recorded]
    if not change.settings.fused or old is not None or kinds != [EventKind.LEASED, EventKind.STARTED]:
        return _transition_breach(old, new, recorded, change)
    leased = evolve(new, status=Status.LEASED)
    first = _transition_breach(None, leased, recorded[:1], change)
    return first or _transition_breach(leased, new, recorded[1:], change)


def _transition_breach(
    old: Execution | None, new: Execution, recorded: list[Event], change: Change
) -> str | None:
    status = old.status if old else None
    if old == new and recorded[0].before is not recorded[0].after:
        return f"the audit says {recorded[0].event}, and nothing changed"
    reason = why_not(status, new.status)
    if reason:
        return f"{status or 'new'} -> {new.status}: {reason}"
    if not recorded or (recorded[0].before, recorded[0].after) != (status, new.status):
        return f"{status or 'new'} -> {new.status} has no audit row"
    if len(recorded) > 1:
        return f"{status or 'new'} -> {new.status} has {len(recorded)} audit rows"
    row = recorded[0]
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
    """`held` is the execution before the change. Its worker holds it until the lease runs out."""
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
    if moved < 0 or (moved and row.event != EventKind.EXTENDED):
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
