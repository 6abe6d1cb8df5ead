"""Rules on what must not, or should not, be served: pure functions over zones, in one table (`rules`)."""
