"""Minimise: make the trace of a finding as short as possible.

First, unneeded actions are removed. Then the explorer tries every shorter trace with at most as many
enqueues, ticks, crashes and so on, in every order and by every worker. If that takes too long, local edits
(`edits.py`) shorten the trace; their result may not be the shortest.
"""

from collections import Counter

from attrs import frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.canonical import canonical
from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.lockstep import run_actions
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import Limits, prove
from failure_modes.checker.proof.result import Disagreement
from failure_modes.checker.search.edits import minimise, remove_unneeded
from failure_modes.checker.simulation.content import Unexplorable
from failure_modes.checker.simulation.stepping import NotDeterministic
from failure_modes.checker.support import interrupts
from model.actions import Action, Crash, Enqueue, Fail, Heartbeat, LostReply, PowerLoss, Reconcile, Tick

STATES_MAX = 10_000
"""The number of states in which the explorer looks for a shorter trace: some seconds."""

STATES_MAX_AT_SERVER = 1_000


@frozen(kw_only=True)
class Shortest:
    """The shortest trace that was tried.

    `is_minimal`: true if every shorter trace with at most as many of each event was tried, and none fails.
    """

    actions: tuple[Action, ...]
    is_minimal: bool


def shrink(scope: Scope, fault: Fault, target: Target | None, found: Found) -> Shortest:
    """The shortest trace that breaks the same invariant, with canonical names."""

    def fails_same(actions: tuple[Action, ...]) -> tuple[Action, ...] | None:
        interrupts.check()
        again = run_actions(scope, fault, target, actions)
        same_kind = again is not None and again.finding.invariant == found.finding.invariant
        return again.actions if again is not None and same_kind else None

    at_server = scope.store is not StoreKind.SQLITE
    if (
        at_server and scope.granularity is Granularity.STATEMENT
    ):  # the explorer is too slow there: it restores each state by replaying its actions
        shortest = Shortest(actions=found.actions, is_minimal=False)
    else:
        shortest = _shortest(scope, fault, target, found, remove_unneeded(found.actions, fails_same))
    actions = shortest.actions
    if not shortest.is_minimal:
        actions = minimise(actions, fails_same, at_server=at_server)
    renamed = canonical(actions)
    return Shortest(
        actions=renamed if fails_same(renamed) == renamed else actions, is_minimal=shortest.is_minimal
    )


def _shortest(
    scope: Scope, fault: Fault, target: Target | None, found: Found, actions: tuple[Action, ...]
) -> Shortest:
    """The shortest trace that the explorer finds with at most as many of each event as these actions have."""
    unknown = Shortest(actions=actions, is_minimal=False)
    proof = Proof(
        scope=scope,
        bounds=bounds_of(actions),
        fault=fault,
        target=target,
        reductions=Reductions(symmetry=False),  # the fault may treat workers differently
        depth_max=max(len(actions) - 1, 1),
    )
    few = STATES_MAX if scope.store is StoreKind.SQLITE else STATES_MAX_AT_SERVER
    limits = Limits(states_max=few)
    try:
        answer = prove(proof, limits=limits)
    except (
        Unexplorable,
        NotDeterministic,
        Disagreement,
        ValueError,
    ):  # it cannot be explored
        return unknown
    if answer.bound == "interrupted":
        raise KeyboardInterrupt
    if answer.finding is None:
        return Shortest(actions=actions, is_minimal=answer.complete or answer.bound == "depth")
    if answer.finding.invariant != found.finding.invariant:
        return unknown
    return Shortest(actions=answer.actions, is_minimal=True)


def bounds_of(actions: tuple[Action, ...]) -> Bounds:
    """The bounds that allow exactly the events of these actions, in any order."""
    kinds = Counter([type(action) for action in actions])
    enqueues = [action for action in actions if isinstance(action, Enqueue)]
    first = {enqueue.key: enqueue for enqueue in reversed(enqueues)}
    seconds = tuple(dict.fromkeys([action.seconds for action in actions if isinstance(action, Tick)]))
    poisons = sum(enqueue.poison for enqueue in first.values())
    return Bounds(
        jobs=len(first) - poisons,
        poisons=poisons,
        retries=len(enqueues) - len(first),
        ticks=kinds[Tick],
        tick_seconds=seconds or (30,),
        crashes=kinds[Crash],
        failures=kinds[Fail],
        heartbeats=kinds[Heartbeat],
        reconciles=kinds[Reconcile],
        power_losses=kinds[PowerLoss],
        lost_replies=kinds[LostReply],
    )
