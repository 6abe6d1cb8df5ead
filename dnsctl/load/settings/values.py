"""The values of dnsctl.yaml as text becomes types: durations, names, addresses, shares, references.

`Settings` is what all mappings of such values have in common.

Each type here is for pydantic: it takes the text a person wrote and gives a frozen value, or raises
ValueError with the form that is accepted. `WithJsonSchema` says the same to editors.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Sized
from datetime import timedelta
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import ErrorDetails

from dnsctl.errors import NameSyntaxError
from dnsctl.load.secret import check_reference
from dnsctl.model.duration import parse_seconds
from dnsctl.model.fleet import Endpoint, Network
from dnsctl.model.name import FULL_STOPS, ROOT, Name, from_labels, from_text, labels
from dnsctl.model.policy import Algorithm
from dnsctl.model.repo import HOOKS, KEPT_HERE
from dnsctl.model.rrset import MAX_TTL

Filled = TypeVar("Filled", bound=Sized)
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_NOT_IN_HOSTS = re.compile(r"""[\s"'/:,;@]""")
_TIME_OF_DAY = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_SHARE = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")
MAX_SHOWN = 63  # characters: an identity must fit beside the longest question in 512 octets
_SWITCHES = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
NEITHER = "off"  # of an algorithm beside another
UNLIMITED = "unlimited"
_ISSUER = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+", re.ASCII)
_KINDS = {  # of a value that is of another kind, in the words of YAML
    "tuple_type": "should be a list",
    "list_type": "should be a list",
    "dict_type": "should be a mapping",
    "model_type": "should be a mapping",
    "model_attributes_type": "should be a mapping",
}
_TEXT = {"type": "string"}
_DURATION_SCHEMA = {"type": ["string", "integer"], "pattern": r"^(\d+|(\d+[smhdwSMHDW])+)$"}


def _seconds(value: object) -> int:
    seconds = parse_seconds(value if isinstance(value, int) else str(value))
    if seconds > MAX_TTL:
        raise ValueError(f"is over {MAX_TTL} seconds (RFC 2181 §8)")
    return seconds


def _span(value: object) -> timedelta:
    return timedelta(seconds=_seconds(value))


def _lifespan(value: object) -> timedelta | None:
    """Return how long a key is used; None for `unlimited`."""
    if value is None or str(value).lower() == UNLIMITED:
        return None
    span = _span(value)
    if not span:
        raise ValueError(f"a key cannot be rolled all the time: write {UNLIMITED}, or a duration such as 90d")
    return span


def _branch(value: object) -> str:
    text = str(value)
    if not _BRANCH.fullmatch(text):
        raise ValueError(f"{text!r} is not the name of a branch: write it as `git branch` does")
    return text


def _time_of_day(value: object) -> timedelta:
    """Return the time since midnight of `02:30`."""
    found = _TIME_OF_DAY.fullmatch(str(value))
    if not found:
        raise ValueError(f"{value!r} is not a time of day: write 02:30, in UTC")
    return timedelta(hours=int(found.group(1)), minutes=int(found.group(2)))


def absolute_name(value: object) -> Name:
    """Return a name written with or without its final dot. Raises ValueError."""
    text = str(value)
    if not text:
        raise ValueError("an empty name: write it, or a dot for the root")
    try:
        name = from_text(text if text.endswith(tuple(FULL_STOPS)) else text + ".")
    except NameSyntaxError as error:
        raise ValueError(f"{text!r} is not a domain name: {error}") from None
    return name


def target_name(value: object) -> Name:
    """Return the name of a server, as `absolute_name`; one label without a dot is hardly ever meant."""
    text = _host(value)
    name = absolute_name(text)
    if len(labels(name)) == 1 and not text.endswith(tuple(FULL_STOPS)):
        raise ValueError(f"{text!r} is one label: write the whole name, {text}.example.net.")
    return name


def _host(value: object) -> str:
    """Return the text of a host name; refuse other characters: the name would load, and never resolve."""
    text = str(value)
    if odd := _NOT_IN_HOSTS.search(text):
        raise ValueError(f"{text!r} has {odd.group()!r} in it: write only the name of the host")
    return text


def mailbox(value: object) -> Name:
    """Return the RNAME of a mailbox, written as a name or as `user@domain` (RFC 1035 §8)."""
    text = str(value)
    local, at, domain = text.rpartition("@")
    if not at:
        return target_name(text)
    try:
        return from_labels([local.encode(), *labels(absolute_name(_host(domain)))])
    except NameSyntaxError as error:
        raise ValueError(f"{text!r} is not a mailbox: {error}") from None


def endpoint(value: object) -> Endpoint:
    """Return the address and port of `192.0.2.1:53` or `[2001:db8::1]:53`. Raises ValueError."""
    text = str(value)
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: write an IPv6 address in brackets, [2001:db8::1]:53")
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError:
        raise ValueError(
            f"{text!r} is not an address and port: write 192.0.2.1:53 or [2001:db8::1]:53"
        ) from None
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:
        raise ValueError(f"{text!r} has no port between 1 and 65535")
    return Endpoint(address, int(port))


def secondary_address(value: object) -> Endpoint:
    """Return address and port of what `endpoint` takes, or of an address without a port: then port 53."""
    text = str(value)
    try:
        return Endpoint(str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))), 53)
    except ValueError:
        return endpoint(text)


def _control_url(value: object) -> str:
    text = str(value)
    parts = urlsplit(text)  # raises ValueError for malformed brackets
    if (
        parts.scheme != "https"
        or not parts.hostname
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
    ):
        raise ValueError(f"{text!r} is not a control URL: write https://HOST:PORT")
    if parts.port is None or parts.username is not None:
        raise ValueError(f"{text!r} needs a port and no user: write https://HOST:PORT")
    return text.rstrip("/")


def _label(value: object) -> str:
    text = str(value)
    if not _LABEL.fullmatch(text):
        raise ValueError(
            f"{text!r}: use letters, digits, `-`, `_` and `.`, at most 63, not first or last a sign"
        )
    return text


def _share(value: object) -> float:
    found = _SHARE.fullmatch(str(value).strip())
    if not found or float(found.group(1)) > 100:
        raise ValueError(f"{value!r} is not a share: write 0% to 100%")
    return float(found.group(1)) / 100


def _network(value: object) -> Network:
    try:
        return ipaddress.ip_network(str(value))
    except ValueError as error:
        raise ValueError(f"is not a network: {error}; write 192.0.2.0/24 or 2001:db8::/32") from None


def _algorithm(value: object) -> Algorithm:
    text = str(value).upper()
    try:
        return Algorithm(int(text)) if text.isascii() and text.isdigit() else Algorithm[text]
    except (KeyError, ValueError):
        known = ", ".join(f"{each.name} ({each.value})" for each in Algorithm)
        raise ValueError(f"algorithm {value} is not signed with here; use {known}") from None


def _second_algorithm(value: object) -> Algorithm | None:
    return None if value is None or value is False or str(value).lower() == NEITHER else _algorithm(value)


def _switch(value: object) -> bool:
    found = _SWITCHES.get(str(value).lower())
    if found is None:
        raise ValueError(f"{str(value)!r} is not a switch: write on or off")
    return found


def _shown(value: object) -> str:
    """Return text that anybody may ask for: printable ASCII, short enough for every answer."""
    text = str(value)
    if len(text) > MAX_SHOWN or not (text.isascii() and (text.isprintable() or not text)):
        raise ValueError(f"is not at most {MAX_SHOWN} printable ASCII characters")
    return text


def _reference(value: object) -> str:
    return check_reference(str(value))


def _at_least_one(value: Filled) -> Filled:
    if not value:
        raise ValueError("needs at least one entry")
    return value


def _path(value: object) -> str:
    text = str(value)
    if not text or "\0" in text:
        raise ValueError("is not a path")
    return text


def _directory(value: object) -> str:
    """Return a directory of zone files as a path from the root of the repo; empty for the root itself."""
    text = _path(value)
    path = posixpath.normpath(text)
    if posixpath.isabs(path) or path.split("/")[0] == "..":
        raise ValueError(f"{text!r} is outside the operations repo: write a path in it, such as dns/zones")
    if path.split("/")[0] in (*KEPT_HERE, HOOKS):
        raise ValueError(f"{text!r} is not for zone files: name another directory, such as dns/zones")
    return "" if path == "." else path


def _relative_owner(value: object) -> str:
    """Return an owner as zone files write it: relative to the apex, empty for the apex itself."""
    text = str(value)
    try:
        from_text(text or "@", ROOT)
    except NameSyntaxError as error:
        raise ValueError(f"{text!r} is not a name in the zone: {error}") from None
    if text.endswith(tuple(FULL_STOPS)):
        raise ValueError(f"{text!r} ends in a dot: write it relative to the zone, such as www, '' or '*'")
    return text


def _issuer(value: object) -> str:
    """Return the domain of a certificate authority, as CAA names it (RFC 8659 §4.2)."""
    text = str(value).strip().lower()
    if not _ISSUER.fullmatch(text):
        raise ValueError(f"{str(value)!r} is not what CAA calls an authority: write a domain: ca.example.net")
    return text


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Seconds = Annotated[int, BeforeValidator(_seconds), WithJsonSchema(_DURATION_SCHEMA)]
Span = Annotated[timedelta, BeforeValidator(_span), WithJsonSchema(_DURATION_SCHEMA)]
Branch = Annotated[str, BeforeValidator(_branch), WithJsonSchema(_TEXT)]
TimeOfDay = Annotated[
    timedelta, BeforeValidator(_time_of_day), WithJsonSchema({**_TEXT, "pattern": r"^\d{1,2}:\d{2}$"})
]
Lifespan = Annotated[
    timedelta | None,
    BeforeValidator(_lifespan),
    WithJsonSchema({"anyOf": [{"const": UNLIMITED}, _DURATION_SCHEMA]}),
]
DomainName = Annotated[Name, BeforeValidator(target_name), WithJsonSchema(_TEXT)]
Mailbox = Annotated[Name, BeforeValidator(mailbox), WithJsonSchema(_TEXT)]
Listen = Annotated[Endpoint, BeforeValidator(endpoint), WithJsonSchema(_TEXT)]
SecondaryAddress = Annotated[Endpoint, BeforeValidator(secondary_address), WithJsonSchema(_TEXT)]
ControlUrl = Annotated[str, BeforeValidator(_control_url), WithJsonSchema({**_TEXT, "pattern": "^https://"})]
Label = Annotated[str, BeforeValidator(_label), WithJsonSchema({**_TEXT, "pattern": f"^{_LABEL.pattern}$"})]
Share = Annotated[
    float, BeforeValidator(_share), WithJsonSchema({**_TEXT, "pattern": r"^\d{1,3}(\.\d+)?\s*%$"})
]
AllowedNetwork = Annotated[Network, BeforeValidator(_network), WithJsonSchema(_TEXT)]
_ALGORITHMS = [name for each in Algorithm for name in (each.name, each.value)]
SigningAlgorithm = Annotated[Algorithm, BeforeValidator(_algorithm), WithJsonSchema({"enum": _ALGORITHMS})]
SecondAlgorithm = Annotated[
    Algorithm | None,
    BeforeValidator(_second_algorithm),
    WithJsonSchema({"enum": [NEITHER, False, None, *_ALGORITHMS]}),
]
SecretReference = Annotated[str, BeforeValidator(_reference), WithJsonSchema(_TEXT)]
FilePath = Annotated[str, BeforeValidator(_path), WithJsonSchema(_TEXT)]
ZoneDirectory = Annotated[str, BeforeValidator(_directory), WithJsonSchema(_TEXT)]
NotEmpty = AfterValidator(_at_least_one)
OneOrMore = BeforeValidator(_listed)  # of a tuple of texts: a single one need not be in a list
ONE_OR_MORE_TEXTS = WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]})
RelativeOwner = Annotated[str, BeforeValidator(_relative_owner), WithJsonSchema(_TEXT)]
Authorities = Annotated[
    tuple[Annotated[str, BeforeValidator(_issuer)], ...], NotEmpty, OneOrMore, ONE_OR_MORE_TEXTS
]
Switch = Annotated[bool, BeforeValidator(_switch), WithJsonSchema({"enum": ["on", "off", True, False]})]
Shown = Annotated[str, BeforeValidator(_shown), WithJsonSchema({**_TEXT, "maxLength": MAX_SHOWN})]


class Settings(BaseModel):
    """Frozen, keys written with hyphens, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=False,
        defer_build=True,  # of all that dnsctl.yaml consists of, once, for the whole of it
    )

    @model_validator(mode="before")
    @classmethod
    def _left_empty(cls, value: object) -> object:
        """Take a key that is written without a value as not written."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            return value
        known = {field.alias for field in cls.model_fields.values()}
        return {key: each for key, each in value.items() if each is not None or key not in known}


def reason_of(fault: ErrorDetails) -> str:
    """Return what is wrong with a setting, in words for people."""
    reason = _KINDS.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ")
    return reason.replace("Input should", "should")


def section(kind: type[Settings], written: JsonDict | None = None) -> Any:
    """Return the field of a mapping that may be left out: then the defaults of `kind` hold.

    They are read as if they were written, by what reads the whole: a validator of their own is not built.
    `written`: how the JSON Schema shows them, where it is not as `kind` prints them.
    """

    def show(schema: JsonDict) -> None:
        schema["default"] = written or kind().model_dump(mode="json", by_alias=True)

    return Field(default={}, validate_default=True, json_schema_extra=show)
