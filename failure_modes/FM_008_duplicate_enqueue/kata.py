"""FM_008 duplicate enqueue: the kata."""

from failure_modes.checker import Bounds, Kata, Scope
from system.policies import Accepted, EventKind, Operation, Store


class KeepsNoKey:
    """Drops the key, as the fault does; it calls nothing of the right policy."""

    def accept(
        self, store: Store, *, key: str | None, payload_json: str, attempts_max: int, actor: str
    ) -> Accepted:
        """Add a job without a key."""
        del key
        with store.transaction() as tx:
            job = tx.add_job(key=None, payload_json=payload_json, attempts_max=attempts_max)
            tx.record(event=EventKind.ENQUEUED, operation=Operation.ENQUEUE, actor=actor, job_id=job.id)
        return Accepted(job=job, existed=False)


KATA = Kata(
    order=50,
    story="Amadou pays for a train ticket on his phone, in a tunnel. The app sends the order, the reply is "
    "lost, and the app sends the same order again, as it should. Amadou has two tickets for one seat, and "
    "pays for both.",
    in_public="the Irish Times told in January 2024 how at the post office of Dalmellington the screen of "
    "the Horizon system froze over a payment of 8,000 pounds: Enter was pressed three more times, and "
    "24,000 pounds were missing in the books.",
    address="https://irishtimes.com/opinion/editorials/2024/01/11/"
    "the-irish-times-view-on-the-uk-post-office-affair-a-scandal-followed-by-a-cover-up",
    question="The producer sends the same key twice. What does your policy do with the key?",
    place="Look at what the new job keeps of its key, and at what `accept` could ask the store before it "
    "adds a job: how_to.md lists what a transaction can do.",
    requirement="A key has at most one job, however often it is enqueued, and whatever became of the job. "
    "An enqueue under a known key answers with the job that exists, says so in `existed`, and leaves an "
    "audit row DUPLICATE; a new job has a row ENQUEUED. Two keys are two jobs.",
    also=((Scope(workers=1), Bounds(jobs=2, retries=1, ticks=1)),),
    policy=KeepsNoKey,
)
