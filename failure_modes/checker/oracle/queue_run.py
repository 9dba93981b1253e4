"""A run of any queue: it carries out moves, tells the weak model what happens, and ends with a fair schedule.

`apply` and `finish` raise `Troubled` as soon as the weak model finds trouble of the wanted kind; other
trouble is passed over. A run that goes on keeps all of its trouble instead. The run does not know whether
its processes are virtual or real.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from failure_modes.checker.experiment.moves import (
    HOUSEKEEPER,
    PRODUCER,
    WORKERS,
    FailJob,
    Housekeep,
    Move,
    Moves,
    Work,
    mover,
)
from failure_modes.checker.oracle.deliveries import Deliveries, Hunt, Trouble
from failure_modes.checker.oracle.handlers import Handlers
from failure_modes.checker.oracle.queue_world import MakeWorld, virtual_world
from failure_modes.checker.simulation.foreign import Arrival, JobFailed, Task, Where
from failure_modes.checker.simulation.seams.stepped import outside
from failure_modes.checker.subject.adapter import Adapter, Status
from failure_modes.checker.support.errors import SubjectError
from model.actions import Crash, Enqueue, Tick

BOUNDARIES_MAX = 5_000
"""The boundaries that a process may reach in one task."""

ROUNDS_MAX = 12
"""The rounds of the fair schedule, at most."""

WAIT_SECONDS = 10
"""The time that passes when every process waits for a lock: longer than the usual timeouts."""


class Troubled(Exception):
    """A run found trouble. `at_end` is true if only the fair schedule at its end showed it."""

    def __init__(self, trouble: Trouble, moves: Moves, *, at_end: bool) -> None:
        super().__init__(f"{trouble.kind}: {trouble.text}")
        self.trouble = trouble
        self.moves = moves
        self.at_end = at_end

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process gets it whole."""
        return partial(type(self), at_end=self.at_end), (self.trouble, self.moves)


class QueueRun:
    """One run. `close` must be called. `target` is the wanted trouble; None for any.

    `goes_on`: trouble does not end the run; `troubles` has it.
    """

    def __init__(
        self,
        adapter: Adapter,
        *,
        target: Hunt | None = None,
        goes_on: bool = False,
        make_world: MakeWorld = virtual_world,
    ) -> None:
        self.adapter = adapter
        self.target = target
        self.world = make_world(adapter)
        self.deliveries = Deliveries(
            attempts_max=adapter.attempts_max,
            lease_seconds=adapter.lease_seconds,
            takes_ahead=adapter.takes_ahead,
        )
        self.labels: Counter[str] = Counter()
        """The boundaries that the workers have reached, and how often."""
        self.housekeeping_labels: Counter[str] = Counter()
        """The boundaries that the housekeeper has reached."""
        self.sometimes: Counter[str] = Counter()
        """What the run has reached: so that a mix that never meets the danger is seen."""
        self.troubles: dict[tuple[str, str], Troubled] = {}
        """The troubles of a run that goes on, the first one of each kind and topic."""
        self._goes_on = goes_on
        self._moves: list[Move] = []
        self._handlers = Handlers()
        self._tasks: dict[str, Task] = {}
        self._keys: set[str] = set()
        self._steps = 0
        self._blocked_at: dict[str, int] = {}
        self._has_waited: set[str] = set()
        """The processes that have waited for a lock in their present task."""
        self._finishing = False

    @property
    def moves(self) -> Moves:
        """The moves so far."""
        return tuple(self._moves)

    def at(self, name: str) -> Arrival:
        """Where a process is."""
        return self.world.processes[name].at

    def possible(self, move: Move) -> bool:
        """True if the move can happen now."""
        match move:
            case Enqueue(key=key):
                return key not in self._keys and self.at(PRODUCER).where is Where.REST
            case FailJob(key=key):
                return key in self._keys and self._handlers.may_fail(key)
            case Crash(worker=name):
                return name in self.world.processes and self.at(name).where is not Where.REST
            case Tick():
                return True
            case _:
                name = mover(move) or ""
                return name in self.world.processes and not self._waits(name)

    def apply(self, move: Move) -> None:
        """Take one move, and judge what it did. Raises Troubled."""
        self._moves.append(move)
        match move:
            case Enqueue(key=key):
                self._keys.add(key)
                self.deliveries.offered(key)
                self._go(PRODUCER, Task(name="enqueue", key=key))
            case Work(worker=worker, until=until):
                self._go(worker, Task(name="drain"), until)
            case Housekeep(until=until):
                self._go(HOUSEKEEPER, Task(name="housekeep"), until)
            case FailJob(key=key):
                self._handlers.let_fail(key)
            case Tick(seconds=seconds):
                self.world.advance(round(seconds * 1000))
                self._steps += 1  # a process that waits for a lock may give up now
                self.sometimes["a tick while a worker is paused"] += self._paused()
            case Crash(worker=name):
                self.sometimes[f"killed {self.at(name).where}"] += 1
                self._kill(name)

    def finish(self) -> None:
        """Recover, schedule fairly until nothing changes, and judge what is left. Raises Troubled."""
        self._finishing = True
        if not self._let_all_finish():
            self.sometimes["a process waits for ever"] += 1
            return
        statuses = self._observe()
        for fresh in (False, True):
            if fresh and not self._settled(statuses):
                for name in self.world.processes:
                    self._kill(name)
            for _ in range(ROUNDS_MAX):
                if self._settled(statuses):
                    break
                self._recover()
                statuses = self._observe()
        if statuses is not None:
            self._judge(self.deliveries.at_end(statuses))

    def close(self) -> None:
        """Let go of the world."""
        self.world.close()

    def _go(self, name: str, task: Task, until: str | None = None) -> None:
        """Let a process go on until its task is done, it waits, it dies, or it is before `until`."""
        process = self.world.processes[name]
        if process.at.where is Where.REST:
            self._tasks[name] = task
            self._has_waited.discard(name)
            self.deliveries.free(name, self.world.now)
        for number in range(BOUNDARIES_MAX):
            before, stopped = process.at, not number
            fails, began = self._handlers.fails(before), self.world.now
            given = self._tasks[name] if before.where is Where.REST else None
            arrival = self.world.resume(name, task=given, fails=fails, stopped=stopped)
            self._steps += 1
            for job in arrival.ended:
                self.sometimes["a job failed"] += job.raised
                by = self._handlers.ended(name, job.key)
                self.deliveries.ended(job.key, by, began, raised=job.raised)
            self._note(name, arrival)
            if arrival.where in (Where.REST, Where.DEAD, Where.BLOCKED):
                return
            if until is not None and arrival.label == until:
                self.sometimes["a process stopped before a statement"] += 1
                return
        raise SubjectError(f"process {name} reached {BOUNDARIES_MAX} boundaries and did not finish its task")

    def _note(self, name: str, arrival: Arrival) -> None:
        """Tell the weak model where a process has arrived."""
        now = self.world.now
        if name in WORKERS and arrival.label is not None:
            self.labels[arrival.label] += 1
        elif name == HOUSEKEEPER and arrival.label is not None:
            self.housekeeping_labels[arrival.label] += 1
        if self.deliveries.unrecorded and (statuses := self._observe()) is not None:
            self.deliveries.observed(statuses)
        self.deliveries.moved(name, at_rest=arrival.where is Where.REST)
        if arrival.where is Where.HANDLER and arrival.key is not None:
            by = self._handlers.began(name, arrival.key)
            self._judge(self.deliveries.started(arrival.key, by, now))
            if self.deliveries.overtaken and (statuses := self._observe()) is not None:
                self._judge(self.deliveries.starved(statuses))
        elif arrival.where is Where.BLOCKED:
            self._blocked_at[name] = self._steps
            self._has_waited.add(name)
            self.sometimes["a process waited for a lock"] += 1
        elif arrival.where is Where.REST:
            self.deliveries.free(name, now)
            task = self._tasks[name]
            if task.key is not None:
                self.deliveries.accepted(task.key)
        elif arrival.where is Where.DEAD:
            self._forget(name)
            if name in self._has_waited and "locked" in (arrival.error or ""):
                self.sometimes["a process waited too long for a lock, and died"] += 1
                return  # of a lock that another process held for longer than the timeout: no fault of its own
            if (arrival.error or "").startswith(JobFailed.__name__):
                self.sometimes["a worker died of a job that failed"] += 1
                return  # the worker lets the error of a job end it: a crash, and no fault of its own
            self._judge([self.deliveries.died(name, arrival.error or "no error")])

    def _kill(self, name: str) -> None:
        self.world.kill(name)
        self._steps += 1
        self._forget(name)

    def _forget(self, name: str) -> None:
        for each in self._handlers.killed(name):
            self.deliveries.killed(each, self.world.now)

    def _waits(self, name: str) -> bool:
        """True if the process waits for a lock, and nothing has moved since."""
        return self.at(name).where is Where.BLOCKED and self._blocked_at.get(name) == self._steps

    def _paused(self) -> bool:
        return any(self.at(name).where is not Where.REST for name in WORKERS)

    def _let_all_finish(self) -> bool:
        """Let every process finish its task. Returns false if some wait for each other for ever."""
        for _ in range(ROUNDS_MAX):
            left = [name for name in self.world.processes if self.at(name).where is not Where.REST]
            if not left:
                return True
            for name in left:
                self._go(name, self._tasks[name])
            if all(self.at(name).where is Where.BLOCKED for name in left):
                self.world.advance(WAIT_SECONDS * 1000)
        return False

    def _recover(self) -> None:
        """Let every lease run out, keep house, and let each worker work."""
        self.world.advance(round((self.adapter.lease_seconds + 1) * 1000))
        self._go(HOUSEKEEPER, Task(name="housekeep"))
        for name in WORKERS:
            self._go(name, Task(name="drain"))
        self._let_all_finish()

    def _settled(self, statuses: Mapping[str, Status] | None) -> bool:
        return statuses is not None and self.deliveries.settled(statuses)

    def _observe(self) -> Mapping[str, Status] | None:
        """What the queue records; None if it cannot be read now."""
        with outside():
            try:
                return self.adapter.observe(self.world.folder)
            except Exception as error:
                if "locked" in str(error):
                    return None
                raise

    def _judge(self, troubles: Iterable[Trouble]) -> None:
        for trouble in troubles:
            self.sometimes[f"found: {trouble.kind}"] += 1
            troubled = Troubled(trouble, self.moves, at_end=self._finishing)
            if not self._goes_on:
                if self.target is None or self.target.wants(trouble):
                    raise troubled
            else:
                self.troubles.setdefault((trouble.kind, trouble.topic), troubled)


def play(
    adapter: Adapter, moves: Moves, *, target: Hunt | None = None, make_world: MakeWorld = virtual_world
) -> Troubled | None:
    """Take the moves from the start, leaving out what cannot happen, and judge the end."""
    run = QueueRun(adapter, target=target, make_world=make_world)
    try:
        for move in moves:
            if run.possible(move):
                run.apply(move)
        run.finish()
    except Troubled as troubled:
        return troubled
    finally:
        run.close()
    return None
