"""dnsctl.yaml: its values, what it says of fleet, serving and zones, and how its text is read."""

import os

# pydantic looks for plugins in all that is installed, which takes longer than to read dnsctl.yaml
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "true")
