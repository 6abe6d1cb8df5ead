"""DNSSEC: keys at rest, DNSKEY and CDS, denial chains, signatures. Pure; only `keystore` does I/O."""
