"""A few owners of a large zone that change in its file: read and judged without the rest of it.

All others are in the image, which was made from a file that is known (see `bases`): the two texts are
compared as octets, and what differs is read from both. Where a difference cannot be located for sure, or
matters beyond its own owner, the file is read and judged whole. The result is the same, except that positions
of what did not change are not kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from dnsctl.image.layout import ZoneEntry
from dnsctl.image.nodes import ImageNodes
from dnsctl.image.reader import Reader
from dnsctl.load.changed_part import (
    ChangedPart,
    changed_part,
    has_lookalike,
    has_plain_directives,
    is_named,
    keys_at_line_starts,
)
from dnsctl.load.draft import ZoneDefaults
from dnsctl.load.revision import Revision
from dnsctl.load.settings.config import Config
from dnsctl.load.zone_files import ZoneFiles
from dnsctl.model.finding import Finding, Severity
from dnsctl.model.name import Name, ancestors, labels
from dnsctl.model.overlay import Node, Overlay
from dnsctl.model.repo import MASTER, HostFiles
from dnsctl.model.rrset import MADE_AT_APEX, RRset
from dnsctl.model.zone import ValidatedZone, Zone
from dnsctl.publish import bases
from dnsctl.publish.bases import Base
from dnsctl.publish.memory import digest_of_code
from dnsctl.publish.source import is_of_data
from dnsctl.sign.keyfile import directory_name
from dnsctl.validate.landscape import Answer, Landscape, Question
from dnsctl.validate.owners import is_local, is_plain, judge_owners
from dnsctl.validate.reach import APEX, OWNER

LEAST = 1000  # owners of a zone: smaller ones are quickly read
_ESCAPE = re.compile(rb"\\[^;\"]")  # may spell a name in another way


@dataclass(frozen=True)
class Part:
    """A zone with its changed owners over what the image has. `base`: of the file that the image is of."""

    zone: Zone
    base: Base
    read: str
    where: ChangedPart


@dataclass(frozen=True)
class JudgedPart:
    """What rules have found in all of the zone; `base`: of its file as it is now."""

    findings: tuple[Finding, ...]
    asked: Mapping[Question, Answer]
    base: Base


class Parts:
    """Parts of the zones at `source`, over what `served` holds, which is read as long as they are used."""

    def __init__(self, source: Revision, config: Config, files: HostFiles, served: Reader) -> None:
        self._source = source
        self._config = config
        self._files = files
        self._served = served
        self._known: dict[Name, tuple[Base, ...]] = {}
        self._of_image: dict[Name, Base] = {}

    def find(self, origin: Name, files: ZoneFiles, read: Mapping[str, str], settings: str) -> Part | None:
        """Return what of a zone differs from what is served; `read`: the objects in git that it is read from;
        `settings`: digest of what dnsctl.yaml says of it. None where it has to be read whole."""
        known, entry = self._bases(origin, settings), self._served.zone(origin)
        if not known or entry is None or files.parts != (files.path,) or [*read] != [files.path]:
            return None
        kept = ImageNodes(self._served, entry, files.path)
        for base in known:
            zone = ValidatedZone(origin, Overlay(kept, {}, base.facts), files.path)
            if is_of_data(entry.source, zone, self._config.policy(origin)):
                self._of_image[origin] = base
                return self._over(base, kept, zone, entry, read[files.path])
        return None

    def judge(self, part: Part, landscape: Landscape) -> JudgedPart | None:
        """Judge the owners of `part`; None where more than these has to be looked at."""
        zone, base, where = part.zone, part.base, part.where
        if self._config.certificates(zone.origin):
            return None
        if any(landscape.answer(question) != answer for question, answer in base.asked.items()):
            return None
        levels, policy = self._config.checks(zone.origin), self._config.policy(zone.origin)
        judged = judge_owners(zone, levels, policy, landscape)
        kept = _kept(base.findings, where, zone.file)
        if judged is None or kept is None:
            return None
        findings = (*kept, *judged.findings)
        if any(each.severity is Severity.ERROR for each in findings):
            return None
        asked = {**base.asked, **judged.asked}
        owners = base.owners + len(where.after) - len(where.before)
        made = Base(base.made, part.read, zone.facts, findings, asked, owners, plain=True)
        return JudgedPart(findings, asked, made)

    def keep_part(self, part: Part, judged: JudgedPart) -> None:
        """Keep what was found, beside the base that the image is of."""
        self._keep(part.zone.origin, (part.base, judged.base))

    def keep_whole(
        self, zone: Zone, read: str, settings: str, found: Iterable[Finding], asked: Mapping[Question, Answer]
    ) -> None:
        """Keep a base of a zone that was read and judged whole without a fault, if it may become one."""
        if isinstance(zone.nodes, Overlay) or len(zone.nodes) < LEAST:
            return
        facts, findings = zone.facts, tuple(found)
        if zone.aliases or zone.emptied or zone.lenient or not MADE_AT_APEX.isdisjoint(facts.types):
            return
        owners = sum(1 for node in zone.nodes.values() if any(map(_is_written, node)))
        base = Base(self._made(settings), read, facts, findings, asked, owners)
        if base.is_small and all(each.rule in OWNER or each.rule in APEX for each in findings):
            earlier = self._of_image.get(zone.origin)
            self._keep(zone.origin, (earlier, base) if earlier is not None else (base,))

    def _keep(self, origin: Name, kept: tuple[Base, ...]) -> None:
        self._known[origin] = tuple({each.read: each for each in kept}.values())
        bases.save(self._files.base(directory_name(origin)), self._known[origin])

    def _bases(self, origin: Name, settings: str) -> tuple[Base, ...]:
        if origin not in self._known:
            path = self._files.base(directory_name(origin))
            self._known[origin] = bases.load(path, self._made(settings))
        return self._known[origin]

    @staticmethod
    def _made(settings: str) -> str:
        return hashlib.sha256(f"{digest_of_code()} {settings}".encode()).hexdigest()

    def _over(
        self, base: Base, kept: ImageNodes, zone: ValidatedZone, entry: ZoneEntry, read: str
    ) -> Part | None:
        """Return the part in which the object `read` differs from `base`, which the image is of."""
        old, new = self._source.blob(base.read), self._source.blob(read)
        if not base.plain and not _is_plain_text(old, zone.file, base.owners):
            return None
        defaults = ZoneDefaults.of(self._config.defaults)
        where = changed_part(old, new, zone.file, zone.origin, defaults)
        if where is None or not new[where.start : where.stop].isascii():
            return None
        if not _is_whole(where, kept):
            return None
        changed = dict(_changes(where))
        gone = (one for owner in changed for one in where.before.get(owner, ()))
        came = (one for node in changed.values() for one in node)
        facts = base.facts.changed(gone, came)
        if facts.largest_ttl != base.facts.largest_ttl or len(where.after) >= base.owners:
            return None
        made = Zone(zone.origin, Overlay(kept, changed, facts), zone.file)
        leads_here = {label for each in defaults.ns for label in labels(each)}  # and is not in the text
        if not all(_is_own(owner, where, made, new, leads_here) for owner in changed):
            return None
        return Part(made, replace(base, plain=True), read, where)


def _is_plain_text(text: bytes, file: str, owners: int) -> bool:
    """True where names are spelt out, and where each line that begins an owner of a YAML file is known."""
    if not text.isascii() or _ESCAPE.search(text):
        return False
    return has_plain_directives(text) if file.endswith(MASTER) else keys_at_line_starts(text) == owners


def _is_whole(where: ChangedPart, kept: ImageNodes) -> bool:
    """True where the part has all that its owners have in the zone."""
    return all(
        _data(kept.get_node(owner)) == _data(node) for owner, node in where.before.items()
    ) and not any(kept.get_node(owner) for owner in where.after.keys() - where.before.keys())


def _changes(where: ChangedPart) -> Iterator[tuple[Name, Node]]:
    for owner in dict.fromkeys((*where.before, *where.after)):
        if _data(where.before.get(owner, ())) != _data(where.after.get(owner, ())):
            yield owner, where.after.get(owner, ())


def _data(node: Node) -> list[tuple[int, int, tuple[bytes, ...]]]:
    return [(one.rdtype, one.ttl, one.rdatas) for one in node]


def _is_own(owner: Name, where: ChangedPart, zone: Zone, text: bytes, leads_here: Container[bytes]) -> bool:
    """True where rules see a change of `owner` at this owner alone. `leads_here`: labels of name servers that
    dnsctl.yaml names."""
    before, after = where.before.get(owner, ()), where.after.get(owner, ())
    if not is_plain(owner, (*before, *after), zone.origin) or zone.occluder(owner) is not None:
        return False
    label = labels(owner)[0]
    if has_lookalike(text, label, where):
        return False
    if before and after and is_local(before, after, zone):
        return True
    above = ancestors(owner, zone.origin)[:-1]
    is_mentioned = label in leads_here or is_named(text, label, where)
    return not is_mentioned and all(each in zone.nodes for each in above)


def _kept(findings: Iterable[Finding], where: ChangedPart, file: str) -> list[Finding] | None:
    """Return the findings outside of the part, where they stand now; None where a text names a place."""
    kept = []
    for each in findings:
        place = each.position
        is_before = place.file != file or place.line < where.first
        if not is_before and place.line < where.end:
            continue
        if where.shift and f"{file}:" in f"{each.message}{each.advice}":
            return None
        moved = place if is_before else place._replace(line=place.line + where.shift)
        kept.append(each._replace(position=moved))
    return kept


def _is_written(one: RRset) -> bool:
    return one.position is not None and one.position.line > 0
