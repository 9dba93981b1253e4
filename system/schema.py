"""The part of the schema that both databases share: the words of a column, and the rules over rows.

The rules are invariants that a database can enforce: a job has one effect, and one execution that was not
aborted; an effect is of an execution of its own job.
"""

from collections.abc import Iterable

from attrs import frozen

from system.audit import EventKind
from system.records import Status
from system.store import StoreError

EVENTS = (*EventKind, "postponed")
"""The events that an audit row may have. `postponed` was written by schema version 2 only."""

ONE_EFFECT = "effects_one_a_job"
ONE_EXECUTION = "executions_one_a_job"
OWN_EFFECT = "effects_of_own_execution"
UNIQUE = (ONE_EFFECT, ONE_EXECUTION)
"""The unique indexes that keep the rows right."""

RULES = {
    ONE_EFFECT: "a job has one effect",
    ONE_EXECUTION: "a job has one execution that was not aborted",
    OWN_EFFECT: "an effect is of an execution of its own job",
}
"""The promise of each constraint, by its name."""

BREACHES = {
    ONE_EFFECT: "SELECT job_id FROM effects GROUP BY job_id HAVING count(*) > 1 LIMIT 1",
    ONE_EXECUTION: "SELECT job_id FROM executions WHERE status <> 'ABORTED'"
    " GROUP BY job_id HAVING count(*) > 1 LIMIT 1",
    OWN_EFFECT: "SELECT job_id FROM effects WHERE NOT EXISTS (SELECT 1 FROM executions e"
    " WHERE e.id = effects.execution_id AND e.job_id = effects.job_id) LIMIT 1",
}
"""For each constraint a query for a job that contradicts it, in a database without the constraint."""

OPEN = "status IN ('LEASED', 'IN_PROGRESS', 'COMMITTED')"
"""Selects the executions that have not ended."""

GIVEN_UP = "event IN ('buried', 'set_aside')"
"""Selects the audit rows that end a job without an effect."""

INDEXES = (
    "CREATE INDEX jobs_new ON jobs (id, enqueued_at) WHERE NOT timed AND available_at IS NOT NULL",
    "CREATE INDEX jobs_timed ON jobs (available_at, id) WHERE timed AND available_at IS NOT NULL",
    "CREATE UNIQUE INDEX executions_job ON executions (job_id, id)",
    f"CREATE UNIQUE INDEX {ONE_EXECUTION} ON executions (job_id) WHERE status <> 'ABORTED'",
    f"""
    CREATE INDEX executions_open ON executions (lease_expires_at, id)
        WHERE {OPEN}""",
    f"CREATE UNIQUE INDEX {ONE_EFFECT} ON effects (job_id)",
    "CREATE INDEX audit_job ON audit (job_id, id)",
    "CREATE INDEX audit_duplicates ON audit (id) WHERE event = 'duplicate' OR reason = 'already_committed'",
    f"CREATE INDEX audit_given_up ON audit (id, event) WHERE {GIVEN_UP}",
)


@frozen(kw_only=True)
class Upgraded:
    """A queue was brought up from one schema version to another."""

    before: int
    after: int


def one_of(words: Iterable[str]) -> str:
    """The words as a list of SQL literals."""
    return ", ".join([f"'{word}'" for word in words])


STATUSES = one_of(tuple(Status))


def refused(why: str) -> str:
    """The text of the error for a row that the schema does not allow."""
    return f"refused by a rule of the schema ({why}); nothing was changed"


def breached(rule: str, job_id: int) -> str:
    """The text of the error for a job whose rows contradict a rule."""
    return f"{RULES[rule]}, which is not so for job {job_id}"


def not_upgraded(version: int, wanted: int, why: str) -> StoreError:
    """The error for a queue of an older version whose rows contradict a rule of this one."""
    return StoreError(
        f"cannot be brought up from schema version {version} to {wanted}: {why};"
        " remove the wrong row, or go on with the version of the program that wrote it"
    )
