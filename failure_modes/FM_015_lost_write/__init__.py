"""FM_015: an acknowledged commit that a power loss takes back, for nothing was synced."""
