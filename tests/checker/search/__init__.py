"""Tests of `failure_modes/checker/search`."""
