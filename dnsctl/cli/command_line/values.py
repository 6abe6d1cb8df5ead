"""Values of a command line that need no check: text, paths, flags, and lists of text.

typer has pydantic make every value, and to import that takes longer than all else that a command line needs.
What has to be checked, numbers and choices, still goes that way. Changes nothing in a typer that makes values
in another way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from typer._click.core import Command, Context, Parameter  # typer exports none of these types


class _Coercing(Protocol):
    """What makes the value of a parameter: typer's own `RuntimeParam`, or one of ours."""

    def coerce(self, value: object, param: Parameter, ctx: Context) -> object: ...


class _Described(Protocol):
    """The type that an annotation asks for."""

    annotation: object


class _Typed(Protocol):
    """A parameter of a typer that makes values in this way."""

    get_runtime_param: Callable[[], _Coercing]
    type_descriptor: _Described


@dataclass(frozen=True)
class _Plain:
    """Makes a value as typer's own `RuntimeParam` does, of a type that takes any text."""

    kind: type

    def coerce(self, value: object, param: Parameter, ctx: Context) -> object:
        """Return what a verb gets for `value`, which is a text, texts, or the default."""
        if value is None:
            return _nothing(param)
        if _takes_many(param):
            return [self.kind(each) for each in cast(Sequence[object], value)]
        return self.kind(value)


@dataclass(frozen=True)
class _Checked:
    """Leaves to typer what is given; what is not needs no check."""

    typers: Callable[[], _Coercing]

    def coerce(self, value: object, param: Parameter, ctx: Context) -> object:
        """Return what a verb gets for `value`. Raises typer.BadParameter."""
        return _nothing(param) if value is None else self.typers().coerce(value, param, ctx)


def _takes_many(param: Parameter) -> bool:
    return getattr(param, "multiple", False) or param.nargs == -1


def _nothing(param: Parameter) -> tuple[()] | None:
    return () if _takes_many(param) else None


_BY_ANNOTATION: Final[dict[object, _Plain]] = {
    str: _Plain(str),
    Path: _Plain(Path),
    bool: _Plain(bool),
    list[str]: _Plain(str),
}


def plain(parameters: list[Parameter]) -> list[Parameter]:
    """Have the values of these arguments and options made without pydantic where they can be; return them."""
    for each in parameters:
        if not hasattr(each, "get_runtime_param"):
            continue
        typed = cast(_Typed, each)
        if not isinstance(typed.get_runtime_param, partial):
            made = _BY_ANNOTATION.get(typed.type_descriptor.annotation, _Checked(typed.get_runtime_param))
            typed.get_runtime_param = partial(_itself, made)
    return parameters


def _itself(made: _Plain | _Checked) -> _Plain | _Checked:
    return made


def make_plain(command: Command) -> None:
    """Do the same for a command with its `--help`, and for the commands below it."""
    parameters_of = command.get_params
    command.get_params = lambda ctx: plain(parameters_of(ctx))  # type: ignore[method-assign]
    for below in getattr(command, "commands", {}).values():
        make_plain(below)
