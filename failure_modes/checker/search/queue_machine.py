"""One Hypothesis state machine for every queue, with named rules: its printed program reads as a story.

A rule says what happens (`queue_rules.py`); the run behind the machine (`machine_run.py`) does it. A machine
with an `adapter` judges any queue by the weak model; a machine with a `mode` runs our queue in lock-step with
its full model:

class JobsMachine(QueueMachine): adapter = Jobs()

class TornRecovery(QueueMachine): mode = failure_mode("FM_002")

TestJobs = JobsMachine.TestCase

Hypothesis would choose each rule as often as every other, and would switch some off for an example. A race
is then hardly ever met. So the machine draws once from what can happen, as often as the weights say, and
that draw names the rule. Settings, profiles, `--hypothesis-seed`, statistics and the example database are
those of Hypothesis. Further rules and invariants come by subclassing.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from hypothesis import Phase, currently_in_test_context, event, settings
from hypothesis.stateful import invariant, precondition

from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.oracle.deliveries import Hunt
from failure_modes.checker.search.choices import Choice
from failure_modes.checker.search.machine_run import MachineRun, QueueBroke
from failure_modes.checker.search.queue_rules import QueueRules
from failure_modes.checker.search.shared_runs import SharedRuns, runs_of_adapter, runs_of_mode
from failure_modes.checker.search.weighted_rules import allowed, weighted_rules
from failure_modes.checker.support.errors import CallerError

REST = Choice(rule="rest", arguments={})

STEPS_MAX = 12
"""The rules in one program of any queue, at most. The trouble of a queue needs few moves."""


class QueueMachine(QueueRules):
    """The machine of one queue. A subclass sets `adapter` or `mode`."""

    hunt: ClassVar[Hunt | None] = None
    """The one kind of trouble to look for in it."""
    mode: ClassVar[FailureMode | None] = None
    """A failure mode of our queue; its strategy says what happens, and how often."""
    guarded: ClassVar[bool] = False
    """True for the control of the failure mode, which should hold."""
    weights: ClassVar[Mapping[str, int]] = {}
    """How often rules are drawn, where it is not as usual. A rule of a subclass has the weight 1."""
    must_reach: ClassVar[tuple[str, ...] | None] = None
    """The situations of which at least one example must meet each; None for the usual ones."""
    _shared: ClassVar[SharedRuns | None] = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Begin with settings for such programs. A test may set `TestCase.settings` anew."""
        super().__init_subclass__(**options)
        rules = {rule.function.__name__ for rule in cls.setup_state().rules}
        if unknown := sorted(set(cls.weights) - rules):
            raise CallerError(f"{cls.__name__}.weights: no rule is called {', '.join(unknown)}")
        cls._shared = None
        steps = STEPS_MAX if cls.mode is None else cls.mode.strategy.steps_max(cls.mode.scope)
        test_case: Any = cls.TestCase
        test_case.settings = settings(
            test_case.settings, stateful_step_count=steps, phases=set(Phase) - {Phase.explain}
        )
        test_case.tearDown = lambda _: cls.end()

    def __init__(self, run: MachineRun | None = None) -> None:
        super().__init__()
        self.run = self._runs().begin() if run is None else run
        self._rules_strategy: Any = weighted_rules(self)  # instead of the one of Hypothesis
        self.broken: Exception | None = None
        self._ended = False

    @precondition(lambda machine: machine.broken is not None)
    @invariant()
    def every_claim_holds(self) -> None:
        """The queue keeps what it promises, and does not do what no queue should."""
        self._complain()

    def teardown(self) -> None:
        """Recover, schedule fairly, and judge what is left."""
        try:
            if not self._ended:
                self._judged(self.run.finish)
                self._complain()
        finally:
            self._note_reached()
            self._judged(self.run.close)

    def _judged(self, ask: Callable[[], None]) -> None:
        """Let the run do something. What breaks is kept for the invariant."""
        self._ended = True  # also if an error of another kind leaves this method
        try:
            ask()
            self._ended = False
        except (Found, QueueBroke) as broken:
            self.broken = broken

    def choices(self) -> tuple[Choice, ...]:
        """What can happen now, each as often as its weight says; the rules of a subclass, too."""
        if self._ended:
            return (REST,)
        return allowed(self, (*self.run.choices(), *self._own_choices())) or (REST,)

    @classmethod
    def end(cls) -> None:
        """Let go of what the examples share, and warn if they found nothing and never met the danger."""
        shared, cls._shared = cls._shared, None
        if shared is not None:
            shared.end(cls.__name__)

    @classmethod
    def _runs(cls) -> SharedRuns:
        """What the examples share."""
        if cls._shared is not None:
            return cls._shared
        if cls.mode is None:
            cls._shared = runs_of_adapter(cls.adapter, cls.hunt, cls.weights, cls.must_reach)
        else:
            cls._shared = runs_of_mode(
                cls.mode, guarded=cls.guarded, weights=cls.weights, must_reach=cls.must_reach
            )
        return cls._shared

    def _own_choices(self) -> list[Choice]:
        """The rules of a subclass."""
        names = [rule.function.__name__ for rule in self.rules]
        own = [name for name in names if not hasattr(QueueMachine, name)]
        return [choice for name in own for choice in [Choice(rule=name)] * self.weights.get(name, 1)]

    def _take(self, *moves: Any) -> None:
        if not self._ended:
            self._judged(lambda: self.run.take(moves))

    def _complain(self) -> None:
        if self.broken is not None:
            raise self.broken

    def _note_reached(self) -> None:
        """Count what was reached: for the statistics of Hypothesis, and for the end."""
        reached = +self.run.reached  # without what was met 0 times
        if self._shared is not None:
            self._shared.note(reached, broken=self.broken is not None)
        for name in reached if currently_in_test_context() else ():
            event(name)
