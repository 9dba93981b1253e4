"""FM_012 external effect: the gateway charges, the worker dies, and the next attempt charges again."""
