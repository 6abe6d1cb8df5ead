"""What each release changed at a name, from its delta: the records as nodes served them, whoever wrote them.

A delta has the new state of each node that it changes. So the walk goes from the newest release back: what a
release changed is known once an older one has the state before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dnsctl.image import fragment
from dnsctl.image.layout import Table, apex_of, owner_key, owner_of, prefix_of, zone_prefix
from dnsctl.model.name import ROOT, Name, ancestors, canonical_key
from dnsctl.model.rrset import MADE_BY_SIGNING, RRset, Type
from dnsctl.publish.changes import RecordChange, record_change
from dnsctl.publish.intent import Progress, no_progress
from dnsctl.release import delta as deltas
from dnsctl.release.archive import Archive
from dnsctl.release.manifest import Manifest

_UNASKED = MADE_BY_SIGNING | {Type.ZONEMD}  # each release makes them anew
_KEPT = 1000  # changes of one release: a first release has all names below a name


@dataclass
class Touched:
    """What one release changed at the name: records, in the order of the zone; zones that it took away.

    `more`: changes that are not kept. `complete` is False where an older release is not known, so that not
    all that it changed can be told.
    """

    manifest: Manifest
    changes: list[RecordChange] = field(default_factory=list)
    removed: tuple[Name, ...] = ()
    more: int = 0
    complete: bool = True
    waits: int = 0  # nodes whose state before is not known yet

    def note(self, key: bytes, before: bytes | None, after: bytes | None, rdtype: int | None) -> None:
        """Take what became of a node."""
        for each in _compared(key, before, after, rdtype):
            if len(self.changes) < _KEPT:
                self.changes.append(each)
            else:
                self.more += 1

    @property
    def is_empty(self) -> bool:
        return self.complete and not self.changes and not self.removed


def touching(
    archive: Archive,
    releases: Iterable[Manifest],
    name: Name,
    rdtype: int | None,
    progress: Progress = no_progress,
) -> Iterator[Touched]:
    """Yield what `releases`, the newest first and all there are, changed at `name`; the newest first.

    `rdtype` None: every type that signing does not make, at `name` and at all names below it. Raises
    ReleaseError for a delta that is missing or damaged.
    """
    walk = _Walk(name, rdtype)
    manifests = list(releases)
    for done, manifest in enumerate(manifests):
        progress("deltas", done, len(manifests))
        if walk.is_gap(manifest):
            break
        walk.take(archive, manifest)
        yield from walk.ready()
    else:
        walk.reach_the_first()
    progress("deltas", len(manifests), len(manifests))
    yield from walk.rest()


class _Walk:
    """The walk back, and what it still has to learn."""

    def __init__(self, name: Name, rdtype: int | None) -> None:
        self._rdtype = rdtype
        above = [owner_key(name, each) for each in ancestors(name, ROOT)]
        own = zone_prefix(name)
        self._keys = frozenset((*above, own))
        self._below = (canonical_key(name), *above)
        self._zones = frozenset((name, *ancestors(name, ROOT)))
        self._waiting: dict[bytes, tuple[Touched, bytes | None]] = {}  # by key: whose change, the state after
        self._found: list[Touched] = []
        self._parent: str | None = None
        self._begun = False

    def is_gap(self, manifest: Manifest) -> bool:
        """True where a release between this one and the one before is not known."""
        gap = self._begun and self._parent != manifest.digest
        self._begun, self._parent = True, manifest.parent
        return gap

    def take(self, archive: Archive, manifest: Manifest) -> None:
        """Take the next older release."""
        touched = Touched(manifest, removed=tuple(each for each in manifest.removed if self._is_ours(each)))
        self._found.append(touched)
        if not any(self._is_ours(each) for each in (*manifest.zones, *manifest.removed)):
            return
        reference = manifest.delta
        for table, key, value in deltas.decode(archive.get(reference.digest), reference.length):
            if table is Table.ZONES and value is None:
                self._without_zone(key, touched)
            elif table is Table.OWNERS and self._matches(key):
                self._learn(key, value)
                self._waiting[key] = (touched, value)
                touched.waits += 1

    def _is_ours(self, zone: Name) -> bool:
        if zone in self._zones:
            return True
        return self._rdtype is None and canonical_key(zone).startswith(self._below[0])

    def _matches(self, key: bytes) -> bool:
        return key in self._keys if self._rdtype is not None else key.startswith(self._below)

    def _without_zone(self, prefix: bytes, touched: Touched) -> None:
        """Take that the zone was removed: later releases made it anew, and this one took what was before."""
        for key in [each for each in self._waiting if each.startswith(prefix)]:
            self._learn(key, None)
        if self._rdtype is not None:
            for key in (each for each in self._keys if each.startswith(prefix)):
                self._waiting[key] = (touched, None)
                touched.waits += 1

    def _learn(self, key: bytes, before: bytes | None) -> None:
        """Tell the newer release, if one waits for it, what the node was before."""
        waits = self._waiting.pop(key, None)
        if waits is not None:
            newer, after = waits
            newer.waits -= 1
            newer.note(key, before, after, self._rdtype)

    def ready(self) -> Iterator[Touched]:
        """Yield those that are known whole, without leaving out a newer one."""
        while self._found and not self._found[0].waits:
            if not self._found[0].is_empty:
                yield _sorted(self._found[0])
            self._found.pop(0)

    def reach_the_first(self) -> None:
        """Take that nothing was before the oldest release, if it is the first."""
        if self._parent is None:
            for key in list(self._waiting):
                self._learn(key, None)

    def rest(self) -> Iterator[Touched]:
        """Yield what is left; where it waits, it is not complete."""
        for each in self._found:
            each.complete = not each.waits
            if not each.is_empty:
                yield _sorted(each)


def _sorted(touched: Touched) -> Touched:
    touched.changes.sort(key=lambda each: (canonical_key(each.owner), each.rdtype))
    return touched


def _compared(
    key: bytes, before: bytes | None, after: bytes | None, rdtype: int | None
) -> Iterator[RecordChange]:
    """Yield the RRsets of a node that differ; signatures alone are not a difference."""
    prefix = prefix_of(key)
    apex, owner = apex_of(prefix), owner_of(key, prefix)
    was, will = _rrsets(before, owner, apex), _rrsets(after, owner, apex)
    for code in sorted(was.keys() | will.keys()):
        if code == rdtype if rdtype is not None else code not in _UNASKED:
            change = record_change(owner, code, was.get(code), will.get(code))
            if change is not None:
                yield change


def _rrsets(value: bytes | None, owner: Name, apex: Name) -> dict[int, RRset]:
    if value is None:
        return {}
    return {code: fragment.decode(value, code, owner, apex) for code in fragment.node_types(value) if code}
