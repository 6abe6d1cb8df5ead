"""Proof from outside that nodes serve the release. Shares no code with what signs or serves."""
