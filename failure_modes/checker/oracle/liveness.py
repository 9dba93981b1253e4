"""The liveness run: recovery, then a fair schedule, then time, until nothing changes any more.

The next action is a function of the state of the run, and of nothing else. So two runs in the same state have
the same end, and a proof may remember the end of a state.
"""

from functools import cache
from typing import Protocol

from model.actions import Action, Crash, Reconcile, Step, Tick, actor_of
from model.state import TERMINAL, Durable, Settings, Status

MOVES_MAX = 5_000
"""Moves of the liveness run. A run that needs more has no end."""

STATEMENTS_MAX = 1_000
"""Steps of one process from rest to rest, while the others do not move."""

ROUNDS_MAX = 50
"""How often time may pass. All that is due at one time is done before time passes again."""

PATIENCE_MS = 365 * 24 * 3600 * 1000
"""Work that becomes due later than this is never waited for."""

_RECONCILE = Reconcile()


@cache
def _step(name: str) -> Step:
    return Step(worker=name)


class Recoverable(Protocol):
    """What the liveness run asks of a run."""

    @property
    def over(self) -> bool:
        """True if the run has nothing more to show."""
        ...

    @property
    def durable(self) -> Durable:
        """What the system's store holds."""
        ...

    @property
    def now(self) -> int:
        """The time, in milliseconds."""
        ...

    @property
    def settings(self) -> Settings:
        """The settings of the policies."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The processes, in a fixed order."""
        ...

    def rests(self, name: str) -> bool:
        """True if the process is at rest."""
        ...

    @property
    def workers(self) -> tuple[str, ...]:
        """The workers, in the same order."""
        ...

    def hangs(self, name: str) -> bool:
        """True if the process is in a handler that does not return."""
        ...

    def possible(self, action: Action) -> bool:
        """True if the action can happen now."""
        ...

    def commits(self, action: Action) -> bool:
        """Take one action. Returns True if it committed."""
        ...


def recover(run: Recoverable) -> bool:
    """Recover, schedule fairly, let time pass. False if something still changes when a bound is reached."""
    rounds, now = 0, run.now
    for _ in range(MOVES_MAX):
        if run.over or not advance(run):
            return True
        rounds, now = rounds + (run.now != now), run.now
        if rounds > ROUNDS_MAX:
            break
    return False


def advance(run: Recoverable) -> bool:
    """Make one move. False when there is nothing left to do.

    A process that is not at rest moves first. When all are at rest, reconciliation runs, then each worker
    asks for a job. When no process finds anything to do, time passes until something becomes due.

    A process whose handler does not return moves no more, and the others do not wait for it. If there is no
    other worker, the first one is started again.
    """
    for name in run.names:
        if not run.rests(name) and run.possible(_step(name)):
            run.commits(_step(name))
            return True
    if all(run.hangs(name) for name in run.workers):
        run.commits(Crash(worker=run.workers[0]))
        return True
    before = run.durable
    firsts: tuple[Action, ...] = (_RECONCILE, *[_step(name) for name in run.names])
    for first in firsts:
        if run.possible(first):
            _run_to_rest(run, first)
        if run.over or run.durable is not before:
            return True
    later = next_time(run.durable, run.now, run.settings)
    if later is None:
        return False
    run.commits(Tick(seconds=(later - run.now) / 1000))
    return True


def _run_to_rest(run: Recoverable, first: Action) -> None:
    name = actor_of(first)
    assert name is not None, "a process moves"
    run.commits(first)
    for _ in range(STATEMENTS_MAX):
        if run.over or run.rests(name) or not run.possible(_step(name)):
            return
        run.commits(_step(name))


def next_time(durable: Durable, now: int, settings: Settings) -> int | None:
    """The next time at which something becomes due; None if nothing ever does."""
    times = [job.available_at for job in durable.jobs if job.available_at is not None]
    times += [begun_at + settings.window_ms for begun_at in durable.retries]
    times += [
        execution.lease_expires_at
        for execution in durable.executions
        if execution.status not in (Status.DONE, Status.ABORTED)
    ]
    if durable.breaker.open_until_at is not None:
        times.append(durable.breaker.open_until_at)
    if all(durable.job_state(job.id) in TERMINAL for job in durable.jobs):
        return None
    return min((time for time in times if now < time <= now + PATIENCE_MS), default=None)
