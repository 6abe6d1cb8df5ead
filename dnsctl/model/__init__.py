"""The nouns: names, RRsets, zones, keys, serials, policies, findings. Frozen, and without I/O."""
