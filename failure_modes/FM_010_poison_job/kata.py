"""FM_010 poison job: the kata."""

from failure_modes.checker import Bounds, Kata, Scope, Settings

KATA = Kata(
    order=90,
    story="One picture that Sven uploaded makes the program that shrinks pictures run out of memory, and "
    "the system kills it. The queue counts how often a job has failed, and this job never fails: it is "
    "just never heard of again. So the job is tried for ever, and each time it takes a worker with it. On "
    "Monday there were no workers left.",
    in_public="the documentation of RabbitMQ calls such messages poison messages and lets a queue limit "
    "their deliveries; Amazon SQS moves them to a dead letter queue after `maxReceiveCount` receives.",
    question="An attempt ended, and no handler failed. Does it count?",
    place="Look at the number of the attempt that follows a lease that ran out.",
    requirement="Each lease of a job is one attempt, also if its worker died. The attempts have the "
    "numbers 1, 2, 3 and so on. When the lease of the last attempt (`attempts_max` of the job) runs out, "
    "the job is buried and not leased. Retries are limited: "
    "`tx.next_available(retries=policies.budget.has_room(tx))`, and `policies.budget.spend(tx, "
    "execution)` in the transaction of each lease after the first of a job.",
    also=((Scope(settings=Settings(attempts_max=1)), Bounds(jobs=1, ticks=1, crashes=1)),),
)
