"""One answer for many queries: it is worked out once, then repeated octet for octet."""
