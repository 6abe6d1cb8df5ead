"""What must not be served, and what should not: pure rules over zones, as one literal table (`rules`)."""
