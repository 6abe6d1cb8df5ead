"""What the world was seen to serve: DS at the parent, keys and signatures at our own nodes; and what of it a
cache may still hold.

Pure: views are values, made by whoever looks, and the clock is an argument. A *memory* takes one round of
looks after another (`after`). It knows since when something is everywhere or nowhere, and keeps each version
of what was served until the last cache that may hold it has dropped it. A place that is silent neither
confirms nor resets what others show, but nothing counts as everywhere or nowhere while one is silent. Losing
a memory loses time only: what has not been seen has yet to be waited for. What a parent shows is remembered
up to `MOST_SETS` and `MOST_OCTETS` only, so that one which shows other DS in each round fills no disk.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from dnsctl.model.json_value import Json

LONGEST_CACHED = 7 * 86400  # seconds: no cache of good manners keeps a record longer (RFC 8767 §4)
MOST_VERSIONS = 64  # of what nodes serve of a zone's keys: a roll brings four or five
MOST_SETS = 64  # DS sets of a zone at a time: a roll brings two or three within the longest TTL
MOST_OCTETS = 65536  # of rdata in these sets together
_FIXED_FIELDS = 4  # octets before digest or public key (RFC 4034 §2.1, §5.1)
_LONGEST_TTL = 2**31 - 1  # seconds (RFC 2181 §8)
_FIRST_YEAR, _LAST_YEAR = 1970, 9900
_FORMAT = 1
_NOT_ASKED = "was not asked"
_ONE_TOO_MANY = (
    f"shows yet another DS set: of those that caches may hold, {MOST_SETS} sets ({MOST_OCTETS} octets) are "
    "remembered, and this one does not count as an answer"
)


@dataclass(frozen=True, slots=True)
class ParentView:
    """One look from `site` at one name server of the parent.

    `site` is empty where the control host looked, `server` where no node of the site could look at all.

    `ds`: the sorted rdatas; empty: there is none, proven or plainly said; None: no usable answer, and `fault`
    says why. `ttl`: seconds as the server gave it; of a negative answer, how long that may be cached.
    """

    server: str
    site: str
    at: datetime
    ds: tuple[bytes, ...] | None
    ttl: int = 0
    fault: str = ""

    @property
    def place(self) -> str:
        """Where this was seen, as messages name it."""
        if not self.server:
            return self.site
        return f"{self.server} from {self.site}" if self.site else self.server


@dataclass(frozen=True, slots=True)
class ServedKeys:
    """What a release says of a zone's keys: all empty where the zone is unsigned. DNSKEY rdatas, sorted.

    `keys`: the DNSKEY RRset; `key_signers`: what signs it; `data_signers`: what signs all else.
    """

    keys: tuple[bytes, ...] = ()
    key_signers: tuple[bytes, ...] = ()
    data_signers: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeView:
    """One look at one of our nodes. `served` is None where it gave no usable answer; `fault` says why.

    TTLs in seconds: of the DNSKEY RRset (or of the answer that there is none), and the largest of all others.
    """

    node: str
    site: str
    at: datetime
    served: ServedKeys | None
    dnskey_ttl: int = 0
    data_ttl: int = 0
    fault: str = ""

    @property
    def place(self) -> str:
        return f"{self.node} ({self.site})" if self.site else self.node


_What = TypeVar("_What", tuple[bytes, ...], ServedKeys)


@dataclass(frozen=True, slots=True)
class Version(Generic[_What]):
    """A version of what was served. `ttls`: the largest seen of each kind, in seconds.

    `gone`: when all places first answered with other versions; None while one may still serve this.
    """

    what: _What
    ttls: tuple[int, ...]
    first: datetime
    gone: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """What one place showed.

    `has`, `lacks`: since when it has each item of its last answer, and since when it has lacked others.
    `answering`: since when, without a failed look, it has lacked all that neither names; None after one.
    """

    answering: datetime | None = None
    has: Mapping[bytes, datetime] = field(default_factory=dict)
    lacks: Mapping[bytes, datetime] = field(default_factory=dict)

    def after(self, shown: Iterable[bytes] | None, at: datetime) -> _Place:
        if shown is None:
            return _Place()
        items = set(shown)
        gone = {each for each in (*self.has, *self.lacks) if each not in items}
        start = self.answering or at
        return _Place(
            start,
            {each: self.has.get(each, at) for each in items},
            {each: self.lacks.get(each, at) for each in gone},
        )

    def remembering(self, known: Container[bytes]) -> _Place:
        """Return the place without what it lacks and is not `known`: lacked since the last of that went."""
        forgotten = [at for each, at in self.lacks.items() if each not in known]
        return _Place(
            self.answering and max([self.answering, *forgotten]),
            self.has,
            {each: at for each, at in self.lacks.items() if each in known},
        )


@dataclass(frozen=True)
class DsMemory:
    """What is remembered of a zone's DS at its parent. `views`: the last round of looks.

    `began`: when all servers answered for the first time, or again after more DS sets were shown than are
    remembered. What caches held before is not known. `asked`: the DS set that the parent is asked for; None
    where that is not known. `superseded`: sets that it was asked for before, and may have taken, or may yet
    take, until all its servers show the DS that is asked for now.
    """

    views: tuple[ParentView, ...] = ()
    versions: tuple[Version[tuple[bytes, ...]], ...] = ()
    began: datetime | None = None
    _places: Mapping[str, _Place] = field(default_factory=dict)
    asked: tuple[bytes, ...] | None = None
    superseded: tuple[tuple[bytes, ...], ...] = ()

    def after(self, views: Sequence[ParentView], now: datetime, *, timed: bool = True) -> DsMemory:
        """Return the memory with one more round of looks, at all servers of the parent from all sites.

        A round without any view is one in which no place answered. `timed`: all sites looked, and `now` is by
        a clock that others agree with. Else what is shown is remembered, nothing counts as gone, and sites
        that did not look show what they showed last. A look that shows a set beyond what is remembered counts
        as failed, but what else was served is gone all the same.
        """
        told = tuple(views) or tuple(
            replace(each, at=now, ds=None, ttl=0, fault=_NOT_ASKED) for each in self.views
        )
        told, too_many = self._within_bounds(told)
        places = {each.place: self._places.get(each.place, _Place()).after(each.ds, now) for each in told}
        if views and not timed:
            looked = {each.site for each in told}
            kept = tuple(each for each in self.views if each.site not in looked)
            places |= {each.place: self._places.get(each.place, _Place()) for each in kept}
            told += kept
        shown = [(each.ds, (each.ttl,)) for each in told if each.ds is not None]
        all_answered = timed and len(shown) + too_many == len(told) > 0
        complete = all_answered and not too_many
        has_followed = complete and all(_shows(ds, self.asked) for ds, _ in shown)
        superseded = () if has_followed else self.superseded
        may_be = [*shown, *((each, (0,)) for each in superseded)]
        versions = _versions_after(self.versions, may_be, all_answered, now)
        began = None if too_many else self.began or (now if complete else None)
        known = frozenset(self.asked or ()).union(*(each.what for each in versions))
        places = {place: each.remembering(known) for place, each in places.items()}
        return DsMemory(told, versions, began, places, self.asked, superseded)

    def _within_bounds(self, views: Sequence[ParentView]) -> tuple[tuple[ParentView, ...], int]:
        """Return the views, those failed that show a set beyond the bounds; and how many these are.

        The set that the parent is asked for is always within them.
        """
        sets = {each.what for each in self.versions}
        octets = sum(_octets_in(each) for each in sets)
        told, too_many = [], 0
        for each in views:
            if each.ds is not None and each.ds not in sets:
                size = octets + _octets_in(each.ds)
                if each.ds != self.asked and (len(sets) >= MOST_SETS or size > MOST_OCTETS):
                    told.append(replace(each, ds=None, ttl=0, fault=_ONE_TOO_MANY))
                    too_many += 1
                    continue
                sets.add(each.ds)
                octets = size
            told.append(each)
        return tuple(told), too_many

    def decided(self, asked: tuple[bytes, ...], now: datetime) -> DsMemory:
        """Return the memory with the DS set that the parent is about to be asked for.

        What it was asked for so far it may serve while nobody looks, and caches may keep it then.
        """
        if asked == self.asked:
            return self
        before = () if self.asked is None else (self.asked,)
        superseded = tuple(dict.fromkeys(each for each in (*self.superseded, *before) if each != asked))
        versions = _versions_after(self.versions, [(each, (0,)) for each in superseded], False, now)
        return replace(self, versions=versions, asked=asked, superseded=superseded)

    def without_requests(self) -> DsMemory:
        """Return the memory of a parent that took nothing it was asked for, and will not: it is insecure."""
        return replace(self, superseded=())

    @property
    def silent(self) -> tuple[ParentView, ...]:
        """The views of the last round that gave no usable answer."""
        return tuple(each for each in self.views if each.ds is None)

    @property
    def ttl(self) -> int:
        """The largest TTL seen since the last change, in seconds: of what is served, or may be cached."""
        return _largest(self.versions, 0)

    def everywhere_since(self, ds: bytes) -> datetime | None:
        """Return since when all servers have `ds`, without a look in between that failed or lacked it."""
        return _latest(each.has.get(ds) for each in self._places.values())

    def nowhere_since(self, ds: bytes) -> datetime | None:
        """Return since when all servers lack `ds`, without a look in between that failed or had it."""
        return _latest(
            None if ds in each.has else each.lacks.get(ds, each.answering) for each in self._places.values()
        )

    def to_json(self) -> dict[str, Json]:
        return {
            "version": _FORMAT,
            "began": None if self.began is None else _text(self.began),
            "views": [
                {
                    "server": each.server,
                    "site": each.site,
                    "at": _text(each.at),
                    "ds": None if each.ds is None else _hex(each.ds),
                    "ttl": each.ttl,
                    "fault": each.fault,
                }
                for each in self.views
            ],
            "sets": [{"ds": _hex(each.what), **_version_json(each)} for each in self.versions],
            "asked": None if self.asked is None else _hex(self.asked),
            "superseded": [_hex(each) for each in self.superseded],
            "places": {place: _place_json(each) for place, each in self._places.items()},
        }

    @classmethod
    def from_json(cls, told: Json) -> DsMemory:
        """Read `to_json`. Raises ValueError for anything else."""
        try:
            whole = _checked(told)
            views = tuple(
                ParentView(
                    str(each["server"]),
                    str(each["site"]),
                    time_of(each["at"]),
                    None if each["ds"] is None else _octets(each["ds"]),
                    _ttl(each["ttl"]),
                    str(each["fault"]),
                )
                for each in whole["views"]
            )
            versions = tuple(_version(_octets(each["ds"]), each, 1) for each in whole["sets"])
            places = {place: _place(each) for place, each in whole["places"].items()}
            asked = None if whole.get("asked") is None else _octets(whole["asked"])
            superseded = tuple(map(_octets, whole.get("superseded", ())))
            return cls(views, versions, _began(whole), places, asked, superseded)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not what was observed of DS: {error!r}") from None


@dataclass(frozen=True)
class ServedMemory:
    """What is remembered of what our own nodes serve of a zone. `views`: the last round of looks.

    `began`: when all nodes answered for the first time. What caches held before is not known.
    """

    views: tuple[NodeView, ...] = ()
    versions: tuple[Version[ServedKeys], ...] = ()
    began: datetime | None = None

    def after(self, views: Iterable[NodeView], now: datetime) -> ServedMemory:
        """Return the memory with one more round of looks, at every node of every site."""
        told = tuple(views) or tuple(
            replace(each, at=now, served=None, fault=_NOT_ASKED) for each in self.views
        )
        shown = [(each.served, (each.dnskey_ttl, each.data_ttl)) for each in told if each.served is not None]
        complete = len(shown) == len(told) > 0
        versions = _latest_of(_versions_after(self.versions, shown, complete, now))
        return ServedMemory(told, versions, self.began or (now if complete else None))

    def decided(self, served: ServedKeys, dnskey_ttl: int, data_ttl: int, now: datetime) -> ServedMemory:
        """Return the memory with a version that is about to be served: from now on a cache may hold it."""
        shown = [(served, (dnskey_ttl, data_ttl))]
        return replace(self, versions=_latest_of(_versions_after(self.versions, shown, False, now)))

    @property
    def silent(self) -> tuple[NodeView, ...]:
        return tuple(each for each in self.views if each.served is None)

    @property
    def dnskey_ttl(self) -> int:
        """The largest TTL seen of a DNSKEY RRset that is served or may be cached, in seconds."""
        return _largest(self.versions, 0)

    @property
    def data_ttl(self) -> int:
        """As `dnskey_ttl`, of all other RRsets."""
        return _largest(self.versions, 1)

    def everywhere(self, served: ServedKeys) -> bool:
        """True where every node served this, and nothing else, in the last round."""
        return bool(self.views) and all(each.served == served for each in self.views)

    def to_json(self) -> dict[str, Json]:
        return {
            "version": _FORMAT,
            "began": None if self.began is None else _text(self.began),
            "views": [
                {
                    "node": each.node,
                    "site": each.site,
                    "at": _text(each.at),
                    "served": None if each.served is None else _served_json(each.served),
                    "dnskey_ttl": each.dnskey_ttl,
                    "data_ttl": each.data_ttl,
                    "fault": each.fault,
                }
                for each in self.views
            ],
            "versions": [{**_served_json(each.what), **_version_json(each)} for each in self.versions],
        }

    @classmethod
    def from_json(cls, told: Json) -> ServedMemory:
        """Read `to_json`. Raises ValueError for anything else."""
        try:
            whole = _checked(told)
            views = tuple(
                NodeView(
                    str(each["node"]),
                    str(each["site"]),
                    time_of(each["at"]),
                    None if each["served"] is None else _served(each["served"]),
                    _ttl(each["dnskey_ttl"]),
                    _ttl(each["data_ttl"]),
                    str(each["fault"]),
                )
                for each in whole["views"]
            )
            versions = tuple(_version(_served(each), each, 2) for each in whole["versions"])
            return cls(views, versions, _began(whole))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not what was observed of nodes: {error!r}") from None


def held_until(version: Version[_What], ttl: int) -> datetime | None:
    """Return until when a cache may hold `version`; None while it may still be served. `ttl`: seconds."""
    return None if version.gone is None else version.gone + timedelta(seconds=ttl)


def _versions_after(
    versions: tuple[Version[_What], ...],
    shown: Sequence[tuple[_What, tuple[int, ...]]],
    complete: bool,
    now: datetime,
) -> tuple[Version[_What], ...]:
    """Return `versions` with what was just `shown`; `complete`: every place answered.

    What all caches have dropped is forgotten: it went longer ago than the largest TTL seen.
    """
    after = {each.what: each for each in versions}
    for what, told in shown:
        ttls = tuple(min(each, LONGEST_CACHED) for each in told)
        before = after.get(what, Version(what, ttls, now))
        largest = tuple(max(pair) for pair in zip(before.ttls, ttls, strict=True))
        after[what] = replace(before, ttls=largest, gone=None)
    for what, each in after.items():
        if complete and each.gone is not None and each.gone > now:  # by a clock that was ahead
            after[what] = replace(each, gone=now)
    seen = {what for what, _ in shown}
    if complete:
        for what, each in after.items():
            if what not in seen and each.gone is None:
                after[what] = replace(each, gone=now)
    longest = max((ttl for each in after.values() for ttl in each.ttls), default=0)
    return tuple(
        each for each in after.values() if each.gone is None or now < each.gone + timedelta(seconds=longest)
    )


def _latest_of(versions: tuple[Version[ServedKeys], ...]) -> tuple[Version[ServedKeys], ...]:
    """Return the last of `versions` to be served, at most MOST_VERSIONS: what is left out is the earliest.

    While a node is out of reach for good, none of them is known to be gone.
    """
    if len(versions) <= MOST_VERSIONS:
        return versions
    kept = sorted(versions, key=lambda each: each.first)[-MOST_VERSIONS:]
    return tuple(each for each in versions if each in kept)


def _octets_in(ds: Iterable[bytes]) -> int:
    return sum(map(len, ds))


def _shows(ds: tuple[bytes, ...], asked: tuple[bytes, ...] | None) -> bool:
    """True where `ds` leads to the keys of `asked`, whatever their digests: key tags tell ours apart."""
    if asked is None:
        return True
    return not ds if not asked else {each[:3] for each in asked} <= {each[:3] for each in ds}


def _largest(versions: Iterable[Version[_What]], kind: int) -> int:
    return max((each.ttls[kind] for each in versions), default=0)


def _latest(times: Iterable[datetime | None]) -> datetime | None:
    """Return the latest of `times`; None where there are none, or one is not known."""
    told = list(times)
    known = [each for each in told if each is not None]
    return max(known) if known and len(known) == len(told) else None


# -- What is stored: times as ISO 8601, octets as hexadecimal digits ---


def _checked(told: Json) -> Mapping[str, Any]:
    if not isinstance(told, Mapping) or told.get("version") != _FORMAT:
        raise ValueError(f"not observations of format {_FORMAT}")
    return told


def _began(whole: Mapping[str, Any]) -> datetime | None:
    return None if whole["began"] is None else time_of(whole["began"])


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def time_of(told: str) -> datetime:
    """Return a time that was stored. Raises ValueError for one so far away that sums with it overflow."""
    time = datetime.fromisoformat(told)
    if time.tzinfo is None or not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise ValueError(told)
    return time.astimezone(UTC)


def _ttl(told: int) -> int:
    if isinstance(told, bool) or not isinstance(told, int) or not 0 <= told <= _LONGEST_TTL:
        raise ValueError(told)
    return told


def _octets(told: Iterable[str]) -> tuple[bytes, ...]:
    """Return rdatas of DS or DNSKEY. Raises ValueError for what is too short for either."""
    found = tuple(bytes.fromhex(each) for each in told)
    if any(len(each) <= _FIXED_FIELDS for each in found):
        raise ValueError("rdata")
    return found


def _hex(items: Iterable[bytes]) -> list[str]:
    return [each.hex() for each in items]


def _version_json(one: Version[_What]) -> dict[str, Json]:
    gone = None if one.gone is None else _text(one.gone)
    return {"ttls": list(one.ttls), "first": _text(one.first), "gone": gone}


def _version(what: _What, told: Mapping[str, Any], kinds: int) -> Version[_What]:
    gone = told["gone"]
    ttls = tuple(map(_ttl, told["ttls"]))
    if len(ttls) != kinds:
        raise ValueError("ttls")
    return Version(what, ttls, time_of(told["first"]), None if gone is None else time_of(gone))


def _served_json(served: ServedKeys) -> dict[str, Json]:
    return {
        "keys": _hex(served.keys),
        "key_signers": _hex(served.key_signers),
        "data_signers": _hex(served.data_signers),
    }


def _served(told: Mapping[str, Any]) -> ServedKeys:
    return ServedKeys(_octets(told["keys"]), _octets(told["key_signers"]), _octets(told["data_signers"]))


def _place_json(one: _Place) -> dict[str, Json]:
    return {
        "answering": None if one.answering is None else _text(one.answering),
        "has": {each.hex(): _text(at) for each, at in one.has.items()},
        "lacks": {each.hex(): _text(at) for each, at in one.lacks.items()},
    }


def _place(told: Mapping[str, Any]) -> _Place:
    return _Place(
        None if told["answering"] is None else time_of(told["answering"]),
        {bytes.fromhex(each): time_of(at) for each, at in told["has"].items()},
        {bytes.fromhex(each): time_of(at) for each, at in told["lacks"].items()},
    )
