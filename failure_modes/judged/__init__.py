"""Queues that were judged, a folder each: its adapter and its kept traces.

To remove a queue, remove its folder.
"""
