"""What knows nothing of queues.

In it: files that are written whole, pools and child processes, signals, folders, a server.
"""
