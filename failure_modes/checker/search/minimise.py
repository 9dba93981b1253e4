"""Minimise: make the trace of a finding as short as possible.

First, unneeded actions are removed. Then the explorer tries every shorter trace with at most as many
enqueues, ticks, crashes and so on, in every order and by every worker. If that takes too long, local edits
(`edits.py`) shorten the trace; their result may not be the shortest. Where the explorer is slow, local edits
come first, since each action less leaves it fewer states.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import closing

from attrs import evolve, frozen

from failure_modes.checker.experiment.bounds import KIND_OF, Bounds
from failure_modes.checker.experiment.canonical import canonical
from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import Limits, prove
from failure_modes.checker.proof.result import Disagreement
from failure_modes.checker.search.edits import minimise, remove_events, remove_unneeded
from failure_modes.checker.search.runs import Runs
from failure_modes.checker.simulation.content import Unexplorable
from failure_modes.checker.simulation.stepping import NotDeterministic
from failure_modes.checker.support import interrupts
from model.actions import Action, ClockBack, Enqueue, LostReply, Tick, without_loss

STATES_MAX = 10_000
"""The number of states in which the explorer looks for a shorter trace: some seconds."""

STATES_MAX_AT_SERVER = 1_000

STATES_MAX_BY_REPLAY = 500
"""Where each state is restored by replaying its actions: half a minute."""


@frozen(kw_only=True)
class Shortest:
    """The shortest trace that was tried.

    `is_minimal`: true if every shorter trace with at most as many of each event was tried, and none fails.
    """

    found: Found
    is_minimal: bool

    @property
    def actions(self) -> tuple[Action, ...]:
        """The actions of the trace."""
        return self.found.actions


NOT_EXPLORABLE = (Unexplorable, NotDeterministic, Disagreement, ValueError)
"""The errors by which the explorer refuses a system. A search needs no explorer."""


def is_explored_by_replay(scope: Scope) -> bool:
    """True where the explorer is slow: it restores each state by replaying its actions."""
    return scope.store is not StoreKind.SQLITE and scope.granularity is Granularity.STATEMENT


def shrink(
    scope: Scope,
    fault: Fault,
    target: Target | None,
    found: Found,
    *,
    symmetric: bool = False,
    check: Callable[[], None] = interrupts.check,
    shorter: Callable[[Found], None] = lambda _: None,
) -> Shortest:
    """The shortest trace that breaks the same invariant, with canonical names.

    `symmetric`: the fault treats all workers alike. `check` is called before each run, and may raise.
    `shorter` is called with each finding whose trace is shorter than all before it.
    """
    at_server = scope.store is not StoreKind.SQLITE
    proof = Proof(
        scope=scope,
        bounds=Bounds(),
        fault=fault,
        target=target,
        reductions=Reductions(symmetry=symmetric),
    )
    length = len(found.actions)
    with closing(Runs(scope, fault, target)) as runs:

        def again(actions: tuple[Action, ...]) -> Found | None:
            nonlocal length
            check()
            one = runs.take(actions)
            if one is None or one.finding.invariant != found.finding.invariant:
                return None
            if len(one.actions) < length:
                length = len(one.actions)
                shorter(one)
            return one

        def fails_same(actions: tuple[Action, ...]) -> tuple[Action, ...] | None:
            one = again(actions)
            return None if one is None else one.actions

        if is_explored_by_replay(scope):
            actions = minimise(found.actions, fails_same, at_server=at_server)
            actions, is_minimal = _shortest(proof, found, actions, check, states_max=STATES_MAX_BY_REPLAY)
        else:
            most = STATES_MAX_AT_SERVER if at_server else STATES_MAX
            actions = remove_events(found.actions, fails_same)
            actions, is_minimal = _shortest(proof, found, actions, check, states_max=most // 5)
            if not is_minimal:
                actions = remove_unneeded(actions, fails_same)
                actions, is_minimal = _shortest(proof, found, actions, check, states_max=most)
            if not is_minimal:
                actions = minimise(actions, fails_same, at_server=at_server)
        renamed = again(canonical(actions))
        if renamed is not None and renamed.actions == canonical(actions):
            return Shortest(found=renamed, is_minimal=is_minimal)
        return Shortest(found=again(actions) or found, is_minimal=is_minimal)


def _shortest(
    proof: Proof, found: Found, actions: tuple[Action, ...], check: Callable[[], None], *, states_max: int
) -> tuple[tuple[Action, ...], bool]:
    """The shortest trace that the explorer finds with at most as many of each event as these actions have.

    Also returns whether it is known that no such trace is shorter.
    """
    scope = evolve(proof.scope, tick_seconds=_ticks_of(actions))
    proof = evolve(proof, scope=scope, bounds=bounds_of(actions), depth_max=max(len(actions) - 1, 1))
    try:
        answer = prove(proof, limits=Limits(states_max=max(states_max, 1)), report=lambda *_: check())
    except NOT_EXPLORABLE:
        return actions, False
    if answer.bound == "interrupted":
        raise KeyboardInterrupt
    if answer.finding is None:
        return actions, answer.complete or answer.bound == "depth"
    if answer.finding.invariant != found.finding.invariant:
        return actions, False
    return answer.actions, True


def _ticks_of(actions: tuple[Action, ...]) -> tuple[float, ...]:
    """The lengths of the ticks of these actions, and of the steps of the clock back, each once."""
    steps = [action for action in actions if isinstance(action, Tick | ClockBack)]
    return tuple(dict.fromkeys([action.seconds for action in steps]))


def bounds_of(actions: tuple[Action, ...]) -> Bounds:
    """The bounds that allow exactly the events of these actions, in any order."""
    lost = sum(isinstance(action, LostReply) for action in actions)
    actions = tuple([without_loss(action) for action in actions])
    kinds = Counter([type(action).__name__ for action in actions])
    counts: dict[str, int] = {kind: kinds[name] for name, kind in KIND_OF.items()}
    enqueues = [action for action in actions if isinstance(action, Enqueue)]
    first = {enqueue.key: enqueue for enqueue in reversed(enqueues)}
    poisons = sum(enqueue.poison for enqueue in first.values())
    return Bounds(
        jobs=len(first) - poisons,
        poisons=poisons,
        retries=len(enqueues) - len(first),
        lost_replies=lost,
        **counts,
    )
