"""FM_014 silent dead letter: the kata."""

from failure_modes.checker import Bounds, Kata, Scope, Settings

KATA = Kata(
    order=40,
    story="The job that sends out Hana's residence permit failed three times, because her address has a "
    "letter that the printer does not know. After the third time the queue gave the job up, as it should. "
    "Nobody was told. Hana waited for four months, and no list, no log and no alarm had ever held her "
    "name.",
    in_public="in May 2017 a user of Delayed::Job, which deletes a job after 25 failures, told that a "
    "project had noticed its failing queue a couple of months after the start.",
    address="https://github.com/collectiveidea/delayed_job/pull/975",
    question="The job is given up. Who can learn of that tomorrow, and from what?",
    place="Look at what is written when the attempts are spent, and compare it with what other changes of "
    "a job leave in the audit.",
    requirement="A job whose attempts are spent is closed: it is never leased again. The same transaction "
    "leaves an audit row BURIED of that job, with the reason ATTEMPTS_SPENT. A job with attempts left is "
    "not touched, and gets no row.",
    also=(
        (Scope(), Bounds(jobs=1, ticks=1, failures=2)),
        (
            Scope(settings=Settings(attempts_max=1)),
            Bounds(jobs=1, ticks=1, crashes=1, failures=1, reconciles=1),
        ),
    ),
)
