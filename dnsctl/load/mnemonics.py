"""Mnemonics in rdata, as RFCs, IANA and BIND spell them: algorithms, digests, certificates, ports."""

from __future__ import annotations

from collections.abc import Mapping

from dnsctl.load.nearest import did_you_mean
from dnsctl.load.presentation import RdataFault, number

# DNSSEC algorithms: IANA's mnemonics (RFC 8624 §3.1), and those of older RFCs and of BIND.
ALGORITHMS = {
    "RSAMD5": 1,
    "DH": 2,
    "DSA": 3,
    "ECC": 4,
    "RSASHA1": 5,
    "DSA-NSEC3-SHA1": 6,
    "NSEC3DSA": 6,
    "RSASHA1-NSEC3-SHA1": 7,
    "NSEC3RSASHA1": 7,
    "RSASHA256": 8,
    "RSASHA512": 10,
    "ECC-GOST": 12,
    "ECCGOST": 12,
    "ECDSAP256SHA256": 13,
    "ECDSAP384SHA384": 14,
    "ED25519": 15,
    "ED448": 16,
    "SM2SM3": 17,
    "MLDSA44": 18,
    "ECC-GOST12": 23,
    "INDIRECT": 252,
    "PRIVATEDNS": 253,
    "PRIVATEOID": 254,
}
DIGESTS = {  # of DS, as BIND has them
    "SHA-1": 1,
    "SHA1": 1,
    "SHA-256": 2,
    "SHA256": 2,
    "GOST": 3,
    "SHA-384": 4,
    "SHA384": 4,
}
CERTIFICATES = {  # RFC 4398 §2.1
    "PKIX": 1,
    "SPKI": 2,
    "PGP": 3,
    "IPKIX": 4,
    "ISPKI": 5,
    "IPGP": 6,
    "ACPKIX": 7,
    "IACPKIX": 8,
    "URI": 253,
    "OID": 254,
}
PROTOCOLS = {"ICMP": 1, "IGMP": 2, "TCP": 6, "EGP": 8, "UDP": 17}  # of WKS, RFC 1010
SERVICES = {  # of WKS: a host's own /etc/services would make a zone depend on where it is read (RFC 1010)
    "TCPMUX": 1,
    "RJE": 5,
    "ECHO": 7,
    "DISCARD": 9,
    "SYSTAT": 11,
    "DAYTIME": 13,
    "NETSTAT": 15,
    "QOTD": 17,
    "CHARGEN": 19,
    "FTP-DATA": 20,
    "FTP": 21,
    "SSH": 22,
    "TELNET": 23,
    "SMTP": 25,
    "TIME": 37,
    "NAMESERVER": 42,
    "NICNAME": 43,
    "WHOIS": 43,
    "TACACS": 49,
    "DOMAIN": 53,
    "BOOTPS": 67,
    "BOOTPC": 68,
    "TFTP": 69,
    "GOPHER": 70,
    "FINGER": 79,
    "HTTP": 80,
    "KERBEROS": 88,
    "HOSTNAMES": 101,
    "ISO-TSAP": 102,
    "CSNET-NS": 105,
    "RTELNET": 107,
    "POP2": 109,
    "POP3": 110,
    "SUNRPC": 111,
    "AUTH": 113,
    "SFTP": 115,
    "NNTP": 119,
    "NTP": 123,
    "NETBIOS-NS": 137,
    "NETBIOS-SSN": 139,
    "IMAP2": 143,
    "SNMP": 161,
    "BGP": 179,
    "IRC": 194,
    "LDAP": 389,
    "HTTPS": 443,
}


def named_number(text: str, names: Mapping[str, int], limit: int, what: str) -> int:
    """Return what a mnemonic or number stands for. Raises RdataFault with the nearest mnemonic."""
    known = names.get(text) or names.get(text.upper())
    if known is not None:
        return known
    if text.isdigit():
        return number(text, limit, what)
    advice = f"{did_you_mean(text.upper(), names)} or write a number from 0 to {limit}"
    raise RdataFault(f"there is no {what} {text[:40]!r}", advice)
