"""Ask a manifest's probes of a state that is not committed yet, with the code that will serve it.

The control host derived the right answers from the zones' data; this node makes its own. If they differ, the
node would have answered wrongly, and it refuses the release before anybody sees it.
"""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdatatype

from dnsctl.errors import RefusalRule, ReleaseRefusedError
from dnsctl.image.reader import Reader
from dnsctl.model.name import to_text
from dnsctl.model.rrset import Type, type_text
from dnsctl.release.manifest import Manifest, Probe
from dnsctl.serve.respond import Responder

_PAYLOAD = 65535  # octets: as over a stream, so that nothing is truncated


def prove(manifest: Manifest, reader: Reader) -> None:
    """Ask every probe of `manifest`. Raises ReleaseRefusedError at the first that is answered otherwise."""
    responder = Responder()  # a new one each time: it remembers zones of the state it first saw
    for number, probe in enumerate(manifest.probes, 1):
        response = responder.respond(reader, _query(probe, number), stream=True)
        fault = _fault(probe, response.wire if response else None)
        if fault:
            raise ReleaseRefusedError(
                f"{to_text(probe.name)} {type_text(probe.rdtype)} would be answered wrongly: {fault}",
                advice="this node's software may be older than the control host's; compare their versions",
                rule=RefusalRule.ANSWER_WRONG,
            )


def _query(probe: Probe, number: int) -> bytes:
    name, _ = dns.name.from_wire(probe.name, 0)
    query = dns.message.make_query(
        name, dns.rdatatype.RdataType.make(probe.rdtype), want_dnssec=probe.dnssec, payload=_PAYLOAD
    )
    query.flags &= ~int(dns.flags.RD)
    query.id = number & 0xFFFF
    return query.to_wire()


def _fault(probe: Probe, wire: bytes | None) -> str:
    """Return what is wrong with a response, or nothing."""
    if wire is None:
        return "no response"
    try:
        response = dns.message.from_wire(wire)
    except dns.exception.DNSException as error:
        return f"a malformed response ({error})"
    if int(response.rcode()) != probe.rcode:
        return f"rcode {response.rcode()}, not {probe.rcode}"
    found = sorted(
        {
            rdata.to_digestable().hex()
            for rrset in response.answer
            if rrset.rdtype == probe.rdtype
            for rdata in rrset
        }
    )
    if tuple(found) != probe.answers:
        return f"{len(found)} records instead of {len(probe.answers)}, or other records"
    if probe.dnssec and not any(
        int(rrset.rdtype) == Type.RRSIG for rrset in (*response.answer, *response.authority)
    ):
        return "no signatures"
    return ""
