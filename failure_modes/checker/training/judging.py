"""The judgement of a learner's code: broken by a shortest trace, or proved.

The code is never compared with a solution. A proof looks for the invariant of the failure mode, and then for
all others. It asks the invariants only: code that does something else than the model, and breaks no promise,
is right. The proof does not assume that the code treats all workers alike.
"""

from enum import StrEnum
from pathlib import Path

from attrs import evolve, frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Scope, guarded
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.describe import contrast
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import Limits, prove
from failure_modes.checker.proof.result import Disagreement, ProofResult
from failure_modes.checker.simulation.content import Unexplorable
from failure_modes.checker.simulation.stepping import NotDeterministic
from failure_modes.checker.training.found_trace import found_trace
from failure_modes.checker.training.happy_path import NotDone, not_done
from failure_modes.checker.training.kata import ModeKata
from failure_modes.checker.training.learner_code import Demand, LearnerCode, LearnerError, Unusable, load
from failure_modes.checker.training.stand_in import StandIn
from model.actions import Action
from model.invariants import INVARIANTS

_ENDING = "INV_004"
"""An invariant that is judged at the end. A proof for it also meets each other invariant that breaks."""

_DEPTHS = (4, 8, 12, None)
"""How deep the proofs of many invariants go: the shortest traces come first, and cost least."""

_NO_ERRORS = "a policy answers by its return value, and raises nothing"


class Outcome(StrEnum):
    """What came of a judgement."""

    PROVED = "proved"
    BROKEN = "broken"
    UNUSABLE = "unusable"
    """The code cannot be judged: it does not run, or it does not end."""
    UNDECIDED = "undecided"
    """The time was over before the judgement was complete."""


@frozen(kw_only=True)
class Judgement:
    """A judgement, and the text for the learner. `states` is the number of states of all proofs."""

    outcome: Outcome
    text: str
    page: str | None = None
    """The trace as a page, in HTML; None if there is none, or the machine lacks what makes pages."""
    failure_mode: str | None = None
    breaks: str | None = None
    actions: tuple[Action, ...] = ()
    states: int = 0

    @property
    def length(self) -> int | None:
        """The number of actions of the shortest trace; None if nothing broke."""
        return len(self.actions) if self.actions else None


@frozen(kw_only=True)
class _Stage:
    """One proof to make: in a scope, within bounds, for a target; None stands for every invariant."""

    one: ModeKata
    base: Fault
    scope: Scope
    bounds: Bounds
    target: Target | None


def judge(
    path: Path, demand: Demand, katas: tuple[ModeKata, ...], seconds_max: float | None = None
) -> Judgement:
    """Judge the class of a file in the scopes of these katas. Each proof may take `seconds_max`."""
    try:
        code = load(path, demand)
        fault = StandIn(slot=katas[0].slot, policy=code.policy, queue=code.queue, base=guarded)
        found = _judged(fault, katas, Limits(seconds_max=seconds_max), code)
        if (name := code.changed_global()) is not None:
            raise Unusable(
                f"{path.name}: the code changes the value {name} in memory; the processes of a queue share "
                "the store and nothing else, so keep it in the store"
            )
    except Unusable as error:
        return Judgement(outcome=Outcome.UNUSABLE, text=str(error))
    except LearnerError as error:
        return Judgement(outcome=Outcome.UNUSABLE, text=f"{error}; {_NO_ERRORS}")
    except (Disagreement, NotDeterministic, Unexplorable):
        text = "the same actions led to two results; the code may use the store and its arguments only"
        return Judgement(outcome=Outcome.UNUSABLE, text=f"{path.name}: {text}")
    return found


def _judged(fault: StandIn, katas: tuple[ModeKata, ...], limits: Limits, code: LearnerCode) -> Judgement:
    states, stages, notes = 0, _stages(katas), dict[str, None]()
    for stage in stages:
        put_in = evolve(fault, base=stage.base)
        results = _results(stage, put_in, limits)
        _check_errors(code)
        states += sum(result.counts.states for result in results)
        broken = [result for result in results if result.finding and result.finding.invariant]
        if broken:
            shortest = min(broken, key=lambda result: len(result.actions))
            return _broken(stage, put_in, shortest, states)
        if any(result.bound == "seconds" for result in results):
            text = f"not decided: the time was over after {states:,} states, and nothing broke until then"
            return Judgement(outcome=Outcome.UNDECIDED, text=text, states=states)
        notes |= dict.fromkeys([_note(result.finding) for result in results if result.finding])
    for one in katas:
        undone = not_done(one.mode.scope, evolve(fault, base=one.mode.control))
        _check_errors(code)
        if undone is not None:
            return _idle(one, undone, states)
    bounds = dict.fromkeys([f"  {stage.bounds.described(stage.scope)}" for stage in stages])
    lines = [
        f"proved: nothing breaks in any reachable state ({states:,} states). The bounds:",
        *bounds,
        *notes,
    ]
    return Judgement(outcome=Outcome.PROVED, text="\n".join(lines), states=states)


def _note(divergence: Finding) -> str:
    """What the code does that the model does not."""
    where = f"step {divergence.step}" if divergence.step else "the end"
    what = contrast(divergence.expected, divergence.got)
    return f"note: at {where} it does something else than the model: {what}. No invariant forbids that."


def _check_errors(code: LearnerCode) -> None:
    """Raise Unusable if the code raised an error, and a worker went on after it."""
    if code.errors:
        raise Unusable(f"{code.errors[0]}; {_NO_ERRORS}")


def _idle(one: ModeKata, undone: NotDone, states: int) -> Judgement:
    text = (
        f"your version ({one.id} {one.mode.title}) breaks no invariant, and does no work: one job, one "
        f"worker, nothing goes wrong, and the job is not done\n{undone.text}"
    )
    return Judgement(
        outcome=Outcome.BROKEN, text=text, failure_mode=one.id, actions=undone.actions, states=states
    )


def _stages(katas: tuple[ModeKata, ...]) -> tuple[_Stage, ...]:
    """The scopes to prove: one for each invariant that a failure mode breaks, and those of its kata."""
    aimed = [
        _Stage(one=one, base=mode.control, scope=mode.scope, bounds=mode.bounds, target=mode.target)
        for one in katas
        for mode in one.mode.each
    ]
    further = [
        _Stage(one=one, base=guarded, scope=scope, bounds=bounds, target=None)
        for one in katas
        for scope, bounds in one.kata.also
    ]
    return (*aimed, *further)


def _results(stage: _Stage, fault: Fault, limits: Limits) -> list[ProofResult]:
    """The results of the proofs that a stage needs.

    If the code does what the model does, one proof is enough. Else a proof of one invariant notes if another
    one broke before it; if none did, it is the last. The invariant of the failure mode is shown first.
    """
    results = [_proved(stage, fault, None, limits)]
    found = results[0].finding
    if found is None:
        return results
    if stage.target is not None:
        early = _proved(stage, fault, stage.target, limits, _DEPTHS[1])
        if early.finding is not None:
            return [early]
    if found.invariant is None:
        results.append(_proved(stage, fault, Target(_ENDING), limits))
        if results[-1].finding is None and not results[-1].counts.off_target:
            return results
    if stage.target is not None:
        aimed = _proved(stage, fault, stage.target, limits)
        if aimed.finding is not None:
            return [aimed]
        results.append(aimed)
    return results if found.invariant else results + _others(stage, fault, limits, results[1:])


def _others(stage: _Stage, fault: Fault, limits: Limits, before: list[ProofResult]) -> list[ProofResult]:
    """The proofs of the other invariants, one of which breaks. No trace longer than a known one is shown."""
    lengths = [len(result.actions) for result in before if result.finding]
    others = [Target(rule.id) for rule in INVARIANTS if rule.id != _ENDING]
    results: list[ProofResult] = []
    for depth_max in _DEPTHS:
        deepest = min([depth for depth in (depth_max, *lengths) if depth is not None], default=None)
        results = [_proved(stage, fault, other, limits, deepest) for other in others]
        if deepest in lengths or any(result.finding or result.bound == "seconds" for result in results):
            break
    return results


def _proved(
    stage: _Stage, fault: Fault, target: Target | None, limits: Limits, depth_max: int | None = None
) -> ProofResult:
    proof = Proof(
        scope=stage.scope,
        bounds=stage.bounds,
        fault=fault,
        target=target,
        reductions=Reductions(symmetry=False),
        depth_max=depth_max,
    )
    return prove(proof, limits=limits)


def _broken(stage: _Stage, fault: Fault, result: ProofResult, states: int) -> Judgement:
    assert result.finding is not None, "this result has a finding"
    name = f"{stage.one.id} {stage.one.mode.title}"
    found = found_trace(name, stage.scope, fault, result.finding, result.actions)
    return Judgement(
        outcome=Outcome.BROKEN,
        text=found.text,
        page=found.page,
        failure_mode=stage.one.id,
        breaks=result.finding.invariant,
        actions=result.actions,
        states=states,
    )
