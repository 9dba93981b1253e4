"""A run of the tiny queue, judged by two invariants without a model; and a search with such runs."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from attrs import frozen

from failure_modes.checker.experiment.canonical import canonical
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
    """The state of a run: its whole future depends on it."""

    content: Content
    now: int
    processes: tuple[ProcessSnapshot, ...]


class TasksRun:
    """One run of the tiny queue. `close` must be called."""

    over = False

    def __init__(self, subject: Subject, granularity: Granularity, *, restorable: bool = False) -> None:
        self.world = World(subject, granularity=granularity, restorable=restorable)
        self.actions: list[Action] = []
        self.sometimes: Counter[str] = Counter()
        self._finishing = False

    def possible(self, action: Action) -> bool:
        """True for a step of a worker that does not wait, and for a crash of a worker that is not at rest."""
        process = self.world.processes.get(actor_of(action) or "")
        if process is None or not isinstance(action, Step | Crash):
            return False
        return not process.at_rest if isinstance(action, Crash) else not process.waits

    def apply(self, action: Action) -> object:
        """Take the action. Raises Violation if two workers then have one task."""
        assert isinstance(action, Step | Crash), "only steps and crashes are possible"
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
        """True: a schedule chooses after each step."""
        del action
        return True

    def finish(self) -> None:
        """Let the workers run in turn for some rounds. Raises Violation if a task is not done then."""
        self._finishing = True
        for _ in range(ROUNDS):
            for name in WORKERS:
                self._run_to_rest(Step(worker=name))
            left = self.world.database.observer.execute("SELECT id FROM tasks WHERE NOT finished").fetchall()
            if not left:
                return
        self._break(NONE_LOST, f"task {left[0][0]} is never done")

    def snapshot(self) -> Reached:
        """The state of the run, as a value."""
        processes = tuple([process.snapshot() for process in self.world.processes.values()])
        return Reached(self.world.content.now(), self.world.clock.now(), processes)

    def restore(self, reached: Reached, actions: tuple[Action, ...]) -> None:
        """Restore the state to which these actions led."""
        self.world.restore(reached.content, reached.now, reached.processes)
        self.actions, self._finishing = list(actions), False

    def close(self) -> None:
        """Close the world."""
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
    """A search with such runs. It reports the first violation of any invariant."""

    subject: Subject
    granularity: Granularity
    seed: int
    examples: int
    seconds_max: float | None = None
    needs_ending: bool = True
    """True if each run is finished: only then can a search find a lost task."""

    @property
    def scope(self) -> Scope:
        """The number of workers, and the granularity."""
        return Scope(workers=len(WORKERS), granularity=self.granularity)

    @property
    def strategy(self) -> Strategy:
        """Five steps for each crash."""
        return Strategy(weights=(("Step", 5), ("Crash", 1)), steps=16)

    proof = None

    def runs(self) -> "TasksRuns":
        """Runs in fresh worlds."""
        return TasksRuns(self)

    def begin(self) -> TasksRun:
        """A fresh run."""
        return TasksRun(self.subject, self.granularity)

    def take(self, run: Any, action: Action) -> bool:
        """Take one action, which may have an effect each time."""
        run.apply(action)
        return True

    def state_of(self, run: Any) -> object | None:
        """None: no state is counted."""
        del run
        return None

    def counts_of(self, run: Any) -> RunCounts:
        """The counts of the run."""
        return RunCounts(steps=len(run.actions), sometimes=run.sometimes)

    def minimise(
        self, found: Found, check: Callable[[], None], shorter: Callable[[Found], None]
    ) -> tuple[Found, bool]:
        """The trace without unneeded actions. Nothing proves that it is the shortest."""

        def fails_same(actions: tuple[Action, ...]) -> tuple[Action, ...] | None:
            check()
            again = self.played(actions)
            if again is None or again.finding.invariant != found.finding.invariant:
                return None
            shorter(again)
            return again.actions

        few = minimise(found.actions, fails_same, at_server=False)
        return self.played(canonical(few)) or self.played(few) or found, False

    def played(self, actions: tuple[Action, ...]) -> Found | None:
        """The violation after these actions, in a fresh run; None if there is none."""
        return play(self.begin(), actions, ending=self.needs_ending).found


class TasksRuns:
    """The runs of a search, each in a world of its own."""

    def __init__(self, search: TasksSearch) -> None:
        self._search = search
        self._run: TasksRun | None = None

    def begin(self) -> TasksRun:
        """A fresh run, in a fresh world."""
        self.close()
        self._run = self._search.begin()
        return self._run

    def close(self) -> None:
        """Close the last world."""
        if self._run is not None:
            self._run.close()
            self._run = None
