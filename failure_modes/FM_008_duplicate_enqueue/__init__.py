"""FM_008: the reply to an enqueue is lost, the producer asks again, and there are two jobs."""
