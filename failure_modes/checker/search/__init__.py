"""Searches and their drivers, minimising what they found, and the plans of searches."""
