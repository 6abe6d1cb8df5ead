"""Zone files in octoDNS's YAML record syntax: owner names relative to the apex, each with a record or a list.

Everything is read as text (`yaml_nodes`), so that `67:`, `44.74:` and `no:` are owner names. All faults are
found in one pass and become findings; records that are right are kept, so that later rules see as much of the
zone as there is. What octoDNS leaves to providers is a finding: `geo:`, `dynamic:`, URLFWD, records that are
`ignored` or for one provider alone (`included`). ALIAS is kept beside the RRsets (`alias_records`). Targets
are absolute names, as octoDNS has them; one of several labels without a final dot is taken as absolute, with
a warning.

A directory of files, as octoDNS splits zones, is one zone (`parse_split`). A file that is octoDNS's
configuration is a finding and not a zone.
"""

from __future__ import annotations

import typing
from datetime import date, timedelta
from functools import lru_cache

from dnsctl.errors import NameSyntaxError
from dnsctl.load import alias_records, rdata_fields, yaml_nodes
from dnsctl.load.draft import Draft, ZoneDefaults
from dnsctl.load.expiry import ADVICE, expiry
from dnsctl.load.nearest import nearest
from dnsctl.load.presentation import NameReader, RdataFault, domain_name, ttl, type_code, unknown_type
from dnsctl.load.rdata_fields import Remark
from dnsctl.load.yaml_nodes import NULLS, Includer, Mapping, Node, Scalar, Sequence
from dnsctl.load.yaml_text import name_in_yaml
from dnsctl.model.alias import ALIASES, Alias
from dnsctl.model.finding import Finding, Position
from dnsctl.model.name import ROOT, Name, labels, to_text
from dnsctl.model.rrset import MADE_BY_SIGNING, type_text
from dnsctl.model.zone import Zone

EXPIRES_SOON = timedelta(days=14)
EXPIRED, REMOVED = "expires-passed", "expires-removed"  # ids of rules
OURS = ("owner", "reason", "expires")  # kept for people, never served
KEYS = ("type", "ttl", "value", "values", "octodns", *OURS)
_DATA_KEYS = frozenset(KEYS) - {"octodns", "expires"}
PROVIDER_KEYS = {  # octoDNS features that a provider carries out, and what is served here instead
    "geo": "its default value is served to all, and those for places are left out",
    "dynamic": "its default value is served to all, and pools, rules and health checks are left out",
    "healthcheck": "nothing is checked",
}
UNSERVED = {  # octoDNS's types that are not DNS types: what to write instead
    "URLFWD": "point A and AAAA at a web server that redirects",
}


# Sections of octoDNS's configuration. A file with two of these, and no record in them, is one; so is a file
# with one section that holds what such a section does.
_CONFIG_SECTIONS = ("manager", "providers", "zones", "processors", "secret_handlers")
_IN_SECTIONS = {"providers": {"class"}, "processors": {"class"}, "zones": {"sources", "targets"}}
US = "dnsctl"  # what `included` and `excluded` call this program, as if it were a provider of octoDNS
_FALSE = frozenset(("", "0", "n", "no", "false", "off", "~", "null"))  # YAML 1.1 and Python


def parse(
    text: bytes,
    file: str,
    origin: Name,
    defaults: ZoneDefaults,
    *,
    today: date | None = None,
    include: Includer | None = None,
) -> tuple[Zone | None, tuple[Finding, ...]]:
    """Return the zone, as far as it can be read, and all findings; None where the file is not a YAML mapping.

    `today` is the day `expires` is compared with; without it no record is too old. `include` reads the files
    that `!include` names.
    """
    return parse_split({file: text}, file, origin, defaults, today=today, include=include)


def parse_split(
    texts: typing.Mapping[str, bytes],
    file: str,
    origin: Name,
    defaults: ZoneDefaults,
    *,
    today: date | None = None,
    include: Includer | None = None,
) -> tuple[Zone | None, tuple[Finding, ...]]:
    """Parse a zone in several files, as `parse` does one; `file` stands for all of them."""
    reader = _Reader(Draft(origin, file, defaults), today)
    whole = True
    for path, text in texts.items():
        whole &= reader.parse(path, text, include)
    reader.tell_blocks()
    return (reader.draft.zone() if whole else None), tuple(reader.draft.findings)


class _Reader:
    """Walks one file's nodes; the draft collects."""

    def __init__(self, draft: Draft, today: date | None) -> None:
        self.draft = draft
        self.file = draft.file
        self.today = today
        self.names = NameReader(draft.origin, absolute=True)
        self.blocks: list[Position] = []
        self.first: dict[tuple[Name, int], Position] = {}
        self.lenient = False  # the record that is read

    def find(self, rule: str, at: Node | yaml_nodes.YamlFault, message: str, advice: str = "") -> None:
        self.draft.find(rule, self.place(at), message, advice)

    def place(self, at: Node | yaml_nodes.YamlFault) -> Position:
        return Position(at.file or self.file, at.line, at.column)

    def parse(self, file: str, text: bytes, include: Includer | None) -> bool:
        """Read one file; false where it is not a mapping of owner names."""
        self.file = file
        try:
            reading = include and (lambda name, within: include(name, within or file))
            tree = yaml_nodes.compose(text, reading, merge_in_place=True)
        except yaml_nodes.YamlFault as fault:
            self.find(fault.rule, fault, fault.message, fault.advice)
            return False
        if tree is None or (isinstance(tree, Scalar) and tree.is_null):
            return True
        if not isinstance(tree, Mapping):
            message = "is not a mapping of owner names"
            self.find("zone-shape", tree, message, "write NAME: {type: A, value: …}")
            return False
        if _is_octodns_config(tree):
            message = "is octoDNS's configuration, not a zone, and is left out"
            self.find("octodns-config", tree, message, "move it out of the directory of zones")
            return False
        self.read(tree)
        return True

    def read(self, tree: Mapping) -> None:
        for key in tree.repeated:
            first = tree.items[key.text][0]
            message = f"owner {key.text[:80]!r} again, it stands at line {first.line} already"
            self.find("owner-repeated", key, message, "put all its records under one key, as a list")
        self._replaced(tree)
        for key, value in tree.items.values():
            self._key_as_yaml(key)
            self._owner(key, value)

    def _replaced(self, mapping: Mapping) -> None:
        for key in mapping.replaced:
            message = f"`<<` below {key.text[:60]!r} takes its place, as in octoDNS"
            self.find("merge-replaces", key, message, "write `<<` first: what follows it counts")

    def _key_as_yaml(self, key: Scalar) -> None:
        """Report a key without quotes that octoDNS would serve as another name."""
        read = name_in_yaml(key) if key.plain else key.text
        if read != key.text:
            message = f"YAML reads the key {key.text[:60]} as {read[:60]}, and octoDNS serves that name"
            advice = f"quote the name that is meant; {key.text[:60]} is served here"
            self.find("owner-not-text", key, message, advice)

    def tell_blocks(self) -> None:
        """Report, once a zone, `octodns:` blocks that hold more than what has findings of its own."""
        if self.blocks:
            count = len(self.blocks)
            message = f"{count} record{'s have' if count > 1 else ' has'} an `octodns:` block"
            advice = "what it says to octoDNS's providers means nothing here"
            self.draft.find("octodns-block", self.blocks[0], message, advice)

    def _owner(self, key: Scalar, value: Node) -> None:
        text = key.text if key.text not in ("", "@") else "@"
        try:
            owner = domain_name(text, self.draft.origin)
            if '"' in text.replace('\\"', ""):
                raise NameSyntaxError(
                    "a quote in a name", advice='write the name without quotes, or \\" for one'
                )
        except NameSyntaxError as error:
            self.find(
                "owner-syntax",
                key,
                f"owner {key.text[:80]!r}: {error.what}",
                error.advice or "shorten it",
            )
            return
        records = value.items if isinstance(value, Sequence) else [value]
        if not records:
            message = f"owner {key.text[:80]!r} has an empty list, and no record"
            self.find("owner-empty", key, message, "write [{type: …, value: …}], or remove the name")
            self.draft.emptied.add(owner)
        for record in records:
            if isinstance(record, Mapping):
                self._record(owner, key, record)
            else:
                shown = f"owner {key.text[:80]!r} has no record here"
                self.find(
                    "record-shape",
                    key if value is record else record,
                    shown,
                    "write {type: …, value: …}",
                )

    def _record(self, owner: Name, key: Scalar, record: Mapping) -> None:
        kind = record.get("type")
        plain = _plain_type(kind.text) if isinstance(kind, Scalar) else None
        if plain is not None and _has_data_alone(record):  # as most records do
            self.lenient = False
            self._rrset(owner, key, record, plain, self._ttl(record))
            return
        alias = alias_records.spelling(kind)
        rdtype = None if alias else self._type(key, record)
        shown = alias if rdtype is None else type_text(rdtype)
        told = f"{key.text[:80]!r} {shown}".rstrip()
        self._other_keys(record, told)
        over = self._is_over(record, told)
        seconds = self._ttl(record)
        if over or not shown or not self._for_us(told, record):
            return
        self._proxied(told, record)
        self.lenient = _is_lenient(record)
        if rdtype is not None:
            self._rrset(owner, key, record, rdtype, seconds)
            return
        for value in self._values(record):
            self._alias(owner, alias, seconds, value)

    def _rrset(self, owner: Name, key: Scalar, record: Mapping, rdtype: int, seconds: int) -> None:
        place = self.place(record)
        first = self.first.setdefault((owner, rdtype), place)
        if first is not place:
            where = f"at line {first.line}" if first.file == place.file else f"in {first.file}:{first.line}"
            message = f"a second {type_text(rdtype)} record of {key.text[:80]!r}, the first is {where}"
            self.find("rrset-repeated", record, message, "write one record with `values`; both are served")
        for value in self._values(record):
            self._value(owner, rdtype, seconds, value)

    def _type(self, key: Scalar, record: Mapping) -> int | None:
        """Return the type's code, or None where there is nothing to serve, with a finding."""
        node = record.get("type")
        if not isinstance(node, Scalar) or node.is_null:
            self.find("type-missing", record, f"record of {key.text[:80]!r} has no type", "add `type: A`")
            return None
        text = node.text.strip()
        if text.upper() in UNSERVED:
            advice = UNSERVED[text.upper()]
            rule = f"{text.lower()}-not-served"
            self.find(rule, node, f"{text.upper()} is not a DNS type and is left out", advice)
            return None
        if "/" in text:
            provider, _, kind = text[:60].partition("/")
            message = f"{key.text[:80]!r} {text[:60]} is a type of octoDNS's {provider} and is left out"
            advice = UNSERVED.get(kind.upper(), "write plain records in its place, or remove it")
            if kind.upper() in ALIASES:
                advice = "write `type: ALIAS` and the target's name: it becomes A and AAAA here"
            self.find("provider-type-not-served", node, message, advice)
            return None
        code = type_code(text)
        if code is None:
            self.find("unknown-type", node, *unknown_type(text))
        elif code in MADE_BY_SIGNING:
            self.find("type-made-here", node, f"{type_text(code)} is made by signing", "remove the record")
            return None
        return code

    def _other_keys(self, record: Mapping, told: str) -> None:
        """Judge the keys of the record called `told` that are not of its data."""
        self._replaced(record)
        for key in record.repeated:
            self.find("key-repeated", key, f"key {key.text[:60]!r} comes twice", "keep one of them")
        for text, (key, value) in record.items.items():
            if text == "octodns":
                self._block(key, value)
            elif text == "expires":
                continue
            elif text in PROVIDER_KEYS:
                message = f"{told}: `{text}` means nothing here: {PROVIDER_KEYS[text]}"
                self.find("provider-feature", key, message, "serve what depends on the client by other means")
            elif text not in KEYS:
                near = nearest(text, KEYS)
                advice = f"did you mean {near}?" if near else "remove it"
                self.find("unknown-key", key, f"unknown key {text[:60]!r} is ignored", advice)

    def _block(self, key: Scalar, block: Node) -> None:
        """Look for settings of providers that change what clients get."""
        if not isinstance(block, Mapping):
            if not block.is_null if isinstance(block, Scalar) else True:
                message = "`octodns` is not a mapping, and is not read"
                self.find("unknown-key", key, message, "write octodns: {…}, or remove it")
            return
        for repeated in block.repeated:
            message = f"key {repeated.text[:60]!r} comes twice"
            self.find("key-repeated", repeated, message, "keep one of them")
        if not block.items.keys() <= {"ignored", "included", "excluded", "lenient"}:
            self.blocks.append(self.place(key))

    def _proxied(self, told: str, record: Mapping) -> None:
        """Warn of a served record whose value a provider hid behind addresses of its own."""
        block = record.get("octodns")
        for name, (_, provider) in block.items.items() if isinstance(block, Mapping) else ():
            if isinstance(provider, Mapping) and _is_true(provider.get("proxied")):
                shown = ", ".join(each.text[:80] for each in self._values(record) if isinstance(each, Scalar))
                message = f"{told}: {shown or 'its value'} becomes public, which {name[:60]} hid (`proxied`)"
                advice = "serve the address of a proxy of yours, or remove `proxied` if all may know it"
                self.find("provider-feature", provider.items["proxied"][0], message, advice)

    def _for_us(self, record_text: str, record: Mapping) -> bool:
        """False where `octodns:` says that no provider publishes the record, or that we do not."""
        block = record.get("octodns")
        if not isinstance(block, Mapping):
            return True
        if _is_true(block.get("ignored")):
            message = f"{record_text} is not served: octoDNS ignores it (`ignored`)"
            advice = "remove `ignored` to have it served here"
            self.find("octodns-ignored", block.items["ignored"][0], message, advice)
            return False
        if _is_true(included := block.get("included")) and not _names_us(included):
            message = f"{record_text} is not served: it is only for other providers (`included`)"
            advice = f"add {US} to `included`, or remove it, to have it served here"
            self.find("octodns-included", block.items["included"][0], message, advice)
            return False
        if _names_us(excluded := block.get("excluded")):
            message = f"{record_text} is not served: `excluded` names {US}"
            advice = f"remove {US} from it to have it served here"
            self.find("octodns-ignored", block.items["excluded"][0], message, advice)
            return False
        if _is_true(excluded):
            message = f"{record_text} is served: `excluded` names providers of octoDNS"
            advice = f"add {US} to it if the record is not for here, or remove `excluded` if it is"
            self.find("octodns-excluded", block.items["excluded"][0], message, advice)
        return True

    def _is_over(self, record: Mapping, told: str) -> bool:
        """Judge what `expires` of the record called `told` says. True: it is to be served no more."""
        if "expires" not in record.items:
            return False
        key, value = record.items["expires"]
        found = expiry(value)
        if found is None:
            self.find("expires-syntax", key, "`expires` says neither a day nor {at: …, then: remove}", ADVICE)
        if found is None or self.today is None:
            return False
        over, later = found.has_passed(self.today), "remove it, or set a later date"
        if found.removes:
            message = f"record expired on {found.day} and is not served: {told}"
            if over:
                self.find(REMOVED, key, message, later)
            return over
        if over:
            self.find(EXPIRED, key, f"record expired on {found.day}: {told}", later)
        elif found.day - self.today <= EXPIRES_SOON:
            self.find("expires-soon", key, f"record expires on {found.day}: {told}", later)
        return False

    def _ttl(self, record: Mapping) -> int:
        node = record.get("ttl")
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return self.draft.defaults.ttl
        seconds = ttl(node.text.strip().replace("_", "")) if isinstance(node, Scalar) else None
        if isinstance(node, Scalar) and (value := rdata_fields.octal(node)) is not None:
            message = f"ttl is {node.text}, which YAML reads as octal: {value}"
            self.find("ttl-syntax", node, message, f"write {value} or {int(node.text)}")
        if seconds is None:
            shown = repr(node.text[:40]) if isinstance(node, Scalar) else "a list or mapping"
            self.find("ttl-syntax", node, f"ttl is {shown}", "write seconds up to 2147483647, or 1h30m")
            return self.draft.defaults.ttl
        return seconds

    def _values(self, record: Mapping) -> list[Node]:
        several, one = record.get("values"), record.get("value")
        if several is not None and one is not None:
            message = "both `value` and `values`: `value` is ignored, as octoDNS does"
            self.find("value-and-values", record.items["value"][0], message, "keep `values` alone")
        found = several if several is not None else one
        values: list[Node] = found.items if isinstance(found, Sequence) else [] if found is None else [found]
        if not values or (len(values) == 1 and isinstance(values[0], Scalar) and values[0].is_null):
            self.find("value-missing", record, "record has no value", "add `value` or `values`")
            return []
        return values

    def _value(self, owner: Name, rdtype: int, seconds: int, value: Node) -> None:
        remarks: list[Remark] = []
        names = self.names
        if (
            self.draft.defaults.bare_semicolons
            and rdtype in rdata_fields.TEXT_TYPES
            and isinstance(value, Scalar)
        ):
            value = value._replace(text=value.text.replace(";", r"\;"))
        try:
            rdata = rdata_fields.to_wire(rdtype, value, names, remarks)
        except (RdataFault, NameSyntaxError) as error:
            self._unreadable(type_text(rdtype), value, error)
            names.forget()
            return
        if remarks or names.remarks or names.relative:
            self._remark(remarks, value)
        self.draft.add(owner, rdtype, seconds, rdata, value.file or self.file, value.line, value.column)
        if self.lenient:
            self.draft.lenient.add(self.place(value))

    def _alias(self, owner: Name, spelled: str, seconds: int, value: Node) -> None:
        remarks: list[Remark] = []
        try:
            found = alias_records.target_of(spelled, value, self.names, self.draft.origin, remarks)
        except (RdataFault, NameSyntaxError) as error:
            self._unreadable(spelled, value, error)
            self.names.forget()
            return
        self._remark(remarks, value)
        if found.types:
            self.draft.alias(Alias(owner, found.name, seconds, self.place(value), found.types))
            return
        message = f"{spelled} of a type other than A and AAAA is left out"
        self.find("provider-type-not-served", value, message, "write plain records in its place")

    def _unreadable(self, kind: str, value: Node, error: RdataFault | NameSyntaxError) -> None:
        message = error.message if isinstance(error, RdataFault) else error.what
        self.find("rdata-syntax", value, f"{kind}: {message}", error.advice or "correct it")

    def _remark(self, remarks: list[Remark], value: Node) -> None:
        """Report what was noticed while a value was read that is right."""
        for remark in remarks:
            self.find(remark.rule, remark.at, remark.message, remark.advice)
        for said in self.names.remarks:
            self.find(said.rule, value, said.message, said.advice)
        for text in self.names.relative:
            self._relative(text, value)
        self.names.forget()

    def _relative(self, text: str, value: Node) -> None:
        """Report a target without a final dot. A single label is hardly ever meant as a top-level domain."""
        if len(labels(domain_name(text, ROOT))) == 1:
            whole = f"{text}.{to_text(self.draft.origin)}".removesuffix("..") if text else text
            message = f"{text[:120]!r} is one label without a dot: targets in zone files are whole names"
            advice = f"write {whole}, or {text}. for a top-level domain"
            self.find("target-not-absolute" if self.lenient else "target-one-label", value, message, advice)
            return
        message = f"{text[:120]!r} does not end with a dot, and is taken as absolute"
        advice = "end it with a dot: targets in zone files are whole names"
        self.find("target-not-absolute", value, message, advice)


def _has_data_alone(record: Mapping) -> bool:
    """True for a record with type, TTL and values, and nothing else to report or to obey."""
    return record.items.keys() <= _DATA_KEYS and not record.repeated and not record.replaced


@lru_cache(maxsize=1024)
def _plain_type(text: str) -> int | None:
    """Return the code of a type that needs no remark; None for any other text, a type or not."""
    if text.upper() in ALIASES or text.upper() in UNSERVED or text in NULLS:
        return None
    code = type_code(text.strip())
    return None if code in MADE_BY_SIGNING else code


def _is_true(node: Node | None) -> bool:
    """True where octoDNS, which is in Python, would take the node for true."""
    if isinstance(node, Scalar):
        return not (node.plain and node.text.lower() in _FALSE) and node.text != ""
    return isinstance(node, Mapping | Sequence) and bool(node.items)


def _is_lenient(record: Mapping) -> bool:
    """True where octoDNS publishes the record whatever its checks say."""
    block = record.get("octodns")
    return isinstance(block, Mapping) and _is_true(block.get("lenient"))


def _names_us(node: Node | None) -> bool:
    """True for a provider's name, or a list with one, that is ours."""
    named = node.items if isinstance(node, Sequence) else [node]
    return any(isinstance(each, Scalar) and each.text == US for each in named)


def _is_octodns_config(tree: Mapping) -> bool:
    """True for octoDNS's own configuration, which often stands beside the zones."""
    found = {
        name: section
        for name in _CONFIG_SECTIONS
        if isinstance(section := tree.get(name), Mapping) and "type" not in section.items
    }
    return len(found) > 1 or any(
        isinstance(each, Mapping) and not keys.isdisjoint(each.items)
        for name, keys in _IN_SECTIONS.items()
        if name in found
        for _, each in found[name].items.values()
    )
