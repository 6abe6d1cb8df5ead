"""Records of a YAML file to rdata: octoDNS's field names, or one text in RFC 1035 presentation form.

A table says which fields a type has, in the order of its presentation form; a mapping becomes tokens of that
form and goes the same way as text does (`rdata_text`). Nothing is cut: what presentation form would leave out
(a comment, text beside quotes) is a fault, what is not read is a `Remark`. Raises RdataFault and
NameSyntaxError only.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dnsctl.load import rdata_text, yaml_nodes
from dnsctl.load.nearest import nearest
from dnsctl.load.presentation import (
    QUOTED,
    WHOLE_QUOTE,
    NameReader,
    RdataFault,
    character_strings,
    strings_wire,
    tokenize,
)
from dnsctl.model.rrset import Type, type_text


class Field(NamedTuple):
    """A field of a mapping. `also`: an older name; `quoted`: a character-string in the text form.

    `number`: what YAML reads as a number is one; `grouped`: digits in which white space means nothing;
    `upper`: octoDNS serves it in upper case.
    """

    name: str
    also: str = ""
    quoted: bool = False
    default: str | None = None
    unit: str = ""
    number: bool = False
    grouped: bool = False
    upper: bool = False


class Remark(NamedTuple):
    """A warning about a value that is read nevertheless, by rule id."""

    rule: str
    message: str
    advice: str
    at: yaml_nodes.Node


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
    Field("certificate_usage", number=True),
    Field("selector", number=True),
    Field("matching_type", number=True),
    Field("certificate_association_data", grouped=True),
)
_SVCB = (Field("svcpriority", number=True), Field("targetname"), Field("svcparams", default=""))
FIELDS: dict[int, tuple[Field, ...]] = {
    Type.SOA: tuple(
        Field(name, default="1" if name == "serial" else None, number="name" not in name)
        for name in ("mname", "rname", "serial", "refresh", "retry", "expire", "minimum")
    ),
    Type.MX: (Field("preference", "priority", number=True), Field("exchange", "value")),
    LOC: (
        *(Field(f"lat_{part}", number=True) for part in ("degrees", "minutes", "seconds", "direction")),
        *(Field(f"long_{part}", number=True) for part in ("degrees", "minutes", "seconds", "direction")),
        Field("altitude", unit="m", number=True),
        Field("size", unit="m", default="1", number=True),
        Field("precision_horz", unit="m", default="10000", number=True),
        Field("precision_vert", unit="m", default="10", number=True),
    ),
    Type.SRV: (
        Field("priority", number=True),
        Field("weight", number=True),
        Field("port", number=True),
        Field("target"),
    ),
    NAPTR: (
        Field("order", number=True),
        Field("preference", number=True),
        Field("flags", quoted=True, default="", upper=True),
        Field("service", quoted=True, default=""),
        Field("regexp", quoted=True, default=""),
        Field("replacement"),
    ),
    Type.DS: (
        Field("key_tag", number=True),
        Field("algorithm", number=True),
        Field("digest_type", number=True),
        Field("digest", grouped=True),
    ),
    SSHFP: (
        Field("algorithm", number=True),
        Field("fingerprint_type", number=True),
        Field("fingerprint", grouped=True),
    ),
    TLSA: _TLSA,
    SMIMEA: _TLSA,
    SVCB: _SVCB,
    HTTPS: _SVCB,
    URI: (Field("priority", number=True), Field("weight", number=True), Field("target", quoted=True)),
    CAA: (Field("flags", default="0", number=True), Field("tag"), Field("value", quoted=True)),
}
# octoDNS's first names for the fields of DS, which were those of another type, in the order of FIELDS[DS].
OLD_DS = ("flags", "protocol", "algorithm", "public_key")
TEXT_TYPES = frozenset((int(Type.TXT), SPF))
# Types with character-strings or other quoted text in presentation form: those above, HINFO, X25, ISDN, GPOS,
# NINFO, AVC, RESINFO and WALLET. In others a quote is a mistake, and would be taken into a name.
_QUOTES = frozenset((*TEXT_TYPES, 13, 19, 20, 27, NAPTR, 56, SVCB, HTTPS, URI, CAA, 258, 261, 262))
_ESCAPES = re.compile(r'\\(?:[\\";]|\d{3})|[\\"]', re.ASCII)
_INTEGER = re.compile(r"\+?\d[\d_]*", re.ASCII)
_OCTAL = re.compile(r"[-+]?0[0-7_]+", re.ASCII)
_PARAMETER = re.compile(rf'[^"]*={QUOTED}', re.DOTALL)  # alpn="h2,h3"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MARKS = re.compile(r'["\\;()]')  # what has a meaning in presentation form
_HIDDEN = re.compile(rf"{QUOTED}|\\.", re.DOTALL)  # in which no sign has its meaning


def to_wire(rdtype: int, value: yaml_nodes.Node, names: NameReader, remarks: list[Remark]) -> bytes:
    """Return canonical rdata of one `value` of a record. Raises RdataFault or NameSyntaxError."""
    if isinstance(value, yaml_nodes.Mapping):
        return rdata_text.to_wire(rdtype, _tokens(rdtype, value, remarks), names)
    if isinstance(value, yaml_nodes.Sequence):
        raise RdataFault("a list inside a list", "give each value an entry of its own")
    if value.is_null:
        raise RdataFault("an empty value", "write it, or remove the entry")
    if rdtype in TEXT_TYPES and not value.text.startswith("\\# "):
        return strings_wire(text_strings(value, remarks))
    if rdtype in _QUOTES and rdtype not in (NAPTR, SVCB, HTTPS) and not value.text.isascii():
        remarks.append(_not_ascii(value))  # those three have names, which may be internationalised
    tokens = words(rdtype, value.text)
    if rdtype in _QUOTES:
        _control_characters(value, "".join(tokens), remarks)
    return rdata_text.to_wire(rdtype, tokens, names)


def text_strings(value: yaml_nodes.Scalar, remarks: list[Remark]) -> list[bytes]:
    r"""Return the character-strings of a TXT value as octoDNS writes them.

    Text that begins with a quote is presentation form, `"one" "two"`, and keeps its strings. Any other text
    is itself, with `\;` for a semicolon (octoDNS asks for that escape and no other). Raises RdataFault where
    quotes leave open what is meant.
    """
    text = value.text
    if not text.isascii():
        remarks.append(_not_ascii(value))
    if text.startswith('"'):
        tokens = words(Type.TXT, text)
        _control_characters(value, "".join(tokens), remarks)
        return character_strings(tokens)
    if '" "' in text:
        raise RdataFault(
            'quotes that end one string and begin another, `" "`, in text that does not begin with one',
            'write all strings in quotes: "one" "two"; or the quotes inside as \\"',
        )
    _control_characters(value, text, remarks)
    if "\\\\;" in text:
        message = r"`\\;` is served as a backslash and a semicolon"
        remarks.append(Remark("txt-escape-twice", message, r"write \; for a semicolon", value))
    return [text.replace("\\;", ";").encode()]


def _control_characters(value: yaml_nodes.Scalar, text: str, remarks: list[Remark]) -> None:
    if odd := _CONTROL.search(text):
        what, advice = f"the character U+{ord(odd.group()):04X}", "remove it"
        if odd.group() == "\n":
            what, advice = "a line break", "write the text on one line, or with >- in place of |"
        message = f"the text holds {what}, which is served"
        remarks.append(Remark("txt-control-character", message, advice, value))


def octal(node: yaml_nodes.Scalar) -> int | None:
    """Return what YAML 1.1 reads a number with a leading 0 as, where that differs from its digits."""
    text = node.text.strip()
    if not node.plain or not _OCTAL.fullmatch(text):
        return None
    value = int(text.replace("_", ""), 8)
    return value if value != int(text) else None


def words(rdtype: int, text: str) -> list[str]:
    r"""Split presentation form into tokens, quotes and escapes kept.

    Raises RdataFault for what would not be read as it stands: an unquoted `;`, which begins a comment,
    parentheses, text that touches a quoted one, and quotes in types without text.
    """
    if rdtype not in TEXT_TYPES and not _MARKS.search(text):
        return text.split()
    tokens = tokenize(text)
    for token in tokens:
        bare = _HIDDEN.sub("", token)
        if ";" in bare:
            raise RdataFault(
                "an unquoted `;`, which begins a comment", 'put the text in quotes: "…; …"; or write \\;'
            )
        if "(" in bare or ")" in bare:
            raise RdataFault("an unquoted parenthesis", "leave parentheses out, or put the text in quotes")
        if '"' not in re.sub(r"\\.", "", token, flags=re.DOTALL):
            if rdtype in TEXT_TYPES and tokens[0] != r"\#":  # which is RFC 3597 §5, and has no texts
                raise RdataFault(
                    "text beside a quoted one", r"put all of it in one pair of quotes; inside, write \""
                )
        elif rdtype not in _QUOTES:
            raise RdataFault(f"quotes in {type_text(rdtype)} rdata", "write it without quotes")
        elif not WHOLE_QUOTE.fullmatch(token) and not (
            rdtype in (SVCB, HTTPS) and _PARAMETER.fullmatch(token)
        ):
            raise RdataFault("text that touches a quoted one", r"put all of it in quotes; inside, write \"")
    return tokens


def _not_ascii(at: yaml_nodes.Node) -> Remark:
    advice = "check that whoever reads it expects that"
    return Remark("txt-not-ascii", "text outside ASCII is served as UTF-8", advice, at)


def _tokens(rdtype: int, value: yaml_nodes.Mapping, remarks: list[Remark]) -> list[str]:
    """Return the mapping's fields as tokens of the presentation form."""
    fields = FIELDS.get(rdtype)
    if fields is None:
        kind = type_text(rdtype)
        raise RdataFault(f"{kind} takes no mapping", "write its presentation form as one text")
    if rdtype == Type.DS and ("public_key" in value.items or "flags" in value.items):
        fields = tuple(Field(name, number=True, grouped=name == "public_key") for name in OLD_DS)
    known = {name for field in fields for name in (field.name, field.also) if name}
    for key, (at, _) in value.items.items():
        if key not in known:
            near = nearest(key, known)
            advice = f"did you mean {near}?" if near else "remove it, or make it a comment"
            remarks.append(
                Remark("unknown-key", f"unknown key {key[:60]!r} in a value is ignored", advice, at)
            )
    for repeated in value.repeated:
        raise RdataFault(f"field {repeated.text[:60]!r} comes twice", "keep one of them")
    tokens = []
    for field in fields:
        if field.name == "svcparams":
            tokens += _parameters(value.get("svcparams"))
        else:
            tokens.append(_token(field, _scalar(field, value, fields, remarks)))
    return tokens


def _scalar(
    field: Field, value: yaml_nodes.Mapping, fields: tuple[Field, ...], remarks: list[Remark]
) -> yaml_nodes.Scalar:
    """Return the field's node, or its default as one."""
    found = [
        node
        for name in (field.name, field.also)
        if name and (node := value.get(name)) is not None
        if not (isinstance(node, yaml_nodes.Scalar) and node.is_null)
    ]
    if not found:
        if field.default is None:
            unknown = [
                key for key in value.items if not any(key in (each.name, each.also) for each in fields)
            ]
            near = nearest(field.name, unknown)
            advice = f"{near}: did you mean {field.name}?" if near else "add it"
            raise RdataFault(f"field {field.name} is missing", advice)
        return yaml_nodes.Scalar(field.default, value.line, value.column)
    node = found[0]
    if not isinstance(node, yaml_nodes.Scalar):
        raise RdataFault(f"field {field.name} is a list or mapping", "write one value")
    if len(found) > 1 and found[1] != node:
        message = f"both {field.name} and {field.also}: {field.also} is ignored"
        remarks.append(Remark("unknown-key", message, f"keep {field.name} alone", found[1]))
    if field.quoted:
        _control_characters(node, node.text, remarks)
        if not node.text.isascii():
            remarks.append(_not_ascii(node))
    return node


def _token(field: Field, node: yaml_nodes.Scalar) -> str:
    if field.quoted:
        return _quoted(field, node.text.upper() if field.upper else node.text)
    text = "".join(node.text.split()) if field.grouped else node.text.strip()
    if not text or any(sign.isspace() for sign in text):
        raise RdataFault(f"field {field.name} is {text[:60]!r}", "write one word")
    if odd := next((sign for sign in '";()' if sign in re.sub(r"\\.", "", text)), None):
        raise RdataFault(f"field {field.name} holds a `{odd}`", "remove it")
    if field.number and (value := octal(node)) is not None:
        message = f"field {field.name} is {text}, which YAML reads as octal: {value}"
        raise RdataFault(message, f"write {value} or {int(text)}")
    if _INTEGER.fullmatch(text) and not field.grouped:
        text = text.lstrip("+").replace("_", "")  # as YAML reads integers
    return text + field.unit if field.unit and not text.endswith(field.unit) else text


def _quoted(field: Field, text: str) -> str:
    """Return a character-string of presentation form for text that may stand in quotes already."""
    if text.startswith('"') and len(text) > 1:
        if not WHOLE_QUOTE.fullmatch(text):
            raise RdataFault(
                f"field {field.name} has text beside a quoted one",
                r"put all of it in quotes; inside, write \"",
            )
        text = text[1:-1]
    # Any backslash that is not an escape of presentation form (`\1` in a regexp) stands for itself.
    return f'"{_ESCAPES.sub(_escaped, text)}"'


def _escaped(found: re.Match[str]) -> str:
    """Keep an escape that is one; escape a lone backslash or quote."""
    return found.group() if len(found.group()) > 1 else "\\" + found.group()


def _parameters(node: yaml_nodes.Node | None) -> list[str]:
    """Return SvcParams as tokens: `alpn="h2,h3"` (RFC 9460 §2.1)."""
    if node is None or (isinstance(node, yaml_nodes.Scalar) and node.is_null):
        return []
    if not isinstance(node, yaml_nodes.Mapping):
        raise RdataFault("svcparams is not a mapping", "write svcparams: {alpn: [h2, h3]}")
    for repeated in node.repeated:
        raise RdataFault(f"svcparams key {repeated.text[:60]!r} comes twice", "keep one of them")
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
    if len(text) > 1 and text[0] == '"':
        if not WHOLE_QUOTE.fullmatch(text):
            raise RdataFault(f"svcparams {key} has text beside a quoted one", "put all of it in quotes")
        text = text[1:-1]
    return f'{key}="{_ESCAPES.sub(_escaped, text)}"'
