"""Values of a command line that need no check: text, paths, flags, and lists of text.

typer has pydantic make every value, and to import that takes longer than all else that a command line needs.
What has to be checked, numbers and choices, still goes that way. Changes nothing in a typer that makes values
in another way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final


@dataclass(frozen=True)
class _Plain:
    """Makes a value as typer's own `RuntimeParam` does, of a type that takes any text."""

    kind: type

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return what a verb gets for `value`, which is a text, texts, or the default."""
        if value is None:
            return _nothing(param)
        return [self.kind(each) for each in value] if _takes_many(param) else self.kind(value)


@dataclass(frozen=True)
class _Checked:
    """Leaves to typer what is given; what is not needs no check."""

    typers: Callable[[], Any]

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return what a verb gets for `value`. Raises typer.BadParameter."""
        return _nothing(param) if value is None else self.typers().coerce(value, param, ctx)


def _takes_many(param: Any) -> bool:
    return bool(param.multiple or param.nargs == -1)


def _nothing(param: Any) -> tuple[()] | None:
    return () if _takes_many(param) else None


_BY_ANNOTATION: Final = {str: _Plain(str), Path: _Plain(Path), bool: _Plain(bool), list[str]: _Plain(str)}


def plain(parameters: list[Any]) -> list[Any]:
    """Have the values of these arguments and options made without pydantic where they can be; return them."""
    for each in parameters:
        typers = getattr(each, "get_runtime_param", None)
        if typers is not None and not isinstance(typers, partial):
            made = _BY_ANNOTATION.get(each.type_descriptor.annotation, _Checked(typers))
            each.get_runtime_param = partial(_itself, made)
    return parameters


def _itself(made: _Plain | _Checked) -> _Plain | _Checked:
    return made


def make_plain(command: Any) -> None:
    """Do the same for a command with its `--help`, and for the commands below it."""
    parameters_of = command.get_params
    command.get_params = lambda ctx: plain(parameters_of(ctx))
    for below in getattr(command, "commands", {}).values():
        make_plain(below)
