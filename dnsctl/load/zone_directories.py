"""Where zone files are, as dnsctl.yaml says, for who may not wait until all of it is read and checked."""

from __future__ import annotations

from pathlib import Path

from dnsctl.model.repo import CONFIG, ZONE_FILES, ZONES


def zone_directories(root: Path) -> list[Path]:
    """Return the directories that `zone-files` names; the usual one where dnsctl.yaml does not say."""
    try:
        settings = (root / CONFIG).read_bytes()
    except OSError:
        settings = b""
    named = _named(settings) if ZONE_FILES.encode() in settings else []
    return [root / each for each in named or [ZONES]]


def _named(settings: bytes) -> list[str]:
    from dnsctl.load import yaml_nodes  # noqa: PLC0415 - most repos do not need it

    try:
        tree = yaml_nodes.compose(settings)
    except yaml_nodes.YamlFault:
        return []
    node = tree.get(ZONE_FILES) if isinstance(tree, yaml_nodes.Mapping) else None
    named = node.items if isinstance(node, yaml_nodes.Sequence) else [node]
    return [each.text for each in named if isinstance(each, yaml_nodes.Scalar)]
