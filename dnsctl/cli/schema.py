"""`dnsctl schema`: the JSON Schema of dnsctl.yaml or of a zone file."""

from __future__ import annotations

from dnsctl.cli import output
from dnsctl.load.schema import config_schema, zone_schema


def schema(*, zone: bool) -> None:
    """Print the JSON Schema of a zone file, or else of dnsctl.yaml."""
    output.json_result(zone_schema() if zone else config_schema())
