"""The command `train`: katas in a folder of the learner's own. Each file is judged when it is saved."""

from pathlib import Path
from typing import NoReturn

import click

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import Seconds
from failure_modes.checker.cli.output import Verdict, fail, interrupted, output, show, warn
from failure_modes.checker.cli.paths import command_line, shown_path
from failure_modes.checker.support import interrupts
from failure_modes.checker.training.child import SECONDS_MAX, judge_in_child
from failure_modes.checker.training.course import DEFAULT, Course
from failure_modes.checker.training.exercises import Exercise, Round
from failure_modes.checker.training.judging import Judgement, Outcome
from failure_modes.checker.training.kata import modes_without_kata
from system.clock import SystemClock

ACTIONS = ("check", "hint", "list")
"""What `train` does once, instead of watching."""

_CODES = {
    Outcome.PROVED: EXIT.AS_EXPECTED,
    Outcome.BROKEN: EXIT.NOT_AS_EXPECTED,
    Outcome.UNUSABLE: EXIT.REFUSED,
    Outcome.UNDECIDED: EXIT.INCONCLUSIVE,
}


@command()
@click.argument("words", metavar="[check|hint|list] [FOLDER]", nargs=-1)
@click.option("--kata", metavar="NAME", help="An open kata to check again: FM_008, or the name of its file.")
@click.option(
    "--seconds",
    type=Seconds(0, min_open=True),
    default=SECONDS_MAX,
    show_default=True,
    help="Stop each check after this time.",
)
def train(words: tuple[str, ...], kata: str | None, seconds: float) -> EXIT:
    """Learn by mending: a broken policy, its story, and the shortest trace that breaks your version.

    The katas are files in FOLDER, by default in ~/failure_modes_katas. Without an action the file of the open
    kata is watched: each time it is saved, it is checked. A version that does not break is proved, and the
    next kata opens. `check` checks once; `hint` shows the next hint; `list` shows how far you are.
    """
    action, folder = _parsed(words)
    if kata and not folder.exists():
        raise click.UsageError(f"--kata names an open exercise, and there is no folder {shown_path(folder)}")
    course = Course(folder, command_line("train", "ACTION", *_named(folder)))
    if action == "list":
        return _list(course)
    exercise = course.named(kata) if kata else course.current()
    if exercise is None:
        return _done(course)
    if action == "hint":
        return _hint(course, exercise)
    if action == "check":
        return _check(course, exercise, seconds)
    return _watch(course, exercise, seconds)


def _parsed(words: tuple[str, ...]) -> tuple[str | None, Path]:
    action, rest = (words[0], words[1:]) if words and words[0] in ACTIONS else (None, words)
    if len(rest) > 1:
        raise click.UsageError(f"one folder, after {', '.join(ACTIONS)} or nothing; got {' '.join(words)}")
    return action, Path(rest[0]).expanduser() if rest else Path.home() / DEFAULT


def _named(folder: Path) -> tuple[str, ...]:
    """The folder as a word of a command; none for the usual folder."""
    return () if folder == Path.home() / DEFAULT else (shown_path(folder),)


def _list(course: Course) -> EXIT:
    now = course.current()
    show(f"katas in {shown_path(course.folder)}: {_count(course)}")
    for exercise in course.exercises:
        is_now = now is not None and exercise.id == now.id
        reason = course.left_out.get(exercise.id)
        state = (
            "solved"
            if course.is_solved(exercise)
            else "open"
            if is_now
            else "left out"
            if reason
            else "later"
        )
        show(f"  {state:8}  {exercise.file}: {exercise.title}{f' ({reason})' if reason else ''}")
        output().add(None, exercise=exercise.id, file=exercise.file, state=state)
    show("failure modes without a kata (a kata is one policy):")
    for failure_mode, reason in modes_without_kata().items():
        show(f"  {failure_mode}: {reason}")
    return EXIT.AS_EXPECTED


def _done(course: Course) -> EXIT:
    show(f"every kata that can be checked here is solved: {_count(course)}")
    for exercise_id, reason in course.left_out.items():
        show(f"  left out: {exercise_id}: {reason}")
    return EXIT.AS_EXPECTED


def _hint(course: Course, exercise: Exercise) -> EXIT:
    number, text = course.hint(exercise)
    show(f"{exercise.file}: hint {number} of {len(exercise.hints)}")
    show(text)
    output().add(None, exercise=exercise.id, file=exercise.file, hint=number, text=text)
    return EXIT.AS_EXPECTED


def _check(course: Course, exercise: Exercise, seconds: float) -> EXIT:
    """Check the file once."""
    judgement = _judged(course, exercise, seconds)
    if judgement.outcome is Outcome.UNUSABLE:
        fail(judgement.text)
    _show(course, exercise, judgement)
    if judgement.outcome is Outcome.PROVED and (following := course.current()) is not None:
        show(f"next: {shown_path(course.path_of(following))} ({following.title})")
    return _CODES[judgement.outcome]


def _watch(course: Course, exercise: Exercise, seconds: float) -> EXIT:
    """Check the file now and each time it is saved, until every exercise is solved."""
    show(f"katas in {shown_path(course.folder)}: {_count(course)}; how_to.md there says how they work")
    show("Ctrl-C stops, and your progress is kept")
    hint = command_line("train", "hint", *_named(course.folder))
    show(f"a hint, in another terminal with the same folder and environment: {hint}")
    now: Exercise | None = exercise
    while now is not None:
        show("")
        show(f"== {shown_path(course.path_of(now))} ({now.title})")
        _watch_one(course, now, seconds)
        now = course.current()
    return _done(course)


def _watch_one(course: Course, exercise: Exercise, seconds: float) -> None:
    """Check the file each time it is saved, until it is solved."""
    clock = SystemClock()
    checked: tuple[int, int] | None = None
    while True:
        stamp = _stamp(course.path_of(exercise))
        if stamp == checked:
            _stop_if_asked(course)
            clock.sleep(interrupts.CHECK_EVERY_SECONDS)
            continue
        checked = stamp
        judgement = _judged(course, exercise, seconds)
        _show(course, exercise, judgement)
        if judgement.outcome is Outcome.PROVED:
            return
        show(f"-- edit {shown_path(course.path_of(exercise))}: each time it is saved, it is checked")


def _stamp(path: Path) -> tuple[int, int] | None:
    """The time of the last change and the size of a file; an editor may replace a file while it saves."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size


def _judged(course: Course, exercise: Exercise, seconds: float) -> Judgement:
    """Judge the file, note it if it is right, and add the result to the output."""
    try:
        judgement = judge_in_child(exercise, course.path_of(exercise), seconds)
    except KeyboardInterrupt:
        _interrupted(course)
    if judgement.outcome is Outcome.PROVED:
        course.solve(exercise)
    page = course.keep_page(exercise, judgement)
    output().add(
        _verdict(exercise, judgement),
        exercise=exercise.id,
        file=exercise.file,
        outcome=judgement.outcome.value,
        failure_mode=judgement.failure_mode,
        breaks=judgement.breaks,
        length=judgement.length,
        states=judgement.states,
        page=None if page is None else str(page),
        text=judgement.text,
    )
    return judgement


def _verdict(exercise: Exercise, judgement: Judgement) -> Verdict:
    """What was seen. In the second round a right answer names the invariant that breaks."""
    broken, held = Verdict.BROKEN, Verdict.HELD
    if exercise.round is Round.NAME:
        broken, held = held, broken
    return {
        Outcome.PROVED: held,
        Outcome.BROKEN: broken,
        Outcome.UNUSABLE: Verdict.REFUSED,
        Outcome.UNDECIDED: Verdict.INCONCLUSIVE,
    }[judgement.outcome]


def _show(course: Course, exercise: Exercise, judgement: Judgement) -> None:
    if judgement.outcome is Outcome.UNUSABLE:
        warn(judgement.text)
        return
    show(judgement.shown or judgement.text)
    if judgement.page:
        show(f" the trace as a page: {shown_path(course.page_of(exercise))}")
    if judgement.outcome is Outcome.PROVED:
        show(f"solved: {exercise.title}; {_count(course)}")


def _count(course: Course) -> str:
    solved = [one for one in course.exercises if course.is_solved(one)]
    return f"{len(solved)} of {len(course.exercises)} exercises solved"


def _stop_if_asked(course: Course) -> None:
    if interrupts.received():
        _interrupted(course)


def _interrupted(course: Course) -> NoReturn:
    interrupted(f"{_count(course)}, and your progress is kept in {shown_path(course.folder)}")
