"""An operations repo from nothing: what `dnsctl init` makes, and where secrets may stand."""
