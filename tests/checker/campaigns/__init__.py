"""Tests of `failure_modes/checker/campaigns`."""
