"""The parent zone com. as somebody else serves it, with the delegation of example.com."""

from __future__ import annotations

_COM = """\
$TTL 600
com. SOA ns.com. hostmaster.com. 1 7200 1800 1209600 300
com. NS ns.com.
ns.com. A 192.0.2.99
example.com. 7200 NS ns1.example.com.
example.com. 7200 NS %s
ns1.example.com. A %s
ns2.example.com. A 198.51.100.53
%s
"""


def com(ns: str = "ns2.example.com.", glue: str = "192.0.2.53", ds: str = "") -> str:
    """Return the zone in master-file format: the second name server, the glue of the first, a DS record."""
    return _COM % (ns, glue, ds)
