"""Signed zones to finished answer fragments in LMDB, and back."""
