"""The command line: one module a verb; the only place that prints or exits."""

INTERRUPTED = 130  # exit code, as shells report SIGINT
TRIAL = "DNSCTL_TRIAL"  # environment variable: the descriptor that it is only to be written to, see `anew`
HANDED = "DNSCTL_SERVE"  # environment variable: the descriptor that an order is read from, see `anew`
