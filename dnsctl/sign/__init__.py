"""Validated zones to signed zones: keys, signatures, denial of existence."""
