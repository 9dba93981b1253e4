"""One action, on the real system and on the model; then compare, then check the invariants.

Two oracles, reported apart. `Divergence`: the store's rows, the audit, or what a worker has in hand are not
what the model says after exactly one action. `Violation`: an invariant does not hold on what the system
did, whatever the model says. A run that hunts one invariant notes a divergence and goes on without the
model; a run that breaks another invariant first is not what was hunted, and is over.
"""

from collections import Counter
from typing import Self, cast

from failure_modes.checker.experiment.findings import Divergence, Finding, Violation
from failure_modes.checker.experiment.scope import Granularity, Scope, Swap, guarded
from failure_modes.checker.experiment.target import Hunt
from failure_modes.checker.oracle.crash_faults import hit
from failure_modes.checker.oracle.describe import difference, tell, tell_outcome, told_of
from failure_modes.checker.oracle.liveness import recover
from failure_modes.checker.oracle.phases import hands_differ
from failure_modes.checker.oracle.records import Record, Snapshot, change_of
from failure_modes.checker.oracle.snapshots import put_back, snapshot_of
from failure_modes.checker.oracle.sometimes import OF_POISON, OF_POWER, reached
from failure_modes.checker.oracle.visibility import Giving
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.process_snapshot import Moved
from failure_modes.checker.simulation.stepping import At
from failure_modes.checker.simulation.world import World
from failure_modes.checker.subject.abstraction import Told, read, same_history
from failure_modes.checker.subject.possible import can
from failure_modes.checker.subject.worlds import world_of
from model.actions import Action, Crash, Enqueue, Fail, PowerLoss, Step, Tick, actor_of, is_poison
from model.draft import ALONE, Given
from model.events import Event, Outcome
from model.invariants import INVARIANTS, Ending, Fault
from model.load import Load
from model.state import Durable, Settings, State, initial
from model.step import step

KNOWN_MAX = 50_000
"""Contents of the store that a run remembers the rows of."""


class Lockstep:
    """A run. Made anew for each example; `close` it."""

    def __init__(
        self, scope: Scope, swap: Swap = guarded, *, hunted: Hunt | None = None, world: World | None = None
    ) -> None:
        """`world` is a fresh one of the same scope and swap, if not the usual one."""
        self.scope = scope
        self.settings: Settings = scope.settings
        self.hunted = hunted
        self.world = world or world_of(scope, swap)
        self._known: dict[int, tuple[Content, Durable]] = {}
        """In a world that is put back often: the rows of each content that it had."""
        self.begin()

    def begin(self) -> None:
        """Be where nothing has happened yet."""
        self.state: State | None = initial(settings=self.scope.settings, workers=self.scope.names)
        self.durable = Durable()
        self.events: list[Event] = []
        self.records: list[Record] = []
        self.actions: list[Action] = []
        self.accepted: list[str] = []
        self.faults: list[Fault] = []
        self.load = Load()
        self.sometimes: Counter[str] = Counter()
        self.parted: Finding | None = None
        self.passed: dict[str, Finding] = {}
        self.aside: str | None = None
        self.told = Told(in_order=not self.world.overlaps)
        self.giving = Giving(overlaps=self.world.overlaps)
        self.recovering = False
        self._order: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """Whether the run broke something else than it hunts, and is no use any more."""
        return self.aside is not None

    @property
    def now(self) -> int:
        """The time, in milliseconds."""
        return self.world.clock.now()

    @property
    def names(self) -> tuple[str, ...]:
        """The processes, in the order of the liveness run."""
        return (*self._order, *[name for name in self.world.processes if name not in self._order])

    def rests(self, name: str) -> bool:
        """Whether the process has nothing in hand."""
        return self.world.processes[name].at_rest

    def commits(self, action: Action) -> bool:
        """Do it. Returns whether it committed. Raises Violation or Divergence."""
        return self.apply(action).committed

    def snapshot(self) -> Snapshot:
        """Where the run stands."""
        return snapshot_of(self)

    def put_back(self, there: Snapshot) -> None:
        """Go on from where a run of this scope once stood. Only what is restorable can be put back."""
        put_back(self, there)

    def possible(self, action: Action) -> bool:
        """Whether the action can happen now."""
        name = actor_of(action)
        if name is None:
            return self.scope.power_loss or not isinstance(action, PowerLoss)
        process = self.world.processes.get(name)
        return process is not None and can(name, process, action)

    def is_choice_point(self, action: Action) -> bool:
        """Whether who moved last now rests, or is in its handler: where a schedule has a choice to make."""
        name = actor_of(action)
        process = self.world.processes[name] if name else None
        return process is None or process.at in (At.HANDLER, At.REPLY) or process.at_rest

    def apply(self, action: Action) -> Record:
        """Do it. Raises Violation or Divergence when the system is found wrong."""
        if not self.recovering:
            self.actions.append(action)
        meant = self.meant(action)
        self.sometimes[OF_POISON] += meant is not action
        match meant:
            case Tick() as tick:
                self.world.clock.advance(tick.milliseconds)
                return self._keep(tick, Moved(), self._model(tick), self.durable, ())
            case Crash() as crash:
                self._hits(crash.worker)
                self.world.processes[crash.worker].kill()
                return self._watched(crash, Moved(changed=not self.world.unused))
            case PowerLoss() as loss:
                return self._lose_power(loss)
            case _:
                return self._move(action)

    def meant(self, action: Action) -> Action:
        """What the action comes to: the handler of a poison job kills its worker instead of returning."""
        if isinstance(action, Step) and action.worker in self.world.processes:
            process = self.world.processes[action.worker]
            in_hand = process.job_in_hand if process.at is At.HANDLER else None
            if any(job.id == in_hand and is_poison(job.key) for job in self.durable.jobs):
                return Crash(worker=action.worker)
        return action

    def finish(self, order: tuple[str, ...] = ()) -> None:
        """The liveness run, judged at its end; in another order of workers, if one is given.

        Raises Violation or Divergence.
        """
        self.recovering, self._order = True, order
        settled = recover(self)
        if not self.over:
            self.judge_ending(settled=settled)

    def close(self) -> None:
        """Let go of the world."""
        self.world.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # One action.

    def _move(self, action: Action) -> Record:
        name = actor_of(action)
        assert name is not None, "someone moves"
        process = self.world.processes[name]
        asked = action
        if process.at is not At.COMMITTED:  # there nothing begins: the process only learns of its commit
            asked = cast(Action, process.transaction.intend(action))
        job_in_hand = process.job_in_hand
        moved = process.resume(action)
        self.giving.look(process, moved, self.durable, self.now)
        before, events, outcome = self.durable, self._read(moved), None
        if moved.committed:
            self._note(asked, job_in_hand)
            given = self.giving.given(process, before, self.durable, self.now)
            outcome = self._model(asked, at=process.transaction.read_at, given=given)
        if moved.committed or moved.rolled_back:
            process.transaction.settle()
        record = self._keep(action, moved, outcome, before, events)
        if moved.error is not None:
            process.transaction.settle()
            self._part("the operation to be answered", f"{type(moved.error).__name__}: {moved.error}")
        self._compare_hand(name)
        return record

    def _lose_power(self, action: PowerLoss) -> Record:
        self.sometimes[OF_POWER] += 1
        for name in self.world.processes:
            self._hits(name)
        self.told = Told(self.world.lose_power(), in_order=not self.world.overlaps)
        return self._watched(action, Moved(changed=True))

    def _watched(self, action: Action, moved: Moved) -> Record:
        """What the world did is looked at, and told to the model."""
        before, events = self.durable, self._read(moved)
        return self._keep(action, moved, self._model(action), before, events)

    def _hits(self, name: str) -> None:
        """Keep the books of whom a crash hits."""
        faults, met = hit(self.world.processes[name], self.durable)
        self.faults += faults
        self.sometimes.update(met)

    def _note(self, asked: Action, job_in_hand: int | None) -> None:
        """Keep the books of what the world did: jobs accepted, faults injected."""
        if isinstance(asked, Enqueue):
            if asked.key in self.accepted:
                job = next((job.id for job in self.durable.jobs if job.key == asked.key), 0)
                self.faults.append(Fault(kind="duplicate", job=job))
            else:
                self.accepted.append(asked.key)
        if isinstance(asked, Fail) and job_in_hand is not None:
            self.faults.append(Fault(kind="failure", job=job_in_hand))

    def _model(self, action: Action, *, at: int | None = None, given: Given = ALONE) -> Outcome | None:
        if self.state is None:
            return None
        self.state, outcome = step(self.state, action, at=at, given=given)
        if outcome.rejected is not None:
            self._part(f"rejected ({outcome.rejected})", "it happened")
        return outcome

    def _keep(
        self,
        action: Action,
        moved: Moved,
        outcome: Outcome | None,
        before: Durable,
        events: tuple[Event, ...],
    ) -> Record:
        record = Record(
            action=action,
            now=self.now,
            model=outcome,
            events=events,
            ran=told_of(moved),
            committed=moved.committed,
            blocked=moved.blocked,
            passed_over=moved.look is not None and len(moved.look.unheld) < len(before.jobs),
            before=before,
            after=self.durable,
            recovering=self.recovering,
        )
        self.records.append(record)
        self.sometimes.update(reached(record, self.settings))
        self._check(record, outcome)
        return record

    def _read(self, moved: Moved) -> tuple[Event, ...]:
        if not moved.changed:
            return ()
        content = self.world.content() if self.world.restorable else None
        _, known = self._known.get(id(content), (None, None))
        self.durable, events = read(self.world.observer, self.world.gateway, told=self.told, known=known)
        if content is not None and known is None:
            if len(self._known) > KNOWN_MAX:
                self._known.clear()
            self._known[id(content)] = content, self.durable
        self.events.extend(events)
        return events

    # The oracles.

    def _check(self, record: Record, outcome: Outcome | None) -> None:
        name = actor_of(record.action)
        if record.after != record.before or record.events:
            read_at = self.world.processes[name].transaction.read_at if name else None
            change = change_of(record, actor=name, read_at=read_at, load=self.load, settings=self.settings)
            self.load = self.load.after(record.events, record.after, self.settings)
            self._judge({rule.id: rule.on_change(change) for rule in INVARIANTS if rule.on_change}, record)
        if self.state is None or self.over:
            return
        expected = outcome.events if outcome else ()
        if record.events != expected:
            self._part(tell(expected), tell(record.events))
        elif record.after != self.state.durable:
            self._part(*difference(self.state.durable, record.after))

    def _compare_hand(self, name: str) -> None:
        """The worker and the model agree on whether its handler runs."""
        worker = self.state.worker(name) if self.state else None
        if worker is not None and not self.over:
            exact = self.scope.granularity is Granularity.TRANSACTION
            parted = hands_differ(worker, self.world.processes[name].at, exact=exact)
            if parted is not None:
                self._part(*parted)

    def _part(self, expected: str, got: str) -> None:
        finding = Finding(invariant=None, step=self._step, expected=expected, got=got)
        if self.hunted is None:
            raise Divergence(finding, tuple(self.actions))
        self.parted = self.parted or finding
        self.state = None

    def _judge(self, breaches: dict[str, str | None], record: Record | None) -> None:
        broken = {rule: text for rule, text in breaches.items() if text}
        if not broken:
            return
        if self.hunted is not None and self.hunted.invariant not in broken:
            self._go_past(broken)
            return
        invariant = self.hunted.invariant if self.hunted else next(iter(broken))
        expected = tell_outcome(record.model) if record and record.model and not self.parted else ""
        finding = Finding(invariant=invariant, step=self._step, expected=expected, got=broken[invariant])
        raise Violation(finding, tuple(self.actions))

    def _go_past(self, broken: dict[str, str]) -> None:
        """Note what may break on the way; what may not ends the run."""
        for rule, text in broken.items():
            if self.hunted is None or rule not in self.hunted.past:
                self.aside = self.aside or rule
            self.passed.setdefault(rule, Finding(invariant=rule, step=self._step, expected="", got=text))

    def judge_ending(self, *, settled: bool) -> None:
        """Judge what is left at the end. Raises Violation or Divergence."""
        history = tuple(self.events)
        if not self.world.restorable:
            history = Told().new(self.world.observer)
        same = same_history(history, tuple(self.events), in_order=not self.world.overlaps)
        if not same and self.state is not None:
            self._part("an audit that only grows", "earlier rows of it changed or gone")
        ending = Ending(
            final=self.durable,
            events=history,
            accepted=tuple(self.accepted),
            faults=tuple(self.faults),
            settled=settled,
            external=self.scope.settings.external,
        )
        self._judge({rule.id: rule.at_end(ending) for rule in INVARIANTS if rule.at_end}, None)

    @property
    def _step(self) -> int | None:
        return None if self.recovering else len(self.actions)
