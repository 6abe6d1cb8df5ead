"""What named makes of a master file: its records in wire form, out of named-compilezone's raw format."""

import struct
import subprocess
from pathlib import Path

from dnsctl.model.name import from_wire, to_text
from dnsctl.model.rrset import type_text
from tests.peers import need

Records = set[tuple[str, int, str, bytes]]  # owner, TTL, type, rdata

HEAD = (
    "$TTL 3600\n@ IN SOA ns1.example.net. h.example.net. 1 7200 1800 604800 3600\n@ IN NS ns1.example.net.\n"
)
# Types whose names lose their case in canonical form (RFC 4034 §6.2); named keeps case in what it writes.
_FROM_RFC1035 = ("NS", "MD", "MF", "CNAME", "SOA", "MB", "MG", "MR", "PTR", "MINFO", "MX")
_LATER = ("RP", "AFSDB", "RT", "SIG", "PX", "NXT", "NAPTR", "KX", "SRV", "DNAME", "A6", "RRSIG", "NSAP-PTR")
LOWERED = frozenset((*_FROM_RFC1035, *_LATER))
_LENIENT = [word for check in "kmnrSTW" for word in (f"-{check}", "ignore")]
_HEADER = 24  # octets: format, version, time, flags, serial, time of transfer
_RDATASET = struct.Struct("!IHHHIIH")  # length, class, type, covered, TTL, count, length of the owner


def by_named(text: bytes, directory: Path) -> tuple[Records | None, str]:
    """Return the records of zone example.com., or None where named refuses the file, and what it says."""
    source, made = directory / "in.zone", directory / "out.raw"
    source.write_bytes(text)
    made.unlink(missing_ok=True)
    command = [need("named-compilezone"), "-i", "none", *_LENIENT, "-F", "raw", "-o", str(made)]
    done = subprocess.run(
        [*command, "example.com", str(source)], capture_output=True, cwd=directory, check=False
    )
    said = (done.stdout + done.stderr).decode(errors="replace")
    return (None if done.returncode else _records(made.read_bytes())), said


def alike(records: Records | None) -> Records | None:
    """Return records with names in lower case where canonical form has them so."""
    if records is None:
        return None
    return {
        (owner, ttl, kind, rdata.lower() if kind in LOWERED else rdata) for owner, ttl, kind, rdata in records
    }


def _records(raw: bytes) -> Records:
    found, at = set(), _HEADER
    while at < len(raw):
        length, _, rdtype, _, ttl, count, name = _RDATASET.unpack_from(raw, at)
        end, at = at + length, at + _RDATASET.size
        owner = to_text(from_wire(raw[at : at + name]))
        at += name
        for _ in range(count):
            size = int.from_bytes(raw[at : at + 2], "big")
            found.add((owner, ttl, type_text(rdtype), raw[at + 2 : at + 2 + size]))
            at += 2 + size
        assert at == end
    return found
