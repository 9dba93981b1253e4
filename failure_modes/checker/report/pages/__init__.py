"""Pages: HTML files that need no network and no server. `page.py` makes them from what a replay recorded."""
