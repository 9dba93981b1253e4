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
from failure_modes.checker.experiment.target import ANY_INVARIANT, Target, needs_ending
from failure_modes.checker.oracle.describe import contrast
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import Limits, prove
from failure_modes.checker.proof.result import Disagreement, ProofResult
from failure_modes.checker.report.table import paragraph
from failure_modes.checker.simulation.content import Unexplorable
from failure_modes.checker.simulation.stepping import NotDeterministic
from failure_modes.checker.training.found_trace import found_trace, terminal_look
from failure_modes.checker.training.happy_path import LEASE_MS, NotDone, not_done, not_in_time
from failure_modes.checker.training.kata import ModeKata
from failure_modes.checker.training.learner_code import Demand, LearnerCode, LearnerError, Unusable, load
from failure_modes.checker.training.stand_in import StandIn
from model.actions import Action

_CHECKED_LATER = 16
"""Of the steps that need not be taken again, so many are checked in each proof after the first one."""

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
    shown: str = ""
    """The text for the terminal, if it has a trace."""
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


class _Proofs:
    """The proofs of a judgement. Two stages that need the same proof share it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._made: dict[Proof, ProofResult] = {}

    @property
    def states(self) -> int:
        """The states of all proofs that were made."""
        return sum([result.counts.states for result in self._made.values()])

    def of(self, stage: _Stage, fault: Fault, target: Target | None) -> ProofResult:
        """The proof for that target. It does not assume that workers are interchangeable."""
        proof = Proof(
            scope=stage.scope,
            bounds=stage.bounds,
            fault=fault,
            target=target,
            reductions=Reductions(symmetry=False),
        )
        if proof not in self._made:
            checked = _CHECKED_LATER if self._made else None
            fewer = evolve(proof, reductions=evolve(proof.reductions, rows_checked=checked))
            self._made[proof] = prove(fewer, limits=self._limits)
        return self._made[proof]


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
    stages, notes, proofs = _stages(katas), dict[str, None](), _Proofs(limits)
    for stage in stages:
        put_in = evolve(fault, base=stage.base)
        results = _results(stage, put_in, proofs)
        _check_errors(code)
        states = proofs.states
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
            return _idle(one, undone, proofs.states)
        if one.slot != "lease":
            continue
        late = not_in_time(one.mode.scope, evolve(fault, base=one.mode.control))
        _check_errors(code)
        if late is not None:
            return _late(one, late, proofs.states)
    bounds = dict.fromkeys([f"  {stage.bounds.described(stage.scope)}" for stage in stages])
    lines = [
        f"proved: nothing breaks in any reachable state ({proofs.states:,} states). The bounds:",
        *bounds,
        *notes,
    ]
    return Judgement(outcome=Outcome.PROVED, text="\n".join(lines), states=proofs.states)


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
    said = (
        f"your version ({one.id} {one.mode.title}) breaks no invariant, and does no work: one job, one "
        "worker, nothing goes wrong, and the job is not done"
    )
    return _without_work(one, undone, states, said)


def _late(one: ModeKata, undone: NotDone, states: int) -> Judgement:
    said = (
        f"your version ({one.id} {one.mode.title}) breaks no invariant, and leases for another time than "
        f"`lease_ms`: it is {LEASE_MS // 1000} s here, the worker that has the job dies, and when they are "
        "over the other worker does not do the job"
    )
    return _without_work(one, undone, states, said)


def _without_work(one: ModeKata, undone: NotDone, states: int, said: str) -> Judgement:
    return Judgement(
        outcome=Outcome.BROKEN,
        text=f"{said}\n{undone.text}",
        shown=f"{paragraph(said, terminal_look(), indent='  ')}\n{undone.shown}",
        failure_mode=one.id,
        actions=undone.actions,
        states=states,
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


def _results(stage: _Stage, fault: Fault, proofs: "_Proofs") -> list[ProofResult]:
    """The results of the proofs that a stage needs: up to three.

    The first proof ends where the code does what the model does not, or where an invariant breaks. The second
    one goes on to the first invariant that breaks. If that is another invariant than the one of the failure
    mode, or breaks only in the recovery, the third proof looks for the one of the failure mode in the steps
    before: it is shown first.
    """
    results = [proofs.of(stage, fault, None)]
    finding = results[0].finding
    if finding is not None and finding.invariant is None:
        results.append(proofs.of(stage, fault, ANY_INVARIANT))
        finding = results[-1].finding
    if finding is not None and stage.target is not None and not _is_aimed(finding, stage.target):
        aimed = proofs.of(stage, fault, stage.target)
        results = [aimed] if aimed.finding is not None else [*results, aimed]
    return results


def _is_aimed(finding: Finding, target: Target) -> bool:
    """True if the finding is a shortest one of the target, too."""
    return finding.invariant == target.invariant and (finding.step is not None or needs_ending(target))


def _broken(stage: _Stage, fault: Fault, result: ProofResult, states: int) -> Judgement:
    assert result.finding is not None, "this result has a finding"
    name = f"{stage.one.id} {stage.one.mode.title}"
    found = found_trace(name, stage.scope, fault, result.finding, result.actions)
    return Judgement(
        outcome=Outcome.BROKEN,
        text=found.text,
        shown=found.shown,
        page=found.page,
        failure_mode=stage.one.id,
        breaks=result.finding.invariant,
        actions=result.actions,
        states=states,
    )
