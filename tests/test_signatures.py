"""What the program's own functions take and give has a type: `Any` hides from mypy whatever is behind it."""

import ast
from pathlib import Path

import dnsctl

PACKAGE = Path(dnsctl.__file__).parent
# What others hand over as they like: typer its parameters and commands, sqlite3 its rows.
ELSEWHERE = {"cli/main.py", "cli/command_line/values.py", "control/state.py"}


def is_any(annotation: ast.expr | None) -> bool:
    return annotation is not None and any(
        isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(annotation)
    )


def annotations(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr | None]:
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return [function.returns, *(each.annotation for each in every if each is not None)]


def test_no_function_outside_serve_takes_or_gives_any() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if str(path.relative_to(PACKAGE)) not in ELSEWHERE and path.relative_to(PACKAGE).parts[0] != "serve"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(is_any, annotations(node)))
    ]
    assert found == []
