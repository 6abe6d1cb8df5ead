"""The `dnsctl` command: joins the verbs, and turns whatever happens into one line and an exit code.

What a verb works with is imported when it runs (see `verbs`), so that `dnsctl check` does not pay for a web
server, nor `--help` for anything. Results go to standard output, everything else to standard error. Exit
codes: each verb's own for what it found; 1 for an error, or what `ERRORS` has for the verb; 130 when
interrupted, 141 when nobody reads the output. A wrong command line is an error like any other: with the usual
2, a mistyped
`plan` would say "changes".
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import typer._completion_classes
import typer.core
import typer.main

from dnsctl import __version__
from dnsctl.cli import INTERRUPTED, output
from dnsctl.cli.command_line.given import examples
from dnsctl.cli.command_line.help import explain, page
from dnsctl.cli.command_line.place import Given, given
from dnsctl.cli.command_line.values import make_plain
from dnsctl.errors import DnsctlError, RefusalRule, SystemRefusalError, advice_for, advice_of, is_shortage

if TYPE_CHECKING:
    from typer._click.core import Command, Parameter  # typer has click inside, and exports none of its types

VERBS: tuple[str, ...] = (  # in the order of a day's work; each is a module of `verbs`
    "init",
    "check",
    "plan",
    "approve",
    "push",
    "verify",
    "status",
    "rollback",
    "log",
    "control",
    "serve",
    "demo",
    "zone",
    "hook",
    "key",
    "backup",
    "restore",
    "explain",
    "schema",
    "man",
)
ERRORS = {"verify": 2}  # exit code of any error, by verb, where it is not 1: there 1 says that nodes drifted
UNREAD = 141  # as shells report SIGPIPE
DEBUG = "DNSCTL_DEBUG"
_WRAPPING = "Value error, "  # pydantic's, before the words of typer's own checks
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]  # typer exports only what derives from it


class _Verbs(MutableMapping[str, "Command"]):
    """Commands by name, each made when it is first asked for."""

    def __init__(self, directory: Parameter) -> None:
        self._directory = directory
        self._made: dict[str, Command] = {}

    def __getitem__(self, name: str) -> Command:
        if name not in VERBS:
            raise KeyError(name)
        if name not in self._made:
            alone = typer.Typer(rich_markup_mode=None)
            importlib.import_module(f"dnsctl.cli.verbs.{name}").register(alone)
            command = typer.main.get_group(alone).commands[name]
            _everywhere(command, self._directory)
            make_plain(command)
            explain(command)
            self._made[name] = command
        return self._made[name]

    def __setitem__(self, name: str, command: Command) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        raise TypeError("verbs are fixed")

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


def _version(asked: bool) -> None:
    if asked:
        output.line(f"dnsctl {__version__}")
        raise typer.Exit


def _work_in(ctx: typer.Context, value: Path | None) -> None:
    """Take `-C DIR`, before or behind a verb; behind one that has no `--json`, refuse that."""
    now = given(ctx)
    if value is not None:
        if not value.is_dir():
            raise typer.BadParameter(f"{value} is not a directory", param_hint="-C")
        ctx.obj = replace(now, directory=value)
    leads_on = hasattr(ctx.command, "commands")
    if now.as_json and not leads_on and all("--json" not in each.opts for each in ctx.command.params):
        raise typer.BadParameter(f"`{ctx.command_path}` has none", param_hint="--json")


def _print_json(ctx: typer.Context, value: bool) -> None:
    if value:
        ctx.obj = replace(given(ctx), as_json=True)


def _options(
    ctx: typer.Context,
    work_in: Annotated[  # a name that no verb has
        Path | None,
        typer.Option(
            "-C",
            metavar="DIR",
            callback=_work_in,
            expose_value=False,
            help="Work in the operations repo that DIR is in; default: this directory.",
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", callback=_print_json, expose_value=False, help="As behind a verb that prints results."
        ),
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Zones in git, signed, released to two datacenters at once, and verified from outside.

    -C and --json may stand before or behind a verb.
    """
    if ctx.invoked_subcommand is None:
        output.line(ctx.get_help())


def _everywhere(command: Command, option: Parameter) -> None:
    """Have a command, and all below it, take this option, too."""
    command.params.append(option)
    for below in getattr(command, "commands", {}).values():
        _everywhere(below, option)


def command_line() -> typer.core.TyperGroup:
    """Return the command line with every verb; each is made when it is first asked for."""
    # typer would draw what completion says of a choice with rich, which is slow, and breaks it into lines
    typer._completion_classes._sanitize_help_text = str  # type: ignore[assignment]
    app = typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=examples("dnsctl init --example shop", "dnsctl -C shop check", "dnsctl -C shop push"),
    )
    app.callback(invoke_without_command=True)(_options)
    group = typer.main.get_command(app)
    if not isinstance(group, typer.core.TyperGroup):
        raise AssertionError("an application with a callback is a group")
    make_plain(group)
    group.commands = _Verbs(next(each for each in group.params if "-C" in each.opts))
    group.get_help = partial(page, group)  # type: ignore[method-assign]
    return group


def run(arguments: list[str], program: Sequence[str] = ()) -> int:
    """Run one command line and return its exit code. Prints one line for any failure; never raises.

    `program`: how this process was started, if it may start again (see `anew`).
    """
    output.prepare()
    try:
        code = command_line()(
            args=arguments, prog_name="dnsctl", standalone_mode=False, obj=Given(tuple(program))
        )
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - the last line of defence: a traceback is a bug
        return told(error, _verb(arguments), as_json="--json" in arguments)
    return code if isinstance(code, int) else 0


def _verb(arguments: list[str]) -> str:
    """Return the verb of a command line, one that cannot be understood included; empty without one."""
    rest = iter(arguments)
    for each in rest:
        if each == "-C":
            next(rest, None)
        elif not each.startswith("-"):
            return each
    return ""


def told(error: BaseException, verb: str, *, as_json: bool = False) -> int:
    """Say in one line what ended `verb`, and return the exit code. To be called where it is handled.

    `as_json`: print it for programs as well; not an interruption, nor where nobody reads.
    """
    if isinstance(error, BrokenPipeError):
        _discard_output()
        return UNREAD
    if isinstance(error, SystemExit):  # typer's own way out, for completion and for a pipe nobody reads
        if isinstance(error.__context__, BrokenPipeError):
            return UNREAD
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        output.failure("interrupted")
        return INTERRUPTED
    if isinstance(error, _UsageError):
        failure = _usage(error, verb)
    else:
        _debug()
        failure = error if isinstance(error, DnsctlError) else _internal(error)
    output.failure(str(failure))
    if as_json:
        from dnsctl.cli.output.failed import print_failure  # noqa: PLC0415 - for this alone

        _unless_unread(lambda: print_failure(failure))
    return ERRORS.get(verb, failure.exit_code)


def _usage(error: Exception, verb: str) -> DnsctlError:
    told = getattr(error, "format_message", error.__str__)().replace(_WRAPPING, "", 1).rstrip(".")
    context = getattr(error, "ctx", None)
    above = f"dnsctl {verb}" if verb in VERBS else "dnsctl"  # an option without its argument has no context
    path = context.command_path if context is not None else above
    return DnsctlError(told, advice=f"see `{path} --help`", rule=RefusalRule.COMMAND_LINE)


def _internal(error: BaseException) -> DnsctlError:
    """Return what ended a verb unexpectedly: a refusal of the system, else a bug."""
    refused = _refused(error)
    if refused is not None:
        return refused
    reason = f"{type(error).__name__}: {error}".strip(": ")
    return DnsctlError(
        f"internal error: {reason}",
        advice=f"this is a bug, please report it (traceback with {DEBUG}=1)",
        rule=RefusalRule.INTERNAL,
    )


def _refused(error: BaseException) -> SystemRefusalError | None:
    """Return what the system refused, whichever library reported it; None where it refused nothing."""
    if isinstance(error, OSError) and error.strerror:
        return SystemRefusalError.of(error)
    if isinstance(error, MemoryError):
        return SystemRefusalError(os.strerror(errno.ENOMEM), advice=advice_for(errno.ENOMEM))
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return SystemRefusalError("no more threads can be started", advice=advice_for(errno.EAGAIN))
    if isinstance(error, ImportError) and (advice := advice_of(str(error))):
        return SystemRefusalError(str(error), advice=advice)
    library = type(error).__module__.partition(".")[0]  # those that most verbs do not import
    if type(error).__name__ == "BrokenProcessPool":
        return SystemRefusalError(
            "a process that worked for this one was killed", advice="check whether this host is out of memory"
        )
    if library in ("lmdb", "sqlite3"):
        return SystemRefusalError(str(error), advice=advice_of(str(error)) or "check the disk of state/")
    if isinstance(error, BaseExceptionGroup):
        return _refused(error.exceptions[0])
    inner = error.__cause__ or error.__context__
    return _refused(inner) if isinstance(inner, OSError) and is_shortage(inner) else None


def _debug() -> None:
    if os.environ.get(DEBUG) == "1":
        traceback.print_exc()


def _unless_unread(print_: Callable[[], None]) -> None:
    """Print on standard out, or leave it where that cannot be written any more."""
    try:
        print_()
        sys.stdout.flush()
    except OSError:
        _discard_output()


def _discard_output() -> None:
    """Point standard out at nothing, so that Python's own flush at exit does not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
