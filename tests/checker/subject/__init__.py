"""Tests of `failure_modes/checker/subject`."""
