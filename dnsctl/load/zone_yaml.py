"""Zone files in octoDNS's YAML record syntax: owner names relative to the apex, each with a record or a list.

Everything is read as text (`yaml_nodes`), so that `67:`, `44.74:` and `no:` are owner names. All faults are
found in one pass and become findings; records that are right are kept, so that later rules see as much of the
zone as there is. What octoDNS leaves to providers is told and not served: `octodns:`, `geo:`, `dynamic:`,
ALIAS, URLFWD. Targets are absolute names, as octoDNS has them; one without a final dot is taken as absolute,
with a warning.
"""

from __future__ import annotations

from datetime import date, timedelta

from dnsctl.errors import NameSyntaxError
from dnsctl.load import rdata_fields, yaml_nodes
from dnsctl.load.draft import Draft, ZoneDefaults
from dnsctl.load.nearest import nearest
from dnsctl.load.presentation import NameReader, RdataFault, domain_name, ttl, type_advice, type_code
from dnsctl.load.yaml_nodes import Mapping, Node, Scalar, Sequence
from dnsctl.model.finding import Finding, Position, Severity
from dnsctl.model.name import Name
from dnsctl.model.rrset import Type, type_text
from dnsctl.model.zone import Zone

NOTE, WARNING, ERROR = Severity.NOTE, Severity.WARNING, Severity.ERROR
EXPIRES_SOON = timedelta(days=14)
OURS = ("owner", "reason", "expires")  # kept for people, never served
KEYS = ("type", "ttl", "value", "values", "octodns", *OURS)
PROVIDER_KEYS = {  # octoDNS features that a provider carries out, and what is served here instead
    "geo": "its value is served everywhere",
    "dynamic": "its value is served, without pools, rules and health checks",
    "healthcheck": "nothing is checked",
}
UNSERVED = {  # octoDNS's types that are no DNS types: what to write instead
    "ALIAS": "write A and AAAA records (or HTTPS with svcpriority 0) in its place",
    "URLFWD": "point A and AAAA at a web server that redirects",
}
MADE_HERE = frozenset((Type.RRSIG, Type.NSEC, Type.NSEC3, Type.NSEC3PARAM))


def parse(
    text: bytes, file: str, origin: Name, defaults: ZoneDefaults, *, today: date | None = None
) -> tuple[Zone | None, tuple[Finding, ...]]:
    """Return the zone, as far as it can be read, and all findings; None where the file is no YAML mapping.

    `today` is the day `expires` is compared with; without it no record is too old.
    """
    reader = _Reader(Draft(origin, file, defaults), today)
    try:
        tree = yaml_nodes.compose(text)
    except yaml_nodes.YamlFault as fault:
        reader.find(fault.rule, ERROR, fault, fault.message, fault.advice)
        return None, tuple(reader.draft.findings)
    if tree is None or (isinstance(tree, Scalar) and tree.is_null):
        tree = Mapping(1, 1)
    if not isinstance(tree, Mapping):
        reader.find(
            "zone-shape", ERROR, tree, "is no mapping of owner names", "write NAME: {type: A, value: …}"
        )
        return None, tuple(reader.draft.findings)
    reader.read(tree)
    zone = reader.draft.zone()
    return zone, tuple(reader.draft.findings)


class _Reader:
    """Walks one file's nodes; the draft collects."""

    def __init__(self, draft: Draft, today: date | None) -> None:
        self.draft = draft
        self.today = today
        self.names = NameReader(draft.origin, absolute=True)
        self.provider_blocks: list[Node] = []
        self.first: dict[tuple[Name, int], Node] = {}

    def find(
        self, rule: str, severity: Severity, at: Node | yaml_nodes.YamlFault, message: str, advice: str = ""
    ) -> None:
        self.draft.find(rule, severity, Position(self.draft.file, at.line, at.column), message, advice)

    def read(self, tree: Mapping) -> None:
        for key in tree.repeated:
            first = tree.items[key.text][0]
            message = f"owner {key.text[:80]!r} again, it stands at line {first.line} already"
            self.find("owner-repeated", ERROR, key, message, "put all its records under one key, as a list")
        for key, value in tree.items.values():
            self._owner(key, value)
        if self.provider_blocks:
            count = len(self.provider_blocks)
            message = f"{count} record{'s have' if count > 1 else ' has'} an `octodns:` block"
            advice = "it is for octoDNS's providers and means nothing here"
            self.find("octodns-block", NOTE, self.provider_blocks[0], message, advice)

    def _owner(self, key: Scalar, value: Node) -> None:
        text = key.text if key.text not in ("", "@") else "@"
        try:
            owner = domain_name(text, self.draft.origin)
        except NameSyntaxError as error:
            self.find(
                "owner-syntax",
                ERROR,
                key,
                f"owner {key.text[:80]!r}: {error.what}",
                error.advice or "shorten it",
            )
            return
        records = value.items if isinstance(value, Sequence) else [value]
        for record in records:
            if isinstance(record, Mapping):
                self._record(owner, key, record)
            else:
                shown = f"owner {key.text[:80]!r} has no record here"
                self.find(
                    "record-shape",
                    ERROR,
                    key if value is record else record,
                    shown,
                    "write {type: …, value: …}",
                )

    def _record(self, owner: Name, key: Scalar, record: Mapping) -> None:
        rdtype = self._type(key, record)
        self._other_keys(record)
        seconds = self._ttl(record)
        if rdtype is None:
            return
        first = self.first.setdefault((owner, rdtype), record)
        if first is not record:
            message = (
                f"a second {type_text(rdtype)} record of {key.text[:80]!r}, the first is at line {first.line}"
            )
            self.find(
                "rrset-repeated", WARNING, record, message, "write one record with `values`; both are served"
            )
        for value in self._values(record):
            self._value(owner, rdtype, seconds, value)

    def _type(self, key: Scalar, record: Mapping) -> int | None:
        """Return the type's code, or None where there is nothing to serve, with a finding."""
        node = record.get("type")
        if not isinstance(node, Scalar) or node.is_null:
            self.find(
                "type-missing", ERROR, record, f"record of {key.text[:80]!r} has no type", "add `type: A`"
            )
            return None
        text = node.text.strip()
        if text.upper() in UNSERVED:
            advice = UNSERVED[text.upper()]
            rule = f"{text.lower()}-not-served"
            self.find(rule, WARNING, node, f"{text.upper()} is no DNS type and is left out", advice)
            return None
        if "/" in text:
            message = f"{text[:60]} belongs to a provider and is left out"
            self.find("provider-type-not-served", WARNING, node, message, "write plain records in its place")
            return None
        code = type_code(text)
        if code is None:
            self.find("unknown-type", ERROR, node, f"there is no type {text[:60]!r}", type_advice(text))
        elif code in MADE_HERE:
            self.find(
                "type-made-here", ERROR, node, f"{type_text(code)} is made by signing", "remove the record"
            )
            return None
        return code

    def _other_keys(self, record: Mapping) -> None:
        for key in record.repeated:
            self.find("key-repeated", ERROR, key, f"key {key.text[:60]!r} comes twice", "keep one of them")
        for text, (key, value) in record.items.items():
            if text == "octodns":
                self.provider_blocks.append(key)
            elif text == "expires":
                self._expires(key, value)
            elif text in PROVIDER_KEYS:
                advice = "serve what depends on the client by other means"
                self.find(
                    "provider-feature", WARNING, key, f"`{text}` is left out: {PROVIDER_KEYS[text]}", advice
                )
            elif text not in KEYS:
                near = nearest(text, KEYS)
                advice = f"did you mean {near}?" if near else "remove it"
                self.find("unknown-key", WARNING, key, f"unknown key {text[:60]!r} is ignored", advice)

    def _expires(self, key: Scalar, value: Node) -> None:
        try:
            day = date.fromisoformat(value.text if isinstance(value, Scalar) else "")
        except ValueError:
            self.find("expires-syntax", ERROR, key, "`expires` is no date", "write expires: 2030-12-31")
            return
        if self.today is None:
            return
        if day < self.today:
            self.find(
                "expires-passed", ERROR, key, f"record expired on {day}", "remove it, or set a later date"
            )
        elif day - self.today <= EXPIRES_SOON:
            self.find(
                "expires-soon", WARNING, key, f"record expires on {day}", "remove it, or set a later date"
            )

    def _ttl(self, record: Mapping) -> int:
        node = record.get("ttl")
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return self.draft.defaults.ttl
        seconds = ttl(node.text.strip().replace("_", "")) if isinstance(node, Scalar) else None
        if seconds is None:
            shown = repr(node.text[:40]) if isinstance(node, Scalar) else "a list or mapping"
            self.find(
                "ttl-syntax", ERROR, node, f"ttl is {shown}", "write seconds up to 2147483647, or 1h30m"
            )
            return self.draft.defaults.ttl
        return seconds

    def _values(self, record: Mapping) -> list[Node]:
        several, one = record.get("values"), record.get("value")
        if several is not None and one is not None:
            message = "both `value` and `values`: `value` is ignored, as octoDNS does"
            self.find("value-and-values", WARNING, record.items["value"][0], message, "keep `values` alone")
        found = several if several is not None else one
        values: list[Node] = found.items if isinstance(found, Sequence) else [] if found is None else [found]
        if not values or (len(values) == 1 and isinstance(values[0], Scalar) and values[0].is_null):
            self.find("value-missing", ERROR, record, "record has no value", "add `value` or `values`")
            return []
        return values

    def _value(self, owner: Name, rdtype: int, seconds: int, value: Node) -> None:
        self.names.relative.clear()
        try:
            rdata = rdata_fields.to_wire(rdtype, value, self.names)
        except RdataFault as fault:
            message, advice = fault.message, fault.advice
        except NameSyntaxError as error:
            message, advice = error.what, error.advice
        else:
            self._check_value(rdtype, value)
            self.draft.add(owner, rdtype, seconds, rdata, self.draft.file, value.line, value.column)
            return
        self.find("rdata-syntax", ERROR, value, f"{type_text(rdtype)}: {message}", advice or "correct it")

    def _check_value(self, rdtype: int, value: Node) -> None:
        for text in self.names.relative:
            message = f"{text[:120]!r} does not end with a dot, and is taken as absolute"
            advice = "end it with a dot: targets in zone files are whole names"
            self.find("target-not-absolute", WARNING, value, message, advice)
        if rdtype == Type.TXT and isinstance(value, Scalar) and not value.text.isascii():
            message = "text outside ASCII is served as UTF-8"
            self.find("txt-not-ascii", WARNING, value, message, "check that whoever reads it expects that")
