"""Fetch a release that this host's archive lost, from a node that has it.

What a node sends is checked as always: the seals of the release keys, and the delta's digest. Only that
generation is replaced in the archive.
"""

from __future__ import annotations

from collections.abc import Sequence

from dnsctl.errors import DnsctlError
from dnsctl.release.archive import Archive
from dnsctl.replicate.client import AgentClient
from dnsctl.replicate.trust import Certified, Trust


async def recall(archive: Archive, trust: Trust, clients: Sequence[AgentClient], generation: int) -> bool:
    """Put the release of `generation` into `archive` again; False where no node of `clients` has it.

    The delta may be missing everywhere: then what needs it takes a snapshot. Raises ReleaseError where the
    archive cannot be written.
    """
    for client in clients:
        try:
            listed = await client.releases(generation - 1)
            if not listed or trust.certified(listed[0]).generation != generation:
                continue
        except DnsctlError:
            continue
        archive.put_again(generation, *listed[0])
        await _recall_delta(archive, trust, clients, listed[0])
        return True
    return False


async def _recall_delta(
    archive: Archive, trust: Trust, clients: Sequence[AgentClient], release: Certified
) -> None:
    reference = trust.certified(release).delta
    if archive.has(reference.digest):
        return
    for client in clients:
        try:
            data = await client.get_blob(reference.digest, reference.size)
        except DnsctlError:
            continue
        archive.put(data)
        return
