"""The exercises, in three rounds: mend a broken policy, name the invariant that breaks, write a policy.

A round begins when the round before it is done. Each exercise is one file in the learner's folder. The file
of an exercise is written when the exercise opens, and no file says what solves it. The names of the exercises
of the second and the third round are numbers, and their order is another one: they say nothing of the answer.
"""

import re
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from textwrap import fill, indent

from attrs import frozen

from failure_modes.checker.experiment.catalogue import FOLDER
from failure_modes.checker.experiment.target import tolerating_others
from failure_modes.checker.oracle.lockstep import run_actions
from failure_modes.checker.oracle.run import play
from failure_modes.checker.report.rendering import table
from failure_modes.checker.traces.recording import RecordingLockstep
from failure_modes.checker.training.found_trace import replay_of
from failure_modes.checker.training.judging import Judgement, Outcome, judge
from failure_modes.checker.training.kata import ModeKata, katas
from failure_modes.checker.training.kata_source import (
    broken_source,
    empty_source,
    facts_of,
    learner_name,
    methods_to_write,
    right_class,
)
from failure_modes.checker.training.learner_code import Demand
from failure_modes.checker.training.other_trace import other_trace
from failure_modes.checker.training.stand_in import classes_of
from model.invariants import INVARIANTS, invariant
from system.policies import Policies

ANSWER = re.compile(r"^answer:[ \t]*(.*)$", re.MULTILINE)
_WIDTH = 96


class Round(StrEnum):
    """The rounds, in their order. The value is the name of the round's folder."""

    MEND = "1_mend"
    NAME = "2_name"
    WRITE = "3_write"


@frozen(kw_only=True)
class Exercise:
    """One exercise: a round, a file, and the katas in whose scopes the file is judged."""

    round: Round
    number: int
    katas: tuple[ModeKata, ...]

    @property
    def id(self) -> str:
        """The name of the exercise in the progress file. It stays when other katas are added."""
        one = self.katas[0]
        named = one.id if self.round is Round.MEND else _digest(one.id if self._shows_trace else one.slot)
        return f"{self.round.value}/{named}"

    @property
    def file(self) -> str:
        """The path of the file, below the learner's folder."""
        if self.round is Round.MEND:
            return f"{self.round.value}/{self.number:02}_{self.katas[0].mode.folder.name}.py"
        return f"{self.round.value}/exercise_{self.number:02}{'.txt' if self._shows_trace else '.py'}"

    @property
    def title(self) -> str:
        """The exercise in words."""
        if self.round is Round.MEND:
            return f"{self.katas[0].id} {self.katas[0].mode.title}"
        return "name the invariant that a trace breaks" if self._shows_trace else "write a policy"

    @property
    def _shows_trace(self) -> bool:
        return self.round is Round.NAME

    @property
    def text(self) -> str:
        """The text of the file, as the exercise begins."""
        return {Round.MEND: _mend_text, Round.NAME: _name_text, Round.WRITE: _write_text}[self.round](self)

    @property
    def hints(self) -> tuple[str, ...]:
        """Three hints: a question, a place to look at, and the name of the policy or of the group."""
        one = self.katas[0]
        named = f"The policy is the {one.mode.policy}: {_described_in(one.slot)} says what it must do."
        if self.round is Round.MEND:
            return one.kata.question, one.kata.place, named
        if self.round is Round.NAME:
            breaks = one.mode.each[-1].breaks
            judged = "on each change" if invariant(breaks).on_change else "at the end of the run"
            question = "Look at the marked step, or at the end: which promise did the queue give, and break?"
            return (
                question,
                f"The invariant is judged {judged}.",
                f"It is one that the {one.mode.policy} protects.",
            )
        pairs = [f"{other.id}: {other.kata.question}" for other in self.katas]
        places = [f"{other.id}: {other.kata.place}" for other in self.katas]
        return "\n".join(pairs), "\n".join(places), named

    @property
    def demand(self) -> Demand:
        """What a file of code must have."""
        one = self.katas[0]
        methods = methods_to_write(one) if self.round is Round.MEND else _public_methods(self.katas)
        classes = classes_of(one.mode)
        mends = self.round is Round.MEND
        return Demand(
            name=learner_name(one.slot),
            right=right_class(one.slot),
            methods=methods,
            queue=classes[1].__name__ if mends and len(classes) > 1 else None,
            facts=facts_of(one) if mends else {},
        )

    def judged(self, path: Path, seconds_max: float | None = None) -> Judgement:
        """The judgement of a file."""
        if self.round is Round.NAME:
            return _judge_name(self.katas[0], path)
        return judge(path, self.demand, self.katas, seconds_max)


def exercises() -> tuple[Exercise, ...]:
    """Every exercise, in the order in which they open."""
    all_katas = katas()
    slots = [name for name in _slots() if any(one.slot == name for one in all_katas)]
    mended = [Exercise(round=Round.MEND, number=n, katas=(one,)) for n, one in enumerate(all_katas, 1)]
    by_length = sorted(all_katas, key=lambda one: (one.mode.each[-1].expected.shortest, _digest(one.id)))
    named = [Exercise(round=Round.NAME, number=n, katas=(one,)) for n, one in enumerate(by_length, 1)]
    written = [
        Exercise(round=Round.WRITE, number=n, katas=tuple([one for one in all_katas if one.slot == slot]))
        for n, slot in enumerate(slots, 1)
    ]
    return (*mended, *named, *written)


def _digest(name: str) -> str:
    """A name that says nothing of what it stands for."""
    return blake2b(name.encode(), digest_size=4).hexdigest()


def _described_in(slot: str) -> str:
    """Where the policies are described: the document, or the command that shows the docstring."""
    document = FOLDER.parent / "docs" / "03_policies.md"
    return str(document) if document.exists() else f"`python -m pydoc {right_class(slot).__module__}`"


def _slots() -> list[str]:
    return list(Policies.__annotations__)


def _public_methods(several: tuple[ModeKata, ...]) -> tuple[str, ...]:
    """The public methods of the queue's policy that one of these faults changes."""
    right = right_class(several[0].slot)
    changed = {name for one in several for name in vars(one.broken) if not name.startswith("__")}
    public = [name for name in vars(right) if not name.startswith("_") and callable(getattr(right, name))]
    return tuple([name for name in public if name in changed])


def _paragraphs(*texts: str) -> str:
    return "\n\n".join([fill(text, _WIDTH) for text in texts])


def _mend_text(exercise: Exercise) -> str:
    one = exercise.katas[0]
    public = fill(f"In public: {one.kata.in_public}", _WIDTH)
    head = "\n\n".join(
        [
            _paragraphs(f"{one.id} {one.mode.title}.", one.kata.story),
            f"{public}\n{one.kata.address}" if one.kata.address else public,
            _paragraphs(
                "Below is the policy that did it. Mend it, and save the file. The rest of the queue is "
                "right. ../how_to.md says how to get a hint, what a policy may call, and how to read a trace."
            ),
        ]
    )
    return f'"""{head}\n"""\n\n{broken_source(one)}'


def _write_text(exercise: Exercise) -> str:
    needs = [f"- {one.id}: {one.kata.requirement}" for one in exercise.katas]
    head = "\n\n".join(
        [
            _paragraphs(f"Write the policy `{exercise.katas[0].slot}`. It must keep all of this:"),
            "\n".join([fill(need, _WIDTH, subsequent_indent="  ") for need in needs]),
        ]
    )
    return f'"""{head}\n"""\n\n{empty_source(exercise.katas[0].slot, exercise.demand.methods)}'


def _name_text(exercise: Exercise) -> str:
    other = other_trace(exercise.katas[0])
    mode = other.mode
    lockstep = RecordingLockstep(mode.scope, mode.fault, target=mode.target)
    play(lockstep, other.actions, ending=other.finding.step is None)
    rules = "\n".join([f"{rule.id}  {rule.title}" for rule in INVARIANTS])
    return "\n\n".join(
        [
            _paragraphs(
                "This trace breaks an invariant. Which one? Write its id after `answer:` in the last line, "
                "and save the file. `>` marks the step that breaks it. The steps `end` are the recovery."
            ),
            table(replay_of(lockstep, other.actions, other.finding)),
            f"scope: {mode.scope.description}",
            indent(rules, "  "),
            "answer: ",
        ]
    )


def _judge_name(one: ModeKata, path: Path) -> Judgement:
    """Judge an answer by a run: each invariant that breaks in the trace is a right answer."""
    try:
        answers = ANSWER.findall(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        return Judgement(outcome=Outcome.UNUSABLE, text=f"{path.name}: not a text file in UTF-8")
    answer = answers[-1].strip().upper() if answers else ""
    ids = [rule.id for rule in INVARIANTS]
    if answer not in ids:
        wanted = f"the last line must be `answer: ` and one of {', '.join(ids)}"
        return Judgement(outcome=Outcome.UNUSABLE, text=f"{path.name}: {wanted}; it has {answer[:40]!r}")
    other = other_trace(one)
    found = run_actions(other.mode.scope, other.mode.fault, tolerating_others(answer), other.actions)
    if found is None:
        promise = invariant(answer).promise
        return Judgement(
            outcome=Outcome.BROKEN,
            text=f"{answer} holds in this trace to its end. It promises: {promise}",
        )
    text = (
        f"right: {answer} ({invariant(answer).title}) breaks: {found.finding.got}\n"
        f"The trace is of {one.id} {one.mode.title}."
    )
    return Judgement(outcome=Outcome.PROVED, text=text, failure_mode=one.id, breaks=answer)
