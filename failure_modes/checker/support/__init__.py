"""Tools that know nothing of queues.

They are: the classes of errors, atomic files, a process pool, child processes, signals, temporary folders and
a PostgreSQL server.
"""
