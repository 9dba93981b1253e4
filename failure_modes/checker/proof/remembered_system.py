"""The system's side of a proof: it takes a step on the real system, or remembers one that read the same rows.

The world is restored only when a step must really be taken. The first remembered steps, and later one now and
then, are taken all the same. If such a step does something else, the system is not deterministic, or it
depends on rows that `step_reads.py` overlooks, and the proof ends with an error.
"""

from collections.abc import Callable
from typing import cast

from attrs import frozen

from failure_modes.checker.experiment.granularity import Granularity
from failure_modes.checker.oracle.records import Answers
from failure_modes.checker.oracle.system_side import SystemSide, SystemSnapshot, SystemStep
from failure_modes.checker.proof.seen_step import Reads, SeenStep
from failure_modes.checker.proof.step_memory import Key, StepMemory, changes_between, with_changes
from failure_modes.checker.proof.step_reads import StepReads
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.process_snapshot import ProcessSnapshot, ProcessState, in_transaction
from failure_modes.checker.simulation.stepping import NotDeterministic
from failure_modes.checker.simulation.world import World
from model.actions import Action, Crash, PowerLoss, actor_of
from model.answers import Answer

CHECKED_FIRST = 256
"""Of the steps that are found in the memory, so many are taken all the same, and must be equal."""

CHECKED_EVERY = 64
"""Later on each step of that number is checked so."""

Same = Callable[[ProcessSnapshot], ProcessSnapshot]


@frozen(kw_only=True, eq=False)
class _Taking:
    """A step that is being taken on the real system: from where, and by which action."""

    before: SystemSnapshot
    action: Action
    key: Key
    lock_releases: int
    expected: SeenStep | None
    """The step that is remembered, if this one is taken to check it."""


class RememberedSystem(SystemSide):
    """The system's side in a world that a proof restores before each step."""

    def __init__(
        self,
        world: World,
        *,
        power_loss: bool,
        remembers: bool,
        same: Same,
        checked_first: int | None = None,
    ) -> None:
        """`remembers`: a step is not taken where one is remembered. `same` gives the one object of equals.

        `checked_first`: the number that takes the place of CHECKED_FIRST.
        """
        super().__init__(world, power_loss=power_loss)
        self._checked_first = CHECKED_FIRST if checked_first is None else checked_first
        self.real_steps = 0
        self._reused = 0
        """How often a remembered step was found."""
        self.last: SeenStep | None = None
        """The last step."""
        self._taking: _Taking | None = None
        self._replayed: SystemSnapshot | None = None
        """Where the system is, if a replay has just led there."""
        self._same = same
        self._names = tuple(world.processes)
        self._away: SystemSnapshot | None = None
        """Where the system is, if the world is elsewhere."""
        self._columns = world.content.columns()
        self._memory: StepMemory | None = None
        # a disk and a history are more than the present rows, and inside a transaction so is a content
        more = power_loss or world.rolls_back or world.restores_by_replay
        whole = world.granularity is Granularity.TRANSACTION and not more
        constraints = world.content.constraints() if remembers and whole else None
        if constraints is not None:
            self._memory = StepMemory(self._columns)
            self._reads = StepReads(constraints, self._columns, world.subject.layout)

    @property
    def now(self) -> int:
        """The time, in milliseconds."""
        return super().now if self._away is None else self._away.now

    @property
    def content(self) -> Content:
        """The rows of the state."""
        return self.world.content.now() if self._away is None else self._away.content

    def place(self, name: str) -> ProcessState:
        """Where the process is paused."""
        return super().place(name) if self._away is None else self._away.processes[self._names.index(name)]

    def snapshot(self) -> SystemSnapshot:
        """Where the system is."""
        return super().snapshot() if self._away is None else self._away

    def restore(self, snapshot: SystemSnapshot) -> None:
        """Be there again. The world is restored when a step must be taken on it."""
        self._away = snapshot
        self.durable = snapshot.durable

    def was_replayed(self, snapshot: SystemSnapshot) -> None:
        """A replay of actions has led here. The next step is taken from here, and seen."""
        self._replayed = snapshot

    def act(self, action: Action) -> SystemStep:
        """Take an effective action, or remember what it did where it read the same rows."""
        before = self._away
        if before is None:  # the run goes on from its last step, or from a replay that led to this state
            self.real_steps += 1
            if (replayed := self._replayed) is not None:
                self._replayed = None
                self._begin(replayed, action, self._key(replayed, action), None)
            return super().act(action)
        key = self._key(before, action)
        seen = None if self._memory is None else self._memory.find(key, before.content, before.now)
        if seen is None or self._must_check():
            return self._act_really(before, action, key, seen)
        self.last = seen
        content = self.world.content.shared(with_changes(before.content, seen.changes))
        after = before.durable if content is before.content else self.durable_of(content)
        self._away = SystemSnapshot(
            content=content,
            durable=after,
            now=before.now + seen.elapsed_ms,
            processes=self._moved(before, action, seen),
            skews=before.skews,
        )
        self.durable = after
        done = seen.done
        return SystemStep(
            action=action,
            moved=done.moved,
            operation=done.operation,
            visibility=done.visibility,
            current_job=done.current_job,
            read_at=done.read_at,
            before=before.durable,
            after=after,
            events=done.events,
        )

    def answers(self, done: SystemStep, expected: Answer | None) -> tuple[Answers, ...]:
        """What the queue answered, each beside what the model answered. A real step is seen whole then."""
        if self._away is None:
            paired = super().answers(done, expected)
            if self._taking is not None:
                self._see(self._taking, done)
                self._taking = None
            return paired
        given = cast(tuple[Answer, ...], done.moved.answers)
        due = expected if done.moved.committed else None
        return tuple([Answers(None if place else due, one) for place, one in enumerate(given)])

    def _must_check(self) -> bool:
        """True if a step is taken again though it is remembered."""
        self._reused += 1
        return self._reused <= self._checked_first or self._reused % CHECKED_EVERY == 0

    def _act_really(
        self, before: SystemSnapshot, action: Action, key: Key, expected: SeenStep | None
    ) -> SystemStep:
        self.real_steps += 1
        self._away = None
        super().restore(before)
        self._begin(before, action, key, expected)
        return super().act(action)

    def _begin(self, before: SystemSnapshot, action: Action, key: Key, expected: SeenStep | None) -> None:
        """Begin a step on the real system, in order to see it."""
        self._taking = _Taking(
            before=before,
            action=action,
            key=key,
            lock_releases=self.world.lock_releases,
            expected=expected,
        )

    def _see(self, taking: "_Taking", done: SystemStep) -> None:
        """Make a value of the step that was taken, and remember it where that is allowed."""
        before, action = taking.before, taking.action
        world, name = self.world, actor_of(action)
        content, process, step = world.content.now(), None, None
        if name is not None:
            moved = world.processes[name]
            process = self._same(moved.snapshot())
            moved.remember(process)
            step = None if isinstance(action, Crash) else moved.step  # a crash runs no statement
        memory = self._memory
        reads: Reads = frozenset()
        if step is not None and memory is not None:
            reads = self._reads.of(step, done.events, before.content, content)
        self.last = seen = SeenStep(
            done=done,
            process=process,
            elapsed_ms=self.now - before.now,
            released=world.lock_releases != taking.lock_releases,
            statements=() if step is None else tuple(step.statements),
            called_gateway=step is not None and step.called_gateway,
            reads=reads,
            read_clock=step is not None and step.read_clock,
            changes=() if memory is None else changes_between(before.content, content),
        )
        if taking.expected is not None and not seen.equals(taking.expected):
            raise NotDeterministic(
                f"{action} did something else than before, and the rows that it reads are the same"
            )
        if memory is not None and self._depends_on_rows_only(before, action, seen):
            memory.add(taking.key, self._mover(before, action), seen, before.content, before.now)

    def _depends_on_rows_only(self, before: SystemSnapshot, action: Action, seen: SeenStep) -> bool:
        """True if the step depends on the rows that it read, on the time, and on nothing else.

        An operation must be answered in the step in which it is committed. A crash must change no row.
        """
        moved = seen.done.moved
        if isinstance(action, Crash | PowerLoss) and seen.changes:
            return False
        if moved.committed and not moved.answers:  # the answer is due, and the model says which
            return False
        if moved.error is not None or moved.blocked or moved.skip_locked is not None:
            return False
        places = (self._mover(before, action), seen.process)
        return not any(
            place.waits or place.in_transaction or place.visible or place.due_answer is not None
            for place in places
            if place is not None
        )

    def _key(self, before: SystemSnapshot, action: Action) -> Key:
        """What a step depends on besides rows and time: its process, and a lock that another one holds."""
        mover = self._mover(before, action)
        return action, id(mover), in_transaction(before.processes)

    def _mover(self, before: SystemSnapshot, action: Action) -> ProcessSnapshot | None:
        """The process that moves, before the action."""
        name = actor_of(action)
        return None if name is None else before.processes[self._names.index(name)]

    def _moved(self, before: SystemSnapshot, action: Action, seen: SeenStep) -> tuple[ProcessSnapshot, ...]:
        """Where the processes are after the action."""
        name = actor_of(action)
        if name is None or seen.process is None:
            return before.processes
        at = self._names.index(name)
        return (*before.processes[:at], seen.process, *before.processes[at + 1 :])
