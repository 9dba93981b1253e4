"""INV_001 and INV_002: effects and charges, as they are durable after each commit."""

from model.invariants.observed import Change
from model.state import Status


def effect_at_most_once(change: Change) -> str | None:
    """At most one effect a job; at most one job a key; each payload is done, and charged, at most once."""
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
