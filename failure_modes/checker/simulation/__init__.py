"""Virtual processes: they run the real code to their next boundary, wait for locks, crash and lose power."""
