"""The system's side of a run: an action moves it in its world, and its store shows what that did.

All that lock-step asks of the world and of its processes, it asks through `SystemSide`. Nothing is judged
here, and the model is not known.
"""

from collections.abc import Callable
from typing import cast

from attrs import frozen

from failure_modes.checker.oracle.records import Answers
from failure_modes.checker.oracle.visibility import VisibilityLog, time_of
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.process_snapshot import ProcessSnapshot, ProcessState, StepResult
from failure_modes.checker.simulation.replayed_world import ReplayedWorld
from failure_modes.checker.simulation.stepping import CALL, PausePoint
from failure_modes.checker.simulation.world import World
from failure_modes.checker.subject.abstraction import AuditCursor, ContentReader, read_counts, read_rows
from failure_modes.checker.subject.programs import IN_HANDLER, can
from model.actions import (
    Action,
    ClockBack,
    ClockSkew,
    Crash,
    Hang,
    LostReply,
    PowerLoss,
    Rollback,
    Step,
    ThreadHeartbeat,
    Tick,
    actor_of,
    thread_of,
    without_loss,
)
from model.answers import Answer, Counts
from model.draft import SERIAL, Visibility
from model.events import Event
from model.state import Durable

CONTENTS_MAX = 50_000
"""Contents of the store whose rows a run keeps in memory."""


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
    skews: tuple[tuple[str, int], ...] = ()
    """The processes whose own clock differs, each with the milliseconds that it is ahead."""
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
        self._content_reader = ContentReader(world.content.columns()) if world.restorable else None
        self._known: dict[int, tuple[Content, Durable]] = {}
        """The rows of each content that a restorable world had."""

    @property
    def now(self) -> int:
        """The time, in milliseconds."""
        return self.world.clock.now()

    def possible(self, action: Action) -> bool:
        """True if the action can happen now."""
        name = actor_of(action)
        if isinstance(action, Rollback | ClockBack):
            in_transaction = [one for one in self.world.processes if self.place(one).in_transaction]
            return not in_transaction and (self.world.can_roll_back or isinstance(action, ClockBack))
        if isinstance(action, ClockSkew):
            return self.world.at_server and action.worker in self.world.processes
        if name is None:
            return self._power_loss or not isinstance(action, PowerLoss)
        if isinstance(action, LostReply) and action.of == "Step" and self._calls_gateway(name):
            return False
        if isinstance(action, ThreadHeartbeat):
            name = action.worker
        thread = thread_of(name)
        place = self.place(thread) if thread in self.world.processes else None
        return name in self.world.processes and can(name, self.place(name), action, place)

    def _calls_gateway(self, name: str) -> bool:
        """True if the process is about to call the gateway: that has no COMMIT whose reply could be lost."""
        return self.world.gateway is not None and self.place(name).at is PausePoint.HANDLER

    def place(self, name: str) -> ProcessState:
        """Where the process is paused."""
        return self.world.processes[name]

    def is_choice_point(self, action: Action) -> bool:
        """True if the process that the action moved is at rest or in its handler.

        Only then does a schedule have a choice: to let the handler fail, for example.
        """
        name = actor_of(action)
        process = self.place(name) if name else None
        return process is None or process.at in IN_HANDLER or process.at_rest

    def effective_action(self, action: Action, is_poison: Callable[[str | None], bool]) -> Action:
        """The action that really happens: the handler of a poison job kills its worker."""
        if isinstance(without_loss(action), Step) and (name := actor_of(action)) in self.world.processes:
            process = self.place(name)
            if process.at is PausePoint.HANDLER:
                for job in self.durable.jobs:
                    if job.id == process.current_job and is_poison(job.key):
                        return Crash(worker=name)
        return action

    def processes_killed_by(self, action: Crash | PowerLoss) -> dict[str, ProcessState]:
        """The processes that the action kills, by name."""
        names = (action.worker,) if isinstance(action, Crash) else self.world.processes
        return {name: self.place(name) for name in names}

    def act(self, action: Action) -> SystemStep:
        """Take an effective action, and read what it did."""
        match action:
            case Tick():
                self.world.clock.advance(action.milliseconds)
                return self._observed(action, StepResult())
            case ClockBack():
                self.world.clock.set_back(action.milliseconds)
                self._visibility.set_back(self.now)
                return self._observed(action, StepResult())
            case ClockSkew():
                self.world.clock.set_skew(action.worker, action.milliseconds)
                return self._observed(action, StepResult())
            case Crash():
                self.world.processes[action.worker].kill()
                return self._observed(action, StepResult(changed=not self.world.content.is_pending))
            case PowerLoss():
                from failure_modes.checker.simulation.power_loss_world import PowerLossWorld

                assert isinstance(self.world, PowerLossWorld), "only such a world loses power"
                self._audit = AuditCursor(self.world.lose_power(), in_order=not self.world.database.overlaps)
                return self._observed(action, StepResult(changed=True))
            case Rollback():
                from failure_modes.checker.simulation.rollback_world import RollsBack

                assert isinstance(self.world, RollsBack), "only such a world is set back"
                last = self.world.roll_back(action.commits)
                self._audit = AuditCursor(last, in_order=not self.world.database.overlaps)
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
            transaction.set_due_answer(None if transaction.loses_reply else expected)
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
            skews=self.world.clock.skews,
            extra=extra,
        )

    def restore(self, snapshot: SystemSnapshot) -> None:
        """Be there again, in a world that is restored by its content."""
        self.world.restore(snapshot.content, snapshot.now, snapshot.processes, snapshot.skews)
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
        begins = isinstance(action, ThreadHeartbeat | Hang)
        if process.at is not PausePoint.COMMITTED and not begins:  # after a COMMIT no operation begins
            operation = cast(Action, process.transaction.intend(action))
        process.transaction.lose_reply(isinstance(operation, LostReply))
        current_job = process.current_job
        moved = process.resume(without_loss(action))
        self._visibility.note_read(process, moved, self.durable, self.now)
        before, events, visibility = self.durable, self._read(moved), SERIAL
        if moved.committed and moved.ran != CALL:  # a call of the gateway has no lock in the database
            visibility = self._visibility.of_commit(process, before, self.durable, events, self.now)
            if events:
                self.world.note_commit()
        if moved.committed or moved.rolled_back or moved.error is not None:
            process.transaction.clear_intent()
        return SystemStep(
            action=action,
            moved=moved,
            operation=operation if moved.committed or begins else None,
            visibility=visibility,
            current_job=current_job,
            read_at=None if begins else time_of(process, events),
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
        database = self.world.database
        if self._content_reader is None:
            self.durable = read_rows(database.observer, self.world.gateway)
        else:
            self.durable = self.durable_of(self.world.content.now())
        return self._audit.new(database.observer)

    def durable_of(self, content: Content) -> Durable:
        """The rows of a content of a restorable world, as values of the model."""
        assert self._content_reader is not None, "only the content of a restorable world is read"
        known = self._known.get(id(content))
        if known is None:
            if len(self._known) > CONTENTS_MAX:
                self._known.clear()
            known = self._known[id(content)] = content, self._content_reader.durable(content)
        return known[1]
