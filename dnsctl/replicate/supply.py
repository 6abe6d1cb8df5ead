"""What the control host brings a node up to date with: its archive of releases, and a snapshot of its image.

Only reads. A node that is behind gets the releases it lacks, in order, and takes them in one step: it serves
none of those between. If some are missing, or there are too many, or the node has nothing, it gets a
snapshot.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dnsctl.errors import RefusalRule, ReleaseError, ReleaseRefusedError
from dnsctl.files import durable
from dnsctl.image.store import Image
from dnsctl.release.archive import Archive, activated
from dnsctl.release.envelope import unverified_payload
from dnsctl.release.manifest import Manifest
from dnsctl.replicate import snapshot
from dnsctl.replicate.answers import NodeStatus
from dnsctl.replicate.catchup import LONGEST_CHAIN
from dnsctl.replicate.client import AgentClient
from dnsctl.replicate.staging import Served
from dnsctl.replicate.trust import Certified, Trust

NOTHING_LOST = "nothing is lost by that: the next `dnsctl push` takes it from a node that has it"
_MOST_OCTETS = 64 * 2**20  # of releases handed over at once, deltas apart; beyond it a snapshot is less


@dataclass(frozen=True, slots=True)
class Supply:
    """The control host's archive and image. `trust` checks what is read from disk, as a node would."""

    archive: Archive
    image: Image
    trust: Trust

    def certified(self, generation: int) -> Certified | None:
        """Return an activated release with its delta at hand; None where any of it is missing or damaged."""
        try:
            certificate = self.archive.activation(generation)
            manifest = self.archive.manifest(generation) if certificate else None
            if manifest is None or certificate is None:
                return None
            release = Certified(manifest, certificate)
            return release if self.archive.has(self.trust.certified(release).delta.digest) else None
        except ReleaseError:
            return None

    def released(self, generation: int, digest: str = "") -> Manifest | ReleaseError | None:
        """Return the manifest of an activated generation: by its seal, or with `digest` where that is known.

        None where the archive does not have it; an error that names the file where it is damaged.
        """
        path = self.archive.path_of(generation, "manifest")
        try:
            manifest = activated(self.archive, generation)
            certificate = self.archive.activation(generation)
            if manifest is None or certificate is None:
                return None
            if manifest.digest == digest:  # release keys may have been replaced since
                return manifest
            sealed = Certified(self.archive.manifest(generation) or b"", certificate)
            if not digest and self.trust.certified(sealed) == manifest:
                return manifest
            reason = "another release"
        except ReleaseError as error:
            path, reason = Path(error.where or path), error.what
        return ReleaseError(f"is damaged: {reason}", where=str(path), advice=f"remove it; {NOTHING_LOST}")

    def fault(self, served: Served) -> str:
        """Return what the archive lacks of the release that the image holds; empty where it has all."""
        found = self.released(served.generation, served.manifest)
        if isinstance(found, ReleaseError):
            return f"{found.where}: {found.what}"
        if found is None:
            return f"{self.archive.path_of(served.generation, 'activation')}: missing"
        try:
            self.archive.get(found.delta.digest)
        except ReleaseError as error:
            return f"{error.where}: {error.what}"
        return ""

    def staged(self, generation: int) -> str:
        """Return the digest of a manifest that was staged from here and never activated; empty if none."""
        try:
            sealed = self.archive.manifest(generation)
            if sealed is None or self.archive.activation(generation) is not None:
                return ""
            return Manifest.from_bytes(unverified_payload(sealed, "manifest")).digest
        except ReleaseError:  # damaged: what is staged next takes its place
            return ""

    def served(self) -> Served:
        """Return what the control host's image holds: what every node should serve."""
        with self.image.reader() as reader:
            return Served(reader.generation, reader.manifest)

    async def level(self, client: AgentClient, status: NodeStatus, target: Served) -> None:
        """Bring the node behind `client`, which is as `status` says, to `target`, the host's own release.

        It may be catching up by itself meanwhile. One that has it and keeps silent is told that it is the
        newest. Raises ReleaseRefusedError where its history has diverged.
        """
        while (served := status.served).generation < target.generation:
            releases = await asyncio.to_thread(self._chain, served, target)
            try:
                if releases:
                    await self._feed(client, served, releases)
                else:
                    await self._restore(client, target)
            except ReleaseRefusedError:
                if (await client.status()).served.generation <= served.generation:
                    raise  # else it was a peer that was faster
            status = await client.status()
        if served != target:
            raise ReleaseRefusedError(
                f"serves generation {served.generation} ({served.manifest[:12]}), this host knows"
                f" {target.generation} ({target.manifest[:12] or 'nothing'})",
                where=client.node.name,
                advice="another control host made it; if it is the wrong one, remove the node's state"
                " directory and start it again",
                rule=RefusalRule.FENCE,
            )
        if status.silent and target.generation:  # without one, the first activation ends the silence
            release = await asyncio.to_thread(self.certified, target.generation)
            if release is not None:
                await client.activate(release.certificate)

    def _chain(self, served: Served, target: Served) -> tuple[Certified, ...]:
        """Return the releases from `served` to `target`; none where a snapshot is the better way."""
        behind = target.generation - served.generation
        if behind > LONGEST_CHAIN or (behind > 1 and not served.generation):
            return ()
        releases: list[Certified] = []
        octets = 0
        for generation in range(served.generation + 1, target.generation + 1):
            release = self.certified(generation)
            octets += len(release.manifest) + len(release.certificate) if release else 0
            if release is None or (releases and octets > _MOST_OCTETS):
                return ()
            releases.append(release)
        return tuple(releases)

    async def _feed(self, client: AgentClient, served: Served, releases: Sequence[Certified]) -> None:
        manifests = [self.trust.certified(release) for release in releases]
        if (manifests[0].parent or "") != served.manifest:
            raise ReleaseRefusedError(
                f"serves another generation {served.generation} ({served.manifest[:12]}) than was released",
                where=client.node.name,
                advice="remove the node's state directory and start it again",
                rule=RefusalRule.FENCE,
            )
        for release in releases:
            await self._send_delta(client, release)
        await client.follow(releases)

    async def _send_delta(self, client: AgentClient, release: Certified) -> None:
        digest = self.trust.certified(release).delta.digest
        data = await asyncio.to_thread(self.archive.get, digest)
        await client.put_delta(digest, data, release.manifest)

    async def _restore(self, client: AgentClient, target: Served) -> None:
        release = await asyncio.to_thread(self.certified, target.generation)
        if release is None:
            raise ReleaseError(
                f"generation {target.generation} is not in the archive, so this host cannot send it",
                where=str(self.archive.root),
                advice="let the node catch up from another node",
            )
        await self._send_delta(client, release)
        await asyncio.to_thread(durable.make_directory, self.archive.root)
        with tempfile.TemporaryDirectory(dir=self.archive.root, prefix=durable.TEMPORARY_PREFIX) as directory:
            path = Path(directory) / "snapshot"
            await asyncio.to_thread(self._write_snapshot, path, target)
            await client.restore(release, path)

    def _write_snapshot(self, path: Path, target: Served) -> None:
        with self.image.reader() as reader, durable.naming(path), path.open("wb") as file:
            if Served(reader.generation, reader.manifest) != target:
                raise ReleaseRefusedError(
                    "the control host's image has changed meanwhile",
                    advice="push again",
                    rule=RefusalRule.CHANGED_MEANWHILE,
                )
            for part in snapshot.encode(reader):
                file.write(part)
