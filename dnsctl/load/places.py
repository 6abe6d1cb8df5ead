"""Where the files that people write stand in an operations repo, relative to its root. Opens no file."""

from __future__ import annotations

DEFAULT_PATH = "dnsctl.yaml"
DIRECTORY = "zones"
YAML, MASTER = ".yaml", ".zone"
SUFFIXES = (YAML, MASTER)  # of zone files: the rest of the name is the apex
