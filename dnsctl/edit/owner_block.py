"""The records of one owner in YAML, changed with ruamel.yaml: comments, quotes and style of the rest stay.

All text stays as it is written: nothing is read as a number or a date. What is new is written as octoDNS
writes it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tag import Tag

from dnsctl.edit.blocks import refused
from dnsctl.interchange.octodns_values import Value
from dnsctl.interchange.octodns_yaml import dumped
from dnsctl.load import yaml_nodes
from dnsctl.load.presentation import type_code
from dnsctl.model.rrset import type_text

_STRING = Tag(suffix="tag:yaml.org,2002:str")
_NULL = Tag(suffix="tag:yaml.org,2002:null")
_DASH = re.compile(r"^((?: |- )*)[^\s#-][^\n]*: *(?:#[^\n]*)?\n(?: *#[^\n]*\n)*( *)- ", re.MULTILINE)
_WIDE = 2**30
KEY = "_"  # what stands for the owner while its block is changed


class _AsText(VersionedResolver):
    """Takes plain scalars as text, but for those that are empty or `null`."""

    def resolve(self, kind: type, value: object, implicit: Sequence[bool]) -> object:
        if kind is ScalarNode and implicit[0]:
            return _NULL if value in yaml_nodes.NULLS else _STRING
        return super().resolve(kind, value, implicit)


def round_trip(offset: int) -> YAML:
    """Return a YAML that keeps comments and quotes; lists in mappings are indented by `offset`."""
    made = YAML(typ="rt")
    made.Resolver = _AsText
    made.preserve_quotes = True
    made.width = _WIDE
    made.allow_duplicate_keys = False
    made.indent(mapping=2, sequence=offset + 2, offset=offset)
    return made


def list_offset(text: str) -> int:
    """Return by how many spaces the lists of a file are indented."""
    found = _DASH.search(text)
    return min(max(len(found[2]) - len(found[1]), 0), 8) if found else 2


class OwnerBlock:
    """The records of one owner; `file` and `line` are for messages, `sample` shows the style of the file."""

    def __init__(self, text: str, file: str, line: int, sample: str = "") -> None:
        self._yaml = round_trip(list_offset(text if _DASH.search(text) else sample))
        self._where = f"{file}:{line}"
        try:
            self._tree = self._yaml.load(text)
            [self._key] = self._tree
        except (YAMLError, ValueError, TypeError) as error:
            reason = "anchors or aliases" if "alias" in str(error) else "what is not changed here"
            raise refused(self._where, f"this owner has {reason}") from None

    def records(self, rdtype: int) -> list[CommentedMap]:
        """Return the records of a type."""
        return [each for each in self._all() if type_code(str(each.get("type")).strip()) == rdtype]

    def _all(self) -> Sequence[CommentedMap]:
        value = self._tree[self._key]
        found = value if isinstance(value, CommentedSeq) else [value]
        if not all(isinstance(each, CommentedMap) for each in found):
            raise refused(self._where, "this owner has what is not a record")
        if any(each.merge for each in found):
            raise refused(self._where, "this owner merges records (`<<`)")
        return found

    def set(
        self, rdtype: int, values: Sequence[Value], keep: Callable[[object], bool], ttl: int | None
    ) -> None:
        """Have one record of a type, which is there, with `values` and those that `keep` takes."""
        first, *others = self.records(rdtype)
        kept = [each for record in (first, *others) for each in values_of(record) if keep(each)]
        new = [_styled(each) for each in values]
        flow = any(isinstance(each, CommentedMap) and each.fa.flow_style() for each in self.values(rdtype))
        for each in new if flow else ():
            if isinstance(each, CommentedMap):
                each.fa.set_flow_style()
        _put_values(first, [*kept, *new])
        if ttl is not None:
            if "ttl" in first:
                first["ttl"] = str(ttl)
            else:
                first.insert(0, "ttl", str(ttl))
        for record in others:
            self._remove(record)

    def values(self, rdtype: int) -> list[object]:
        """Return all values of a type."""
        return [each for record in self.records(rdtype) for each in values_of(record)]

    def remove(self, rdtype: int) -> None:
        """Take away the records of a type."""
        for record in self.records(rdtype):
            self._remove(record)

    def _remove(self, record: CommentedMap) -> None:
        value = self._tree[self._key]
        if value is record:
            self._tree[self._key] = CommentedSeq()
        else:
            del value[next(at for at, each in enumerate(value) if each is record)]

    @property
    def is_empty(self) -> bool:
        return not self._all()

    def text(self) -> str:
        """Return the lines of the owner."""
        written = io.StringIO()
        self._yaml.dump(self._tree, written)
        return written.getvalue()


def new_owner(key: str, record: dict[str, Value], sample: str) -> str:
    """Return the lines of an owner with one record, lists indented as in `sample`."""
    written = io.StringIO()
    round_trip(list_offset(sample)).dump(round_trip(0).load(dumped({key: record})), written)
    return written.getvalue()


def with_record(text: str, record: dict[str, Value], sample: str, where: str) -> str:
    """Return the lines of an owner with a record more; those that are there stay, or move right."""
    tree = yaml_nodes.compose(text.encode())
    [value] = [each for _, each in tree.items.values()] if isinstance(tree, yaml_nodes.Mapping) else [None]
    lines = text.splitlines(keepends=True)
    if not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    offset = list_offset(text if _DASH.search(text) else sample)
    if isinstance(value, yaml_nodes.Mapping):
        lines, dash = _as_list(lines, value, offset)
    elif isinstance(value, yaml_nodes.Sequence) and lines[value.line - 1][value.column - 1] == "-":
        dash = value.column - 1
    else:
        raise refused(where, "this owner has a list in brackets, or no records")
    written = io.StringIO()
    round_trip(offset).dump(_styled(record), written)
    first, *rest = written.getvalue().splitlines(keepends=True)
    pad = " " * dash
    return "".join((*lines, f"{pad}- {first}", *(f"{pad}  {line}" for line in rest)))


def _as_list(lines: list[str], value: yaml_nodes.Mapping, offset: int) -> tuple[list[str], int]:
    """Return the lines of an owner with one record as a list of it, and where its dash stands."""
    at, column = value.line - 1, value.column - 1
    if at == 0:  # KEY: {type: A, value: 192.0.2.1}
        pad = " " * offset
        first = lines[0]
        moved = [f"{first[:column].rstrip()}\n", f"{pad}- {first[column:]}"]
        return [*moved, *(f"{pad}  {line}" for line in lines[1:])], offset
    indented = [f"  {line}" if line.strip() else line for line in lines[at + 1 :]]
    return [*lines[:at], f"{lines[at][:column]}- {lines[at][column:]}", *indented], column


def record_of(rdtype: int, values: Sequence[Value], ttl: int | None) -> dict[str, Value]:
    """Return a new record; without a TTL it has the one of `defaults`."""
    made: dict[str, Value] = {"type": type_text(rdtype)}
    if ttl is not None:
        made["ttl"] = ttl
    return made | ({"value": values[0]} if len(values) == 1 else {"values": list(values)})


def values_of(record: CommentedMap) -> list[object]:
    """Return the values of a record, `values` before `value` as they are read."""
    found = record.get("values", record.get("value"))
    return list(found) if isinstance(found, CommentedSeq) else [] if found is None else [found]


def _put_values(record: CommentedMap, values: Sequence[object]) -> None:
    """Give a record its values, under the key that it has where that can be."""
    old = record.get("values")
    if isinstance(old, CommentedSeq):
        for at in reversed(range(len(old))):
            if not any(each is old[at] for each in values):
                del old[at]
        old.extend(each for each in values if not any(each is one for one in old))
        record.pop("value", None)
        return
    one, several = len(values) == 1, CommentedSeq(values)
    if record.fa.flow_style():
        several.fa.set_flow_style()
    key = next((each for each in ("values", "value") if each in record), "")
    at = list(record).index(key) if key else len(record)
    for each in ("values", "value"):
        record.pop(each, None)
    name = "value" if one else "values"
    record.insert(at, name, values[0] if one else several)
    if key in record.ca.items and key != name:
        record.ca.items[name] = record.ca.items.pop(key)


def _styled(value: Value) -> object:
    """Return a value as ruamel.yaml reads it from YAML that octoDNS would write."""
    return round_trip(0).load(dumped({KEY: value}))[KEY]
