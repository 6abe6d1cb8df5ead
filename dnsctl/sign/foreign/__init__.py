"""Keys of other name servers, read and written: BIND, Knot, PowerDNS. See `sign.adoption` for their use."""
