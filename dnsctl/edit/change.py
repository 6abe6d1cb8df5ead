"""Change the records of one owner and type in a zone's file. Pure: the file's octets in, new ones out.

The caller compares what is read before and after, and validates (`zone_change`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dnsctl.edit.blocks import Block, ZoneText, zone_text
from dnsctl.edit.owner_block import OwnerBlock, new_owner, record_of, with_record
from dnsctl.errors import NameSyntaxError
from dnsctl.interchange.octodns_values import octodns_value
from dnsctl.interchange.octodns_yaml import owner_text
from dnsctl.load import rdata_fields, yaml_nodes
from dnsctl.load.presentation import NameReader, RdataFault
from dnsctl.model.name import Name


@dataclass(frozen=True)
class Wanted:
    """What an owner and type are to have: all of `rdatas`, none of others. `ttl`: as it is where None."""

    origin: Name
    owner: Name
    rdtype: int
    rdatas: Sequence[bytes]
    ttl: int | None = None


def changed(data: bytes, file: str, wanted: Wanted) -> bytes:
    """Return the file with what is wanted. Raises DnsctlError where a program does not edit it."""
    text = zone_text(data, file)
    block = text.find(wanted.owner, wanted.origin)
    if block is None:
        if not wanted.rdatas:
            return data
        key = owner_text(wanted.owner, wanted.origin)
        values = [octodns_value(wanted.rdtype, each) for each in wanted.rdatas]
        record = record_of(wanted.rdtype, values, wanted.ttl)
        return text.with_new(key, new_owner(key, record, _sample(text)).encode())
    return _in_block(text, block, wanted)


def _in_block(text: ZoneText, block: Block, wanted: Wanted) -> bytes:
    lines = text.text_of(block).decode("utf-8-sig").replace("\r\n", "\n")
    sample = _sample(text)
    owner = OwnerBlock(lines, text.file, block.first + 1, sample)
    reads = _reader(wanted)
    records = owner.records(wanted.rdtype)
    if not records and not wanted.rdatas:
        return b"".join(text.lines)
    if not records:
        values = [octodns_value(wanted.rdtype, each) for each in wanted.rdatas]
        record = record_of(wanted.rdtype, values, wanted.ttl)
        where = f"{text.file}:{block.first + 1}"
        return text.with_block(block, with_record(lines, record, sample, where).encode())
    if wanted.rdatas:
        there = {reads(each) for each in owner.values(wanted.rdtype)}
        new = [octodns_value(wanted.rdtype, each) for each in wanted.rdatas if each not in there]
        owner.set(wanted.rdtype, new, lambda value: reads(value) in wanted.rdatas, wanted.ttl)
    else:
        owner.remove(wanted.rdtype)
    return text.with_block(block, b"" if owner.is_empty else owner.text().encode())


def _sample(text: ZoneText) -> str:
    """Return what shows how lists of the file are indented."""
    return b"".join(text.lines[:2000]).decode("utf-8", "replace").replace("\r\n", "\n")


def _reader(wanted: Wanted) -> Callable[[object], bytes | None]:
    """Return what reads a value of ruamel.yaml as rdata; None where it cannot be read."""
    names = NameReader(wanted.origin, absolute=True)

    def read(value: object) -> bytes | None:
        try:
            return rdata_fields.to_wire(wanted.rdtype, _node(value), names, [])
        except (RdataFault, NameSyntaxError):
            return None

    return read


def _node(value: object) -> yaml_nodes.Node:
    if isinstance(value, dict):
        made = yaml_nodes.Mapping(1, 1)
        for key, one in value.items():
            made.items[str(key)] = (yaml_nodes.Scalar(str(key), 1, 1), _node(one))
        return made
    if isinstance(value, list):
        return yaml_nodes.Sequence(1, 1, [_node(one) for one in value])
    # A quoted text has a class of its own
    return yaml_nodes.Scalar("" if value is None else str(value), 1, 1, type(value) in (str, type(None)))
