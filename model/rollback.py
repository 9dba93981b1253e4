"""The store is set back to an earlier state, while the workers live on.

A worker remembers its lease. Its token is random, so the store knows it as long as the store has that very
execution. An execution that a worker lost may have its number given to another one. An operation for it is
refused then, and changes nothing.
"""

from attrs import evolve

from model.actions import COMMITS_MAX
from model.draft import Draft
from model.events import Reason
from model.state import Durable, State, Worker


def earlier_after_commit(state: State) -> tuple[Durable, ...] | None:
    """The earlier durable states after one more commit, which a rollback may undo."""
    return None if state.earlier is None else (state.durable, *state.earlier)[:COMMITS_MAX]


def rolled_back(state: State, commits: int) -> State | None:
    """The state without its last commits. None if the earlier states are not remembered.

    The charges of a gateway stay, since they are in another system. Time does not go back.
    """
    if state.earlier is None:
        return None
    undone = min(commits, len(state.earlier))
    if not undone:
        return state
    durable = evolve(state.earlier[undone - 1], charges=state.durable.charges)
    return evolve(
        state,
        durable=durable,
        workers=tuple([_survivor(worker, state.durable, durable) for worker in state.workers]),
        earlier=state.earlier[undone:],
        changed_at=state.now,
    )


def by_stale_holder(draft: Draft, execution_id: int) -> Draft:
    """Refuse the operation of a worker whose execution was lost. Another one may have its number.

    If there was none of that number when it looked, nothing is written: no lock holds a missing row.
    """
    seen = draft.visibility.executions_seen
    for execution in draft.durable.executions:
        if execution.id == execution_id and (seen is None or execution_id in seen):
            return draft.refuse(execution, Reason.UNKNOWN_TOKEN)
    return draft


def _survivor(worker: Worker, before: Durable, after: Durable) -> Worker:
    """The memory of a worker that lives on: nothing tells it."""
    known = {execution.id for execution in after.executions}
    if worker.heartbeat is not None and worker.heartbeat not in known:
        worker = evolve(worker, heartbeat_lost=True)
    if worker.execution is None or worker.lost_key is not None or worker.execution in known:
        return worker
    return evolve(worker, lost_key=before.job(before.execution(worker.execution).job).key)
