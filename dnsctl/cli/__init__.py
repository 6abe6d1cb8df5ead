"""The command line: one module a verb; the only place that prints or exits."""

INTERRUPTED = 130  # exit code, as shells report SIGINT
HANDED = "DNSCTL_SERVE"  # environment variable: the descriptor that an order is read from, see `anew`
