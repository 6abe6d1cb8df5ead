"""The zones of Knot DNS's knot.conf that have no primary elsewhere: storage and file, by zone and template.

knot.conf is not quite YAML (`file: %s.zone`): it is read here line by line, as Knot's manual has it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from dnsctl.interchange.elsewhere import Left, Place, Taken, zone_named
from dnsctl.interchange.including import IncludingFiles, config_fault
from dnsctl.model.name import ROOT, Name, labels, to_text

STORAGE, FILE = "/var/lib/knot", "%s.zone"  # Knot's defaults
_LINE = re.compile(r"(?P<indent> *)(?P<dash>- +)?(?P<key>[a-z0-9-]+) *:(?:[ \t]+(?P<value>.*))?$")
_ITEM = re.compile(r"""[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,\[\]#"][^,\[\]#]*))[ \t]*,?""")
_FORMAT = re.compile(r"%(?:(?P<kind>[cl])\[(?P<first>\d{1,3})(?:-(?P<last>\d{1,3}))?\]|(?P<all>[s%]))")


@dataclass
class _Item:
    """An entry of a section: what it is called, where, and its settings."""

    where: str
    settings: dict[str, list[str]] = field(default_factory=dict)

    def one(self, key: str) -> str:
        return next(iter(self.settings.get(key, ())), "")


def knot_zones(place: Place, config: str) -> Taken:
    """Return the zones of a knot.conf. Raises DnsctlError where it cannot be read."""
    sections = _Reader(place).read(config)
    templates = {each.one("id"): each for each in sections.get("template", [])}
    base = posixpath.dirname(config)
    found, left, seen = [], list[Left](), set[Name]()
    for item in sections.get("zone", []):
        origin = zone_named(item.one("domain"))
        if origin is None:
            left.append(Left(item.one("domain") or item.where, "is not a zone's name"))
            continue
        if not place.wants(origin) or origin in seen:
            continue
        seen.add(origin)
        named = item.one("template")
        template = templates.get(named or "default")
        if named and template is None:
            raise config_fault(item.where, f"there is no template {named!r}", "correct the name")
        whole = {**(template.settings if template else {}), **item.settings}
        merged = _Item(item.where, whole)
        if why := _why_not(merged):
            left.append(Left(to_text(origin), why))
            continue
        left += _notes(origin, merged)
        storage = place.path(merged.one("storage") or STORAGE, base, item.where)
        name = _formatted(merged.one("file") or FILE, origin)
        found.append(place.master_file(name, storage, item.where, origin))
    return Taken(found, left)


def _why_not(item: _Item) -> str:
    if item.one("master"):
        return "is transferred from another server, and has no file of its own: take it by --axfr"
    if item.one("catalog-role") not in ("", "none", "member"):
        return f"is a catalog zone ({item.one('catalog-role')})"
    return ""


def _notes(origin: Name, item: _Item) -> Iterator[Left]:
    for module in item.settings.get("module", []):
        yield Left(to_text(origin), f"module {module} is not taken: it may answer what the file lacks")
    if item.one("zonefile-sync") == "-1":
        yield Left(to_text(origin), "zonefile-sync is -1: `knotc zone-flush` writes its file first")


def _formatted(text: str, origin: Name) -> str:
    """Return a file's name: `%s` the zone, `%c[0-2]` characters of it, `%l[0]` labels, from the left."""
    name = "." if origin == ROOT else to_text(origin).removesuffix(".")
    shown = "" if origin == ROOT else name.replace("/", "_")
    parts = [label.decode("latin-1").replace("/", "_") for label in labels(origin)]

    def made(found: re.Match[str]) -> str:
        if found["all"]:
            return "%" if found["all"] == "%" else shown
        first = int(found["first"])
        last = int(found["last"] or first)
        if found["kind"] == "c":
            return f"{name}."[first : last + 1]
        return ".".join(parts[::-1][first : last + 1])

    return _FORMAT.sub(made, text)


class _Reader:
    """Reads a file and those that it includes, and collects the entries by section."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.files = IncludingFiles(place)
        self.sections: dict[str, list[_Item]] = {}

    def read(self, path: str) -> dict[str, list[_Item]]:
        """Return the entries by section. Raises DnsctlError."""
        with self.files.text(path) as text:
            self._take(text, path)
        return self.sections

    def _take(self, text: str, path: str) -> None:
        section, item = "", _Item(path)
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#") or line.strip() == "---":
                continue
            where = f"{path}:{number}"
            found = _LINE.match(line.rstrip())
            if found is None:
                if section in ("zone", "template"):
                    raise config_fault(where, "is not `key: value`", "write one setting a line")
                continue
            key, values = found["key"], _values(found["value"] or "")
            if not found["indent"] and not found["dash"]:
                section = key
                if key == "include" and values:
                    self._include(path, values[0], where)
                continue
            if found["dash"]:
                item = _Item(where)
                self.sections.setdefault(section, []).append(item)
            item.settings[key] = values

    def _include(self, path: str, name: str, where: str) -> None:
        """Read the file or the files that `include` names: a pattern, or a directory of *.conf."""
        target = self.place.path(name, posixpath.dirname(path), where)
        if "*" in target or "?" in target:
            directory, pattern = posixpath.split(target)
            matching = re.compile(re.escape(pattern).replace(r"\*", "[^/]*").replace(r"\?", "[^/]"))
            inside = self.place.tree.entries(directory)
            paths = [each.path for each in inside if matching.fullmatch(posixpath.basename(each.path))]
        elif inside := () if target.endswith(".conf") else self.place.tree.entries(target):
            paths = [each.path for each in inside if each.path.endswith(".conf")]
        else:
            paths = [target]
        for each in sorted(paths):
            self.read(each)


def _values(text: str) -> list[str]:
    """Return the values of `a`, `"a"`, `[a, "b"]`, each without quotes, a comment behind it left out."""
    text = text.strip()
    inner = text[1:] if text.startswith("[") else text
    found = []
    at = 0
    while match := _ITEM.match(inner, at):
        found.append(match[1] if match[1] is not None else match[2].strip())
        at = match.end()
        if not text.startswith("["):
            break
    return found
