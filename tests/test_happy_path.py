"""One job, from enqueue to DONE, with nothing in its way: what every failure is read against."""

from pathlib import Path

from system.clock import ManualClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.store import Job, Status
from system.worker import Context, Worker


def test_a_job_is_executed_once_and_each_step_is_on_the_record(tmp_path: Path) -> None:
    """An accepted job ends with one effect, one DONE execution, and an audit row for each transition."""
    clock = ManualClock(1_000)
    store = SQLiteStore(tmp_path / "queue.db", clock=clock, create=True)
    queue = Queue(store=store)
    charged: list[object] = []

    def charge(job: Job, context: Context) -> None:
        charged.append(job.payload)
        context.write({"charged": 5})

    job = queue.enqueue({"amount": 5}, key="order-1")
    again = queue.enqueue({"amount": 5}, key="order-1")
    worker = Worker(queue, charge, name="A", clock=clock)
    assert worker.run_once()
    assert not worker.run_once()

    assert again == job
    assert charged == [{"amount": 5}]
    assert [effect.value for effect in store.effects()] == ['{"charged":5}']
    assert [(execution.worker, execution.status) for execution in store.executions()] == [("A", Status.DONE)]
    history = [(row.actor, row.event, row.before, row.after) for row in store.audit(job_id=job.id)]
    assert history == [
        ("producer", "enqueued", None, None),
        ("producer", "duplicate", None, None),
        ("A", "leased", None, Status.LEASED),
        ("A", "started", Status.LEASED, Status.IN_PROGRESS),
        ("A", "committed", Status.IN_PROGRESS, Status.COMMITTED),
        ("A", "finished", Status.COMMITTED, Status.DONE),
    ]
    assert store.counts().succeeded == 1
    store.close()
