"""dnsctl.yaml: its values, what it says of fleet, serving and zones, and how its text is read."""
