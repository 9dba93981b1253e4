"""`step(state, action)`: what the queue must do.

Total: each pair of a state and an action is answered, with a new state or with a rejection that has a
reason and changes nothing. A *rejected* action could not happen at all (no such worker); a *refused*
operation happened, and the queue said no: that is an outcome, with its audit row.

What a worker does next, and how an execution changes by it, are rows of `model.transitions`.
"""

from collections.abc import Iterable

from attrs import evolve

from model.actions import (
    PRODUCER,
    RECONCILERS,
    Action,
    ClockBack,
    ClockSkew,
    Crash,
    Enqueue,
    Fail,
    Hang,
    Heartbeat,
    LostReply,
    PowerLoss,
    Reconcile,
    Release,
    Rollback,
    Step,
    ThreadHeartbeat,
    Tick,
    TimeOut,
    thread_of,
    without_loss,
)
from model.draft import SERIAL, Draft, Visibility
from model.events import Environment, EventKind, Failure, Operation, Outcome
from model.operations import by_holder, enqueue, lease_fused, reconcile
from model.rollback import by_stale_holder, earlier_after_commit, rolled_back
from model.state import Phase, State, Worker
from model.transitions import ProgramStep, next_in_program


def step(
    state: State, action: Action, *, at: int | None = None, visibility: Visibility = SERIAL
) -> tuple[State, Outcome]:
    """The state after the action, and its outcome.

    `at` is the time, in milliseconds, that the operation read inside its transaction, where that is not
    the time of its commit. It lies between the last change and now: a transaction that excludes all others
    may as well have happened then. One that excludes others only from what it touches may as well have
    happened after the last change of that. One that waited for a lock happened after it got the lock.
    `visibility` is what the database chose for it.
    """
    at = state.now if at is None else at
    since = state.changed_at if visibility.since is None else visibility.since
    finished_at = at if visibility.finished_at is None else visibility.finished_at
    if not since <= at <= state.now or finished_at > at:
        return _rejected(state, "the operation read a time before the last change")
    if _is_before(at, visibility.locked_at) or _is_before(finished_at, visibility.locked_before_writes_at):
        return _rejected(state, "the operation read a time before it got its lock")
    match action:
        case Tick():
            later = evolve(state, now=state.now + action.milliseconds)
            return later, Outcome(operation=Environment.TICK)
        case ClockBack():
            now = state.now - action.milliseconds
            earlier = evolve(state, now=now, changed_at=min(state.changed_at, now))
            return earlier, Outcome(operation=Environment.CLOCK_BACK)
        case ClockSkew():  # the queue goes by the time of its store
            return state, Outcome(operation=Environment.CLOCK_SKEW)
        case Enqueue():
            draft = Draft(state.durable, at, state.settings, Operation.ENQUEUE, PRODUCER, visibility)
            return _committed(state, enqueue(draft, action.key, action.asked))
        case Reconcile():
            draft = Draft(state.durable, at, state.settings, Operation.RECONCILE, action.process, visibility)
            return _committed(state, reconcile(draft))
        case PowerLoss():  # what was acknowledged is kept: it takes no more than a crash of each process
            fresh = tuple([Worker(name=worker.name) for worker in state.workers])
            return evolve(state, workers=fresh), Outcome(operation=Environment.POWER_LOSS)
        case Rollback():
            back = rolled_back(state, action.commits)
            if back is None:
                return _rejected(state, "no earlier state is remembered")
            return back, Outcome(operation=Environment.ROLLBACK)
        case Crash():
            return _crash(state, action.worker)
        case ThreadHeartbeat():
            return _begin_heartbeat(state, action.worker)
        case Hang():
            return _hang(state, action.worker)
        case LostReply(of="Enqueue" | "Reconcile"):  # its process remembers nothing, with a reply or without
            return step(state, action.action, at=at, visibility=visibility)
        case Step() | Fail() | Heartbeat() | LostReply() | Release() | TimeOut():
            return _move(state, at, visibility, action)


def enabled(state: State, alphabet: Iterable[Action]) -> tuple[Action, ...]:
    """The actions of the alphabet that are not rejected in this state, in its order."""
    return tuple([action for action in alphabet if step(state, action)[1].rejected is None])


def _is_before(at: int, lock: int | None) -> bool:
    """True if that time is from before the lock, if there is one."""
    return lock is not None and at < lock


def _rejected(state: State, reason: str) -> tuple[State, Outcome]:
    return state, Outcome(operation=Environment.NONE, rejected=reason)


def _committed(state: State, draft: Draft) -> tuple[State, Outcome]:
    """The state after the transaction. One that wrote nothing is no change."""
    outcome = Outcome(operation=draft.operation, events=tuple(draft.events))
    if not draft.events:
        return state, outcome
    changed_at, earlier = max(draft.now, state.changed_at), earlier_after_commit(state)
    return evolve(state, durable=draft.durable, changed_at=changed_at, earlier=earlier), outcome


def _remember(state: State, worker: Worker) -> State:
    """The state in which the worker of that name remembers this."""
    workers = tuple([worker if one.name == worker.name else one for one in state.workers])
    return State(
        settings=state.settings,
        workers=workers,
        durable=state.durable,
        now=state.now,
        changed_at=state.changed_at,
        earlier=state.earlier,
    )


def _crash(state: State, name: str) -> tuple[State, Outcome]:
    """The process forgets everything. The producer and the reconcilers have nothing to forget."""
    if name not in (PRODUCER, *RECONCILERS):
        if state.worker(name) is None:
            return _rejected(state, f"there is no worker {name}")
        state = _remember(state, Worker(name=name))
    return state, Outcome(operation=Environment.CRASH)


def _move(
    state: State,
    at: int,
    visibility: Visibility,
    action: Step | Fail | Heartbeat | LostReply | Release | TimeOut,
) -> tuple[State, Outcome]:
    """The worker takes the next line of its program; or its second thread takes its only one."""
    worker = state.worker(action.worker)
    lost, taken = isinstance(action, LostReply), without_loss(action)
    if worker is None and isinstance(taken, Step):
        owner = next((one for one in state.workers if thread_of(one.name) == action.worker), None)
        if owner is not None:
            return _send_heartbeat(state, at, visibility, owner, lost=lost)
    if worker is None:
        return _rejected(state, f"there is no worker {action.worker}")
    calls = state.settings.external and worker.phase is Phase.RUNNING and worker.repeats is None
    if calls and isinstance(taken, Step):
        return _rejected(state, "a call of the gateway has no commit") if lost else _call(state, worker)
    if worker.repeats is not None and isinstance(taken, Step):
        taken = LostReply(worker=worker.name, of=worker.repeats).action
    elif worker.repeats is not None:
        return _rejected(state, f"worker {worker.name} repeats an operation")
    line = next_in_program(worker.phase, taken, fused=state.settings.fused)
    if line is None:
        return _rejected(state, f"worker {worker.name} is not running a handler")
    draft = Draft(state.durable, at, state.settings, line.operation, worker.name, visibility, line.failure)
    if line.operation is Operation.LEASE:
        draft = _lease(draft, state, worker, line)
    elif worker.lost_key is not None:
        draft = by_stale_holder(draft, _current(worker))
    else:
        draft = by_holder(draft, state.durable.execution(_current(worker)))
    state, outcome = _committed(state, draft)
    if lost and line.failure is not Failure.RELEASED:  # it does not know of it, and repeats all but a lease
        repeats = type(taken).__name__ if line.operation in _REPEATED else None
        return _remember(state, evolve(worker, repeats=repeats)), outcome
    return _remember(state, _after(worker, line, outcome)), outcome


_REPEATED = (Operation.COMMIT, Operation.HEARTBEAT, Operation.FAIL)
"""The operations that leave a worker in its phase until it has their reply. The others are its next step."""


def _hang(state: State, name: str) -> tuple[State, Outcome]:
    """The handler of the worker does not return."""
    worker = state.worker(name)
    if worker is None:
        return _rejected(state, f"there is no worker {name}")
    if worker.phase not in (Phase.RUNNING, Phase.CALLED) or worker.repeats is not None:
        return _rejected(state, f"worker {name} is not running a handler")
    return _remember(state, evolve(worker, phase=Phase.HUNG)), Outcome(operation=Environment.HANG)


def _lease(draft: Draft, state: State, worker: Worker, line: ProgramStep) -> Draft:
    """The lease, with the finish before it and the start after it where the worker fuses them."""
    finished = None
    if line.finishes and worker.lost_key is not None:
        at = draft.now if draft.visibility.finished_at is None else draft.visibility.finished_at
        stale = by_stale_holder(evolve(draft, operation=Operation.FINISH, now=at), _current(worker))
        draft = draft.with_(stale.durable)
    elif line.finishes:
        finished = state.durable.execution(_current(worker))
    return lease_fused(draft, finished, starts=line.starts)


def _begin_heartbeat(state: State, name: str) -> tuple[State, Outcome]:
    """The second thread begins a heartbeat for the execution whose handler runs now."""
    worker = state.worker(name)
    if worker is None:
        return _rejected(state, f"there is no worker {name}")
    if worker.phase not in (Phase.RUNNING, Phase.CALLED, Phase.HUNG) or worker.repeats is not None:
        return _rejected(state, f"worker {name} is not running a handler")
    if worker.heartbeat is not None:
        return _rejected(state, f"the second thread of worker {name} sends a heartbeat already")
    begun = evolve(worker, heartbeat=worker.execution, heartbeat_lost=worker.lost_key is not None)
    return _remember(state, begun), Outcome(operation=Environment.THREAD)


def _send_heartbeat(
    state: State, at: int, visibility: Visibility, worker: Worker, *, lost: bool
) -> tuple[State, Outcome]:
    """The second thread's transaction. Meanwhile the first thread may have done anything.

    `lost`: its reply is lost, so the thread sends the heartbeat again.
    """
    if worker.heartbeat is None:
        return _rejected(state, f"the second thread of worker {worker.name} sends no heartbeat")
    draft = Draft(state.durable, at, state.settings, Operation.HEARTBEAT, worker.name, visibility)
    if worker.heartbeat_lost:
        draft = by_stale_holder(draft, worker.heartbeat)
    else:
        draft = by_holder(draft, state.durable.execution(worker.heartbeat))
    state, outcome = _committed(state, draft)
    return state if lost else without_thread(state, worker), outcome


def without_thread(state: State, worker: Worker) -> State:
    """The state after the second thread of the worker has sent its heartbeat, or its process has ended."""
    return _remember(state, evolve(worker, heartbeat=None, heartbeat_lost=False))


def _after(worker: Worker, line: ProgramStep, outcome: Outcome) -> Worker:
    """The worker's memory after its operation."""
    execution = worker.execution
    refused = not outcome.events or any(event.event == EventKind.REFUSED for event in outcome.events)
    done = worker.repeats == "Step" or not refused
    if line.operation is Operation.LEASE:
        leased = [event.execution for event in outcome.events if event.event == EventKind.LEASED]
        started = not line.starts or any(event.event == EventKind.STARTED for event in outcome.events)
        done, execution = bool(leased) and started, leased[0] if leased else None
    phase = line.after if done else line.refused
    if phase is Phase.IDLE:
        heartbeat, lost = worker.heartbeat, worker.heartbeat_lost
        return Worker(name=worker.name, heartbeat=heartbeat, heartbeat_lost=lost)
    lost_key = None if line.operation is Operation.LEASE else worker.lost_key
    return evolve(worker, phase=phase, execution=execution, lost_key=lost_key, repeats=None)


def _current(worker: Worker) -> int:
    assert worker.execution is not None, f"a worker that is {worker.phase} has an execution"
    return worker.execution


def _call(state: State, worker: Worker) -> tuple[State, Outcome]:
    """The handler calls the gateway, which charges once for each job, and waits for the reply."""
    durable = state.durable
    key = worker.lost_key
    if key is None:
        key = str(durable.job(durable.execution(_current(worker)).job).payload)
    known = key in durable.charges
    if not known:
        durable = evolve(durable, charges=(*durable.charges, key))
    state = _remember(evolve(state, durable=durable), evolve(worker, phase=Phase.CALLED))
    return state, Outcome(operation=Environment.RECOGNISE if known else Environment.CHARGE)
