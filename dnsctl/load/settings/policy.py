"""Settings of dnsctl.yaml on zones: their defaults, DNSSEC policies, and what differs by pattern.

The fields of a policy, with their defaults, are those of `dnsctl.model.policy`; here stands how each kind of
value is written.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import timedelta
from functools import lru_cache, partial
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import Field, GetPydanticSchema, create_model
from pydantic_core import core_schema

from dnsctl.load.settings.values import (
    UNLIMITED,
    Authorities,
    DomainName,
    Lifespan,
    Mailbox,
    RelativeOwner,
    SecondAlgorithm,
    Seconds,
    Settings,
    SigningAlgorithm,
    Span,
    absolute_name,
    section,
)
from dnsctl.model.finding import Level
from dnsctl.model.name import Name, to_text
from dnsctl.model.policy import Algorithm, Lifetimes, Policy, SignaturePolicy
from dnsctl.model.soa import STANDARD_INTERVALS

UNSIGNED = "none"
STANDARD = "standard"
WILD = "*?["  # signs that make a pattern of a zone's name

_T = TypeVar("_T")


class SoaDefaults(Settings):
    """The SOA of zones that have none (RFC 1035 §3.3.13); the release assigns the serial."""

    mname: DomainName
    rname: Mailbox
    refresh: Seconds = STANDARD_INTERVALS.refresh
    retry: Seconds = STANDARD_INTERVALS.retry
    expire: Seconds = STANDARD_INTERVALS.expire
    minimum: Seconds = STANDARD_INTERVALS.minimum


class Defaults(Settings):
    """What a zone gets where its file and its entry under `zones` say nothing."""

    ttl: Seconds = 3600
    soa: SoaDefaults | None = None
    ns: tuple[DomainName, ...] = ()
    dnssec: str = STANDARD
    parent: str = STANDARD


def _settings(model: type, title: str, doc: str, **given: object) -> type[Settings]:
    """Return the settings that a person writes for the frozen dataclass `model`: its fields, its defaults.

    `given`: by field, type and default of what is not written as `_KINDS` tells. A `name` is the key under
    which the settings stand.
    """
    kinds = get_type_hints(model)
    made: dict[str, Any] = {
        each.name: (_KINDS.get(kinds[each.name], kinds[each.name]), each.default)
        for each in fields(model)
        if each.name != "name"
    }
    return create_model(title, __base__=Settings, __doc__=doc, **made | given)


def _made_from(settings: type[Settings]) -> GetPydanticSchema:
    """Return what makes pydantic read `settings` and give the dataclass that it annotates."""
    return GetPydanticSchema(
        lambda model, handler: core_schema.no_info_after_validator_function(
            partial(_made, model), handler.generate_schema(settings)
        )
    )


def _made(model: type[_T], settings: Settings) -> _T:
    return model(**{name: getattr(settings, name) for name in type(settings).model_fields})


_KINDS: dict[object, object] = {
    timedelta: Span,
    timedelta | None: Lifespan,
    int: Seconds,
    Algorithm: SigningAlgorithm,
    Algorithm | None: SecondAlgorithm,
}
_SIGNATURES = _settings(
    SignaturePolicy, "SignatureConfig", "Validity of signatures: see `model.policy.SignaturePolicy`."
)
_LIFETIMES = _settings(
    Lifetimes, "LifetimesConfig", "After which time keys are rolled: see `model.policy.Lifetimes`."
)
_POLICY = _settings(
    Policy,
    "PolicyConfig",
    "A DNSSEC policy by name.",
    lifetimes=(
        Annotated[Lifetimes, _made_from(_LIFETIMES)],
        section(_LIFETIMES, {"csk": UNLIMITED, "ksk": UNLIMITED, "zsk": "90d"}),
    ),
    signatures=(Annotated[SignaturePolicy, _made_from(_SIGNATURES)], section(_SIGNATURES)),
)
WrittenPolicy = Annotated[Policy, _made_from(_POLICY)]
WRITTEN: Mapping[type, type[Settings]] = {
    SignaturePolicy: _SIGNATURES,
    Lifetimes: _LIFETIMES,
    Policy: _POLICY,
}


class ZoneConfig(Settings):
    """What differs for zones whose name a pattern matches. `checks`: rule id to severity, or `off`.

    `dnssec` names one of `policies`, `parent` one of `parents`. `certificates`: by owner, relative to the
    apex, the certificate authorities in use for it and for the names below it.
    """

    dnssec: str | None = None
    parent: str | None = None
    checks: dict[str, Level] = Field(default_factory=dict)
    certificates: dict[RelativeOwner, Authorities] = Field(default_factory=dict)


def is_pattern(text: str) -> bool:
    """True where `text` is a pattern, not a zone's name."""
    return any(sign in text for sign in WILD)


def check_names(entries: Iterable[str]) -> None:
    """Raise ValueError for an entry that is neither a pattern nor a name."""
    for each in entries:
        if not is_pattern(each):
            absolute_name(each)


def matching(entries: Mapping[str, ZoneConfig], zone: Name) -> Iterator[ZoneConfig]:
    """Give the entries under `zones` that match `zone`, the most specific first."""
    name = to_text(zone).removesuffix(".")
    for pattern in sorted((each for each in entries if _matches(each, name)), key=_specificity, reverse=True):
        yield entries[pattern]


def is_named(patterns: Iterable[str], zone: Name) -> bool:
    """True where a name or a pattern among `patterns` is of `zone`, or of a name above it.

    A new zone below another replaces what the other says about these names.
    """
    labels = to_text(zone).removesuffix(".").split(".")
    above = [".".join(labels[at:]) for at in range(len(labels) + 1)]
    return any(_matches(each, name) for each in patterns for name in above)


def _matches(pattern: str, name: str) -> bool:
    if is_pattern(pattern):
        return fnmatch.fnmatchcase(name, pattern.lower().removesuffix("."))
    return _absolute(pattern) == name


@lru_cache(maxsize=65536)
def _absolute(pattern: str) -> str:
    """Return an exact name as `to_text` writes it, without the final dot: it is compared with every zone."""
    return to_text(absolute_name(pattern)).removesuffix(".")


def _specificity(pattern: str) -> tuple[bool, int]:
    """Exact names first, then the pattern that fixes the most characters."""
    return (not is_pattern(pattern), sum(sign not in "*?[]" for sign in pattern))
