"""One queue, used from many threads: each operation is as whole as if it came from a process of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

from system.audit import EventKind, Operation
from system.clock import ManualClock, SystemClock
from system.queue import Queue
from system.store import Execution, Status, Store, StoreError
from tests.system.databases import Database, PostgreSQL, waits_for_a_lock
from tests.system.test_queue import refusals, started
from tests.system.threads import AT_ONCE, PATIENT_SECONDS, counted, in_threads, is_closed


def test_threads_need_no_more_connections_than_there_are_threads(database: Database, opened: Store) -> None:
    """However many transactions and reads each runs; and one thread alone needs one."""
    store, connections = counted(database, SystemClock())
    with closing(store):
        queue = Queue(store=store)

        def ask(thread: int) -> None:
            for number in range(25):
                queue.enqueue(number, key=f"{thread % 2}-{number}")
                store.counts()
                with suppress(ZeroDivisionError), store.transaction():
                    raise ZeroDivisionError

        ask(0)
        assert len(connections) == 1
        in_threads(AT_ONCE, ask)
        assert len(connections) <= AT_ONCE
        assert len(opened.jobs()) == 50
    assert all(is_closed(connection) for connection in connections)


def test_a_read_during_a_transaction_of_the_same_thread_sees_what_is_committed(store: Store) -> None:
    """It has a connection of its own: nothing that may yet be rolled back is read."""
    with store.transaction() as tx:
        tx.add_job(key="k", payload_json="1", attempts_max=1)
        assert (store.jobs(), store.counts().pending) == ((), 0)
    assert [job.key for job in store.jobs()] == ["k"]


def test_a_transaction_that_raises_in_one_thread_takes_nothing_from_another(store: Store) -> None:
    """A's block has written and raises while B enqueues on the same store: B's job is there, A's is not."""
    written, asked = threading.Event(), threading.Event()

    def raise_in_transaction() -> None:
        with suppress(ZeroDivisionError), store.transaction() as tx:
            tx.add_job(key="A", payload_json="1", attempts_max=1)
            written.set()
            assert asked.wait(PATIENT_SECONDS)
            raise ZeroDivisionError

    def enqueue() -> object:
        assert written.wait(PATIENT_SECONDS)
        asked.set()
        return Queue(store=store).enqueue("B").payload

    with ThreadPoolExecutor(2) as threads:
        raising, enqueuing = threads.submit(raise_in_transaction), threads.submit(enqueue)
        raising.result(PATIENT_SECONDS)
        assert enqueuing.result(PATIENT_SECONDS) == "B"
    assert [(job.key, job.payload) for job in store.jobs()] == [(None, "B")]


def test_a_refusal_in_one_thread_takes_nothing_from_another(database: Database, opened: Store) -> None:
    """Half of the threads are refused again and again, in every way; each enqueue of the others is there."""
    queue = Queue(store=opened)
    queue.enqueue("done")
    done = started(queue)
    assert queue.commit(done, 1)
    assert queue.finish(done)
    rounds = 20

    def ask(thread: int) -> list[int]:
        if thread % 2:
            return [queue.enqueue(f"{thread}-{number}").id for number in range(rounds)]
        for _ in range(rounds):
            assert not queue.commit(done, 2)
            assert not queue.heartbeat(done)
            with suppress(StoreError), opened.transaction() as tx:
                tx.add_effect(job_id=done.job_id, execution_id=done.id, value="2")
            with suppress(ZeroDivisionError), opened.transaction() as tx:
                tx.set_available(done.job_id, 0)
                raise ZeroDivisionError
        return []

    answered = [job_id for ids in in_threads(AT_ONCE, ask) for job_id in ids]
    assert [job.id for job in opened.jobs()] == [done.job_id, *sorted(answered)]
    assert len(set(answered)) == AT_ONCE // 2 * rounds
    assert opened.jobs()[0].available_at is None
    assert [effect.value for effect in opened.effects()] == ["1"]
    assert len(refusals(queue)) == AT_ONCE // 2 * rounds * 2
    assert database.sound()


def test_a_heartbeat_that_waits_for_the_commit_is_refused(
    queue: Queue, database: Database, clock: ManualClock
) -> None:
    """Another thread beats while the commit has written and not yet committed: it finds COMMITTED."""
    queue.enqueue(1)
    held = started(queue)
    begun = threading.Event()

    def beat() -> bool:
        begun.set()
        return queue.heartbeat(held)

    with ThreadPoolExecutor(1) as thread:
        with queue.store.transaction() as tx:
            execution = tx.execution(held.id)
            tx.add_effect(job_id=held.job_id, execution_id=held.id, value="1")
            tx.move(
                execution,
                to=Status.COMMITTED,
                event=EventKind.COMMITTED,
                operation=Operation.COMMIT,
                actor="A",
            )
            tx.set_available(held.job_id, None)
            clock.advance(1)
            answer = thread.submit(beat)
            assert begun.wait(PATIENT_SECONDS)
            if isinstance(database, PostgreSQL):
                waits_for_a_lock(database.dsn)
        assert answer.result(PATIENT_SECONDS) is False
    assert [one.status for one in queue.store.executions()] == [Status.COMMITTED]
    assert refusals(queue) == [("A", "heartbeat", held.id, "lease_lost")]
    assert queue.store.jobs()[0].available_at is None
    assert queue.finish(held)


def test_heartbeats_beside_commits_leave_every_job_done(opened: Store) -> None:
    """In each of eight threads a second one beats without a pause until the job is finished."""
    queue = Queue(store=opened, lease_seconds=3600)
    rounds = 5
    for number in range(AT_ONCE * rounds):
        queue.enqueue(number)

    def beat(held: Execution, beating: threading.Event, finished: threading.Event) -> list[bool]:
        answers = []
        while not finished.is_set():
            answers.append(queue.heartbeat(held))
            beating.set()
        return answers

    def work(thread: int) -> None:
        for _ in range(rounds):
            held = started(queue, str(thread))
            beating, finished = threading.Event(), threading.Event()

            with ThreadPoolExecutor(1) as beater:
                beats = beater.submit(beat, held, beating, finished)
                try:
                    assert beating.wait(PATIENT_SECONDS)
                    assert queue.commit(held, thread)
                    assert queue.finish(held)
                finally:
                    finished.set()
            answers = beats.result(PATIENT_SECONDS)
            assert answers == sorted(answers, reverse=True), "once it is refused it stays refused"

    in_threads(AT_ONCE, work)
    assert {execution.status for execution in opened.executions()} == {Status.DONE}
    assert len(opened.effects()) == AT_ONCE * rounds
    assert {job.available_at for job in opened.jobs()} == {None}
