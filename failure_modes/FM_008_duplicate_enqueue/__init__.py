"""FM_008: the reply to an enqueue is lost, the producer enqueues again, and there are two jobs."""
