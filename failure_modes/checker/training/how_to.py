"""The page in the learner's folder that says how the katas work, and what a policy may call.

The lists are made from the code, so they are never out of date.
"""

import ast
import inspect
import re

from model.invariants import INVARIANTS
from system import records, store
from system.audit import EventKind, Operation, Reason
from system.records import Status

HOW_TO = "how_to.md"

_OPENING = """\
# How the katas work

Each `train` command writes this file again. Your own files are never written over. To get one back as it was,
delete it.

1. `TRAIN` watches the file of the open kata. Edit the file; each save is checked.
2. A version that breaks is shown with the shortest list of actions that breaks it. A version that does not
   break is *proved*: every reachable state within the bounds was visited. Then the next kata opens.
3. `TRAIN hint` shows a hint. There are three for each kata.
4. `TRAIN check` checks once.
5. `TRAIN list` shows how far you are.

In a session of nox the last lines may say that the command or the session failed. That only means that your
version still breaks, or cannot be judged yet. Nothing is wrong with nox or with the folder.

There are three rounds: `1_mend` (mend a broken policy), `2_name` (name the invariant that a trace breaks) and
`3_write` (write a policy from its requirement).

## How to read a trace

Each line is one action. It says which process moves: `Step` runs worker A or B up to its next transaction,
and `Tick` moves the clock. Between any two transactions of one worker anything else may happen.

- **model** is what the queue should do, **system** is what your version did, **changed** is what was written.
- `>` marks the step that breaks the invariant. `~` marks the first step at which your version left the
  model; that is no fault by itself.
- The steps `end` are the recovery: after the last action the workers go on until nothing changes.
- What your code prints is shown below the trace that breaks it.

## Rules for your code

Two processes share the store and nothing else, so keep nothing in a global value. The code must do the same
each time. A method that raises an error, or that does not end, is not judged.
"""


def how_to(typed: str) -> str:
    """The text of the page. `typed` is the command as a learner types it, with ACTION in it."""
    statuses = ", ".join([one.value for one in Status])
    rules = "\n".join([f"- **{rule.id} {rule.title}**: {rule.promise}" for rule in INVARIANTS])
    parts = [
        re.sub("TRAIN(?: (hint|check|list))?", lambda found: _command(typed, found[1] or ""), _OPENING),
        "## The invariants\n",
        rules,
        "\n## What a policy may call\n",
        "A policy gets the `store`. `with store.transaction() as tx:` begins a transaction; at the end of "
        "the block it is committed. What is done in two transactions can be interrupted between them.\n",
        _calls(store.Transaction),
        "\n`refuse(tx, execution, operation, reason)` writes the audit row of an operation that is refused. "
        "`fence.refusal(execution, now)` is the reason why an execution may not go on, or None.\n",
        f"An execution is one attempt at a job. Its status: {statuses}. `HELD` is LEASED or IN_PROGRESS.",
        _fields(records.Job),
        _fields(records.Execution),
        f"\nOperations: {', '.join([one.name for one in Operation])}.",
        f"\nEvents: {', '.join([one.name for one in EventKind])}.",
        f"\nReasons: {', '.join([one.name for one in Reason])}.\n",
    ]
    return "\n".join(parts)


def _command(typed: str, action: str) -> str:
    """The command with that action; without an action it watches."""
    return " ".join(typed.replace("ACTION", action).split()).removesuffix(" --")


def _calls(protocol: type) -> str:
    lines = []
    for name, member in vars(protocol).items():
        if name.startswith("_"):
            continue
        function = member.fget if isinstance(member, property) else member
        doc = (inspect.getdoc(function) or "").partition("\n")[0]
        head = f"tx.{name}" if isinstance(member, property) else f"tx.{name}{_signature(function)}"
        lines.append(f"- `{head}`: {doc}")
    return "\n".join(lines)


def _signature(function: object) -> str:
    [node] = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function))).body  # type: ignore[arg-type]
    assert isinstance(node, ast.FunctionDef), "the source of a method is a function"
    node.args.args = node.args.args[1:]
    back = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({ast.unparse(node.args)}){back}"


def _fields(record: type) -> str:
    names = ", ".join([f"`{name}`" for name in record.__annotations__])
    return f"\nThe fields of `{record.__name__}`: {names}."
