"""The examples of a search, one after the other. A driver chooses among the choices; everything else is here.

An example offers what can happen now, as often as the weights of the strategy say. It ends when nothing
can happen any more, or when its draws are used up. An action that changed nothing is drawn, but not taken,
until something has changed: a worker that found no job would find none. Then the liveness run is judged, if
the target needs that. No example ends without being counted, and none begins after a signal or after the time
limit.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.oracle.run import Run, take_all
from failure_modes.checker.search.choices import ActionChoice, weighted_choices
from failure_modes.checker.search.search_spec import SearchSpec
from failure_modes.checker.search.statistics import Progress, SearchStatistics
from failure_modes.checker.support import interrupts, temporary
from model.actions import Action, Crash

Choose = Callable[[tuple[ActionChoice, ...]], ActionChoice]
"""Chooses one of the choices. A choice that should be taken more often is there more often."""


class TimeLimitReached(BaseException):
    """The time limit of a search was reached. Not an Exception: no driver may take it for a failure."""


class Weighted:
    """The choices of a search, each as often as its weight says."""

    def __init__(self, search: SearchSpec) -> None:
        self._choices = weighted_choices(search.strategy, search.scope)
        self._known: dict[tuple[bool, ...], tuple[ActionChoice, ...]] = {}

    def possible(self, run: Run) -> tuple[ActionChoice, ...]:
        """Those that can happen in the run now."""
        possible = tuple([run.possible(choice.actions[0]) for choice, _ in self._choices])
        known = self._known.get(possible)
        if known is None:
            chosen = zip(self._choices, possible, strict=True)
            weighted = [choice for (choice, weight), can in chosen if can for _ in range(weight)]
            known = self._known[possible] = tuple(weighted)
        return known


class Example:
    """One example: what can happen in it, and what does. It is a `MachineRun`. `close` counts it."""

    boundaries = ()

    def __init__(
        self,
        search: SearchSpec,
        run: Run,
        weighted: Weighted,
        statistics: SearchStatistics,
        progress: Progress,
    ) -> None:
        self._search = search
        self._run = run
        self._weighted = weighted
        self._statistics = statistics
        self._progress = progress
        self._found: Found | None = None
        self._idle: set[Action] = set()
        """The actions that changed nothing since something last changed."""

    @property
    def reached(self) -> Counter[str]:
        """The situations that the example has met, and how often."""
        return self._search.counts_of(self._run).sometimes

    @property
    def paused(self) -> tuple[str, ...]:
        """The processes that are stopped inside their work: they can be killed there."""
        names = self._search.scope.process_names
        return tuple([name for name in names if self._run.possible(Crash(worker=name))])

    def choices(self) -> tuple[ActionChoice, ...]:
        """What can happen now, each as often as its weight says; nothing if the run is over."""
        return () if self._run.over else self._weighted.possible(self._run)

    def take(self, moves: tuple[Action, ...]) -> None:
        """Take an action, and the steps that follow it, up to a choice point. Raises Found."""
        if moves[0] in self._idle:
            return
        search, run = self._search, self._run
        for action in moves:
            if run.over or not run.possible(action):
                return
            with self._noting(), temporary.room():
                changed = search.take(run, action)
            if changed:
                self._idle.clear()
            else:
                self._idle.add(action)
            state = search.state_of(run)
            if state is not None:
                self._statistics.see(state)
            if run.is_choice_point(action):
                return

    def play(self, actions: tuple[Action, ...]) -> None:
        """Take all of these actions. Raises Found."""
        with self._noting():
            found = take_all(self._run, actions, ending=False, stops_when_over=True).found
            if found is not None:
                raise found

    def finish(self) -> None:
        """Judge the liveness run, if the target needs that. Raises Found."""
        if self._search.needs_ending and not self._run.over:
            with self._noting(), temporary.room():
                self._run.finish()

    def close(self) -> None:
        """Count the example, and show the progress."""
        self._statistics.add(self._search.counts_of(self._run), self._found)
        self._progress(self._statistics)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Note what is found inside."""
        try:
            yield
        except Found as found:
            self._found = found
            raise


class Examples:
    """Begins the examples of a search, and counts them. A context: leaving it lets go of the world."""

    def __init__(self, search: SearchSpec, statistics: SearchStatistics, progress: Progress) -> None:
        self.statistics = statistics
        self.progress = progress
        self._search = search
        self._runs = search.runs()
        self._weighted = Weighted(search)
        self._steps_max = search.strategy.steps_max(search.scope)

    def begin(self) -> Example:
        """A new example; it ends the one before it. Raises TimeLimitReached and KeyboardInterrupt."""
        self.check()
        with temporary.room():
            run = self._runs.begin()
        return Example(self._search, run, self._weighted, self.statistics, self.progress)

    def run(self, choose: Choose) -> None:
        """Run one example. Raises Found, and what `begin` raises."""
        self._one(lambda example: self._choose_all(example, choose))

    def play(self, actions: tuple[Action, ...]) -> None:
        """Run one example that takes these actions. Raises as `run` does."""
        self._one(lambda example: example.play(actions))

    def check(self) -> None:
        """Raise KeyboardInterrupt after a signal, and TimeLimitReached when the time is over."""
        interrupts.check()
        limit = self._search.seconds_max
        if limit is not None and self.statistics.stopwatch.seconds > limit:
            raise TimeLimitReached

    def check_and_report(self) -> None:
        """Like `check`, and show the progress: for the runs that are no examples."""
        self.progress(self.statistics)
        self.check()

    def shorter(self, found: Found) -> None:
        """Note a shorter trace to what was found: an interrupted search gives the shortest one."""
        self.statistics.shortest = found

    def close(self) -> None:
        """Let go of the world."""
        self._runs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def _one(self, take: Callable[[Example], None]) -> None:
        example = self.begin()
        try:
            take(example)
            example.finish()
        finally:
            example.close()

    def _choose_all(self, example: Example, choose: Choose) -> None:
        for _ in range(self._steps_max):
            choices = example.choices()
            if not choices:
                return
            example.take(choose(choices).actions)
