"""One form for zone files in YAML: owners sorted as octoDNS sorts them, one indent, quotes where needed.

Comments stay: those above an owner go with it, those at the top and at the end of the file stay there. A
comment with a blank line below it begins a section: it stays, and owners are sorted within each section. What
is read of a file never changes, here or in octoDNS: where it would, the file is refused.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import dropwhile

import yaml as pyyaml
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, PlainScalarString, SingleQuotedScalarString

from dnsctl.edit.blocks import ZoneText, refused, split_gap, zone_text
from dnsctl.edit.owner_block import round_trip
from dnsctl.interchange.octodns_yaml import natural_key
from dnsctl.load import yaml_nodes
from dnsctl.model.finding import Position

OFFSET = 2  # spaces before the dash of a list, as octoDNS's documentation has it
_KEY = re.compile(rb"""(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')(?=\s*:)""")
_FLOW = re.compile(r"[,\[\]{}]")  # what ends a plain text between brackets
_KINDS = {"'": SingleQuotedScalarString, '"': DoubleQuotedScalarString}
_DUMPER = getattr(pyyaml, "CSafeDumper", pyyaml.SafeDumper)
_LOADER = getattr(pyyaml, "CSafeLoader", pyyaml.SafeLoader)


def formatted(data: bytes, file: str) -> bytes:
    """Return the file in that form. Raises DnsctlError where it cannot be, or would be read otherwise."""
    text = zone_text(data, file)
    if not text.blocks:
        return data
    lines = [line.replace(b"\r\n", b"\n") for line in text.lines]
    if not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    above, below = lines[: text.blocks[0].first], lines[text.blocks[-1].end :]
    made = b"".join((*above, _normal(_sorted(text, lines), file), *below))
    if text.line_end == b"\r\n":
        made = made.replace(b"\n", b"\r\n")
    if _meaning(data, file) != _meaning(made, file):
        raise refused(file, "would be read otherwise")
    return made


def _sorted(text: ZoneText, lines: list[bytes]) -> bytes:
    """Return the lines of the blocks in order, section by section, each behind what stands above it."""
    made: list[bytes] = []  # ends with a heading, or is empty
    section: list[tuple[str, list[bytes]]] = []
    end = text.blocks[0].first
    for block in text.blocks:
        heading, above = split_gap(lines[end : block.first])
        if heading:
            made += _in_order(section, after_heading=bool(made))
            made += heading
            section = []
        first = lines[block.first]
        if quoted := _KEY.match(first):
            first = _quoted(block.key).encode() + first[quoted.end() :]
        section.append((block.key, [*above, first, *lines[block.first + 1 : block.end]]))
        end = block.end
    return b"".join((*made, *_in_order(section, after_heading=bool(made))))


def _in_order(section: list[tuple[str, list[bytes]]], *, after_heading: bool) -> Iterator[bytes]:
    """Yield the lines of a section, sorted. Its first owner needs no blank line below that of the heading."""
    lines = (line for _, block in sorted(section, key=lambda each: natural_key(each[0])) for line in block)
    return dropwhile(lambda line: not line.strip(), lines) if after_heading else lines


def _normal(data: bytes, file: str) -> bytes:
    """Return the text with one indent, and quotes where they are needed."""
    maker = round_trip(OFFSET)
    written = io.StringIO()
    try:
        tree = maker.load(data.decode())
        _requote(tree)
        maker.dump(tree, written)
    except (YAMLError, ValueError, TypeError, AssertionError) as error:
        if "alias" in str(error):
            raise refused(file, "uses an anchor that would stand behind its alias") from None
        raise refused(file, "has YAML that cannot be brought into form") from None
    return written.getvalue().encode()


def _requote(node: CommentedMap | CommentedSeq) -> None:
    """Give quotes to texts of `node` that need them, and take them from others."""
    pairs = node.items() if isinstance(node, CommentedMap) else enumerate(node)
    for key, value in list(pairs):
        if isinstance(value, CommentedMap | CommentedSeq):
            _requote(value)
        elif isinstance(value, SingleQuotedScalarString | DoubleQuotedScalarString):
            shown = _quoted(str(value))
            kind = _KINDS.get(shown[:1], PlainScalarString)
            needed = kind is PlainScalarString and node.fa.flow_style() and _FLOW.search(shown)
            if not needed and value.anchor.value is None:
                node[key] = kind(value)


@lru_cache(maxsize=1 << 14)
def _quoted(text: str) -> str:
    """Return a text as YAML 1.1 needs it: plain, or in the quotes that fit."""
    made: str = pyyaml.dump(text, Dumper=_DUMPER, width=2**30, allow_unicode=True)
    return made.removesuffix("\n").removesuffix("\n...")


def _meaning(data: bytes, file: str) -> object:
    """Return what is read of a file here, and what PyYAML reads, which octoDNS has."""
    try:
        typed = pyyaml.load(data, Loader=_LOADER)  # noqa: S506 - safe
    except (pyyaml.YAMLError, ValueError):
        typed = None  # `!include`, which octoDNS knows
    try:
        return typed, _untyped(yaml_nodes.compose(data, lambda name, _: (name, b"")))
    except yaml_nodes.YamlFault as fault:
        raise refused(str(Position(file, fault.line, fault.column)), fault.message) from None


def _untyped(node: yaml_nodes.Node | None) -> object:
    """Return a tree without positions; whether an empty text was quoted stays."""
    if isinstance(node, yaml_nodes.Mapping):
        return {key: _untyped(value) for key, (_, value) in node.items.items()}
    if isinstance(node, yaml_nodes.Sequence):
        return [_untyped(each) for each in node.items]
    return None if node is None else (node.text, node.is_null, node.file)
