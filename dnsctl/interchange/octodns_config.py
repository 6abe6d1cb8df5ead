"""The zones of an octoDNS configuration, from its sources that are files: YamlProvider, ZoneFileSource.

Files of YAML are copied as they are where that reads the same here; else the zone is written out. Sources
that are services, processors and targets are named, and not read.
"""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dnsctl.errors import DnsctlError, RefusalRule, RevisionError
from dnsctl.interchange.elsewhere import Left, Place, Taken, zone_named
from dnsctl.interchange.incoming import Incoming, aliases, content, errors_in
from dnsctl.interchange.naming import file_stem
from dnsctl.load import yaml_nodes, zone_yaml
from dnsctl.load.draft import ZoneDefaults
from dnsctl.load.revision import MAX_FILE
from dnsctl.model.name import Name, to_text
from dnsctl.model.repo import YAML

DEFAULT_TTL = 3600  # octoDNS's, where a provider says nothing else
Tree = str | list["Tree"] | dict[str, "Tree"]
_FALSE = ("", "false", "no", "off", "0", "null", "~", "none")


@dataclass
class _Source:
    """A source that is a directory of files: of a zone in YAML, its files; of a master file, one."""

    name: str
    directory: str
    defaults: ZoneDefaults
    master: bool
    files: dict[Name, list[str]] = field(default_factory=dict)
    listed: set[Name] = field(default_factory=set)  # those that `*` stands for
    shared: list[str] = field(default_factory=list)


def octodns_zones(place: Place, config: str) -> Taken:
    """Return the zones of an octoDNS configuration. Raises DnsctlError where it is not one."""
    tree = _config(place, config)
    base = posixpath.dirname(config)
    left: list[Left] = []
    sources = _sources(place, base, _section(tree, "providers"), left)
    zones = _expanded(_section(tree, "zones"), sources, left)
    for name in _names(_section(tree, "manager").get("processors", "")):
        left.append(Left(f"processor {name}", "is not run: it may change or leave out records"))
    found = [
        each
        for origin, settings in sorted(zones.items())
        if place.wants(origin)
        for each in _zone(place, origin, _origin_of(zones, settings, origin), sources, left)
    ]
    return Taken(found, left)


def _config(place: Place, config: str) -> Mapping[str, Tree]:
    data = place.read(config, MAX_FILE)
    try:
        node = yaml_nodes.compose(data, lambda name, within: _include(place, name, within or config))
    except yaml_nodes.YamlFault as fault:
        at = f"{fault.file or config}:{fault.line}:{fault.column}"
        raise DnsctlError(fault.message, where=at, advice=fault.advice, rule=RefusalRule.IMPORT) from None
    tree = _plain(node) if node is not None else ""
    if not isinstance(tree, dict) or not {"providers", "zones"} <= tree.keys():
        raise DnsctlError(
            "is not octoDNS's configuration: it has no `providers` and `zones`",
            where=config,
            advice="name the file that octodns-sync reads",
            rule=RefusalRule.IMPORT,
        )
    return tree


def _plain(node: yaml_nodes.Node) -> Tree:
    if isinstance(node, yaml_nodes.Mapping):
        return {key: _plain(value) for key, (_, value) in node.items.items()}
    if isinstance(node, yaml_nodes.Sequence):
        return [_plain(each) for each in node.items]
    return "" if node.is_null else node.text


def _section(tree: Mapping[str, Tree], name: str) -> Mapping[str, Tree]:
    found = tree.get(name, {})
    return found if isinstance(found, dict) else {}


def _names(value: Tree) -> list[str]:
    if isinstance(value, list):
        return [each for each in value if isinstance(each, str)]
    return [value] if isinstance(value, str) and value else []


def _sources(place: Place, base: str, providers: Mapping[str, Tree], left: list[Left]) -> dict[str, _Source]:
    found: dict[str, _Source] = {}
    for name, settings in providers.items():
        of = settings if isinstance(settings, dict) else {}
        kind = str(of.get("class", ""))
        if kind.endswith((".YamlProvider", ".SplitYamlProvider", ".ZoneFileSource")):
            found[name] = _directory(place, base, name, of)
            if not found[name].files:
                left.append(Left(f"provider {name}", _nothing_in(str(of.get("directory", ".")))))
        else:
            left.append(
                Left(f"provider {name}", f"{kind or 'without a class'} is a service, and is not read")
            )
    return found


def _nothing_in(directory: str) -> str:
    return (
        f"there is no zone file in {directory[:200]}; run this where octoDNS runs, or name that directory"
        " with --within"
    )


def _directory(place: Place, base: str, name: str, settings: Mapping[str, Tree]) -> _Source:
    """List a provider's directory: relative to where octoDNS runs, or to its configuration."""
    wanted = str(settings.get("directory", "."))
    where = f"provider {name}"
    tried = [place.path(wanted, directory, where) for directory in dict.fromkeys(("", base))]
    directory = next((each for each in tried if place.tree.entries(each)), tried[0])
    ttl = str(settings.get("default_ttl", DEFAULT_TTL))
    kind = str(settings.get("class", ""))
    bare = str(settings.get("escaped_semicolons") or True).lower() in _FALSE
    defaults = ZoneDefaults(int(ttl) if ttl.isdigit() else DEFAULT_TTL, bare_semicolons=bare)
    made = _Source(name, directory, defaults, kind.endswith("FileSource"))
    split = str(settings.get("split_extension", "." if "Split" in kind else ""))
    split = "" if split.lower() in _FALSE else split
    suffix = str(settings.get("file_extension", ".")) if made.master else YAML
    plain = str(settings.get("disable_zonefile", "")).lower() in _FALSE and "Split" not in kind
    for entry in place.tree.entries(directory):
        text = posixpath.basename(entry.path)
        if split and entry.directory and text.endswith(split):
            inside = [each.path for each in place.tree.entries(entry.path) if each.path.endswith(YAML)]
            _add(made, text[: -len(split)], inside, listed=True)
        elif plain and not entry.directory and text.endswith(suffix):
            _add(made, text[: -len(suffix)], [entry.path], listed=text.count(".") >= 2 or made.master)
    if shared := str(settings.get("shared_filename", "")):
        made.shared = [place.path(shared, directory, where)] if shared.lower() not in _FALSE else []
    return made


def _add(source: _Source, text: str, files: Iterable[str], *, listed: bool) -> None:
    origin = zone_named(text)
    if origin is not None:
        source.files.setdefault(origin, []).extend(files)
        if listed:
            source.listed.add(origin)


def _expanded(
    zones: Mapping[str, Tree], sources: Mapping[str, _Source], left: list[Left]
) -> dict[Name, Mapping[str, Tree]]:
    """Return settings by zone; `*…` stands for what its sources list and no other has."""
    found: dict[Name, Mapping[str, Tree]] = {}
    for text, settings in zones.items():
        origin = None if text.startswith("*") else zone_named(text)
        if origin is not None:
            found[origin] = settings if isinstance(settings, dict) else {}
    for text, settings in zones.items():
        if text.startswith("*"):
            of = settings if isinstance(settings, dict) else {}
            listed = {
                name
                for each in _names(of.get("sources", ""))
                if each in sources
                for name in sources[each].listed
            }
            if "regex" in of:
                left.append(Left(f"zones {text}", "are given by a regex, which is not read: write a glob"))
                continue
            glob = str(of.get("glob", "*"))
            found |= {each: of for each in listed - found.keys() if fnmatch.fnmatchcase(to_text(each), glob)}
    return found


def _origin_of(
    zones: Mapping[Name, Mapping[str, Tree]], settings: Mapping[str, Tree], origin: Name
) -> tuple[Name, Mapping[str, Tree]]:
    """Return the zone that holds the records: another one for an `alias`."""
    other = zone_named(str(settings["alias"])) if "alias" in settings else None
    return (other, zones.get(other, {})) if other is not None else (origin, settings)


def _zone(
    place: Place,
    origin: Name,
    records: tuple[Name, Mapping[str, Tree]],
    sources: Mapping[str, _Source],
    left: list[Left],
) -> Iterator[Incoming]:
    holder, settings = records
    text = to_text(origin)
    files: list[tuple[_Source, str]] = []
    for name in _names(settings.get("sources", "")):
        if name not in sources:
            left.append(Left(text, f"source {name} is not read: records that it has are missing"))
            continue
        own = sources[name].files.get(holder, [])
        files += [(sources[name], path) for path in (*own, *(sources[name].shared if own else ()))]
    for name in _names(settings.get("processors", "")):
        left.append(Left(text, f"processor {name} is not run: it may change or leave out records"))
    if not files:
        left.append(Left(text, "has no file in the directories of its sources"))
    elif any(source.master for source, _ in files):
        if len(files) > 1:
            left.append(Left(text, "is in several files, of which one is a master file"))
            return
        yield place.master_file(files[0][1], "", text, origin)
    elif (found := _yaml_zone(place, origin, files, copy=holder == origin)) is not None:
        yield found
    else:
        left.append(Left(text, "is in sources of which default_ttl or escaped_semicolons differ"))


def _yaml_zone(
    place: Place, origin: Name, files: list[tuple[_Source, str]], *, copy: bool
) -> Incoming | None:
    """Read a zone in YAML, and say which files hold it, where they can be copied.

    None where its sources would have it read in different ways.
    """
    texts = {path: place.read(path, MAX_FILE) for _, path in files}
    included: list[str] = []

    def include(name: str, within: str) -> tuple[str, bytes]:
        included.append(name)
        return _include(place, name, within)

    def parsed(defaults: ZoneDefaults) -> Incoming:
        first = files[0][1]
        zone, findings = zone_yaml.parse_split(texts, first, origin, defaults, include=include)
        if zone is None:
            fault = findings[-1]
            raise DnsctlError(
                fault.message, where=str(fault.position), advice=fault.advice, rule=RefusalRule.IMPORT
            )
        return Incoming(zone, ", ".join(texts), findings)

    own, *others = dict.fromkeys(source.defaults for source, _ in files)
    found = parsed(own)
    if not all(_same(found, parsed(other)) for other in others):
        return None
    alike = own == ZoneDefaults(place.ttl) or _same(found, parsed(ZoneDefaults(place.ttl)))
    one_source = len({source.name for source, _ in files}) == 1 and not files[0][0].shared
    if errors_in(found) or included or not (copy and alike and one_source):
        return found
    return Incoming(found.zone, found.source, found.findings, _copied(origin, files[0][0], texts))


def _same(one: Incoming, other: Incoming) -> bool:
    return content(one.zone) == content(other.zone) and aliases(one.zone) == aliases(other.zone)


def _copied(origin: Name, source: _Source, texts: Mapping[str, bytes]) -> dict[str, bytes]:
    stem = file_stem(origin)
    top = posixpath.normpath(source.directory)
    return {
        stem + YAML
        if posixpath.normpath(posixpath.dirname(path) or ".") == top
        else f"{stem}./{posixpath.basename(path)}": data
        for path, data in texts.items()
    }


def _include(place: Place, name: str, within: str) -> tuple[str, bytes]:
    """Read what `!include` names. Raises YamlFault."""
    try:
        path = place.path(name, posixpath.dirname(within), within)
        return path, place.read(path, MAX_FILE)
    except (DnsctlError, RevisionError) as error:
        raise yaml_nodes.YamlFault("yaml-include", f"!include: {error.what}", error.advice) from None
