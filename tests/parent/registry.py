"""What scans children for a parent at NOTIFY(CDS): BIND's `dnssec-cds` judges, `nsupdate` tells the parent.

`dnssec-cds` knows no CDS that asks for no DS (RFC 8078 §4): that dnspython verifies.
"""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import dns.dnssec
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rdata
import dns.rrset

from dnsctl.model.fleet import Endpoint
from dnsctl.model.rrset import Type
from tests.parent.scripted import answer
from tests.parent.updates import KEY, SECRET
from tests.peers import need


class Registry:
    """A parent at `server` that takes updates, and a scanner of `zone`, which is served at port `child`.

    `ttl`: of the DS, in seconds.
    """

    def __init__(self, directory: Path, server: Endpoint, child: int, zone: str, ttl: int) -> None:
        self.server, self._directory, self._child = server, directory, child
        self._zone, self._ttl = zone, ttl
        self.scanned = threading.Event()
        self._key = directory / "tsig"
        self._key.write_text(f'key "{KEY.name}" {{ algorithm {KEY.algorithm}; secret "{SECRET}"; }};\n')

    def update(self, commands: str) -> None:
        told = f"server {self.server.address} {self.server.port}\n{commands}send\n"
        subprocess.run([need("nsupdate"), "-k", str(self._key)], input=told, text=True, check=True)

    def ds(self) -> set[str]:
        query = dns.message.make_query(self._zone, "DS")
        found = dns.query.udp(query, self.server.address, port=self.server.port, timeout=5)
        return {rdata.to_text().lower() for rrset in found.answer for rdata in rrset}

    def script(self, query: bytes, _tcp: bool) -> list[bytes]:
        message = dns.message.from_wire(query)
        if message.opcode() == dns.opcode.NOTIFY and message.question[0].rdtype == Type.CDS:
            threading.Thread(target=self._scan, daemon=True).start()
        return [answer(query)]

    def _scan(self) -> None:
        """Take the child's CDS, and let `dnssec-cds` verify them by the DS that is there (RFC 7344 §4.1)."""
        records = []
        for rdtype in ("DNSKEY", "CDS", "CDNSKEY"):
            query = dns.message.make_query(self._zone, rdtype, want_dnssec=True)
            records += dns.query.udp(query, "127.0.0.1", port=self._child, timeout=5).answer
        if any(each.to_text() == "0 0 0 00" for rrset in records for each in rrset):
            self._require_valid(records)
            self.update(f"update delete {self._zone} DS\n")
        else:
            self._update_as_told(records)
        self.scanned.set()

    def _require_valid(self, records: list[dns.rrset.RRset]) -> None:
        """Check that a key that the DS leads to signs the DNSKEYs, and one of these the CDS."""
        found = {(int(each.rdtype), int(each.covers)): each for each in records}
        keys, origin = found[Type.DNSKEY, 0], dns.name.from_text(self._zone)
        known = {dns.rdata.from_text("IN", "DS", each) for each in self.ds()}
        entry = [each for each in keys if dns.dnssec.make_ds(origin, each, "SHA256") in known]
        dns.dnssec.validate(
            keys, found[Type.RRSIG, Type.DNSKEY], {origin: dns.rrset.from_rdata(origin, 0, *entry)}
        )
        dns.dnssec.validate(found[Type.CDS, 0], found[Type.RRSIG, Type.CDS], {origin: keys})

    def _update_as_told(self, records: list[dns.rrset.RRset]) -> None:
        child, known = self._directory / "child", self._directory / "dsset"
        child.write_text("".join(f"{each.to_text()}\n" for each in records))
        known.write_text("".join(f"{self._zone} 3600 IN DS {each}\n" for each in self.ds()))
        options = ["-u", "-s", "-7200", "-T", str(self._ttl), "-f", str(child), "-d", str(known)]
        command = [need("dnssec-cds"), *options, self._zone.removesuffix(".")]
        made = subprocess.run(command, capture_output=True, text=True, check=True)
        self.update(made.stdout.replace("show\n", "").replace("send\n", ""))
