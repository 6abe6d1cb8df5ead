"""Paths of an operations repo stand in one module, and that module tells where things really are."""

import ast
from pathlib import Path

import dnsctl
from dnsctl.model import repo
from dnsctl.model.repo import Repo

PACKAGE = Path(dnsctl.__file__).parent
NAMES = {
    "dnsctl.yaml", "zones", "hooks", "keys", "state", "pki", "image", "archive", "generation", "silent",
    "damage", "evidence", "nodes", "control.db", "push.lock", "cookie.secret", "release.pem", "release.pub",
    "ca.crt", "ca.pem", "control.crt", "control.pem",
}  # fmt: skip


def parts_of(path: ast.expr) -> list[str]:
    """Return the literal texts that are joined to a path in `path`."""
    if isinstance(path, ast.BinOp) and isinstance(path.op, ast.Div):
        return [*parts_of(path.left), *parts_of(path.right)]
    if isinstance(path, ast.Constant) and isinstance(path.value, str):
        return path.value.split("/")
    if isinstance(path, ast.JoinedStr) and path.values and isinstance(path.values[0], ast.Constant):
        return str(path.values[0].value).split("/")
    return []


def test_no_other_module_joins_the_names_of_an_operations_repo_to_paths() -> None:
    found = [
        f"{source.relative_to(PACKAGE)}:{node.lineno}"
        for source in sorted(PACKAGE.rglob("*.py"))
        if source != Path(repo.__file__)
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.BinOp) and NAMES.intersection(parts_of(node))
    ]
    assert found == []


def test_paths_by_name_and_paths_by_property_are_the_same() -> None:
    place = Repo(Path("/repo"))
    assert place.config == place.root / repo.CONFIG
    assert place.keys.release_private == place.root / repo.RELEASE_PRIVATE
    assert place.keys.release_public == place.root / repo.RELEASE_PUBLIC
    assert place.node("ns1").image == Path("/repo/state/nodes/ns1/image")
    assert place.keys.pki.certificate(repo.AUTHORITY) == Path("/repo/keys/pki/ca.crt")
    assert place.state.evidence(7) == Path("/repo/state/evidence/generation-7.json")
