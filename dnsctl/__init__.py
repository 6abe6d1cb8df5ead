"""dnsctl: zones in git, signed, released to two datacenters at once, verified from outside."""

__version__ = "0.1.0"
