"""Zones to findings and validated zones. Pure."""
