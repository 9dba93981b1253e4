"""The invariants: each sentence that a predicate can say is provoked once, and a good run provokes none."""

import pytest
from attrs import evolve, frozen

from model.actions import PRODUCER, RECONCILER
from model.events import Event
from model.invariants import INVARIANTS, Change, invariant
from model.state import Durable, Effect, Execution, Status
from model.transitions import EXECUTION
from tests.model.rows import (
    ABORTED,
    AT,
    COMMITTED,
    DONE,
    EFFECT,
    EXEC,
    EXPIRES,
    JOB,
    RUNNING,
    SPENT,
    audit,
    rows,
)


def change(before: Durable, after: Durable, *events: Event, actor: str = "A", at: int = AT) -> Change:
    """A commit by A, while the lease of execution 1 is live, unless said otherwise."""
    return Change(before=before, after=after, events=events, actor=actor, at=at)


def moved(old: Execution | None, new: Execution, *events: Event, actor: str = "A", at: int = AT) -> Change:
    """A commit that changes one execution and nothing else."""
    return change(rows(*([old] if old else [])), rows(new), *events, actor=actor, at=at)


STARTED = audit("started", "start", Status.LEASED, Status.IN_PROGRESS)
LEASED_2 = evolve(EXEC, id=2, attempt=2)
LEASED_2_ROW = evolve(audit("leased", "lease", None, Status.LEASED), execution=2)

OTHER = evolve(JOB, id=2, key="k2"), evolve(DONE, id=2, job=2), Effect(job=2, execution=2, value="k1")
EFFECT_TWICE = [
    (change(rows(DONE, EFFECT), rows(DONE, EFFECT, EFFECT)), "job-1 has 2 effects"),
    (change(rows(JOB), rows(JOB, evolve(JOB, id=2))), "key 'k1' has 2 jobs"),
    (
        change(rows(), rows(JOB, DONE, EFFECT, *OTHER)),
        "what 'k1' asks for was done by 2 jobs",
    ),
    (
        change(rows(), evolve(rows(DONE, EFFECT), charges=("k1", "k1"))),
        "what 'k1' asks for was charged 2 times",
    ),
]

HALF_DONE = [
    (
        change(rows(), rows(COMMITTED)),
        "exec-1 is COMMITTED without an effect",
    ),
    (change(rows(), rows(DONE)), "exec-1 is DONE without an effect"),
    (change(rows(), rows(EXEC, EFFECT)), "exec-1 is LEASED and has an effect"),
    (change(rows(), rows(RUNNING, EFFECT)), "exec-1 is IN_PROGRESS and has an effect"),
    (change(rows(), rows(ABORTED, EFFECT)), "exec-1 is ABORTED and has an effect"),
    (
        change(rows(), rows(EXEC, Effect(job=1, execution=9, value="k1"))),
        "job-1 has an effect of exec-9, which is not an execution of it",
    ),
    (
        change(
            rows(),
            rows(JOB, evolve(JOB, id=2, key="k2"), DONE, EFFECT, Effect(job=2, execution=1, value="k2")),
        ),
        "job-2 has an effect of exec-1, which is not an execution of it",
    ),
]

UNTABLED = [
    (moved(None, RUNNING), "exec-1: new -> IN_PROGRESS: an execution begins with a lease"),
    (
        moved(EXEC, COMMITTED),
        "exec-1: LEASED -> COMMITTED: LEASED -> COMMITTED leaves out a step that must be durable on its own",
    ),
    (moved(RUNNING, EXEC), "exec-1: IN_PROGRESS -> LEASED: an execution never goes back"),
    (
        moved(COMMITTED, evolve(COMMITTED, lease_expires_at=EXPIRES + 1)),
        "exec-1: COMMITTED -> COMMITTED: only a heartbeat leaves the status as it is, "
        "and COMMITTED holds no lease",
    ),
    (
        moved(COMMITTED, ABORTED),
        "exec-1: COMMITTED -> ABORTED: the effect of a COMMITTED execution is durable: "
        "it can be finished, not taken back",
    ),
    (moved(DONE, ABORTED), "exec-1: DONE -> ABORTED: DONE is terminal"),
    (
        moved(ABORTED, COMMITTED),
        "exec-1: ABORTED -> COMMITTED: ABORTED is terminal: a new attempt is a new execution",
    ),
]

UNAUDITED = [
    (moved(EXEC, RUNNING), "exec-1: LEASED -> IN_PROGRESS has no audit row"),
    (moved(None, EXEC), "exec-1: new -> LEASED has no audit row"),
    (
        moved(EXEC, RUNNING, audit("started", "start", None, Status.IN_PROGRESS)),
        "exec-1: LEASED -> IN_PROGRESS has no audit row",
    ),
    (
        moved(EXEC, RUNNING, evolve(STARTED, execution=2)),
        "exec-1: LEASED -> IN_PROGRESS has no audit row",
    ),
    (
        moved(EXEC, RUNNING, evolve(STARTED, actor="B")),
        "exec-1: started by A, and the audit says by B",
    ),
    (
        moved(EXEC, RUNNING, evolve(STARTED, operation="commit")),
        "exec-1: LEASED -> IN_PROGRESS is not made by commit",
    ),
    (
        moved(EXEC, RUNNING, evolve(STARTED, event="committed")),
        "exec-1: LEASED -> IN_PROGRESS is not made by start",
    ),
    (
        moved(None, EXEC, audit("leased", "enqueue", None, Status.LEASED)),
        "exec-1: new -> LEASED is not made by enqueue",
    ),
    (moved(EXEC, EXEC, STARTED), "exec-1: the audit says started, and nothing changed"),
    (
        moved(EXEC, EXEC, evolve(STARTED, execution=9)),
        "exec-9: the audit says started, and nothing changed",
    ),
    (moved(EXEC, RUNNING, STARTED, STARTED), "exec-1: LEASED -> IN_PROGRESS has 2 audit rows"),
]

EXTENDED = audit("extended", "heartbeat", Status.IN_PROGRESS, Status.IN_PROGRESS)
ANOTHER = "exec-1: started made it another execution: its job, attempt or worker changed"
CHANGED_BESIDES = [
    (moved(EXEC, evolve(RUNNING, job=2), STARTED), ANOTHER),
    (moved(EXEC, evolve(RUNNING, attempt=2), STARTED), ANOTHER),
    (moved(EXEC, evolve(RUNNING, worker="B"), STARTED), ANOTHER),
    (
        moved(EXEC, evolve(RUNNING, lease_expires_at=EXPIRES + 1_000), STARTED),
        "exec-1: started moved the end of its lease by 1s",
    ),
    (
        moved(RUNNING, evolve(RUNNING, lease_expires_at=EXPIRES - 1_000), EXTENDED),
        "exec-1: extended moved the end of its lease by -1s",
    ),
]

UNHELD = [
    (
        moved(EXEC, RUNNING, evolve(STARTED, actor="B"), actor="B"),
        "exec-1: started by B, and the holder is A",
    ),
    (moved(EXEC, RUNNING, STARTED, at=EXPIRES), "exec-1: started under a lease that had expired"),
    (
        moved(
            RUNNING,
            evolve(RUNNING, lease_expires_at=2 * EXPIRES),
            audit("extended", "heartbeat", Status.IN_PROGRESS, Status.IN_PROGRESS),
            at=EXPIRES,
        ),
        "exec-1: extended under a lease that had expired",
    ),
    (
        moved(None, EXEC, audit("leased", "lease", None, Status.LEASED), at=EXPIRES),
        "exec-1: leased under a lease that had expired",
    ),
    (
        moved(
            RUNNING,
            ABORTED,
            audit("expired", "lease", Status.IN_PROGRESS, Status.ABORTED, "B"),
            actor="B",
            at=EXPIRES - 1,
        ),
        "exec-1: expired by B while A holds a live lease",
    ),
    (
        moved(
            COMMITTED,
            DONE,
            audit("finished", "reconcile", Status.COMMITTED, Status.DONE, RECONCILER),
            actor=RECONCILER,
            at=EXPIRES - 1,
        ),
        "exec-1: finished by reconciler while A holds a live lease",
    ),
]

LOST = [
    (change(rows(EXEC), rows()), "exec-1 is gone"),
    (change(rows(JOB), Durable()), "job-1 is gone"),
    (
        change(rows(JOB, ABORTED), rows(SPENT, ABORTED)),
        "job-1: PENDING -> FAILED: a job is RUNNING before it ends",
    ),
    (change(rows(SPENT, ABORTED), rows(JOB, ABORTED)), "job-1: FAILED -> PENDING: FAILED is terminal"),
    (
        change(rows(SPENT, ABORTED), rows(SPENT, ABORTED, LEASED_2), LEASED_2_ROW),
        "job-1: FAILED -> RUNNING: FAILED is terminal",
    ),
    (
        change(rows(DONE, EFFECT), rows(DONE, EFFECT, LEASED_2), LEASED_2_ROW),
        "job-1 is SUCCEEDED, which is terminal, and was leased again",
    ),
    (
        change(rows(RUNNING), rows(RUNNING, LEASED_2), LEASED_2_ROW),
        "job-1 is held by two executions at once",
    ),
]

DUE_LATER = evolve(JOB, available_at=AT + 1_000, timed=True)
SECOND = evolve(JOB, id=2, key="k2", available_at=0)
LEASED_1_ROW = audit("leased", "lease", None, Status.LEASED)
LEASED_2_OF_2 = evolve(LEASED_1_ROW, job=2, execution=2)
EARLY = [
    (
        change(rows(DUE_LATER, ABORTED), rows(JOB, ABORTED, LEASED_2), LEASED_2_ROW),
        "exec-2 was leased 1s before job-1 is due",
    ),
]
OUT_OF_TURN = [
    (
        change(rows(evolve(JOB, available_at=0), SECOND), rows(JOB, SECOND), LEASED_2_OF_2),
        "exec-2 of job-2 was leased, and it was the turn of job-1",
    ),
]

ON_CHANGE = [
    *[("INV_001", *case) for case in EFFECT_TWICE],
    *[("INV_002", *case) for case in HALF_DONE],
    *[("INV_003", *case) for case in (*UNTABLED, *UNAUDITED, *CHANGED_BESIDES, *UNHELD, *LOST)],
    *[("INV_007", *case) for case in EARLY],
    *[("INV_008", *case) for case in OUT_OF_TURN],
]


@pytest.mark.parametrize(("rule", "broken", "text"), ON_CHANGE, ids=[case[2] for case in ON_CHANGE])
def test_a_breach_of_a_commit_has_words_of_its_own(rule: str, broken: Change, text: str) -> None:
    """The invariant that is broken by a commit says which row is wrong, and how."""
    predicate = invariant(rule).on_change
    assert predicate is not None
    assert predicate(broken) == text


# Commits that are right.


@frozen
class Good:
    """A commit that is right, and its name."""

    name: str
    change: Change


def good_commits() -> list[Good]:
    """One commit for each row of the table of transitions, and those that change no execution."""
    commits = [
        Good("a job is enqueued", change(Durable(), rows(JOB), actor=PRODUCER)),
        Good(
            "a refusal is recorded",
            change(rows(EXEC), rows(EXEC), audit("refused", "start", None, None)),
        ),
        Good(
            "a heartbeat in the same millisecond extends by nothing",
            moved(RUNNING, RUNNING, audit("extended", "heartbeat", Status.IN_PROGRESS, Status.IN_PROGRESS)),
        ),
        Good(
            "two jobs without a key are two jobs",
            change(rows(JOB), rows(evolve(JOB, key=None), evolve(JOB, id=2, key=None))),
        ),
    ]
    for row in EXECUTION:
        for operation in row.operations:
            actor = "A" if row.by == "holder" else "B"
            old = evolve(EXEC, status=row.before) if row.before else None
            new = evolve(EXEC, status=row.after)
            longer = evolve(new, lease_expires_at=EXPIRES + AT) if row.before is row.after else new
            event = audit(row.event, operation, row.before, row.after, actor)
            at = EXPIRES if row.lease == "expired" else EXPIRES - 1
            before = rows(*([old] if old else []), *_effect(old))
            after = rows(longer, *_effect(new))
            commits.append(
                Good(
                    f"{row.before} {row.event} by {operation}",
                    change(before, after, event, actor=actor, at=at),
                )
            )
    return commits


def _effect(execution: Execution | None) -> tuple[Effect, ...]:
    committed = execution is not None and execution.status in (Status.COMMITTED, Status.DONE)
    return (EFFECT,) if committed else ()


@pytest.mark.parametrize("rule", [rule.id for rule in INVARIANTS if rule.on_change])
@pytest.mark.parametrize("good", good_commits(), ids=lambda good: good.name)
def test_a_commit_that_is_right_breaks_nothing(good: Good, rule: str) -> None:
    """Each row of the table, made by who may make it and when, breaks no invariant."""
    predicate = invariant(rule).on_change
    assert predicate is not None
    assert predicate(good.change) is None


def test_a_stale_execution_is_aborted_and_a_new_one_leased_in_one_commit() -> None:
    """A lease over an expired one is two changes in one transaction, and both are in order."""
    both = change(
        rows(RUNNING),
        rows(ABORTED, evolve(LEASED_2, worker="B", lease_expires_at=2 * EXPIRES)),
        audit("expired", "lease", Status.IN_PROGRESS, Status.ABORTED, "B"),
        evolve(LEASED_2_ROW, actor="B"),
        actor="B",
        at=EXPIRES,
    )
    for rule in INVARIANTS:
        assert rule.on_change is None or rule.on_change(both) is None


# The list of them.


def test_the_invariants_are_eight_each_with_a_predicate_and_a_promise() -> None:
    """INV_001 to INV_008, in order; each is judged on commits or at the end, and promised."""
    assert [rule.id for rule in INVARIANTS] == [f"INV_00{number}" for number in range(1, 9)]
    for rule in INVARIANTS:
        judged = (rule.on_change is not None, rule.at_end is not None)
        assert judged == {"INV_004": (False, True), "INV_005": (False, True)}.get(rule.id, (True, False))
        assert rule.title
        assert rule.promise.endswith("."), rule.id
        assert invariant(rule.id) is rule


@pytest.mark.parametrize("unknown", ["INV_009", "inv_001"])
def test_an_unknown_invariant_is_a_key_error(unknown: str) -> None:
    """Only the eight ids are known."""
    with pytest.raises(KeyError, match=unknown):
        invariant(unknown)
