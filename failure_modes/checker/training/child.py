"""Judges a learner's file in a process of its own, with a limit of time and of memory.

The learner's code may hang, end the process or eat the memory; the process of the command goes on. A hang is
told from a long proof: in a hang the same call of the learner's code runs for many seconds.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from failure_modes.checker.support import child_processes, interrupts
from failure_modes.checker.support.patience import Patience
from failure_modes.checker.training.exercises import Exercise
from failure_modes.checker.training.judging import Judgement, Outcome

SECONDS_MAX = 120.0
"""The time for a judgement, if the learner sets no other."""
HANG_SECONDS = 5.0
"""A single call of the learner's code that runs for so long does not end."""
MEMORY_BYTES_MAX = 4 * 1024**3

SILENT_SECONDS = 20.0
"""A child that sends nothing for so long is stuck in one operation, such as a power of huge numbers."""

_SAMPLE_SECONDS = 0.25


def judge_in_child(exercise: Exercise, path: Path, seconds_max: float = SECONDS_MAX) -> Judgement:
    """The judgement of the file. Raises KeyboardInterrupt when a signal asks the command to stop."""
    context = get_context("spawn")
    pipe, far = context.Pipe(duplex=False)
    process = child_processes.start(context, _judge, far, exercise, path, seconds_max, daemon=False)
    far.close()
    try:
        return _answer(pipe, path, Patience(seconds_max + SILENT_SECONDS))
    except EOFError:
        text = f"{path.name}: the code ended the process in which it was checked; a policy must return"
        return Judgement(outcome=Outcome.UNUSABLE, text=text)
    finally:
        process.kill()
        process.join()
        pipe.close()


def _answer(pipe: Connection, path: Path, whole: Patience) -> Judgement:
    """Wait for the judgement. Until it comes, the child sends None several times a second."""
    silence = Patience(SILENT_SECONDS)
    while not (whole.is_over or silence.is_over):
        interrupts.check()
        if pipe.poll(interrupts.CHECK_EVERY_SECONDS):
            judgement: Judgement | None = pipe.recv()
            if judgement is not None:
                return judgement
            silence = Patience(SILENT_SECONDS)
    text = f"{path.name}: one operation of the code stops Python for {SILENT_SECONDS:g} s"
    return Judgement(outcome=Outcome.UNUSABLE, text=f"{text}; a policy must return at once")


def _undecided(seconds_max: float) -> Judgement:
    text = f"not decided in {seconds_max:g} s; `--seconds` gives the check more time"
    return Judgement(outcome=Outcome.UNDECIDED, text=text)


def _judge(pipe: Connection, exercise: Exercise, path: Path, seconds_max: float) -> None:
    """Judge in the child, and send the judgement. What the code prints is not the output of a command."""
    _limit_memory()
    sending = threading.Lock()
    answered: list[Judgement] = []

    def answer(judgement: Judgement | None) -> None:
        with sending:
            if not answered:
                pipe.send(judgement)
                answered.extend([judgement] if judgement else [])

    watch = threading.Thread(
        target=_watch, args=(threading.get_ident(), path, seconds_max, answer), daemon=True
    )
    watch.start()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        os.dup2(nowhere.fileno(), 2)
        answer(exercise.judged(path, seconds_max))


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):  # not every system has the limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))


def _watch(thread: int, path: Path, seconds_max: float, answer: Callable[[Judgement | None], None]) -> None:
    """Answer for the judgement if one call of the learner's code runs for too long, or the time is over.

    If the time is over in the middle of a call, the watch waits for the end of that call: a call that hangs
    is a hang, however short the time was.
    """
    whole, patience = Patience(seconds_max), Patience(HANG_SECONDS)
    before: FrameType | None = None
    last: FrameType | None = None
    """The call in which the time was over."""
    pause = threading.Event()
    while not pause.wait(_SAMPLE_SECONDS):
        answer(None)
        frames = list(_frames_of(sys._current_frames().get(thread), path))  # noqa: SLF001 (the documented way)
        outermost = frames[-1] if frames else None
        if outermost is None or outermost is not before:
            before, patience = outermost, Patience(HANG_SECONDS)
        elif patience.is_over:
            text = f"{path.name}, line {frames[0].f_lineno}: still running after {HANG_SECONDS:g} s"
            answer(Judgement(outcome=Outcome.UNUSABLE, text=f"{text}; every loop must end"))
            return
        if whole.is_over:
            last = last or outermost
            if last is None or last is not outermost:
                answer(_undecided(seconds_max))
                return


def _frames_of(frame: FrameType | None, path: Path) -> Iterator[FrameType]:
    """The frames of the learner's file, from the innermost to the outermost."""
    while frame is not None:
        if frame.f_code.co_filename == str(path):
            yield frame
        frame = frame.f_back
