"""How `dnsctl serve` comes up: from the command line to a node, of a fleet or of files in a directory."""

TRIAL = "DNSCTL_TRIAL"  # environment variable: the descriptor that it is only to be written to, see `anew`
HANDED = "DNSCTL_SERVE"  # environment variable: the descriptor that an order is read from, see `anew`
EMBEDDED = "embedded"  # name of a node that no fleet knows
