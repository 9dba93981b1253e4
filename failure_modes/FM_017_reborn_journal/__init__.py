"""FM_017: an acknowledged commit that its own journal, which a power loss brings back, undoes."""
