"""One action, on the real system and on the model; then compare, then check the invariants.

Two oracles, reported apart. `Divergence`: the store's rows, the audit, or what a worker has in hand are not
what the model says after exactly one action. `Violation`: an invariant does not hold on what the system
did, whatever the model says. A run that hunts one invariant notes a divergence and goes on without the
model; a run that breaks another invariant first is not what was hunted, and is over.
"""

from collections import Counter

from attrs import frozen

from failure_modes.checker.findings import Divergence, Finding, Violation
from failure_modes.checker.reading import read
from failure_modes.checker.scope import Granularity, Scope, Swap, guarded
from failure_modes.checker.sometimes import reached
from failure_modes.checker.stepping import At, label
from failure_modes.checker.telling import difference, tell
from failure_modes.checker.world import Moved, World
from model.actions import (
    PRODUCER,
    RECONCILER,
    Action,
    Crash,
    Enqueue,
    Fail,
    Heartbeat,
    Reconcile,
    Step,
    Tick,
    actor_of,
)
from model.invariants import INVARIANTS, Change, Ending, Fault
from model.state import TERMINAL, Durable, Phase, State, Status, initial
from model.step import Event, Outcome, step

ROUNDS_MAX = 200
"""Rounds of the liveness run; a round ends when time must pass for anything to change."""

PASSES_MAX = 5_000
"""Passes over the processes within a round."""


@frozen(kw_only=True)
class Record:
    """What one action did. `model` is None where the model took no step (or was left behind)."""

    action: Action
    now: int
    model: Outcome | None
    events: tuple[Event, ...]
    ran: str | None
    committed: bool
    blocked: bool
    before: Durable
    after: Durable
    recovering: bool


class Lockstep:
    """A run. Made anew for each example; `close` it."""

    def __init__(self, scope: Scope, swap: Swap = guarded, *, hunted: str | None = None) -> None:
        self.scope = scope
        self.hunted = hunted
        self.world = World(scope, swap)
        self.state: State | None = initial(settings=scope.settings, workers=scope.names)
        self.durable = Durable()
        self.events: list[Event] = []
        self.records: list[Record] = []
        self.actions: list[Action] = []
        self.accepted: list[str] = []
        self.faults: list[Fault] = []
        self.sometimes: Counter[str] = Counter()
        self.parted: Finding | None = None
        self.aside: str | None = None
        self._pending: dict[str, Action] = {}
        self._audit_read = 0
        self._recovering = False

    @property
    def over(self) -> bool:
        """Whether the run broke something else than it hunts, and is no use any more."""
        return self.aside is not None

    def possible(self, action: Action) -> bool:
        """Whether the action can happen now."""
        name = actor_of(action)
        if name is None:
            return True
        process = self.world.processes.get(name)
        if process is None:
            return False
        match action:
            case Enqueue() | Reconcile():
                return process.at is At.IDLE
            case Crash():
                return not process.at_rest
            case Fail() | Heartbeat():
                return process.at is At.HANDLER
            case _:
                idle = process.at is At.IDLE and name in (PRODUCER, RECONCILER)
                return not idle and not process.waits

    def may_be_asked(self, action: Action) -> bool:
        """Whether who moved last now rests, or is in its handler: where a schedule has a choice to make."""
        name = actor_of(action)
        process = self.world.processes[name] if name else None
        return process is None or process.at is At.HANDLER or process.at_rest

    def apply(self, action: Action) -> Record:
        """Do it. Raises Violation or Divergence when the system is found wrong."""
        if not self._recovering:
            self.actions.append(action)
        match action:
            case Tick():
                self.world.clock.advance(action.milliseconds)
                return self._keep(action, Moved(), self._model(action))
            case Crash():
                return self._crash(action)
            case _:
                return self._move(action)

    def finish(self) -> None:
        """The liveness run: recover, schedule fairly, let time pass, until nothing changes."""
        self._recovering = True
        for _ in range(ROUNDS_MAX):
            settled = self._settle()
            later = self._next_time()
            if self.over or not settled or later is None:
                break
            self.apply(Tick(seconds=(later - self.world.clock.now()) / 1000))
        else:
            settled = False
        if not self.over:
            self._judge_ending(settled=settled)

    def close(self) -> None:
        """Let go of the world."""
        self.world.close()

    def __enter__(self) -> "Lockstep":
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
            asked = self._pending.setdefault(name, action)
        job_in_hand = process.job_in_hand if process.at is At.HANDLER else None
        moved = process.resume(action)
        outcome = None
        if moved.committed or moved.rolled_back:
            del self._pending[name]
        if moved.committed:
            self._note(asked, job_in_hand)
            outcome = self._model(asked, at=process.read_at)
        record = self._keep(action, moved, outcome)
        if moved.error is not None:
            self._pending.pop(name, None)
            self._part("the operation to be answered", f"{type(moved.error).__name__}: {moved.error}")
        self._compare_hand(name)
        return record

    def _crash(self, action: Crash) -> Record:
        process = self.world.processes[action.worker]
        in_transaction = action.worker in self._pending and process.at is At.STATEMENT
        unlearnt = process.at is At.COMMITTED
        for execution in self.durable.executions:
            if execution.worker == action.worker and execution.status not in (Status.DONE, Status.ABORTED):
                self.faults.append(Fault(kind="crash", job=execution.job, execution=execution.id))
                if execution.status is Status.COMMITTED:
                    self.sometimes["a crash fell between commit and finish"] += 1
        self.sometimes["a crash fell inside a transaction"] += in_transaction
        self.sometimes["a crash hid a commit from its worker"] += unlearnt
        process.kill()
        self._pending.pop(action.worker, None)
        return self._keep(action, Moved(changed=True), self._model(action))

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

    def _model(self, action: Action, *, at: int | None = None) -> Outcome | None:
        if self.state is None:
            return None
        self.state, outcome = step(self.state, action, at=at)
        if outcome.rejected is not None:
            self._part(f"rejected ({outcome.rejected})", "it happened")
        return outcome

    def _keep(self, action: Action, moved: Moved, outcome: Outcome | None) -> Record:
        before = self.durable
        events: tuple[Event, ...] = ()
        if moved.changed:
            self.durable, events, self._audit_read = read(self.world.observer, after=self._audit_read)
            self.events.extend(events)
        record = Record(
            action=action,
            now=self.world.clock.now(),
            model=outcome,
            events=events,
            ran=label(moved.ran) if moved.ran else None,
            committed=moved.committed,
            blocked=moved.blocked,
            before=before,
            after=self.durable,
            recovering=self._recovering,
        )
        self.records.append(record)
        for name in reached(record):
            self.sometimes[name] += 1
        self._check(record, outcome)
        return record

    # The oracles.

    def _check(self, record: Record, outcome: Outcome | None) -> None:
        name = actor_of(record.action)
        if record.after != record.before or record.events:
            read_at = self.world.processes[name].read_at if name else None
            change = Change(
                before=record.before,
                after=record.after,
                events=record.events,
                actor=name or "time",
                at=record.now if read_at is None else read_at,
            )
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
        if worker is None or self.over:
            return
        running = self.world.processes[name].at is At.HANDLER
        exact = self.scope.granularity is Granularity.TRANSACTION
        if running and worker.phase is not Phase.RUNNING:
            self._part(f"worker {name} is {worker.phase}", "its handler runs")
        elif exact and worker.phase is Phase.RUNNING and not running:
            self._part(f"worker {name} runs its handler", "it does not")

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
        if self.hunted is not None and self.hunted not in broken:
            self.aside = next(iter(broken))
            return
        invariant = self.hunted or next(iter(broken))
        expected = tell(record.model.events) if record and record.model and not self.parted else ""
        finding = Finding(invariant=invariant, step=self._step, expected=expected, got=broken[invariant])
        raise Violation(finding, tuple(self.actions))

    def _judge_ending(self, *, settled: bool) -> None:
        _, history, _ = read(self.world.observer, after=0)
        if history != tuple(self.events) and self.state is not None:
            self._part("an audit that only grows", "earlier rows of it changed or gone")
        ending = Ending(
            final=self.durable,
            events=history,
            accepted=tuple(self.accepted),
            faults=tuple(self.faults),
            settled=settled,
        )
        self._judge({rule.id: rule.at_end(ending) for rule in INVARIANTS if rule.at_end}, None)

    @property
    def _step(self) -> int | None:
        return None if self._recovering else len(self.actions)

    # The liveness run.

    def _settle(self) -> bool:
        """Recover once; schedule everyone in turn until all rest and have seen all. False if never."""
        asked = False
        seen: dict[str, Durable] = {}
        for _ in range(PASSES_MAX):
            if not asked and self.possible(Reconcile()):
                self.apply(Reconcile())
                asked = True
            quiet = asked
            for name, process in self.world.processes.items():
                at_rest = process.at_rest and seen.get(name) is self.durable
                if self.over or at_rest or not self.possible(Step(worker=name)):
                    continue
                quiet = False
                if self.apply(Step(worker=name)).committed:
                    seen[name] = self.durable
            if self.over or quiet:
                return True
        return False

    def _next_time(self) -> int | None:
        """The next time at which something becomes due; None when nothing ever will."""
        now = self.world.clock.now()
        times = [job.available_at for job in self.durable.jobs if job.available_at is not None]
        times += [
            execution.lease_expires_at
            for execution in self.durable.executions
            if execution.status not in (Status.DONE, Status.ABORTED)
        ]
        if all(self.durable.job_state(job.id) in TERMINAL for job in self.durable.jobs):
            return None
        return min((time for time in times if time > now), default=None)
