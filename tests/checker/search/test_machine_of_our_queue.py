"""The machine of our queue: the same class as for any queue, with the full model behind it."""

import random
import re
from collections import Counter
from typing import Any, ClassVar

import pytest
from attrs import evolve
from hypothesis import Phase, settings
from hypothesis.stateful import Bundle, precondition, rule
from hypothesis.strategies import just

from failure_modes.checker.experiment.findings import Violation
from failure_modes.checker.experiment.granularity import Granularity
from failure_modes.checker.experiment.scope import Scope, StoreKind
from failure_modes.checker.experiment.strategy import FAULTS, UNRESTRICTED, Strategy
from failure_modes.checker.oracle.lockstep import run_actions
from failure_modes.checker.search.choices import Choice, reweighted, weighted_choices
from failure_modes.checker.search.examples import Examples
from failure_modes.checker.search.plans import search_of
from failure_modes.checker.search.queue_machine import QueueMachine
from failure_modes.checker.search.shared_runs import NeverReached
from failure_modes.checker.search.statistics import SearchStatistics, no_progress
from failure_modes.checker.support.errors import CallerError
from model.actions import Crash
from tests.checker.torn_recovery import TORN_RECOVERY

QUICK: dict[str, Any] = {"database": None, "derandomize": True, "phases": (Phase.generate,)}


def _with_faults(store: StoreKind) -> Strategy:
    """Every action that can happen on that store."""
    strategy = evolve(UNRESTRICTED, jobs=1, poisons=1, helpers_pause=True).weighted("PowerLoss", 2)
    for name in FAULTS[store]:
        strategy = strategy.weighted(name, 2)
    return strategy


class Recorded:
    """A run that notes what it is asked to do, and in which nothing happens."""

    paused = boundaries = ("A",)
    reached: ClassVar[Counter[str]] = Counter()

    def __init__(self, *choices: Choice) -> None:
        self.moves: list[tuple[Any, ...]] = []
        self._choices = choices

    def choices(self) -> tuple[Choice, ...]:
        """The same each time."""
        return self._choices

    def take(self, moves: tuple[Any, ...]) -> None:
        """Note it."""
        self.moves.append(moves)

    def finish(self) -> None:
        """Nothing is judged."""

    def close(self) -> None:
        """Nothing is open."""


class Torn(QueueMachine):
    """The queue whose recovery is torn in two."""

    mode = TORN_RECOVERY


Torn.TestCase.settings = settings(Torn.TestCase.settings, **QUICK, max_examples=150)


class Held(Torn):
    """Its control."""

    guarded = True


Held.TestCase.settings = settings(Torn.TestCase.settings, max_examples=60)


@pytest.mark.parametrize("granularity", list(Granularity))
@pytest.mark.parametrize("store", list(StoreKind))
def test_a_rule_takes_the_actions_of_its_choice(store: StoreKind, granularity: Granularity) -> None:
    """The name and the arguments of a choice say all of it: the rule takes the same actions."""
    scope = Scope(store=store, granularity=granularity, threads=store is StoreKind.SQLITE).with_each_tick()
    choices = weighted_choices(_with_faults(store), scope)
    assert len({type(choice.actions[0]) for choice, _ in choices}) > len(UNRESTRICTED.weights)
    for choice, _ in choices:
        run = Recorded()
        getattr(Torn(run), choice.rule)(**choice.arguments or {})
        assert run.moves == [choice.actions]


@pytest.mark.parametrize("granularity", list(Granularity))
def test_the_machine_offers_what_the_walk_offers(granularity: Granularity) -> None:
    """In each state both drivers choose from the same: a precondition takes nothing away that can happen."""
    scope = Scope(granularity=granularity).with_each_tick()
    strategy = _with_faults(StoreKind.SQLITE).weighted("ThreadHeartbeat", 0)
    search = evolve(search_of(TORN_RECOVERY, 0, broken=False), scope=scope, strategy=strategy)
    chance, crashes = random.Random(1), set()
    with Examples(search, SearchStatistics(), no_progress) as examples:
        for _ in range(6):
            example = examples.begin()
            machine = Torn(example)
            for _ in range(20):
                assert machine.choices() == example.choices()
                choice = chance.choice(example.choices())
                crashes |= {one.actions[0] for one in example.choices() if one.rule == "crash_worker"}
                getattr(machine, choice.rule)(**choice.arguments or {})
            example.close()
    if granularity is Granularity.STATEMENT:  # else only workers stop inside their work
        assert Crash(worker="reconciler") in crashes


def test_its_program_is_a_story_that_runs() -> None:
    """The printed program names its rules; as Python it breaks the same, and so do its actions."""
    with pytest.raises(Violation, match="INV_003") as raised:
        Torn.TestCase().debug()
    notes = "\n".join(raised.value.__notes__)
    program = re.findall(r"^state.*$", notes, re.MULTILINE)
    assert program[0] == "state = Torn()"
    assert "state.enqueue(key='k1')" in program
    assert program[-2:] == ["state.every_claim_holds()", "state.teardown()"]
    with pytest.raises(Violation, match="INV_003") as again:
        exec("\n".join(program), {"Torn": Torn})
    Torn.end()
    assert again.value.finding == raised.value.finding
    found = run_actions(TORN_RECOVERY.scope, TORN_RECOVERY.fault, TORN_RECOVERY.target, again.value.actions)
    assert found is not None


def test_its_control_holds() -> None:
    """Without the fault nothing breaks, and the danger of the failure mode was reached."""
    Held.TestCase().debug()


def test_a_mix_that_never_meets_the_danger_is_seen() -> None:
    """Where time never passes no lease runs out: a warning says so, which pytest can make an error."""

    class Timeless(Held):
        weights: ClassVar = {"tick": 0}

    Timeless.TestCase.settings = settings(Held.TestCase.settings, max_examples=20)
    with pytest.warns(NeverReached, match="Timeless never reached: a lease expired"):
        Timeless.TestCase().debug()


def test_weights_of_rules_are_weights_of_actions() -> None:
    """A machine gives a rule another weight, and the strategy has it for the action."""
    strategy = reweighted(TORN_RECOVERY.strategy, {"tick": 7, "my_rule": 3})
    assert dict(strategy.weights)["Tick"] == 7
    assert len(strategy.weights) == len(TORN_RECOVERY.strategy.weights)


def test_a_weight_of_no_rule_is_refused() -> None:
    """A misspelt name would leave the mix as it was."""
    with pytest.raises(CallerError, match=r"Misspelt\.weights: no rule is called tik$"):
        type("Misspelt", (Torn,), {"weights": {"tik": 2, "tick": 2}})


def test_a_subclass_adds_rules() -> None:
    """Its rules are drawn as often as their weights say; preconditions hold, and bundles are not empty."""

    class Own(Held):
        weights: ClassVar = {"remember": 3}
        names = Bundle("names")

        @rule(target=names, name=just("k1"))
        def remember(self, name: str) -> str:
            return name

        @rule(name=names)
        def repeat(self, name: str) -> None:
            assert name == "k1"
            met["repeat"] += 1

        @precondition(lambda _: False)
        @rule()
        def never(self) -> None:
            met["never"] += 1

    met: Counter[str] = Counter()
    own = Own(Recorded(Choice(rule="lose_power", arguments={})))
    assert [choice.rule for choice in own.choices()] == ["lose_power", *["remember"] * 3]
    Own.TestCase.settings = settings(Torn.TestCase.settings, max_examples=10)
    Own.TestCase().debug()
    assert met["repeat"] > 0
    assert not met["never"]


def test_nothing_is_drawn_after_the_end() -> None:
    """Where nothing can happen any more, the machine rests."""
    assert [choice.rule for choice in Torn(Recorded()).choices()] == ["rest"]
