r"""One value of a record as octoDNS's YAML has it: a text, or a mapping with octoDNS's names of fields.

Each is tried in the reader of zone files before it is used, so what comes out reads back as the same rdata:
the form that octoDNS knows, else the type's presentation form, else `\# 4 0a000001` (RFC 3597 §5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import dns.exception

from dnsctl.errors import NameSyntaxError
from dnsctl.load import yaml_nodes
from dnsctl.load.presentation import MAX_STRING, NameReader, RdataFault, tokenize, unquoted
from dnsctl.load.rdata_fields import FIELDS, HTTPS, LOC, SVCB, TEXT_TYPES, Field, to_wire
from dnsctl.model.name import ROOT
from dnsctl.model.rrset import Type, rdata_text

# What PyYAML dumps: numbers are those that octoDNS has as numbers.
Value = str | int | float | None | list["Value"] | dict[str, "Value"]

_READER = NameReader(ROOT, absolute=True)  # names that are written here are whole
_PLAIN_TEXT = re.compile(rb"[ !#-~][ -~]*|", re.DOTALL)  # ASCII that shows, and begins with no quote
_ESCAPED = re.compile(r'\\(\\|")(?![\\";\d])')
_NUMBER = re.compile(r"-?\d+")
_DECIMAL = re.compile(r"-?\d+\.\d+")
_LISTS = frozenset(("alpn", "ipv4hint", "ipv6hint", "mandatory"))  # SvcParams of several values


def octodns_value(rdtype: int, rdata: bytes) -> Value:
    """Return `rdata` as a value that is read back as the same octets."""
    for value in _candidates(rdtype, rdata):
        if _reads_as(rdtype, value, rdata):
            return value
    return rf"\# {len(rdata)} {rdata.hex()}".rstrip()


def _candidates(rdtype: int, rdata: bytes) -> Iterator[Value]:
    try:
        if rdtype in TEXT_TYPES and (text := _plain_text(rdata)) is not None:
            yield text
        presented = rdata_text(rdtype, rdata)
        if rdtype in TEXT_TYPES:  # octoDNS refuses a bare semicolon within quotes, too
            yield presented.replace(";", "\\;")
        if rdtype in (SVCB, HTTPS):
            yield _service(presented)
        elif rdtype in FIELDS:
            yield from _mapping(rdtype, FIELDS[rdtype], tokenize(presented))
        yield presented
    except (dns.exception.DNSException, RdataFault, ValueError):
        return  # octets that are not rdata of the type


def _reads_as(rdtype: int, value: Value, rdata: bytes) -> bool:
    try:
        return to_wire(rdtype, _node(value), _READER, []) == rdata
    except (RdataFault, NameSyntaxError):
        return False
    finally:
        _READER.forget()


def _node(value: Value) -> yaml_nodes.Node:
    """Return what reading the value from YAML gives."""
    if isinstance(value, dict):
        made = yaml_nodes.Mapping(1, 1)
        for key, one in value.items():
            made.items[key] = (yaml_nodes.Scalar(key, 1, 1), _node(one))
        return made
    if isinstance(value, list):
        return yaml_nodes.Sequence(1, 1, [_node(one) for one in value])
    if value is None:
        return yaml_nodes.Scalar("", 1, 1)
    return yaml_nodes.Scalar(str(value), 1, 1, not isinstance(value, str))


def _plain_text(rdata: bytes) -> str | None:
    r"""Return TXT rdata as octoDNS writes it, with `\;`, where its strings follow from its length."""
    strings, at = [], 0
    while at < len(rdata):
        strings.append(rdata[at + 1 : at + 1 + rdata[at]])
        at += 1 + rdata[at]
    text = b"".join(strings)
    if any(len(each) != MAX_STRING for each in strings[:-1]) or not _PLAIN_TEXT.fullmatch(text):
        return None
    if b"\\;" in text or b'" "' in text:
        return None
    return text.decode().replace(";", "\\;")


def _mapping(rdtype: int, fields: tuple[Field, ...], tokens: list[str]) -> Iterator[Value]:
    if rdtype == Type.SOA or len(tokens) <= len(fields) or fields[-1].grouped:
        if fields[-1].grouped:  # hexadecimal digits in groups
            tokens = [*tokens[: len(fields) - 1], "".join(tokens[len(fields) - 1 :])]
        found: Mapping[str, Value] = {
            field.name: _field(rdtype, field, token) for field, token in zip(fields, tokens, strict=False)
        }
        rest = {each.name: _field(rdtype, each, each.default or "") for each in fields[len(tokens) :]}
        yield {**found, **rest}


def _field(rdtype: int, field: Field, token: str) -> Value:
    text = token.removesuffix(field.unit) if field.unit else token
    if field.quoted:
        inner = _ESCAPED.sub(r"\1", token[1:-1] if token[:1] == '"' else token)
        return inner.replace(";", "\\;") if field.name == "value" and "\\;" not in inner else inner
    if field.number and _NUMBER.fullmatch(text):
        return int(text)
    if rdtype == LOC and _DECIMAL.fullmatch(text):
        return float(text)
    return text


def _service(presented: str) -> Value:
    priority, target, *params = tokenize(presented)
    made: dict[str, Value] = {"svcpriority": int(priority), "targetname": target}
    if params:
        made["svcparams"] = dict(_parameter(*each.partition("=")) for each in params)
    return made


def _parameter(key: str, equals: str, text: str) -> tuple[str, Value]:
    text = unquoted(text)
    if not equals:  # no-default-alpn
        return key, None
    if key in _LISTS and "\\" not in text:
        return key, list(text.split(","))
    return key, int(text) if _NUMBER.fullmatch(text) else text
