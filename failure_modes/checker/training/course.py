"""The folder of a learner: the files of the exercises that are open, and the progress.

Only this folder is written. A folder that holds something else is refused, and so is a folder in the
checkout. A file that the learner has is never written over; one that is missing is written as the exercise
begins.
"""

from pathlib import Path

from attrs import evolve

from failure_modes.checker.experiment.catalogue import FOLDER
from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.subject.worlds import why_not_here
from failure_modes.checker.support.atomic_files import write_atomically
from failure_modes.checker.support.errors import CallerError
from failure_modes.checker.training import progress
from failure_modes.checker.training.exercises import Exercise, Round, exercises
from failure_modes.checker.training.how_to import HOW_TO, how_to
from failure_modes.checker.training.judging import Judgement

DEFAULT = "failure_modes_katas"
"""The name of the folder in the home of the learner, if they name no other."""


class NoFolder(CallerError):
    """The folder cannot be used for katas. The message says why, and what would be right."""


class NoExercise(CallerError):
    """There is no such exercise, or it is not open. The message names those that are."""


class Course:
    """A learner's folder and how far they are."""

    def __init__(self, folder: Path, typed: str = "python -m failure_modes train ACTION") -> None:
        """Open the folder; make it if it is not there. Raises NoFolder, BadProgress, OSError.

        `typed` is the command as the learner types it, with ACTION in it, for the page on how katas work.
        """
        self.folder = folder
        _check(folder)
        self._all = exercises()
        self._left_out: dict[str, str] = {}
        self.progress = progress.load(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / progress.FILE).exists():
            progress.save(folder, self.progress)
        write_atomically(folder / HOW_TO, how_to(typed))

    @property
    def exercises(self) -> tuple[Exercise, ...]:
        """Every exercise, in the order in which they open."""
        return self._all

    @property
    def left_out(self) -> dict[str, str]:
        """The exercises that this machine cannot judge, by id, each with the reason."""
        return self._left_out

    def is_solved(self, exercise: Exercise) -> bool:
        """True if the learner has solved it."""
        return exercise.id in self.progress.solved

    def current(self) -> Exercise | None:
        """The first exercise that is not solved and can be judged here; None if there is none left."""
        for exercise in self._all:
            if not self.is_solved(exercise):
                possible = self._possible(exercise)
                if possible is not None:
                    return possible
        return None

    def named(self, wanted: str) -> Exercise:
        """The open exercise of that id or file, to judge it again. Raises NoExercise.

        The id of a failure mode names the exercise of the first round: the second one keeps it to itself.
        """
        opened = [one for one in self._all if self.is_solved(one)]
        now = self.current()
        opened += [now] if now else []
        for one in reversed(opened):
            mended = (one.katas[0].id,) if one.round is Round.MEND else ()
            if wanted in (one.id, one.file, Path(one.file).name, *mended):
                return one
        known = ", ".join([one.file for one in opened])
        raise NoExercise(f"no open exercise is named {wanted[:60]!r}; open are {known}")

    def path_of(self, exercise: Exercise) -> Path:
        """The file of an exercise. It is written if it is missing."""
        path = self.folder / exercise.file
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, exercise.text)
        return path

    def solve(self, exercise: Exercise) -> None:
        """Note that an exercise is solved."""
        self.progress = progress.load(self.folder).solving(exercise.id)
        progress.save(self.folder, self.progress)

    def hint(self, exercise: Exercise) -> tuple[int, str]:
        """The number and the text of the next hint; after the last one the last again."""
        before = progress.load(self.folder)  # another command may have written it since
        number = min(before.hints.get(exercise.id, 0) + 1, len(exercise.hints))
        self.progress = before.hinting(exercise.id, number)
        progress.save(self.folder, self.progress)
        return number, exercise.hints[number - 1]

    def page_of(self, exercise: Exercise) -> Path:
        """Where the page of the trace that breaks the learner's version is kept."""
        path = Path(exercise.file)
        return self.folder / "pages" / f"{path.parent.name}_{path.stem}.html"

    def keep_page(self, exercise: Exercise, judgement: Judgement) -> Path | None:
        """Write the page of a judgement, if it has one, and return its path; remove the page before it."""
        path = self.page_of(exercise)
        if judgement.page is None:
            path.unlink(missing_ok=True)
            return None
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, judgement.page)
        return path

    def _possible(self, exercise: Exercise) -> Exercise | None:
        """The exercise, in the scopes that this machine can judge."""
        here = [
            one
            for one in exercise.katas
            if one.mode.scope.store is StoreKind.SQLITE
            or self._missing(one.mode.scope.store, exercise) is None
        ]
        return evolve(exercise, katas=tuple(here)) if here else None

    def _missing(self, store: StoreKind, exercise: Exercise) -> str | None:
        reason = why_not_here(store)
        if reason is not None:
            self._left_out[exercise.id] = reason
        return reason


def _check(folder: Path) -> None:
    """Raise NoFolder if the folder is in the checkout, or is not a learner's."""
    checkout = FOLDER.parent.resolve()
    if folder.resolve().is_relative_to(checkout):
        raise NoFolder(f"{folder}: this is in the folder of the project; name one outside of {checkout}")
    if folder.exists() and not folder.is_dir():
        raise NoFolder(f"{folder}: not a folder; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / progress.FILE).exists():
        raise NoFolder(
            f"{folder}: holds other files and no {progress.FILE}; name a new folder, or an empty one"
        )
