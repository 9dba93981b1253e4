"""The examples of a search, one after the other. A driver chooses the draws; everything else is here.

An example draws from what can happen now, as often as the weights of the strategy say. It ends when nothing
can happen any more, or when its draws are used up. An action that changed nothing is drawn, but not taken,
until something has changed: a worker that found no job would find none. Then the liveness run is judged, if
the target needs that. No example ends without being counted, and none begins after a signal or after the time
limit.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.oracle.run import Run, take_all
from failure_modes.checker.search.search_spec import SearchSpec
from failure_modes.checker.search.statistics import Progress, SearchStatistics
from failure_modes.checker.support import interrupts, temporary
from model.actions import Action

Draw = tuple[Action, ...]
"""One action, or at granularity `statement` several steps of one process."""

Choose = Callable[[tuple[Draw, ...]], Draw]
"""Chooses one of the draws. A draw that should be chosen more often is there more often."""


class TimeLimitReached(BaseException):
    """The time limit of a search was reached. Not an Exception: no driver may take it for a failure."""


class Examples:
    """Runs the examples of a search, and counts them. A context: leaving it lets go of the world."""

    def __init__(self, search: SearchSpec, statistics: SearchStatistics, progress: Progress) -> None:
        self.statistics = statistics
        self.progress = progress
        self._search = search
        self._runs = search.runs()
        self._steps_max = search.strategy.steps_max(search.scope)
        draws = search.strategy.bursts(search.scope)
        self._weights = {draw: draws.count(draw) for draw in dict.fromkeys(draws)}
        self._idle: set[Action] = set()
        """The actions that changed nothing since something last changed."""
        self._possible: dict[tuple[Draw, ...], tuple[Draw, ...]] = {}

    def run(self, choose: Choose) -> None:
        """Run one example. Raises Found, TimeLimitReached and KeyboardInterrupt."""
        self._one(lambda run: self._draw_all(run, choose))

    def play(self, actions: tuple[Action, ...]) -> None:
        """Run one example that takes these actions. Raises as `run` does."""

        def take(run: Run) -> None:
            found = take_all(run, actions, ending=False, stops_when_over=True).found
            if found is not None:
                raise found

        self._one(take)

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._runs.close()

    def _one(self, take: Callable[[Run], None]) -> None:
        self.check()
        search = self._search
        found: Found | None = None
        with temporary.room():
            run = self._runs.begin()
        try:
            take(run)
            if search.needs_ending and not run.over:
                with temporary.room():
                    run.finish()
        except Found as error:
            found = error
            raise
        finally:
            self.statistics.add(search.counts_of(run), found)
            self.progress(self.statistics)

    def _draw_all(self, run: Run, choose: Choose) -> None:
        self._idle.clear()
        for _ in range(self._steps_max):
            draws = self._draws(run)
            if not draws or run.over:
                return
            draw = choose(draws)
            if draw[0] not in self._idle:
                self._take(run, draw)

    def _draws(self, run: Run) -> tuple[Draw, ...]:
        """The draws that can happen now, each as often as its weight says."""
        possible = tuple([draw for draw in self._weights if run.possible(draw[0])])
        known = self._possible.get(possible)
        if known is None:
            weighted = [draw for draw in possible for _ in range(self._weights[draw])]
            known = self._possible[possible] = tuple(weighted)
        return known

    def _take(self, run: Run, draw: Draw) -> None:
        search = self._search
        for action in draw:
            if run.over or not run.possible(action):
                return
            with temporary.room():
                changed = search.take(run, action)
            if changed:
                self._idle.clear()
            else:
                self._idle.add(action)
            state = search.state_of(run)
            if state is not None:
                self.statistics.see(state)
            if run.is_choice_point(action):
                return
