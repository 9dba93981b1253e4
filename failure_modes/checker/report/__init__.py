"""Output for people: traces as text, summaries, documents, progress."""
