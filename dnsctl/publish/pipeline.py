"""From what a commit asks for to a sealed release.

`build` changes nothing on disk: compare, sign, compile, prove on the control host's image inside a write
transaction that is then dropped, name, seal. Keys that a zone lacks are made in memory; the caller stores
them before it sends the release. Unchanged zones are carried over without work. Only `replicate.staging`
puts a release into an image, this host's own included.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from dnsctl.errors import RefusalRule, ReleaseRefusedError
from dnsctl.image.difference import Change, difference
from dnsctl.image.layout import ZoneEntry
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.alias import Resolved
from dnsctl.model.key import signs_keys, whole_use
from dnsctl.model.name import Name, to_text
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import Type
from dnsctl.model.rrsig import signers_of
from dnsctl.model.zone import SignedZone
from dnsctl.publish.changeset import (
    Fate,
    ZoneChangeset,
    apexes_of,
    entry_before,
    fate_of,
    removed_zones,
    zone_changeset,
)
from dnsctl.publish.derived import with_derived
from dnsctl.publish.finish import published
from dnsctl.publish.guards import GuardVerdict, judge
from dnsctl.publish.intent import Intent, Progress, ZoneIntent, no_progress
from dnsctl.publish.keys import ZoneKeys, unasked_keys, zone_keys
from dnsctl.publish.known import Rest
from dnsctl.publish.making import Due, Whole, made_in_order
from dnsctl.publish.other_signers import refuse_shared_with_ours
from dnsctl.publish.presigned import pass_presigned
from dnsctl.publish.probes import budget, zone_probes
from dnsctl.publish.resting import rest_of, stamp_of
from dnsctl.publish.serials import serial_for
from dnsctl.publish.served_zone import previous_of
from dnsctl.publish.settings_changes import SettingsIntent
from dnsctl.publish.source import source_of
from dnsctl.publish.uses import Cacheable, cacheable, tokens
from dnsctl.publish.within_zone import Made, within
from dnsctl.publish.within_zone import made as made_within
from dnsctl.release import delta as deltas
from dnsctl.release import settings as node_settings
from dnsctl.release.envelope import ReleaseKey, seal
from dnsctl.release.manifest import MAX_PROBES, ActivationCertificate, DeltaReference, Manifest, Probe
from dnsctl.sign.keyfile import RollState
from dnsctl.sign.keystore import Keystore, NewKey, SigningKey, StoredKey


@dataclass(frozen=True)
class Release:
    """A release ready to be staged. `sealed`: its manifest in an envelope; `guards`: objections to it.

    `new_keys` sign in it and are only in memory: they must be on disk before it is decided, and `unasked`
    marked as keys without a DS. `served`: what caches may come to hold of the keys of each zone; `before`:
    what they hold of zones that were unsigned and are signed now. `aliases`: what became of ALIAS, by zone;
    None where no commit was read. `approved`: who approved the commit; `rules`: what differs from before
    about who may release; `settings`: of nodes, and what changes of them.
    """

    manifest: Manifest
    sealed: bytes = field(repr=False)
    delta: bytes = field(repr=False)
    zones: tuple[ZoneChangeset, ...] = field(repr=False)
    carried: int
    guards: tuple[GuardVerdict, ...] = ()
    new_keys: tuple[NewKey, ...] = field(default=(), repr=False)
    unasked: tuple[StoredKey, ...] = field(default=(), repr=False)
    served: Mapping[Name, Cacheable] = field(default_factory=dict, repr=False)
    before: Mapping[Name, Cacheable] = field(default_factory=dict, repr=False)
    aliases: Mapping[Name, tuple[Resolved, ...]] | None = field(default=None, repr=False)
    approved: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    settings: SettingsIntent = field(default_factory=SettingsIntent)

    @property
    def generation(self) -> int:
        return self.manifest.generation

    @property
    def changes(self) -> int:
        """Number of RRsets added, deleted and updated by people; DNSSEC's own are not counted."""
        return sum(len(zone.records) for zone in self.zones)


def build(
    intent: Intent,
    keystore: Keystore,
    release_keys: tuple[ReleaseKey, ...],
    image: Image,
    now: datetime,
    *,
    workers: int = 1,
    progress: Progress = no_progress,
    found: Callable[[Mapping[Name, Rest]], None] = lambda _: None,
) -> Release | None:
    """Return the release that turns what `image` holds into `intent`, or None where nothing would change.

    `image` is the control host's, opened for writing; it is left as it was. Guards are judged, not enforced.
    `found` is told which zones are at rest. Raises DnsctlError of the stage that fails.
    """
    with image.reader() as parent:
        work = _Work(intent, keystore, parent, image, now, workers, progress)
        removed = removed_zones(intent, parent)
        data, reference = deltas.encode_with_reference(work.changes(removed))
        generation, parent_digest = parent.generation + 1, parent.manifest or None
        settings = intent.settings.settings or node_settings.decode(parent.settings)
    found(work.resting)
    if not work.changesets and not removed and not intent.even_if_equal:
        return None
    progress("prove", 0, 1)
    table = _prove(image, data, reference, generation - 1, parent_digest)
    progress("prove", 1, 1)
    manifest = Manifest(
        generation=generation,
        parent=parent_digest,
        commit=intent.commit,
        created=int(now.timestamp()),
        zones=work.entries,
        removed=tuple(sorted((each.origin for each in removed), key=to_text)),
        table=table,
        delta=reference,
        probes=tuple(work.probes),
        settings=settings,
    )
    octets = manifest.to_bytes()
    manifest = Manifest.from_bytes(octets)  # what a node would refuse is refused here
    sealed = seal(octets, release_keys, "manifest")
    changesets = (*work.changesets, *removed)
    return Release(
        manifest=manifest,
        sealed=sealed,
        delta=data,
        zones=changesets,
        carried=len(work.apexes) - len(work.changesets),
        guards=judge(changesets, intent.limits),
        new_keys=work.new_keys,
        unasked=tuple(work.unasked),
        served=work.served,
        before=work.before,
        aliases=None if intent.partial else intent.aliases,
        settings=intent.settings,
    )


class _Work:
    """Zones on their way into a release: a group in memory at a time; what is kept of each is collected."""

    def __init__(
        self,
        intent: Intent,
        keystore: Keystore,
        parent: Reader,
        image: Image,
        now: datetime,
        workers: int,
        progress: Progress,
    ) -> None:
        self._intent = intent
        self._keystore = keystore
        self._parent = parent
        self._image = image
        self._now = now
        self._workers = workers
        self._progress = progress
        self._before = published(parent)
        self._related = apexes_of(intent, parent)
        self.apexes = {*intent.zones, *intent.carried, *(parent.apexes() if intent.partial else ())}
        self.resting: dict[Name, Rest] = {}
        self.changesets: list[ZoneChangeset] = []
        self.entries: dict[Name, ZoneEntry] = {}
        self.probes: list[Probe] = []
        self._drafts: dict[Name, tuple[NewKey, ...]] = {}
        self.served: dict[Name, Cacheable] = {}
        self.before: dict[Name, Cacheable] = {}
        self.unasked: list[StoredKey] = []
        self._underway: deque[tuple[ZoneChangeset, tuple[SigningKey, ...]]] = deque()  # being made, in order

    @property
    def new_keys(self) -> tuple[NewKey, ...]:
        return tuple(one for made in self._drafts.values() for one in made)

    def changes(self, removed: tuple[ZoneChangeset, ...]) -> Iterator[Change]:
        """Yield what goes into the delta, making each zone when its turn comes."""
        yield from difference(self._parent, (), [each.origin for each in removed])
        due = list(self._due())
        passed = pass_presigned(
            (wanted for wanted, *_ in due), self._now, self._before, self._workers, self._progress
        )
        self._progress("sign and compile", 0, len(due))
        planned = (self._planned(*each, passed.zones) for each in due)
        zones = made_in_order(planned, self._now, self._workers, self._progress)
        for done, made in enumerate(zones, start=1):
            yield from difference(self._parent, [made.compiled]) if isinstance(made, Whole) else made.changes
            self._take(made.zone, made.entry, len(due))
            self._progress("sign and compile", done, len(due))

    def _due(self) -> Iterator[tuple[ZoneIntent, ZoneKeys, Fate]]:
        """Yield the zones that are not carried over."""
        zones = self._intent.zones
        refuse_shared_with_ours(zones, self._keystore)
        keys = {origin: zone_keys(self._keystore, each, self._parent) for origin, each in zones.items()}
        for origin, each in zones.items():
            if each.drafts:
                self._drafts[origin] = each.drafts
            elif each.policy is not None and keys[origin].missing:
                self._drafts[origin] = self._drafted(each, each.policy, keys[origin])
        drafts = {origin: tuple(one.signing.public for one in made) for origin, made in self._drafts.items()}
        intent = with_derived(self._intent, keys, drafts, self._parent, self._now)
        total = len(intent.zones)
        for done, (origin, wanted) in enumerate(intent.zones.items()):
            self._progress("compare", done, total)
            before = entry_before(self._parent, origin)
            fate = fate_of(wanted, keys[origin], before, self._now)
            if fate is not Fate.CARRIED:
                yield wanted, keys[origin], fate
            elif (
                before is not None and (rest := rest_of(wanted, before, stamp_of(intent, origin))) is not None
            ):
                self.resting[origin] = rest
        self._progress("compare", total, total)

    def _planned(
        self, wanted: ZoneIntent, keys: ZoneKeys, fate: Fate, presigned: Mapping[Name, SignedZone]
    ) -> Due | Made:
        """Return a zone that is to be made as a whole, or what a change within it makes of it."""
        origin = wanted.zone.origin
        before = entry_before(self._parent, origin)
        previous = previous_of(wanted.zone, before, self._parent)
        changes = zone_changeset(wanted, keys, fate, before, previous, self._now, self._related)
        signing = self._signing(origin, keys)
        self._underway.append((changes, signing))
        if keys.begins and previous is not None:
            self.before[origin] = cacheable(previous, ())
        self.unasked += unasked_keys(wanted, keys)
        source = source_of(wanted, tokens((one.public, one.duty, whole_use(one.role)) for one in signing))
        serial = serial_for(wanted, before.serial if before else None, self._now)
        part = within(wanted, keys, before, changes.records, self._parent, self._now)
        made = made_within(part, signing, serial, self._now, source, self._image) if part else None
        return made or Due(wanted, signing, serial, source, previous, presigned.get(origin))

    def _take(self, signed: SignedZone, entry: ZoneEntry, due: int) -> None:
        """Keep what is told of a zone that is made; `due`: how many there are."""
        changes, signing = self._underway.popleft()
        origin = signed.origin
        self.served[origin] = cacheable(signed, ((one.public, one.duty) for one in signing))
        signers = signers_of(signed.get(origin, Type.DNSKEY))
        self.changesets.append(replace(changes, key_signers=signers, keys=self.served[origin].keys))
        self.entries[origin] = entry
        room = min(budget(due), MAX_PROBES - len(self.probes))
        asked = (*changes.derived, *changes.records)
        self.probes += zone_probes(signed, asked, self.apexes, room)

    def _drafted(self, wanted: ZoneIntent, policy: Policy, keys: ZoneKeys) -> tuple[NewKey, ...]:
        """Make, in memory, the keys that the zone lacks: of no tag that it is served with, or will be."""
        origin, others, made = wanted.zone.origin, set[bytes](), list[NewKey]()
        served = self._parent.get(origin, Type.DNSKEY, origin) if self._parent.zone(origin) else None
        for one in (served, wanted.zone.get(origin, Type.DNSKEY)):
            others.update(one.rdatas if one is not None else ())
        for role in keys.missing:
            draft = self._keystore.draft(origin, policy, role, self._now, made, others)
            if keys.begins and signs_keys(role):
                draft = replace(draft, stored=replace(draft.stored, roll=RollState(ds=False)))
            made.append(replace(draft, signing=replace(draft.signing, use=keys.first_use(role))))
        return tuple(made)

    def _signing(self, origin: Name, keys: ZoneKeys) -> tuple[SigningKey, ...]:
        """Open the zone's keys, and take those that were made for it."""
        made = self._drafts.get(origin, ())
        return (
            *(replace(self._keystore.open(one), use=keys.use(one)) for one in keys.signing),
            *(replace(one.signing, use=keys.uses.get(one.signing.public, one.signing.use)) for one in made),
        )


def _prove(image: Image, data: bytes, reference: DeltaReference, generation: int, parent: str | None) -> str:
    """Try the delta as a node will. Return the table's digest after."""
    with image.trial() as writer:
        if (writer.generation, writer.manifest or None) != (generation, parent):
            raise ReleaseRefusedError(
                f"generation {writer.generation} was adopted while this release was being built",
                advice="push again",
                rule=RefusalRule.CHANGED_MEANWHILE,
            )
        writer.apply(deltas.decode(data, reference.length))
        return writer.table_digest()


def certify(manifest: Manifest, release_keys: tuple[ReleaseKey, ...], now: datetime) -> bytes:
    """Return the sealed activation certificate of `manifest`."""
    certificate = ActivationCertificate(manifest.generation, manifest.digest, int(now.timestamp()))
    return seal(certificate.to_bytes(), release_keys, "activation")
