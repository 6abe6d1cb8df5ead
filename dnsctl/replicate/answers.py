"""What an agent reports about its node, to JSON and back: each field has its type, each number its range.

Pure. A status is not sealed: whoever has the node's certificate may say anything. So a value out of its range
makes the whole answer invalid, texts for people are printable and short, and what is returned is safe to
compare, print and compute with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.image.damage import Damage
from dnsctl.model.json_value import Json
from dnsctl.model.name import from_text, to_text
from dnsctl.model.validity import Period
from dnsctl.release.digest import is_digest
from dnsctl.replicate.clocks import Offset
from dnsctl.replicate.fitting import SettingsStatus
from dnsctl.replicate.staging import Refusal, Served
from dnsctl.replicate.trust import Certified

_LAST_TIME: Final = 2**37  # unix seconds: the year 6325
_MOST_GENERATIONS: Final = 10**15
_MOST_ZONES: Final = 10**8
_LAST_FORMAT: Final = 10**4
_MOST_WORKERS: Final = 10**5
_LAST_SERIAL: Final = 2**32 - 1  # RFC 1982
_LONGEST_NAME: Final = 255  # characters of a node's or a site's name
_LONGEST_REASON: Final = 2000  # characters; the rest is cut


@dataclass(frozen=True, slots=True)
class ZoneStatus:
    """One zone as a node serves it, and when its signatures hold."""

    serial: int
    digest: str
    period: Period

    @classmethod
    def from_json(cls, answer: Mapping[str, object]) -> ZoneStatus:
        """Read what `to_json` made. Raises ValueError, KeyError."""
        serial = _integer(answer, "serial", _LAST_SERIAL)
        return cls(serial, _digest(answer, "digest"), _period(answer))

    def to_json(self) -> dict[str, Json]:
        return {"serial": self.serial, "digest": self.digest, **_period_json(self.period)}


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What an agent reports about its node. `zones` is empty unless it was asked for.

    The client adds what it sees itself: how far the node's clock is ahead, and when its certificate expires.
    """

    name: str
    site: str
    served: Served
    created: int | None  # unix seconds, of the release served
    prepared: Served | None
    expires_in: float  # seconds the prepared release has left
    refusal: Refusal | None
    zone_count: int
    period: Period  # of all zones: when all signatures hold
    clock: Offset | None  # its clock against ours; None: an agent that does not say
    workers: int
    silent: bool  # it answers no query until it is current
    zones: dict[str, ZoneStatus]
    damage: Damage | None = None  # of its image: the last that was found
    certificate: int | None = None  # unix seconds: when the one that it shows runs out
    settings: SettingsStatus | None = None  # None: an agent that does not say
    manifest_format: int = 1  # the highest that it reads

    @classmethod
    def from_json(cls, answer: Mapping[str, object], clock: Offset | None) -> NodeStatus:
        """Read what `to_json` made. Raises ValueError or KeyError, which name what is missing or invalid."""
        held, refusal, zones = answer["prepared"], answer["refusal"], answer.get("zones", {})
        prepared = None if held is None else _object(held, "prepared")
        damage, settings = answer.get("damage"), answer.get("settings")
        return cls(
            name=_name(answer, "name"),
            site=_name(answer, "site"),
            served=_served(answer),
            created=_time_or_none(answer, "created"),
            prepared=None if prepared is None else _served(prepared),
            expires_in=0.0 if prepared is None else seconds(prepared, "expires_in"),
            refusal=None if refusal is None else _refusal(_object(refusal, "refusal")),
            zone_count=_integer(answer, "zone_count", _MOST_ZONES),
            period=_period(answer),
            clock=clock,
            workers=_integer(answer, "workers", _MOST_WORKERS),
            silent=answer.get("silent", False) is True,
            damage=None if damage is None else _damage(_object(damage, "damage")),
            settings=None if settings is None else _settings(_object(settings, "settings")),
            manifest_format=_integer(answer, "manifest_format", _LAST_FORMAT)
            if "manifest_format" in answer
            else 1,
            zones={
                _zone_name(origin): ZoneStatus.from_json(_object(one, "zones"))
                for origin, one in _items(zones)
            },
        )

    def to_json(self) -> dict[str, Json]:
        """Return what an agent answers; when it does, it adds its `time`."""
        prepared, refusal, damage, settings = self.prepared, self.refusal, self.damage, self.settings
        return {
            "name": self.name,
            "site": self.site,
            **_served_json(self.served),
            "prepared": None
            if prepared is None
            else {**_served_json(prepared), "expires_in": round(self.expires_in, 3)},
            "refusal": None
            if refusal is None
            else {
                "at": refusal.at,
                "action": refusal.action,
                "reason": refusal.reason,
                "rule": refusal.rule,
            },
            "workers": self.workers,
            "silent": self.silent,
            "damage": None
            if damage is None
            else {"at": damage.at, "reason": damage.reason, "mended": damage.is_mended},
            "settings": None
            if settings is None
            else {
                "digest": settings.digest,
                "generation": settings.generation,
                "wanted": settings.wanted,
                "fault": settings.fault,
            },
            "manifest_format": self.manifest_format,
            "zone_count": self.zone_count,
            **_period_json(self.period),
            "created": self.created,
            "zones": {origin: zone.to_json() for origin, zone in self.zones.items()},
        }


def clocks_of(answers: Iterable[NodeStatus | BaseException]) -> dict[str, Offset]:
    """Return the offset of each node's clock, if the node answers and says it, by the node's name."""
    statuses = (one for one in answers if isinstance(one, NodeStatus))
    return {one.name: one.clock for one in statuses if one.clock is not None}


def releases_of(answer: Mapping[str, object]) -> tuple[Certified, ...]:
    """Return the releases in `answer`; their seals are for others to check. Raises ValueError, KeyError."""
    listed = answer["releases"]
    if not isinstance(listed, list):
        raise ValueError("releases")
    return tuple(
        Certified(_ascii(_object(one, "releases"), "manifest"), _ascii(one, "certificate")) for one in listed
    )


def seconds(answer: Mapping[str, object], key: str) -> float:
    """Return a time or a span in seconds. Raises ValueError for what no clock says, KeyError."""
    value = answer[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LAST_TIME:
        raise ValueError(key)
    return float(value)


def words(value: object, longest: int = _LONGEST_REASON) -> str:
    """Return a host's words as text for a terminal or a log: printable, on one line, not too long."""
    text = str(value)[:longest]
    return "".join(one if one.isprintable() else "?" for one in text)


def _served(answer: Mapping[str, object]) -> Served:
    generation = _integer(answer, "generation", _MOST_GENERATIONS)
    return Served(generation, _digest(answer, "manifest") if generation or answer["manifest"] else "")


def _served_json(served: Served) -> dict[str, Json]:
    return {"generation": served.generation, "manifest": served.manifest}


def _refusal(answer: Mapping[str, object]) -> Refusal:
    at = _integer(answer, "at", _LAST_TIME)
    action, reason = words(answer["action"], _LONGEST_NAME), words(answer["reason"])
    return Refusal(at, action, reason, refusal_rule(answer.get("rule")))


def refusal_rule(value: object) -> RefusalRule | None:
    """Return the rule that an agent names; None for one that this version does not know, or for none."""
    try:
        return RefusalRule(str(value))
    except ValueError:
        return None


def _damage(answer: Mapping[str, object]) -> Damage:
    at = _integer(answer, "at", _LAST_TIME)
    return Damage(at, words(answer["reason"]), is_mended=answer["mended"] is True)


def _settings(answer: Mapping[str, object]) -> SettingsStatus:
    return SettingsStatus(
        _digest(answer, "digest"),
        _integer(answer, "generation", _MOST_GENERATIONS),
        _digest(answer, "wanted") if answer["wanted"] else "",
        words(answer["fault"]),
    )


def _zone_name(text: str) -> str:
    try:
        if to_text(from_text(text)) == text:
            return text
    except DnsctlError:
        pass
    raise ValueError("zones")


def _period(answer: Mapping[str, object]) -> Period:
    answer["expiry"]  # an agent always sends it, even if only null
    return Period(_time_or_none(answer, "inception"), _time_or_none(answer, "expiry"))


def _period_json(period: Period) -> dict[str, Json]:
    return {"expiry": period.expiry, "inception": period.inception}


def _time_or_none(answer: Mapping[str, object], key: str) -> int | None:
    return None if answer.get(key) is None else _integer(answer, key, _LAST_TIME)


def _integer(answer: Mapping[str, object], key: str, last: int) -> int:
    value = answer[key]
    if type(value) is not int or not 0 <= value <= last:  # True is an integer, too
        raise ValueError(key)
    return value


def _name(answer: Mapping[str, object], key: str) -> str:
    value = answer[key]
    if not isinstance(value, str) or words(value, _LONGEST_NAME) != value:
        raise ValueError(key)
    return value


def _digest(answer: Mapping[str, object], key: str) -> str:
    value = answer[key]
    if not is_digest(value):
        raise ValueError(key)
    return value


def _ascii(answer: Mapping[str, object], key: str) -> bytes:
    value = answer[key]
    if not isinstance(value, str):
        raise ValueError(key)
    return value.encode("ascii")


def _object(value: object, key: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError(key)
    return value


def _items(value: object) -> Iterable[tuple[str, object]]:
    return _object(value, "zones").items()
