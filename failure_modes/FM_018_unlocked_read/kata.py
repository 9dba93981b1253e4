"""FM_018 unlocked read: the kata."""

from failure_modes.checker import Kata

KATA = Kata(
    order=140,
    story="The two workers of FM_009 were given one transaction each, and the office was told that this "
    "cannot happen again. On SQLite it did not. Then the queue moved to PostgreSQL, and on the first "
    "morning Paul was called by two doctors.",
    in_public="in October 2020 managers of QCFractal computed the same tasks, because each read the rows "
    "with a SELECT that locked nothing before it marked them; the change adds FOR UPDATE.",
    address="https://github.com/MolSSI/QCFractal/pull/624",
    question="Both transactions read the job at the same moment. Which of them is held up, and by what?",
    place="Look at the SELECT. Which method of the transaction reads the next job so that no other one "
    "gets it?",
    requirement="On PostgreSQL, too: the row of the job is locked by the statement that reads it to decide.",
)
