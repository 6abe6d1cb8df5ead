"""A zone file in YAML as lines: which of them hold which owner. The rest of a file is never touched.

A block is what one key of the file holds, from the line of the key to its last line that is neither blank
nor a comment at column 1: a comment that is indented belongs to what it stands in. Only block style is
edited: each key begins its line, at column 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dnsctl.errors import DnsctlError, NameSyntaxError, RefusalRule
from dnsctl.interchange.octodns_yaml import natural_key
from dnsctl.load import yaml_nodes
from dnsctl.load.presentation import domain_name
from dnsctl.model.name import Name

BY_HAND = "change it by hand"


class Block(NamedTuple):
    """The lines `first` to before `end` (from 0) of the key with the text `key`."""

    key: str
    first: int
    end: int


@dataclass(frozen=True)
class ZoneText:
    """The lines of a file with their line ends, and its blocks in the order of the file."""

    file: str
    lines: tuple[bytes, ...]
    blocks: tuple[Block, ...]

    @property
    def line_end(self) -> bytes:
        return b"\r\n" if self.lines and self.lines[0].endswith(b"\r\n") else b"\n"

    def text_of(self, block: Block) -> bytes:
        return b"".join(self.lines[block.first : block.end])

    def find(self, owner: Name, origin: Name) -> Block | None:
        """Return the block of an owner, or None."""
        for block in self.blocks:
            if _owner(block.key, origin) == owner:
                return block
        return None

    def with_block(self, block: Block, text: bytes) -> bytes:
        """Return the file with `text` in place of a block."""
        ended = self._ended(self.lines[: block.first])
        return b"".join((*ended, self._own(text), *self.lines[block.end :]))

    def with_new(self, key: str, text: bytes) -> bytes:
        """Return the file with a block more.

        It is put in its place where the blocks are sorted, or those of the last section; else at the end.
        """
        at = self.blocks[-1].end if self.blocks else len(self.lines)
        for begin, blocks in self._sections():
            keys = [natural_key(block.key) for block in blocks]
            if keys == sorted(keys):
                before = [block for block in blocks if natural_key(block.key) < natural_key(key)]
                at = before[-1].end if before else begin
                break
        return b"".join((*self._ended(self.lines[:at]), self._own(text), *self.lines[at:]))

    def _sections(self) -> Iterator[tuple[int, tuple[Block, ...]]]:
        """Yield where a first block may stand, and the blocks: of the file, then of its last section."""
        if self.blocks:
            yield self.blocks[0].first, self.blocks
        for number in range(len(self.blocks) - 1, 0, -1):
            end, first = self.blocks[number - 1].end, self.blocks[number].first
            if heading := split_gap(self.lines[end:first])[0]:
                yield end + len(heading), self.blocks[number:]
                return

    def _ended(self, lines: Sequence[bytes]) -> list[bytes]:
        """Return lines of which the last one has a line end, too."""
        if lines and not lines[-1].endswith(b"\n"):
            return [*lines[:-1], lines[-1] + self.line_end]
        return list(lines)

    def _own(self, text: bytes) -> bytes:
        return text.replace(b"\n", b"\r\n") if self.line_end == b"\r\n" else text


def zone_text(data: bytes, file: str) -> ZoneText:
    """Return a file as blocks. Raises DnsctlError where it is not YAML in block style."""
    if b"\r" in data.replace(b"\r\n", b""):
        raise refused(file, "has a carriage return that ends no line")
    try:
        tree = yaml_nodes.compose(data, lambda name, _: (name, b""))
    except yaml_nodes.YamlFault as fault:
        raise refused(f"{file}:{fault.line}", fault.message) from None
    lines = tuple(_lines(data))
    if tree is None or (isinstance(tree, yaml_nodes.Scalar) and tree.is_null):
        return ZoneText(file, lines, ())
    if not isinstance(tree, yaml_nodes.Mapping):
        raise refused(file, "is not a mapping of owner names")
    keys = [key for key, _ in tree.items.values()]
    if any(key.column != 1 or key.file for key in keys) or tree.repeated:
        raise refused(file, "has owners that do not begin a line, or come twice")
    starts = [key.line - 1 for key in keys]
    if starts != sorted(set(starts)):
        raise refused(file, "has owners that come from elsewhere in it")
    ends = [*starts[1:], len(lines)]
    blocks = [
        Block(key.text, first, _end(lines, first, end))
        for key, first, end in zip(keys, starts, ends, strict=True)
    ]
    return ZoneText(file, lines, tuple(blocks))


def split_gap(gap: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """Split the lines between two owners: the heading of a section, and what belongs to the owner below."""
    at = max((number for number, line in enumerate(gap, 1) if not line.strip()), default=0)
    is_heading = any(line.strip() for line in gap[:at])
    return (gap[:at], gap[at:]) if is_heading else (gap[:0], gap)


def refused(where: str, what: str) -> DnsctlError:
    """Return what says that a program does not edit this."""
    return DnsctlError(what, where=where, advice=BY_HAND, rule=RefusalRule.EDIT)


def _lines(data: bytes) -> list[bytes]:
    parts = data.split(b"\n")
    return [*(part + b"\n" for part in parts[:-1]), *([parts[-1]] if parts[-1] else [])]


def _end(lines: Sequence[bytes], first: int, end: int) -> int:
    """Return where a block ends: blank lines and comments at column 1 behind it belong to what follows."""
    while end > first + 1 and (
        not (line := lines[end - 1]).strip() or line[:1] == b"#" or line[:3] == b"..."
    ):
        end -= 1
    return end


def _owner(key: str, origin: Name) -> Name | None:
    try:
        return domain_name(key if key else "@", origin)
    except NameSyntaxError:
        return None
