"""Every interleaving of a few programs that open one database file, with a crash at every boundary.

A proof (`explorer.py`) begins with a queue that is there. This walk is for what comes before: a file is
created, or brought up from an older schema, while other processes open and use it. Each move runs one
statement of one process. Two ways that led to the same place are one state: each process that lives has seen
the same, and they have committed in the same order. A state is restored by taking its moves again in a new
file. Inside a transaction that holds the lock to write, a process sees nothing of the others, and they see
nothing of it: so there it moves first, or dies.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import frozen

from failure_modes.checker.simulation.file_process import FileProcess, FileProgram

Move = tuple[str, bool]
"""The name of a process, and whether it dies instead of moving."""


@frozen(kw_only=True)
class FileWalk:
    """What to walk. The judges return what is wrong, or None.

    `prepare` makes the file at a path. `judge_change` is asked after each move that changed the file,
    `judge_end` when no process can move any more: it gets the answer of each, None for a dead one.
    """

    prepare: Callable[[Path], None]
    programs: Callable[[Path], Mapping[str, FileProgram]]
    judge_change: Callable[[Path], str | None]
    judge_end: Callable[[Path, Mapping[str, object]], str | None]
    crashes: int = 1


@frozen(kw_only=True)
class WalkResult:
    """What was found: the moves that lead to it and what is wrong, or nothing; and how much was walked."""

    states: int
    endings: int
    moves: tuple[Move, ...] = ()
    wrong: str | None = None


def walk(spec: FileWalk, folder: Path) -> WalkResult:
    """Walk until something is wrong, or to the end. `folder` is for the files."""
    seen: set[tuple[object, ...]] = set()
    dying: set[tuple[object, ...]] = set()
    left: list[tuple[Move, ...]] = [()]
    endings = number = 0
    while left:
        number += 1
        run = _Run(spec, folder / f"{number}.db")
        with_moves = left.pop()
        try:
            wrong = run.take_all(with_moves)
            while wrong is None and run.state() not in seen:
                seen.add(run.state())
                possible = run.possible()
                if not possible:
                    endings += 1
                    wrong = run.judged_end()
                    break
                for name, dies in possible[1:]:
                    after = run.state(dying=name) if dies else None
                    if after is None or after not in dying:
                        left.append((*run.moves, (name, dies)))
                    if after is not None:
                        dying.add(after)
                wrong = run.take(possible[0])
        finally:
            run.close()
        if wrong is not None:
            return WalkResult(states=len(seen), endings=endings, moves=tuple(run.moves), wrong=wrong)
    return WalkResult(states=len(seen), endings=endings)


class _Run:
    """One run of the programs on a file of its own."""

    def __init__(self, spec: FileWalk, path: Path) -> None:
        self.moves: list[Move] = []
        self._spec = spec
        self._path = path
        spec.prepare(path)
        self._processes = {name: FileProcess(program) for name, program in spec.programs(path).items()}
        self._commits: list[tuple[str, int]] = []
        for process in self._processes.values():
            process.move()  # to its first boundary

    def take_all(self, moves: tuple[Move, ...]) -> str | None:
        """Take these moves. What was right before is not judged again: only the last move is."""
        for move in moves[:-1]:
            self._take(move)
        return self.take(moves[-1]) if moves else None

    def take(self, move: Move) -> str | None:
        """Take one move, and judge what it changed."""
        return self._spec.judge_change(self._path) if self._take(move) else None

    def possible(self) -> tuple[Move, ...]:
        """The moves from here: a process that is blocked can only die."""
        alive = [name for name, process in self._processes.items() if process.can_move]
        alive = [name for name in alive if self._processes[name].is_inside] or alive
        moves = [(name, False) for name in alive if not self._processes[name].blocked]
        crashes = sum(dies for _, dies in self.moves)
        return (*moves, *[(name, True) for name in alive if crashes < self._spec.crashes])

    def state(self, dying: str | None = None) -> tuple[object, ...]:
        """All that the future depends on; or all that it will depend on when this process has died."""
        releases = dying is not None and self._processes[dying].in_transaction
        places = [
            "dead"
            if name == dying or process.dead
            else (process.blocked and not releases, repr(process.seen))
            if process.can_move
            else repr(process.answer)
            for name, process in self._processes.items()
        ]
        return (*places, tuple(self._commits))

    def judged_end(self) -> str | None:
        """Judge the end."""
        return self._spec.judge_end(
            self._path, {name: process.answer for name, process in self._processes.items()}
        )

    def close(self) -> None:
        """Let go of the processes and of the file."""
        for process in self._processes.values():
            process.kill()
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)

    def _take(self, move: Move) -> bool:
        """Take one move. Returns True if the file was changed."""
        name, dies = move
        self.moves.append(move)
        process = self._processes[name]
        held, ran = process.in_transaction, len(process.seen)
        if dies:
            process.kill()
        else:
            process.move()
        committed = not process.in_transaction and len(process.seen) > ran and _writes(process.statement)
        if committed:
            self._commits.append((name, len(process.seen)))
        if committed or (held and not process.in_transaction):
            for other in self._processes.values():
                other.unblock()
        return committed


_WRITES = re.compile(r"\s*(?!SELECT|BEGIN|ROLLBACK|PRAGMA(?! (user_version|application_id|journal_mode) =))")


def _writes(sql: str) -> bool:
    """True for a statement that may change the file, outside a transaction or as its end."""
    return _WRITES.match(sql) is not None
