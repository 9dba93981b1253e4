"""What knows nothing of queues.

In it: errors by whose fault, files that are written whole, pools and child processes, signals, folders, a
server.
"""
