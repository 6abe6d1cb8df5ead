"""A release on its way into an image: prepared in an open write transaction, then committed or dropped.

Pure of HTTP and of the event loop; all of it runs in one thread, because an LMDB write transaction belongs
to the thread that began it. Invariants:

* What is served changes only by `commit`: one transaction, after every check has passed. A node that is many
  releases behind takes them all in one transaction: nobody ever sees those between.
* At most one release is prepared. Another is refused until that one is activated, aborted or has expired:
  with all nodes prepared for one push, no second push can get a certificate (see `transaction`).
* The certificate is on disk before the commit, so that a node killed between the two finishes by itself
  (`resume`), and its peers can always fetch what it serves.
* Disk space for certificate and commit is held while preparing, in the files that they are written to: a full
  disk refuses a release, and does not break one that is decided, whoever else writes to that disk.
* Every refusal has a reason. `status` shows what the control host was refused, and no peer overwrites that.

Checks go cheapest and most trusted first: seal, form, generation, parent, nothing else prepared, times,
settings, delta, digests of zones, digest of the table, probes.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from dnsctl.errors import (
    DamagedImageError,
    DnsctlError,
    ImageError,
    RefusalRule,
    ReleaseError,
    ReleaseRefusedError,
    worded,
)
from dnsctl.image.difference import Change, difference
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image, Writer
from dnsctl.model.name import to_text
from dnsctl.release import delta
from dnsctl.release.archive import Archive
from dnsctl.release.manifest import ActivationCertificate, Manifest
from dnsctl.release.settings import FleetSettings, encode
from dnsctl.replicate.clocks import Offset, require_company, require_past, require_validity
from dnsctl.replicate.trust import Certified, Trust

_NO_CLOCKS: Mapping[str, Offset] = {}
_CERTIFICATE = 16384  # octets that a sealed certificate takes in the image, at most as a rule
EXPIRY = 60.0  # seconds a prepared release waits for its certificate
_log = logging.getLogger("dnsctl.replicate")

Prove = Callable[[Manifest, Reader], None]
Source = Literal["control", "catch-up", "peer", "own"]  # who brought a release: a peer does so unasked


@dataclass(frozen=True, slots=True)
class Served:
    """The release that is served: its generation (0 before the first) and its manifest's digest."""

    generation: int
    manifest: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The last thing refused: when (unix seconds), what was asked, why not, and by which rule."""

    at: int
    action: str
    reason: str
    rule: RefusalRule | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    """A refusal, and the generation that was served when it was made."""

    refusal: Refusal
    served: int


@dataclass(frozen=True)
class _Prepared:
    manifest: Manifest
    sealed: bytes
    writer: Writer
    deadline: float  # of the monotonic clock


class _Sealed(NamedTuple):
    """A manifest, the octets it came in, and its certificate where it was activated."""

    manifest: Manifest
    sealed: bytes
    certificate: bytes = b""


@dataclass(frozen=True)
class OwnHost:
    """What a node judges by itself: a release must not be of the future by its clock `now`, signatures must
    hold, and `fits` raises where the node cannot run with the settings that a push brings.
    """

    now: Callable[[], float]
    fits: Callable[[FleetSettings], None] = lambda _settings: None


@dataclass(frozen=True)
class Notices:
    """Called after each commit; called with the reason where the image is not what LMDB wrote."""

    committed: Callable[[], None] = lambda: None
    damaged: Callable[[str], None] = lambda _reason: None


class Held(NamedTuple):
    """A release that is prepared and not yet active, and the seconds that it stays so."""

    manifest: Manifest
    expires_in: float


class Staging:
    """The one way of a release into an image, on nodes and on the control host.

    `prove` asks the manifest's probes of the uncommitted state; `notices`: who hears of the image. `own`: of
    a node; the control host has none, since it takes only what the fleet has taken.
    """

    def __init__(
        self,
        image: Image,
        archive: Archive,
        trust: Trust,
        *,
        prove: Prove,
        notices: Notices | None = None,
        expiry: float = EXPIRY,
        clock: Callable[[], float] = time.monotonic,
        own: OwnHost | None = None,
    ) -> None:
        self.archive = archive
        self.trust = trust
        self._asked: _Kept | None = None
        self._fetched: _Kept | None = None
        self._image = image
        self._prove = prove
        self._notices = notices or Notices()
        self._expiry = expiry
        self._clock = clock
        self._own = own
        self._prepared: _Prepared | None = None
        self._give_back()
        self._shown: Certified | None = None  # what the image keeps of the release that is served
        self._settings = b""  # of nodes, in that release
        self._since = clock()
        self._served = self._read_served()
        self._mend_archive()

    # -- What is -------------------------------------------------------------------------------------------

    @property
    def served(self) -> Served:
        """What is committed. Safe to read from any thread."""
        return self._served

    @property
    def settings(self) -> bytes:
        """The settings of nodes in what is committed; empty where it has none. Safe from any thread."""
        return self._settings

    @property
    def age(self) -> float:
        """Seconds since something was committed, or this began."""
        return self._clock() - self._since

    def prepared(self) -> Held | None:
        """Return the release that is prepared. Safe to read from any thread."""
        one = self._prepared
        return Held(one.manifest, max(0.0, one.deadline - self._clock())) if one else None

    @property
    def refusal(self) -> Refusal | None:
        """What was refused last: to the control host; of peers only where that was before the last commit.

        What a peer sends unasked is in neither.
        """
        asked, fetched = self._asked, self._fetched
        if fetched is None or (asked is not None and asked.served == self._served.generation):
            return asked.refusal if asked is not None else None
        return fetched.refusal

    # -- A push, step by step ------------------------------------------------------------------------------

    def prepare(self, sealed: bytes, source: Source = "control") -> Manifest:
        """Bring a release to where only the commit is missing. Preparing the same one again is harmless.

        Order of checks: the manifest's seal (pinned keys, threshold), its form, its generation is the next
        one (an older one is a replay, a newer one means this node is behind), its parent is what is served,
        nothing else is prepared, it was not made in the future and its signatures hold now, this node can run
        with other settings that it brings, the delta is here and is the one named, every touched zone's
        digest, the table's digest, the probes. Raises ReleaseRefusedError; what is served is as it was.
        """
        with self.refusing("prepare", source):
            self.expire()
            manifest = self.trust.manifest(sealed)
            if self._prepared is not None and self._prepared.manifest.digest == manifest.digest:
                return manifest
            self._check_place(manifest)
            if self._prepared is not None:
                raise ReleaseRefusedError(
                    f"generation {self._prepared.manifest.generation} of another push is prepared"
                    f" ({self._prepared.manifest.digest[:12]})",
                    advice=f"let it end, or wait {self._expiry:.0f} s for it to expire",
                    rule=RefusalRule.ANOTHER_PREPARED,
                )
            self._check_times(manifest)
            self._check_settings(manifest)
            self._begin([_Sealed(manifest, sealed)])
            self._archive([_Sealed(manifest, sealed)])
        return manifest

    def activate(self, sealed: bytes, source: Source = "control") -> bool:
        """Commit what is prepared; False where it is served already.

        Order of checks: the certificate's seal, its form, it names what is prepared and that has not
        expired, times as in `prepare`. Raises ReleaseRefusedError; the prepared release stays until it
        expires.
        """
        with self.refusing("activate", source):
            self.expire()
            certificate = self.trust.certificate(sealed)
            wanted = Served(certificate.generation, certificate.manifest)
            if wanted == self._served:
                return False
            if wanted.generation <= self._served.generation:
                raise ReleaseRefusedError(
                    f"a certificate for generation {wanted.generation} ({wanted.manifest[:12]}), and"
                    f" {self._served.generation} ({self._served.manifest[:12]}) is served",
                    rule=RefusalRule.TOO_LATE,
                )
            if self._prepared is None or self._prepared.manifest.digest != wanted.manifest:
                raise ReleaseRefusedError(
                    f"generation {wanted.generation} ({wanted.manifest[:12]}) is not prepared here",
                    advice="it expired or never arrived; this node fetches it from its peers",
                    rule=RefusalRule.NOT_PREPARED,
                )
            self._check_times(self._prepared.manifest, certificate)
            self.archive.free()
            self.archive.put_activation(certificate.generation, sealed)
            self._commit(self._prepared, sealed)
        return True

    def abort(self, digest: str = "") -> bool:
        """Drop what is prepared, if it is the manifest with `digest` (or any, where empty)."""
        if self._prepared is None or digest not in ("", self._prepared.manifest.digest):
            return False
        self._drop("aborted")
        return True

    def expire(self) -> bool:
        """Drop what is prepared if its time is over; the delta stays on disk."""
        if self._prepared is None or self._clock() < self._prepared.deadline:
            return False
        self._drop(f"expired after {self._expiry:.0f} s without a certificate")
        return True

    # -- Releases that were activated elsewhere ------------------------------------------------------------

    def follow(
        self,
        *releases: Certified,
        late: bool = True,
        clocks: Mapping[str, Offset] = _NO_CLOCKS,
        source: Source = "catch-up",
    ) -> bool:
        """Take the next releases of the chain, activated elsewhere; False where all are served already.

        In one transaction: what is served before is served until the last of them is. Checks are those of
        `prepare` and `activate`, the certificates' seals first of all; those of the table and the probes are
        of the last, which vouches for what the others did, and so are times; `late`: signatures that ran out
        do not count against what the fleet has decided; `clocks`: of the peers, against this node's. Whatever
        else is prepared here is dropped.
        Raises ReleaseRefusedError.
        """
        with self.refusing("follow", source):
            chain = self._sealed(releases)
            last = chain[-1].manifest
            if Served(last.generation, last.digest) == self._served:
                return False
            chain = [one for one in chain if one.manifest.generation > self._served.generation] or chain[-1:]
            self._check_chain(chain)
            self._check_decided(chain, clocks, late=late)
            if self._prepared is None or self._prepared.manifest.digest != last.digest:
                self._drop(f"dropped, generation {last.generation} was activated elsewhere")
                self._begin(chain)
            self._archive(chain)
            self._commit(self._prepared_now(), chain[-1].certificate)
        return True

    def restore(
        self,
        release: Certified,
        snapshot: Iterable[Change],
        *later: Certified,
        late: bool = True,
        clocks: Mapping[str, Offset] = _NO_CLOCKS,
        source: Source = "catch-up",
    ) -> None:
        """Replace the whole image by a snapshot of an activated release that is ahead of this node.

        `later`: releases that follow it, taken in the same transaction. Order of checks: seals and form of
        all, generation is ahead, times as in `follow`, every zone's digest, the table's digest, the probes.
        The chain before is not seen: the table's digest under the release keys' signatures vouches for every
        octet. Where the release's own delta is not archived, peers that ask for it take a snapshot. Raises
        ReleaseRefusedError.
        """
        with self.refusing("restore", source):
            chain = self._sealed((release, *later))
            first = chain[0].manifest
            if first.generation <= self._served.generation:
                raise ReleaseRefusedError(
                    f"a snapshot of generation {first.generation}, and {self._served.generation} is served",
                    rule=RefusalRule.TOO_LATE,
                )
            self._check_chain(chain[1:], Served(first.generation, first.digest))
            self._check_decided(chain, clocks, late=late)
            self._drop("dropped for a snapshot")
            self._begin(chain, snapshot)
            self._archive(chain)
            self._commit(self._prepared_now(), chain[-1].certificate)

    def resume(self) -> int:
        """Take activated releases that are in the archive but not in the image: a crash came in between.

        Returns how many. Raises ReleaseRefusedError where they cannot be applied.
        """
        releases: list[Certified] = []
        while release := self._applicable(self._served.generation + 1 + len(releases)):
            releases.append(release)
        return len(releases) if releases and self.follow(*releases) else 0

    def certified(self, generation: int) -> Certified | None:
        """Return an activated release: of the image, where that is served, else of the archive.

        Safe to call from any thread. Raises ReleaseError where a file cannot be read.
        """
        shown = self._shown
        if shown is not None and generation == self._served.generation:
            return shown
        certificate = self.archive.activation(generation)
        manifest = self.archive.manifest(generation) if certificate else None
        return Certified(manifest, certificate) if manifest and certificate else None

    def generations(self) -> tuple[int, ...]:
        """Return the activated generations that can be shown, ascending. Safe to call from any thread."""
        listed = set(self.archive.generations())
        if self._shown is not None:
            listed.add(self._served.generation)
        return tuple(sorted(listed))

    def close(self) -> None:
        """Drop what is prepared; call it from the thread that prepared it."""
        self._drop("the agent ends")

    # -- Inside --------------------------------------------------------------------------------------------

    def _applicable(self, generation: int) -> Certified | None:
        """Return an activated release of the archive with its delta; None where it is not whole."""
        try:
            release = self.certified(generation)
            if release is None or not self.archive.has(self.trust.certified(release).delta.digest):
                return None
        except ReleaseError as error:
            _log.warning("generation %d in the archive is damaged: %s", generation, error)
            return None
        return release

    def _mend_archive(self) -> None:
        """Write the release that is served into the archive again where it is damaged there."""
        generation, shown = self._served.generation, self._shown
        if shown is None:
            return
        with contextlib.suppress(ReleaseError):
            if (self.archive.manifest(generation), self.archive.activation(generation)) == shown:
                return
        try:
            if self.trust.certified(shown).digest == self._served.manifest:
                self.archive.put_again(generation, *shown)
                _log.warning("generation %d in the archive was damaged, and is written again", generation)
        except ReleaseError as error:
            _log.warning("generation %d in the archive is damaged: %s", generation, error)

    def _sealed(self, releases: Iterable[Certified]) -> list[_Sealed]:
        """Return the manifests of activated releases, each beside what it came in. Raises as `Trust` does."""
        return [_Sealed(self.trust.certified(one), one.manifest, one.certificate) for one in releases]

    def _check_chain(self, chain: Iterable[_Sealed], after: Served | None = None) -> None:
        """Refuse releases that do not follow one another, the first the one served (or `after`)."""
        for one in chain:
            self._check_place(one.manifest, after)
            after = Served(one.manifest.generation, one.manifest.digest)

    def _check_place(self, manifest: Manifest, after: Served | None = None) -> None:
        """Refuse what is not the next release after the one served (or `after`): the fence."""
        served = after or self._served
        generation, digest = served.generation, served.manifest
        if manifest.generation <= generation:
            same = manifest.generation == generation and manifest.digest == digest
            raise ReleaseRefusedError(
                f"generation {manifest.generation} is served already"
                if same
                else f"generation {manifest.generation} ({manifest.digest[:12]}) comes too late:"
                f" {generation} ({digest[:12]}) is served",
                advice="" if same else "plan and push again on top of what is served",
                rule=RefusalRule.SERVED_ALREADY if same else RefusalRule.TOO_LATE,
            )
        if manifest.generation > generation + 1:
            raise ReleaseRefusedError(
                f"generation {manifest.generation} needs {manifest.generation - 1},"
                f" this node serves {generation}",
                advice="it catches up from its peers; try again in a few seconds",
                rule=RefusalRule.BEHIND,
            )
        if (manifest.parent or "") != digest:
            raise ReleaseRefusedError(
                f"generation {manifest.generation} was made on top of {(manifest.parent or 'nothing')[:12]},"
                f" this node serves {digest[:12] or 'nothing'}",
                advice="this node's release history has diverged; remove its state directory to start afresh",
                rule=RefusalRule.DIVERGED,
            )

    def _check_times(self, manifest: Manifest, certificate: ActivationCertificate | None = None) -> None:
        """Refuse what this node's clock says is of the future, or has signatures that do not hold."""
        if self._own is not None:
            now = self._own.now()
            require_past(manifest, certificate, now)
            require_validity(manifest.zones, now)

    def _check_settings(self, manifest: Manifest) -> None:
        """Refuse other settings than those of the served release, where this node cannot run with them."""
        coming = manifest.settings
        if self._own is not None and coming is not None and encode(coming) != self._settings:
            self._own.fits(coming)

    def _check_decided(self, chain: Sequence[_Sealed], clocks: Mapping[str, Offset], *, late: bool) -> None:
        """Do as `_check_times` for releases that others serve, of which the last will be served here.

        Not of the snapshot's other zones: they came with releases before it.
        """
        if self._own is None:
            return
        now, last = self._own.now(), chain[-1]
        require_past(last.manifest, self.trust.certificate(last.certificate), now)
        zones = {origin: entry for one in chain for origin, entry in one.manifest.zones.items()}
        require_validity(zones, now, late=late)
        require_company(clocks, now)

    def _delta(self, manifest: Manifest) -> bytes:
        data = self.archive.get(manifest.delta.digest)
        delta.check_reference(data, manifest.delta)
        return data

    def _begin(self, chain: Sequence[_Sealed], snapshot: Iterable[Change] | None = None) -> None:
        """Prepare the last release of `chain`, all in one transaction; with `snapshot`, that of the first."""
        with self._open_writer() as writer:
            changes = length = 0
            if snapshot is not None:
                writer.apply(difference(writer, (), tuple(writer.apexes())))
                writer.apply(snapshot)
                _check_zones(chain[0].manifest, writer)
            for one in chain[snapshot is not None :]:
                changes += self._apply(one.manifest, writer)
                length += one.manifest.delta.length
                _check_zones(one.manifest, writer)
            last = chain[-1]
            if snapshot is None:
                kept = len(last.sealed) + len(encode(last.manifest.settings)) + _CERTIFICATE
                self._image.reserve(writer.room(changes, length) + kept)
                self.archive.reserve()
            self._check_state(last.manifest, writer)
            self._prepared = _Prepared(last.manifest, last.sealed, writer, self._clock() + self._expiry)

    def _apply(self, manifest: Manifest, writer: Writer) -> int:
        """Make a release's changes; return how many there are."""
        data = self._delta(manifest)
        changes = _Counted(delta.decode(data, manifest.delta.length))
        touched = writer.apply(changes)
        unlisted = touched - manifest.zones.keys() - set(manifest.removed)
        if unlisted:
            raise ReleaseRefusedError(
                f"the delta touches {to_text(min(unlisted))}, which the manifest does not list",
                rule=RefusalRule.UNLISTED_ZONE,
            )
        return changes.count

    @contextlib.contextmanager
    def _open_writer(self) -> Iterator[Writer]:
        """Begin the write transaction: left open where the block ends well, aborted where it raises."""
        writer = self._image.writer()
        try:
            yield writer
        except BaseException:
            writer.abort()
            self._give_back()
            raise

    def _give_back(self) -> None:
        """Give back the disk space that was held and is not used."""
        self._image.give_back()
        self.archive.give_back()

    def _check_state(self, manifest: Manifest, writer: Writer) -> None:
        if writer.table_digest() != manifest.table:
            raise ReleaseRefusedError(
                "the table of all zones would not have the digest the manifest names",
                advice="this node's image may be damaged; remove its state directory to start afresh",
                rule=RefusalRule.TABLE_DIFFERS,
            )
        self._prove(manifest, writer)
        writer.set_release(manifest.generation, manifest.digest, manifest.commit, encode(manifest.settings))

    def _archive(self, chain: Iterable[_Sealed]) -> None:
        try:
            for manifest, sealed, certificate in chain:
                self.archive.put_manifest(manifest.generation, sealed)
                if certificate:
                    self.archive.free()
                    if self.archive.has(manifest.delta.digest):
                        self.archive.put_activation(manifest.generation, certificate)
                    else:  # a snapshot was taken in its place
                        self.archive.put_again(manifest.generation, sealed, certificate)
        except BaseException:
            self._drop("could not be archived")
            raise

    def _commit(self, prepared: _Prepared, certificate: bytes) -> None:
        self._prepared = None
        manifest = prepared.manifest
        try:
            prepared.writer.set_sealed(prepared.sealed, certificate)
            prepared.writer.commit()
        except BaseException:
            prepared.writer.abort()  # nothing to do where it was the commit
            raise
        finally:
            self._give_back()
            self._served = self._read_served()
        self._fetched = None
        self._since = self._clock()
        _log.info("generation %d (%s) is served", manifest.generation, manifest.digest[:12])
        self._notices.committed()

    def _prepared_now(self) -> _Prepared:
        if self._prepared is None:
            raise ImageError("nothing is prepared")
        return self._prepared

    def _drop(self, why: str) -> None:
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared.writer.abort()
            self._give_back()
            _log.info("prepared generation %d: %s", prepared.manifest.generation, why)

    def _read_served(self) -> Served:
        with self._image.reader() as reader:
            self._shown = Certified(*reader.sealed) if reader.sealed else None
            self._settings = reader.settings
            return Served(reader.generation, reader.manifest)

    @contextlib.contextmanager
    def refusing(self, action: str, source: Source) -> Iterator[None]:
        """Turn what goes wrong inside into a refusal, and keep the reason, unless a peer came unasked."""
        try:
            yield
        except (DnsctlError, OSError) as error:
            refusal = refused(error)
            told = Refusal(int(time.time()), action, str(refusal), refusal.rule)
            kept = _Kept(told, self._served.generation)
            if source == "control":
                self._asked = kept
            elif source == "catch-up":
                self._fetched = kept
            is_ours = source in ("control", "catch-up")
            _log.log(logging.WARNING if is_ours else logging.DEBUG, "%s refused: %s", action, refusal)
            if isinstance(error, DamagedImageError):
                self._notices.damaged(str(error))
            raise refusal from error


def _check_zones(manifest: Manifest, writer: Writer) -> None:
    """Refuse a state in which a zone that the release touches is not what the manifest says."""
    for origin, entry in manifest.zones.items():
        if writer.zone(origin) != entry:
            raise ReleaseRefusedError(
                f"{to_text(origin)} would not be what the manifest says it is", rule=RefusalRule.ZONE_DIFFERS
            )


class _Counted:
    """Changes that are counted on their way."""

    def __init__(self, changes: Iterator[Change]) -> None:
        self._changes = changes
        self.count = 0

    def __iter__(self) -> Iterator[Change]:
        for change in self._changes:
            self.count += 1
            yield change


def refused(error: DnsctlError | OSError) -> ReleaseRefusedError:
    """Return the answer to a refused request: the reason of `error`, and what to do about it on this node."""
    if isinstance(error, ReleaseRefusedError):
        return error
    told = worded(error)
    return ReleaseRefusedError(told.what, where=told.where, advice=told.advice, rule=told.rule)
