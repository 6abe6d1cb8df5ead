"""What our own functions take and give, and what our names hold, has a type: `Any` hides it from mypy."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import dnsctl

PACKAGE = Path(dnsctl.__file__).parent
# What is given to pydantic: its own parameters, and its fields, are of any type
ELSEWHERE = {"load/settings/policy.py made", "load/settings/values.py section"}
OBJECT = "Mapping[str, Any]"  # of JSON that was stored or sent: each value is checked where it is read


def is_any(annotation: ast.expr | None) -> bool:
    return annotation is not None and bool(re.search(r"\bAny\b", ast.unparse(annotation).replace(OBJECT, "")))


def annotations(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield what a function takes and gives, or what a name is said to hold, with the name."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        given = node.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        yield from ((node.name, each.annotation) for each in every if each is not None)
        yield node.name, node.returns
    elif isinstance(node, ast.AnnAssign):
        yield ast.unparse(node.target), node.annotation
    elif isinstance(node, ast.ClassDef):
        yield from ((node.name, base) for base in node.bases)


def test_nothing_of_ours_is_of_any_type() -> None:
    found = [
        f"{path.relative_to(PACKAGE)} {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name, annotation in annotations(node)
        if is_any(annotation)
    ]
    assert [each for each in found if each not in ELSEWHERE] == []
