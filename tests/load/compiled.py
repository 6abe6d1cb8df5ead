"""What named makes of a master file: its records in wire form, out of named-compilezone."""

import subprocess
from pathlib import Path

import dns.name
import dns.rdatatype
import dns.zone

from tests.peers import need

Records = set[tuple[str, int, str, bytes]]  # owner, TTL, type, rdata in DNSSEC's canonical form

_LENIENT = [word for check in "kmnrSTW" for word in (f"-{check}", "ignore")]
HEAD = (
    "$TTL 3600\n@ IN SOA ns1.example.net. h.example.net. 1 7200 1800 604800 3600\n@ IN NS ns1.example.net.\n"
)


def by_named(text: bytes, directory: Path) -> tuple[Records | None, str]:
    """Return the records of zone example.com., or None where named refuses the file, and what it says."""
    source, made = directory / "in.zone", directory / "out.zone"
    source.write_bytes(text)
    made.unlink(missing_ok=True)
    command = [
        need("named-compilezone"),
        "-i",
        "none",
        *_LENIENT,
        "-o",
        str(made),
        "example.com",
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, cwd=directory, check=False)
    said = (done.stdout + done.stderr).decode(errors="replace")
    if done.returncode:
        return None, said
    origin = dns.name.from_text("example.com.")
    zone = dns.zone.from_file(str(made), origin, relativize=False)
    return {
        (owner.to_text().lower(), ttl, dns.rdatatype.to_text(rdata.rdtype), rdata.to_digestable(origin))
        for owner, ttl, rdata in zone.iterate_rdatas()
    }, said
