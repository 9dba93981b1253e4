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
    "traces": "traces:traces",
    "page": "page:page",
    "explore": "explore:explore",
    "matrix": "matrix:matrix_",
    "fidelity": "fidelity:fidelity",
    "power": "power:power",
    "chaos": "chaos:chaos",
    "judge": "judge:judge_",
    "repeat": "repeat:repeat",
    "seeds": "seeds:seeds_",
    "times": "times:times",
    "train": "train:train",
    "new": "new:new",
    "docs": "docs:docs",
}
"""The commands: for each, its module in this package and its name in that module."""

HELP = {
    "run": "Find each FM, prevent it, prove both, and replay its kept traces.",
    "find": "Search the broken system until FM breaks its invariant, and shrink the trace.",
    "prevent": "Run FM's search without the fault: nothing may break, and the danger must be reached.",
    "prove": (
        "Check every reachable state: find the shortest trace to FM's break, and prove that its fix holds."
    ),
    "replay": "Run kept traces again: each must break the same invariant, or diverge, at the same step.",
    "list": "List the failure modes and their kept traces.",
    "traces": "List the kept traces of each FM, or of all.",
    "judge": "Judge the queue of ADAPTER, which is MODULE:NAME or PATH.py:NAME.",
    "page": "Write the page of each TRACE: an HTML file that a browser opens from the disk.",
    "explore": "Search the guarded system with every action allowed, and show what was reached.",
    "matrix": (
        "Switch off each policy, and show which invariants break, and the length of the shortest trace."
    ),
    "fidelity": (
        "Run each schedule in the simulation and with real processes that SIGKILL kills, "
        "and compare both runs."
    ),
    "power": (
        "Record runs, let power fail after each file operation, and open the images that the disk may have."
    ),
    "chaos": (
        "Run producers, workers and reconciliation as real processes, and kill and stop "
        "them at random moments."
    ),
    "repeat": "Run each schedule twice on PostgreSQL, and compare the steps and the rows at the end.",
    "seeds": "Search each FM with several seeds, and keep the results in its folder, for the index.",
    "times": "Measure the time of `run FM` for each FM, and keep it in its folder, for the index.",
    "train": "Learn by mending: a broken policy, its story, and the shortest trace that breaks your version.",
    "new": "Make the folder of a new failure mode.",
    "docs": (
        "Write the generated documents: the state model, the architecture, the index and pictures of traces."
    ),
}
"""The first line of the help of each command: the list of commands shows them and imports no command."""


EXAMPLES = {
    "run FM_001": "all of the next four, for one failure mode",
    "find FM_001": "search for the break, and minimise its trace",
    "prevent FM_001": "the same search without the fault",
    "prove FM_001": "every reachable state: the shortest break, and the fix",
    "replay TRACE": "run a kept trace again",
    "page --all": "every kept trace as a page, and an index",
    "explore --examples 5000": "search the guarded system with every action",
    "matrix": "switch off each policy, and show what breaks",
    "judge ADAPTER": "judge a queue that somebody else wrote",
    "train": "mend broken policies, and have them judged",
    "new FM_099 name": "make the folder of a new failure mode",
}
"""What a user may type, and what comes of it."""


@click.group(
    cls=Commands,
    where=COMMANDS,
    short=HELP,
    examples=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def main() -> None:
    """Find, prevent, prove and replay the ways in which a job queue fails.

    Exit codes: 0 as expected; 1 not as expected: an unexpected violation, or no violation although one was
    expected; 2 refused: bad usage, or a file that cannot be used; 3 inconclusive: no result, or not the
    complete result; 4 diverged: an unexpected divergence, and no violation; 130 interrupted by SIGINT, 143 by
    SIGTERM.
    """
