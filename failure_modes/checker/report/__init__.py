"""What people read: traces as text, summaries, documents, progress."""
