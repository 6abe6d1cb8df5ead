"""One answer for many queries: what was worked out once is said again, octet for octet the same."""
