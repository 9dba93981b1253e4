"""The command line of the checker. docs/command_line.md has the exit codes and the form of `--json`."""

import click

from failure_modes.checker.cli.command import Commands

COMMANDS = {
    "run": "run:run",
    "find": "find:find",
    "prevent": "prevent:prevent",
    "prove": "prove:prove",
    "replay": "replay:replay",
    "list": "listing:list_",
    "explore": "explore:explore",
    "matrix": "matrix:matrix_",
    "fidelity": "fidelity:fidelity",
    "power": "power:power",
    "chaos": "chaos:chaos",
    "repeat": "repeat:repeat",
    "seeds": "seeds:seeds_",
    "times": "times:times",
    "new": "new:new",
    "docs": "docs:docs",
}
"""Each command, and where it is: a module of this package and a name in it."""


@click.group(
    cls=Commands,
    where=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def main() -> None:
    """Find, prevent, prove and replay the ways in which a job queue fails.

    \b
    python -m failure_modes run FM_001                  all of the next four, for one failure mode
    python -m failure_modes find FM_001                 the break, shrunk
    python -m failure_modes prevent FM_001              the same search with the fault put right
    python -m failure_modes prove FM_001                every reachable state: the shortest break, and the fix
    python -m failure_modes replay TRACE                a kept trace, run again
    python -m failure_modes explore --examples 5000     a free search on the guarded system
    python -m failure_modes matrix                      which policy is needed for what
    python -m failure_modes new FM_099 name             the folder of a new failure mode

    \b
    Exit codes: 0 as expected; 1 not as expected: a violation where none was expected, or none where one was;
    2 refused: bad usage, or a file that cannot be used; 3 inconclusive: no answer, or not the whole answer;
    4 diverged: a divergence where none was expected, and no violation;
    130 interrupted by SIGINT, 143 by SIGTERM.
    """
