"""A run of the tiny queue, judged by two invariants and by no model; and a search with such runs."""

from collections import Counter
from typing import Any

from attrs import frozen

from failure_modes.checker.experiment.findings import Finding, Found, Violation
from failure_modes.checker.experiment.granularity import Granularity
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.oracle.run import play
from failure_modes.checker.search.edits import minimise
from failure_modes.checker.search.search_spec import RunCounts
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.process_snapshot import ProcessSnapshot
from failure_modes.checker.simulation.subject import Subject
from failure_modes.checker.simulation.world import World
from model.actions import Action, Crash, Step, actor_of
from tests.subjects.one_table import TASKS, WORKERS

ONE_OWNER = "no task is taken by two workers at once"
NONE_LOST = "no task is lost"
ROUNDS = 2 * TASKS + 2
STEPS_MAX = 50
IN_VAIN, WAITED = "a worker found every task taken", "a worker waited for another's take"


@frozen
class Reached:
    """Where a run stands: all that its future depends on."""

    content: Content
    now: int
    processes: tuple[ProcessSnapshot, ...]


class TasksRun:
    """One run of the tiny queue. `close` it."""

    over = False

    def __init__(self, subject: Subject, granularity: Granularity, *, restorable: bool = False) -> None:
        self.world = World(subject, granularity=granularity, restorable=restorable)
        self.actions: list[Action] = []
        self.sometimes: Counter[str] = Counter()
        self._finishing = False

    def possible(self, action: Action) -> bool:
        """A worker that is paused may move, unless it waits; one that is not at rest may die."""
        process = self.world.processes.get(actor_of(action) or "")
        if process is None or not isinstance(action, Step | Crash):
            return False
        return not process.at_rest if isinstance(action, Crash) else not process.waits

    def apply(self, action: Action) -> object:
        """Do it. Raises Violation if two workers have one task then."""
        assert isinstance(action, Step | Crash), "nothing else is possible"
        if not self._finishing:
            self.actions.append(action)
        process = self.world.processes[action.worker]
        if isinstance(action, Crash):
            process.kill()
            return None
        moved = process.resume(action)
        if moved.error is not None:
            raise moved.error
        self.sometimes[WAITED] += moved.blocked
        held = [one.current_job for one in self.world.processes.values() if one.current_job is not None]
        self.sometimes[IN_VAIN] += process.at_rest and bool(held)
        for task in held:
            if held.count(task) > 1:
                self._break(ONE_OWNER, f"task {task} is taken by {held.count(task)} workers")
        return moved

    def is_choice_point(self, action: Action) -> bool:
        """A schedule chooses after each step."""
        del action
        return True

    def finish(self) -> None:
        """Let the workers go on in turn, again and again. Raises Violation if a task is left even so."""
        self._finishing = True
        for _ in range(ROUNDS):
            for name in WORKERS:
                self._run_to_rest(Step(worker=name))
            left = self.world.observer.execute("SELECT id FROM tasks WHERE NOT finished").fetchall()
            if not left:
                return
        self._break(NONE_LOST, f"task {left[0][0]} is never done")

    def snapshot(self) -> Reached:
        """Where the run stands."""
        processes = tuple([process.snapshot() for process in self.world.processes.values()])
        return Reached(self.world.content(), self.world.clock.now(), processes)

    def restore(self, reached: Reached, actions: tuple[Action, ...]) -> None:
        """Go on from there, where these actions led."""
        self.world.restore(reached.content, reached.now, reached.processes)
        self.actions, self._finishing = list(actions), False

    def close(self) -> None:
        """Let go of the world."""
        self.world.close()

    def _run_to_rest(self, step: Step) -> None:
        process = self.world.processes[step.worker]
        for _ in range(STEPS_MAX):
            if not self.possible(step):
                return
            self.apply(step)
            if process.at_rest:
                return

    def _break(self, invariant: str, got: str) -> None:
        step = None if self._finishing else len(self.actions)
        raise Violation(Finding(invariant=invariant, step=step, expected="", got=got), tuple(self.actions))


@frozen(kw_only=True)
class TasksSearch:
    """A search with such runs, of whatever breaks first."""

    subject: Subject
    granularity: Granularity
    seed: int
    examples: int
    seconds_max: float | None = None
    needs_ending: bool = True
    """Whether each run goes on to its end: only there can a task turn out to be lost."""

    @property
    def scope(self) -> Scope:
        """The workers, and where they pause."""
        return Scope(workers=len(WORKERS), granularity=self.granularity)

    @property
    def strategy(self) -> Strategy:
        """Steps, and a crash now and then."""
        return Strategy(weights=(("Step", 5), ("Crash", 1)), steps=16)

    def begin(self) -> TasksRun:
        """A fresh run."""
        return TasksRun(self.subject, self.granularity)

    def state_of(self, run: Any) -> object | None:
        """No state is counted."""
        del run
        return None

    def counts_of(self, run: Any) -> RunCounts:
        """What the run met."""
        return RunCounts(steps=len(run.actions), sometimes=run.sometimes)

    def minimise(self, found: Found) -> tuple[Found, bool]:
        """The trace without what is not needed; nobody asks whether a shorter one exists."""

        def same(actions: tuple[Action, ...]) -> tuple[Action, ...] | None:
            again = self.played(actions)
            same_invariant = again is not None and again.finding.invariant == found.finding.invariant
            return again.actions if again is not None and same_invariant else None

        return self.played(minimise(found.actions, same)) or found, False

    def played(self, actions: tuple[Action, ...]) -> Found | None:
        """What breaks when these actions are taken again."""
        return play(self.begin(), actions, ending=self.needs_ending).found
