"""FM_008 duplicate enqueue: the kata."""

from failure_modes.checker import Bounds, Kata, Scope

KATA = Kata(
    order=10,
    story="Amadou pays for a train ticket on his phone, in a tunnel. The app sends the order, the reply is "
    "lost, and the app sends the same order again, as it should. Amadou has two tickets for one seat, and "
    "pays for both.",
    in_public="payment services ask their clients for an idempotency key with each request for this "
    "reason; the documentation of Stripe says that a client that gets no answer may safely send the "
    "request again under the same key.",
    question="The producer sends the same key twice. What does your policy do with the key?",
    place="Look at what the call of `accept` passes on, and at what it leaves out.",
    requirement="A key has at most one job, however often it is enqueued, and whatever became of the job. "
    "An enqueue under a known key answers with the job that exists, says so in `existed`, and leaves an "
    "audit row DUPLICATE; a new job has a row ENQUEUED. Two keys are two jobs.",
    also=((Scope(workers=1), Bounds(jobs=2, retries=1, ticks=1)),),
)
