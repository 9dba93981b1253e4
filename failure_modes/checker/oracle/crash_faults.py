"""Whom a crash hits: what the books must say of it."""

from collections import Counter

from failure_modes.checker.simulation.process import Process
from failure_modes.checker.simulation.stepping import At
from model.invariants import Fault
from model.state import Durable, Status


def hit(process: Process, durable: Durable) -> tuple[list[Fault], Counter[str]]:
    """The faults that a crash of the process, where it stands, is to the jobs; and what it met."""
    faults, met = [], Counter[str]()
    for execution in durable.executions:
        if execution.worker == process.name and execution.status not in (Status.DONE, Status.ABORTED):
            faults.append(Fault(kind="crash", job=execution.job, execution=execution.id))
            met["a crash fell between commit and finish"] += execution.status is Status.COMMITTED
    in_transaction = process.transaction.pending is not None and process.at is At.STATEMENT
    met["a crash fell inside a transaction"] += in_transaction
    met["a crash hid a commit from its worker"] += process.at is At.COMMITTED
    return faults, met
