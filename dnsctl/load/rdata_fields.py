"""Records of a YAML file to rdata: octoDNS's field names, or one text in RFC 1035 presentation form.

A table says which fields a type has, in the order of its presentation form; a mapping becomes tokens of that
form and goes the same way as text does (`rdata_text`). Raises RdataFault and NameSyntaxError only.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dnsctl.load import rdata_text, yaml_nodes
from dnsctl.load.nearest import did_you_mean
from dnsctl.load.presentation import NameReader, RdataFault, character_strings, strings_wire, tokenize
from dnsctl.model.rrset import Type, type_text


class Field(NamedTuple):
    """A field of a mapping. `also`: an older name; `quoted`: a character-string in the text form."""

    name: str
    also: str = ""
    quoted: bool = False
    default: str | None = None
    unit: str = ""


LOC = 29  # RFC 1876
NAPTR = 35  # RFC 3403
SSHFP = 44  # RFC 4255
TLSA = 52  # RFC 6698
SMIMEA = 53  # RFC 8162
OPENPGPKEY = 61  # RFC 7929
SVCB = 64  # RFC 9460
HTTPS = 65  # RFC 9460
SPF = 99  # RFC 4408 §3.1.1, obsolete since RFC 7208
URI = 256  # RFC 7553
CAA = 257  # RFC 8659

_TLSA = (
    Field("certificate_usage"),
    Field("selector"),
    Field("matching_type"),
    Field("certificate_association_data"),
)
_SVCB = (Field("svcpriority"), Field("targetname"), Field("svcparams", default=""))
FIELDS: dict[int, tuple[Field, ...]] = {
    Type.SOA: tuple(
        Field(name, default="1" if name == "serial" else None)
        for name in ("mname", "rname", "serial", "refresh", "retry", "expire", "minimum")
    ),
    Type.MX: (Field("preference", "priority"), Field("exchange", "value")),
    LOC: (
        *(Field(f"lat_{part}") for part in ("degrees", "minutes", "seconds", "direction")),
        *(Field(f"long_{part}") for part in ("degrees", "minutes", "seconds", "direction")),
        Field("altitude", unit="m"),
        Field("size", unit="m", default="1"),
        Field("precision_horz", unit="m", default="10000"),
        Field("precision_vert", unit="m", default="10"),
    ),
    Type.SRV: (Field("priority"), Field("weight"), Field("port"), Field("target")),
    NAPTR: (
        Field("order"),
        Field("preference"),
        Field("flags", quoted=True, default=""),
        Field("service", quoted=True, default=""),
        Field("regexp", quoted=True, default=""),
        Field("replacement"),
    ),
    Type.DS: (Field("key_tag"), Field("algorithm"), Field("digest_type"), Field("digest")),
    SSHFP: (Field("algorithm"), Field("fingerprint_type"), Field("fingerprint")),
    TLSA: _TLSA,
    SMIMEA: _TLSA,
    SVCB: _SVCB,
    HTTPS: _SVCB,
    URI: (Field("priority"), Field("weight"), Field("target", quoted=True)),
    CAA: (Field("flags", default="0"), Field("tag"), Field("value", quoted=True)),
}
# octoDNS's first names for the fields of DS, which were those of another type, in the order of FIELDS[DS].
OLD_DS = ("flags", "protocol", "algorithm", "public_key")
_TEXT_TYPES = frozenset((int(Type.TXT), SPF))
_ESCAPES = re.compile(r'\\(?:[\\";]|\d{3})|[\\"]', re.ASCII)
_INTEGER = re.compile(r"\+?\d[\d_]*", re.ASCII)


def to_wire(rdtype: int, value: yaml_nodes.Node, names: NameReader) -> bytes:
    """Return canonical rdata of one `value` of a record. Raises RdataFault or NameSyntaxError."""
    if isinstance(value, yaml_nodes.Mapping):
        return rdata_text.to_wire(rdtype, _tokens(rdtype, value), names)
    if isinstance(value, yaml_nodes.Sequence):
        raise RdataFault("a list inside a list", "give each value an entry of its own")
    if value.is_null:
        raise RdataFault("an empty value", "write it, or remove the entry")
    if rdtype in _TEXT_TYPES and not value.text.startswith("\\# "):
        return strings_wire(text_strings(value.text))
    if rdtype == OPENPGPKEY:
        return rdata_text.to_wire(rdtype, [value.text.replace(" ", "")], names)
    return rdata_text.to_wire(rdtype, tokenize(value.text), names)


def text_strings(text: str) -> list[bytes]:
    r"""Return the character-strings of a TXT value as octoDNS writes them.

    Text that begins with a quote is presentation form, `"one" "two"`, and keeps its strings. Any other text
    is itself, with `\;` for a semicolon (octoDNS asks for that escape and no other).
    """
    if text.startswith('"'):
        try:
            return character_strings(tokenize(text))
        except RdataFault:
            text = text[1:-1] if text.endswith('"') and len(text) > 1 else text
    return [text.replace("\\;", ";").encode()]


def _tokens(rdtype: int, value: yaml_nodes.Mapping) -> list[str]:
    """Return the mapping's fields as tokens of the presentation form."""
    fields = FIELDS.get(rdtype)
    if fields is None:
        kind = type_text(rdtype)
        raise RdataFault(f"{kind} takes no mapping", "write its presentation form as one text")
    if rdtype == Type.DS and ("public_key" in value.items or "flags" in value.items):
        fields = tuple(Field(name) for name in OLD_DS)
    known = {name for field in fields for name in (field.name, field.also) if name}
    for key in value.items:
        if key not in known:
            raise RdataFault(f"unknown field {key[:60]!r}", did_you_mean(key, known))
    for repeated in value.repeated:
        raise RdataFault(f"field {repeated.text[:60]!r} comes twice", "keep one of them")
    tokens = []
    for field in fields:
        if field.name == "svcparams":
            tokens += _parameters(value.get("svcparams"))
        else:
            tokens.append(_token(field, _scalar(field, value)))
    return tokens


def _scalar(field: Field, value: yaml_nodes.Mapping) -> str:
    node = value.get(field.name)
    if node is None or (isinstance(node, yaml_nodes.Scalar) and node.is_null):
        node = value.get(field.also) if field.also else None
    if node is None or (isinstance(node, yaml_nodes.Scalar) and node.is_null):
        if field.default is None:
            raise RdataFault(f"field {field.name} is missing", "add it")
        return field.default
    if not isinstance(node, yaml_nodes.Scalar):
        raise RdataFault(f"field {field.name} is a list or mapping", "write one value")
    return node.text.strip() if not field.quoted else node.text


def _token(field: Field, text: str) -> str:
    if field.quoted:
        if len(text) > 1 and text[0] == text[-1] == '"':
            text = text[1:-1]
        # Any backslash that is no escape of presentation form (`\1` in a regexp) stands for itself.
        return f'"{_ESCAPES.sub(_escaped, text)}"'
    if not text or any(sign.isspace() for sign in text):
        if field.name in ("digest", "public_key", "fingerprint", "certificate_association_data"):
            text = "".join(text.split())  # hexadecimal, often pasted in groups
        if not text or any(sign.isspace() for sign in text):
            raise RdataFault(f"field {field.name} is {text[:60]!r}", "write one word")
    if _INTEGER.fullmatch(text):
        text = text.lstrip("+").replace("_", "")  # as YAML reads integers
    return text + field.unit if field.unit and not text.endswith(field.unit) else text


def _escaped(found: re.Match[str]) -> str:
    """Keep an escape that is one; escape a lone backslash or quote."""
    return found.group() if len(found.group()) > 1 else "\\" + found.group()


def _parameters(node: yaml_nodes.Node | None) -> list[str]:
    """Return SvcParams as tokens: `alpn="h2,h3"` (RFC 9460 §2.1)."""
    if node is None or (isinstance(node, yaml_nodes.Scalar) and node.is_null):
        return []
    if not isinstance(node, yaml_nodes.Mapping):
        raise RdataFault("svcparams is no mapping", "write svcparams: {alpn: [h2, h3]}")
    tokens = []
    for key, (_, value) in node.items.items():
        if not re.fullmatch(r"[a-z0-9-]{1,63}", key):
            raise RdataFault(
                f"svcparams key {key[:60]!r}", "write alpn, port, ipv4hint, ipv6hint, ech, … or key65400"
            )
        tokens.append(_parameter(key, value))
    return tokens


def _parameter(key: str, value: yaml_nodes.Node) -> str:
    if isinstance(value, yaml_nodes.Sequence):
        parts = []
        for item in value.items:
            if not isinstance(item, yaml_nodes.Scalar):
                raise RdataFault(f"svcparams {key} holds a list or mapping", "write a list of texts")
            parts.append(item.text)
        text = ",".join(parts)
    elif isinstance(value, yaml_nodes.Mapping):
        raise RdataFault(f"svcparams {key} is a mapping", "write a text or a list of texts")
    elif value.is_null:
        return key
    else:
        text = value.text
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return f'{key}="{_ESCAPES.sub(_escaped, text)}"'
