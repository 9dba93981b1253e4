"""A plain Hypothesis state machine over the queue, as anyone would write it, to compare the searches with.

It has a rule for each kind of action that the strategy of a failure mode has, draws from all of them alike,
makes a new world for each example, and lets Hypothesis shrink what it found. The judge is the same lock-step.
"""

from time import process_time
from typing import Any

from attrs import frozen
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from hypothesis.strategies import sampled_from

from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.search.drivers.hypothesis import without_source_constants
from failure_modes.checker.search.plans import search_of
from failure_modes.checker.search.search import Search
from model.actions import Action

EXAMPLES = 2_000
"""Examples at most. The default of Hypothesis, 100, finds few of the breaks."""


CPU_SECONDS_MAX = 8.0
"""A search is stopped after so long, in the middle of its shrinking if it has found the break."""


class _Stopped(BaseException):
    """The time of a search is over. Not an Exception: Hypothesis must not run the example again."""


@frozen(kw_only=True)
class PlainResult:
    """The cost of one search, and the length of the trace that it gave; None if nothing was found."""

    cpu_seconds: float
    length: int | None


def search_plainly(mode: FailureMode, number: int, *, examples: int = EXAMPLES) -> PlainResult:
    """Search one break of a failure mode with that seed."""
    search = search_of(mode, number, broken=True)
    lengths: list[int] = []
    asked = settings(
        max_examples=examples,
        stateful_step_count=search.strategy.steps_max(search.scope),
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        print_blob=False,
    )
    before = process_time()
    stops_at = before + CPU_SECONDS_MAX
    machine = seed(number)(_machine(search, lengths, stops_at))
    with without_source_constants():
        try:
            run_state_machine_as_test(machine, settings=asked)
        except Found:
            pass
        except BaseException:  # whatever Hypothesis says of an example that was stopped
            if process_time() <= stops_at:
                raise
    return PlainResult(cpu_seconds=process_time() - before, length=min(lengths, default=None))


def _machine(search: Search, lengths: list[int], stops_at: float) -> type[RuleBasedStateMachine]:
    """The machine of a search. `lengths` gets the length of each run that broke the target."""

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            if process_time() > stops_at:
                raise _Stopped
            self.run = Lockstep(search.scope, search.fault, target=search.target)
            self.broke = False

        def take(self, action: Action) -> None:
            if not self.run.over and self.run.possible(action):
                with self.noting():
                    self.run.apply(action)

        def noting(self) -> "_Noting":
            return _Noting(self, lengths)

        def teardown(self) -> None:
            try:
                if search.needs_ending and not self.broke and not self.run.over:
                    with self.noting():
                        self.run.finish()
            finally:
                self.run.close()

    kinds: dict[type[Action], list[Action]] = {}
    for action in dict.fromkeys(search.strategy.alphabet(search.scope)):
        kinds.setdefault(type(action), []).append(action)
    for kind, actions in kinds.items():
        setattr(Machine, kind.__name__.lower(), _rule_of(actions))
    return Machine


class _Noting:
    """Notes the length of a run that breaks the target within the block."""

    def __init__(self, machine: Any, lengths: list[int]) -> None:
        self._machine = machine
        self._lengths = lengths

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Found):
            self._machine.broke = True
            ledger = self._machine.run.ledger
            self._lengths.append(len([record for record in ledger.records if not record.recovering]))


def _rule_of(actions: list[Action]) -> Any:
    def take(machine: Any, action: Action) -> None:
        machine.take(action)

    return rule(action=sampled_from(actions))(take)
