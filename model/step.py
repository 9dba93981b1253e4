"""`step(state, action)`: what the queue must do.

Total: each pair of a state and an action is answered, with a new state or with a rejection that has a
reason and changes nothing. A *rejected* action could not happen at all (no such worker); a *refused*
operation happened, and the queue said no: that is an outcome, with its audit row.
"""

from collections.abc import Callable, Iterable

from attrs import evolve

from model import limits
from model.actions import (
    PRODUCER,
    RECONCILER,
    Action,
    Crash,
    Enqueue,
    Fail,
    Heartbeat,
    PowerLoss,
    Reconcile,
    Step,
    Tick,
)
from model.draft import ALONE, Draft, Given
from model.events import Outcome
from model.state import HELD, Breaker, Effect, Execution, Job, Phase, State, Status, Worker


def step(
    state: State, action: Action, *, at: int | None = None, given: Given = ALONE
) -> tuple[State, Outcome]:
    """The state after the action, and its outcome.

    `at` is the time, in milliseconds, that the operation read inside its transaction, where that is not
    the time of its commit. It lies between the last change and now: a transaction that excludes all others
    may as well have happened then. One that excludes others only from what it touches may as well have
    happened after the last change of that. `given` is what the database gave to it.
    """
    at = state.now if at is None else at
    since = state.changed_at if given.since is None else given.since
    if not since <= at <= state.now:
        return state, Outcome(operation="none", rejected="the operation read a time before the last change")
    match action:
        case Tick():
            return evolve(state, now=state.now + action.milliseconds), Outcome(operation="tick")
        case Enqueue():
            return _run(state, at, given, "enqueue", PRODUCER, lambda draft: _enqueue(draft, action.key))
        case Reconcile():
            return _run(state, at, given, "reconcile", RECONCILER, _reconcile)
        case PowerLoss():  # what was acknowledged is kept: it takes no more than a crash of each process
            fresh = tuple([Worker(name=worker.name) for worker in state.workers])
            return evolve(state, workers=fresh), Outcome(operation="power loss")
        case Crash() if action.worker in (PRODUCER, RECONCILER):
            return state, Outcome(operation="crash")
    worker = state.worker(action.worker)
    if worker is None:
        return state, Outcome(operation="none", rejected=f"there is no worker {action.worker}")
    if isinstance(action, Crash):
        return _remember(state, Worker(name=worker.name)), Outcome(operation="crash")
    running = worker.phase is Phase.RUNNING or (worker.phase is Phase.CALLED and isinstance(action, Fail))
    if not isinstance(action, Step) and not running:
        return state, Outcome(operation="none", rejected=f"worker {worker.name} is not running a handler")
    if isinstance(action, Step) and worker.phase is Phase.RUNNING and state.settings.external:
        return _call(state, worker)
    operation = {Fail: "fail", Heartbeat: "heartbeat"}.get(type(action)) or _NEXT[worker.phase]
    return _work(state, at, given, worker, operation)


def enabled(state: State, alphabet: Iterable[Action]) -> tuple[Action, ...]:
    """The actions of the alphabet that are not rejected in this state, in its order."""
    return tuple([action for action in alphabet if step(state, action)[1].rejected is None])


_NEXT = {
    Phase.IDLE: "lease",
    Phase.LEASED: "start",
    Phase.RUNNING: "commit",
    Phase.CALLED: "commit",
    Phase.COMMITTED: "finish",
}


def _run(
    state: State, at: int, given: Given, operation: str, actor: str, body: Callable[[Draft], Draft]
) -> tuple[State, Outcome]:
    draft = body(Draft(state.durable, at, state.settings, operation, actor, given))
    changed_at = max(at, state.changed_at) if draft.events else state.changed_at
    return (
        evolve(state, durable=draft.durable, changed_at=changed_at),
        Outcome(operation=operation, events=tuple(draft.events)),
    )


def _remember(state: State, worker: Worker) -> State:
    return evolve(state, workers=tuple([worker if w.name == worker.name else w for w in state.workers]))


def _call(state: State, worker: Worker) -> tuple[State, Outcome]:
    """The handler calls the gateway, which charges once for each job, and waits for the reply."""
    assert worker.execution is not None, "a handler has an execution in hand"
    durable = state.durable
    key = durable.job(durable.execution(worker.execution).job).key
    known = key in durable.charges
    if not known:
        durable = evolve(durable, charges=(*durable.charges, key))
    state = _remember(evolve(state, durable=durable), evolve(worker, phase=Phase.CALLED))
    return state, Outcome(operation="recognise" if known else "charge")


def _work(state: State, at: int, given: Given, worker: Worker, operation: str) -> tuple[State, Outcome]:
    if operation == "lease":
        state, outcome = _run(state, at, given, "lease", worker.name, _lease)
        for event in outcome.events:
            if event.event == "leased":
                worker = evolve(worker, phase=Phase.LEASED, execution=event.execution)
        return _remember(state, worker), outcome
    assert worker.execution is not None, f"a worker that is {worker.phase} has an execution in hand"
    execution = state.durable.execution(worker.execution)
    body = _OPERATIONS[operation]
    state, outcome = _run(state, at, given, operation, worker.name, lambda draft: body(draft, execution))
    done = outcome.events[0].event
    phase = _PHASE_AFTER.get(done, worker.phase if operation == "heartbeat" else Phase.IDLE)
    in_hand = None if phase is Phase.IDLE else worker.execution
    return _remember(state, evolve(worker, phase=phase, execution=in_hand)), outcome


_PHASE_AFTER = {"started": Phase.RUNNING, "extended": Phase.RUNNING, "committed": Phase.COMMITTED}


def _enqueue(draft: Draft, key: str) -> Draft:
    for job in draft.durable.jobs:
        if job.key == key:
            draft.record("duplicate", job=job.id)
            return draft
    return draft.add_job(key, draft.settings.attempts_max)


def _lease(draft: Draft) -> Draft:
    settings, durable, now = draft.settings, draft.durable, draft.now
    asked_at = now if draft.given.asked_at is None else draft.given.asked_at
    if limits.is_open(durable, asked_at):
        return draft
    due = [job for job in draft.look() if job.is_due(now)]
    if not limits.has_room(settings, durable, asked_at):
        due = [job for job in due if not job.timed]
    job = min(due, key=_turn, default=None)
    if job is None:
        return draft
    before = durable.executions_of(job.id)
    if before and before[-1].status in HELD:
        draft = _expire(draft, before[-1])
        if draft.durable.job(job.id).available_at is None:
            return draft  # buried; the next job is for the next transaction
    draft = draft.with_(limits.probed(settings, draft.durable, now))
    draft = draft.add_execution(job.id, (before[-1].attempt if before else 0) + 1, now + settings.lease_ms)
    if before:
        draft = draft.with_(limits.retried(settings, draft.durable, now))
        if not limits.has_room(settings, draft.durable, now):
            execution = draft.durable.executions_of(job.id)[-1].id
            draft.record("exhausted", job=job.id, execution=execution, reason="retry_budget")
    return draft


def _turn(job: Job) -> tuple[bool, int, int]:
    """Retries first, by their due times; then new jobs, by their ids."""
    return not job.timed, (job.available_at or 0) if job.timed else 0, job.id


def _expire(draft: Draft, stale: Execution) -> Draft:
    return _bury_if_spent(draft.move(stale, Status.ABORTED, "expired"), stale)


def _bury_if_spent(draft: Draft, last: Execution) -> Draft:
    if last.attempt < draft.durable.job(last.job).attempts_max:
        return draft
    draft.record("buried", job=last.job, reason="attempts_spent")
    return draft.with_(draft.durable.with_job(last.job, None))


def _lost(draft: Draft, execution: Execution) -> str | None:
    if execution.status not in HELD:
        return "lease_lost"
    return "lease_expired" if execution.lease_expires_at <= draft.now else None


def _start(draft: Draft, execution: Execution) -> Draft:
    lost = _lost(draft, execution)
    if lost is None and execution.status is not Status.LEASED:
        lost = "already_started"
    return draft.refuse(execution, lost) if lost else draft.move(execution, Status.IN_PROGRESS, "started")


def _heartbeat(draft: Draft, execution: Execution) -> Draft:
    lost = _lost(draft, execution)
    if lost:
        return draft.refuse(execution, lost)
    until = draft.now + draft.settings.lease_ms
    draft = draft.move(execution, execution.status, "extended", lease_expires_at=until)
    return draft.with_(draft.durable.with_job(execution.job, until))


def _commit(draft: Draft, execution: Execution) -> Draft:
    if draft.durable.effects_of(execution.job):
        return draft.refuse(execution, "already_committed")
    lost = _lost(draft, execution)
    if lost is None and execution.status is not Status.IN_PROGRESS:
        lost = "not_started"
    if lost:
        return draft.refuse(execution, lost)
    key = draft.durable.job(execution.job).key
    effect = Effect(job=execution.job, execution=execution.id, value=key)
    effects = sorted([*draft.durable.effects, effect], key=lambda one: one.execution)
    draft = draft.with_(evolve(draft.durable, effects=tuple(effects)))
    draft = draft.move(execution, Status.COMMITTED, "committed")
    return draft.with_(draft.durable.with_job(execution.job, None))


def _finish(draft: Draft, execution: Execution) -> Draft:
    if execution.status is not Status.COMMITTED:
        return draft.refuse(execution, "already_finished")
    draft = draft.move(execution, Status.DONE, "finished")
    breaker = draft.durable.breaker
    if breaker.open_until_at is not None:
        draft.record("closed", job=execution.job, execution=execution.id)
    return draft.with_(evolve(draft.durable, breaker=Breaker())) if breaker.failures else draft


def _fail(draft: Draft, execution: Execution) -> Draft:
    lost = _lost(draft, execution)
    if lost:
        return draft.refuse(execution, lost)
    draft = draft.move(execution, Status.ABORTED, "failed", reason="handler_failed")
    draft = draft.with_(
        draft.durable.with_job(execution.job, draft.now + limits.wait_ms(draft.settings, execution))
    )
    durable, opens = limits.failed(draft.settings, draft.durable, draft.now)
    draft = draft.with_(durable)
    if opens:
        draft.record("opened", job=execution.job, execution=execution.id)
    return _bury_if_spent(draft, execution)


_OPERATIONS: dict[str, Callable[[Draft, Execution], Draft]] = {
    "start": _start,
    "heartbeat": _heartbeat,
    "commit": _commit,
    "finish": _finish,
    "fail": _fail,
}


def _reconcile(draft: Draft) -> Draft:
    seen = {job.id for job in draft.look()}
    for execution in draft.durable.executions:
        if execution.job not in seen or execution.lease_expires_at > draft.now:
            continue
        if execution.status is Status.COMMITTED:
            draft = draft.move(execution, Status.DONE, "finished", reason="abandoned")
        elif execution.status in HELD:
            draft = _expire(draft, execution)
    return draft
