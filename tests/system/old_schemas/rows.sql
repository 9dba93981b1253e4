-- A queue that has seen everything, in the words that each old schema understands. Times in ms.
-- Ids have gaps, and those that come next are ahead of all that are there: see old_queues.py.
INSERT INTO jobs (id, key, payload, attempts_max, enqueued_at, available_at) VALUES
    (1, 'done', '{"amount":5}', 3, 1000, NULL),
    (2, NULL, '"never leased"', 3, 1001, 1001),
    (3, 'k''é😀', '"leased"', 3, 1002, 32000),
    (4, NULL, '"in progress"', 3, 1003, 33000),
    (5, 'committed', '"committed"', 3, 1004, NULL),
    (6, NULL, '"failed, waits"', 3, 1005, 9000),
    (7, 'buried', '"buried"', 2, 1006, NULL),
    (8, NULL, '"postponed"', 3, 1007, 66000),
    (9, NULL, '"enqueued while the clock was ahead"', 3, 86401000, 86401000),
    (12, '', '"leased twice"', 1000, 1008, 34000),
    (20, NULL, 'null', 9223372036854775807, -5, -5);
INSERT INTO executions (id, job_id, attempt, worker, status, lease_expires_at) VALUES
    (1, 1, 1, 'A', 'ABORTED', 31000),
    (2, 1, 2, 'B', 'DONE', 31500),
    (3, 3, 1, 'A', 'LEASED', 32000),
    (4, 5, 1, 'A', 'COMMITTED', 32001),
    (5, 4, 1, 'B é', 'IN_PROGRESS', 33000),
    (6, 6, 1, 'A', 'ABORTED', 31000),
    (7, 7, 1, 'A', 'ABORTED', 31000),
    (8, 7, 2, 'A', 'ABORTED', 31000),
    (9, 8, 1, 'A', 'ABORTED', 31000),
    (14, 12, 1, 'A', 'ABORTED', 2000),
    (15, 12, 2, 'C', 'LEASED', 34000);
INSERT INTO effects (id, job_id, execution_id, value) VALUES
    (1, 1, 2, '{"charged":5}'),
    (3, 5, 4, 'null');
INSERT INTO audit (id, at, actor, operation, event, job_id, execution_id, before, after, reason, detail) VALUES
    (1, 1000, 'producer', 'enqueue', 'enqueued', 1, NULL, NULL, NULL, NULL, NULL),
    (2, 1001, 'retry é', 'enqueue', 'duplicate', 1, NULL, NULL, NULL, NULL, NULL),
    (3, 1001, 'A', 'lease', 'leased', 1, 1, NULL, 'LEASED', NULL, NULL),
    (4, 1001, 'A', 'start', 'started', 1, 1, 'LEASED', 'IN_PROGRESS', NULL, NULL),
    (5, 1001, 'A', 'heartbeat', 'extended', 1, 1, 'IN_PROGRESS', 'IN_PROGRESS', NULL, NULL),
    (6, 1002, 'A', 'fail', 'failed', 1, 1, 'IN_PROGRESS', 'ABORTED', 'handler_failed', 'ValueError: no\nway'),
    (7, 1002, 'A', 'fail', 'opened', 1, 1, NULL, NULL, NULL, NULL),
    (8, 1003, 'B', 'commit', 'committed', 1, 2, 'IN_PROGRESS', 'COMMITTED', NULL, NULL),
    (9, 1003, 'A', 'commit', 'refused', 1, 1, NULL, NULL, 'already_committed', NULL),
    (10, 1004, 'R', 'reconcile', 'finished', 1, 2, 'COMMITTED', 'DONE', 'abandoned', NULL),
    (11, 1004, 'B', 'finish', 'closed', 1, 2, NULL, NULL, NULL, NULL),
    (12, 1005, 'R', 'reconcile', 'expired', 7, 8, 'LEASED', 'ABORTED', NULL, NULL),
    (13, 1005, 'R', 'reconcile', 'buried', 7, NULL, NULL, NULL, 'attempts_spent', NULL),
    (17, 6000, 'A', 'lease', 'postponed', 8, NULL, NULL, NULL, 'retry_budget', NULL);
