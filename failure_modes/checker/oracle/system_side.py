"""The system's side of a run: an action moves it in its world, and its store shows what that did.

All that lock-step asks of the world and of its processes, it asks through `SystemSide`. Nothing is judged
here, and the model is not known.
"""

from collections.abc import Callable
from typing import cast

from attrs import frozen

from failure_modes.checker.oracle.records import Answers
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.process import Process
from failure_modes.checker.simulation.process_snapshot import ProcessSnapshot, StepResult
from failure_modes.checker.simulation.replayed_world import ReplayedWorld
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.simulation.world import World
from failure_modes.checker.subject.abstraction import AuditCursor, read, read_counts
from failure_modes.checker.subject.programs import can
from model.actions import Action, Crash, PowerLoss, Step, Tick, actor_of
from model.answers import Answer, Counts
from model.draft import SERIAL, Visibility
from model.events import Event
from model.state import Durable

CONTENTS_MAX = 50_000
"""Contents of the store whose rows a run keeps in memory."""

LIMITS = "retries", "breaker"
"""The tables that many jobs share. A transaction that changes one holds it, as it holds a job."""


@frozen(kw_only=True)
class SystemStep:
    """Describes what one action did to the system.

    `operation` is the action that took effect, and so the action that the model takes too; None where nothing
    was committed. `visibility` is what the database chose for it. `read_at` is the time that it read.
    """

    action: Action
    moved: StepResult
    operation: Action | None
    visibility: Visibility = SERIAL
    current_job: int | None = None
    read_at: int | None = None
    before: Durable
    after: Durable
    events: tuple[Event, ...] = ()


@frozen(kw_only=True)
class SystemSnapshot:
    """Says where the system is: what its store holds, the time, and where each process is.

    `extra` is what the future depends on besides, in a world that is restored by replaying its actions.
    """

    content: Content
    durable: Durable
    now: int
    processes: tuple[ProcessSnapshot, ...]
    extra: tuple[object, ...] = ()


class SystemSide:
    """Moves the system, and reads what it did. `durable` is what its store held after the last action."""

    def __init__(self, world: World, *, power_loss: bool) -> None:
        """`power_loss`: power may be lost."""
        self.world = world
        self._power_loss = power_loss
        self.durable = Durable()
        self._audit = AuditCursor(in_order=not world.database.overlaps)
        self._visibility = VisibilityLog(overlaps=world.database.overlaps)
        self._known: dict[int, tuple[Content, Durable]] = {}
        """The rows of each content that a restorable world had."""

    @property
    def now(self) -> int:
        """The time, in milliseconds."""
        return self.world.clock.now()

    def possible(self, action: Action) -> bool:
        """True if the action can happen now."""
        name = actor_of(action)
        if name is None:
            return self._power_loss or not isinstance(action, PowerLoss)
        process = self.world.processes.get(name)
        return process is not None and can(name, process, action)

    def is_choice_point(self, action: Action) -> bool:
        """True if the process that the action moved is at rest or in its handler.

        Only then does a schedule have a choice: to let the handler fail, for example.
        """
        name = actor_of(action)
        process = self.world.processes[name] if name else None
        return process is None or process.at in (PausePoint.HANDLER, PausePoint.REPLY) or process.at_rest

    def effective_action(self, action: Action, is_poison: Callable[[str | None], bool]) -> Action:
        """The action that really happens: the handler of a poison job kills its worker."""
        if isinstance(action, Step) and action.worker in self.world.processes:
            process = self.world.processes[action.worker]
            if process.at is PausePoint.HANDLER:
                for job in self.durable.jobs:
                    if job.id == process.current_job and is_poison(job.key):
                        return Crash(worker=action.worker)
        return action

    def processes_killed_by(self, action: Crash | PowerLoss) -> tuple[Process, ...]:
        """The processes that the action kills."""
        if isinstance(action, Crash):
            return (self.world.processes[action.worker],)
        return tuple(self.world.processes.values())

    def act(self, action: Action) -> SystemStep:
        """Take an effective action, and read what it did."""
        match action:
            case Tick():
                self.world.clock.advance(action.milliseconds)
                return self._observed(action, StepResult())
            case Crash():
                self.world.processes[action.worker].kill()
                return self._observed(action, StepResult(changed=not self.world.content.is_pending))
            case PowerLoss():
                from failure_modes.checker.simulation.power_loss_world import PowerLossWorld

                assert isinstance(self.world, PowerLossWorld), "only such a world loses power"
                self._audit = AuditCursor(self.world.lose_power(), in_order=not self.world.database.overlaps)
                return self._observed(action, StepResult(changed=True))
            case _:
                return self._move(action)

    def answers(self, done: SystemStep, expected: Answer | None) -> tuple[Answers, ...]:
        """What the queue answered, each beside what the model answered at the commit before it.

        `expected` is what the model answers to the operation that has just been committed. At granularity
        `statement` the queue answers some steps after its commit.
        """
        name = actor_of(done.action)
        if name is None:
            return ()
        transaction = self.world.processes[name].transaction
        if done.moved.committed:
            transaction.set_due_answer(expected)
        given = cast(tuple[Answer, ...], done.moved.answers)
        return tuple([Answers(cast(Answer | None, transaction.take_due_answer()), one) for one in given])

    def snapshot(self) -> SystemSnapshot:
        """Where the system is."""
        extra: tuple[object, ...] = ()
        if self.world.restores_by_replay:
            assert isinstance(self.world, ReplayedWorld), "only such a world is restored by replay"
            extra = (*self._visibility.extra(self.now), *self.world.extra_state())
        return SystemSnapshot(
            content=self.world.content.now(),
            durable=self.durable,
            now=self.now,
            processes=self._processes(),
            extra=extra,
        )

    def restore(self, snapshot: SystemSnapshot) -> None:
        """Be there again, in a world that is restored by its content."""
        self.world.restore(snapshot.content, snapshot.now, snapshot.processes)
        self.durable = snapshot.durable
        self._audit = AuditCursor(self.world.content.audit_end(snapshot.content))

    def start_over(self) -> None:
        """Be where nothing has happened, in a world that is restored by replaying its actions."""
        assert isinstance(self.world, ReplayedWorld), "only such a world is restored by replay"
        self.world.start_over()
        self.durable = Durable()
        self._audit = AuditCursor(in_order=not self.world.database.overlaps)
        self._visibility = VisibilityLog(overlaps=self.world.database.overlaps)

    def is_at(self, snapshot: SystemSnapshot) -> bool:
        """True if the processes and the durable rows are as the snapshot says."""
        return (self._processes(), self.durable) == (snapshot.processes, snapshot.durable)

    def counts(self) -> Counts:
        """What `status` counts."""
        return read_counts(self.world.database.observer)

    def history(self) -> tuple[Event, ...]:
        """The audit from its first row on, read again."""
        return AuditCursor().new(self.world.database.observer)

    def _processes(self) -> tuple[ProcessSnapshot, ...]:
        return tuple([process.snapshot() for process in self.world.processes.values()])

    def _move(self, action: Action) -> SystemStep:
        name = actor_of(action)
        assert name is not None, "a process moves"
        process = self.world.processes[name]
        operation = action
        if process.at is not PausePoint.COMMITTED:  # after a COMMIT no operation begins
            operation = cast(Action, process.transaction.intend(action))
        current_job = process.current_job
        moved = process.resume(action)
        self._visibility.note_read(process, moved, self.durable, self.now)
        before, events, visibility = self.durable, self._read(moved), SERIAL
        if moved.committed:
            visibility = self._visibility.of_commit(process, before, self.durable, self.now)
        if moved.committed or moved.rolled_back or moved.error is not None:
            process.transaction.clear_intent()
        return SystemStep(
            action=action,
            moved=moved,
            operation=operation if moved.committed else None,
            visibility=visibility,
            current_job=current_job,
            read_at=process.transaction.read_at,
            before=before,
            after=self.durable,
            events=events,
        )

    def _observed(self, action: Action, moved: StepResult) -> SystemStep:
        """What the world did by itself: the model takes the same action."""
        before, events = self.durable, self._read(moved)
        return SystemStep(
            action=action, moved=moved, operation=action, before=before, after=self.durable, events=events
        )

    def _read(self, moved: StepResult) -> tuple[Event, ...]:
        """Read the rows into `durable`. Returns the audit rows that are new."""
        if not moved.changed:
            return ()
        content = self.world.content.now() if self.world.restorable else None
        _, known = self._known.get(id(content), (None, None))
        self.durable, events = read(
            self.world.database.observer, self.world.gateway, cursor=self._audit, known=known
        )
        if content is not None and known is None:
            if len(self._known) > CONTENTS_MAX:
                self._known.clear()
            self._known[id(content)] = content, self.durable
        return events


class VisibilityLog:
    """Notes what the database chooses for operations: the ids of new rows, and which jobs were visible.

    Where transactions overlap, a lease passes over the jobs that another transaction holds, and does not see
    what was committed after its read. So each read of the jobs is noted when it happens.
    """

    def __init__(self, *, overlaps: bool) -> None:
        self._overlaps = overlaps
        self._changed_at: dict[int | str, int] = {}
        """When each job and each table of `LIMITS` was last changed, by the time that its change read."""

    def extra(self, now: int) -> tuple[object, ...]:
        """What was noted, with times counted from now."""
        return tuple([(job, at - now) for job, at in sorted(self._changed_at.items(), key=str)])

    def note_read(self, process: Process, moved: StepResult, durable: Durable, now: int) -> None:
        """If the process read the jobs, note those that were due and held by no other transaction."""
        read = moved.skip_locked
        if read is not None:
            at = now if read.read_at is None else read.read_at
            known = {job.id for job in durable.jobs}
            due = [job for job in read.unlocked if job in known and durable.is_due(job, at)]
            process.transaction.add_visible(frozenset(due))

    def of_commit(self, process: Process, before: Durable, after: Durable, now: int) -> Visibility:
        """What the database chose for the operation that has just been committed."""
        jobs = {job.id for job in after.jobs} - {job.id for job in before.jobs}
        leased = {one.id for one in after.executions} - {one.id for one in before.executions}
        job, execution = min(jobs, default=None), min(leased, default=None)
        if not self._overlaps:
            return Visibility(job=job, execution=execution)
        transaction = process.transaction
        touched: list[int | str] = [job.id for job in after.jobs if _changed(job.id, before, after)]
        touched += [name for name in LIMITS if getattr(before, name) != getattr(after, name)]
        since = max([self._changed_at.get(one, 0) for one in touched], default=0)
        self._changed_at |= dict.fromkeys(
            touched, now if transaction.read_at is None else transaction.read_at
        )
        visible = transaction.take_visible()
        return Visibility(
            job=job,
            execution=execution,
            jobs_seen=visible[0] if visible else None,
            since=since,
            asked_at=transaction.first_read_at,
        )


def _changed(job: int, before: Durable, after: Durable) -> bool:
    known = {one.id: one for one in before.jobs}
    same = known.get(job) == after.job(job) and before.executions_of(job) == after.executions_of(job)
    return not same
