"""Start `dnsctl serve` again in the same process: with its order, and without the code that read the order.

The modules that read the command line and dnsctl.yaml take some 25 MB, which Python does not give back, so
that every process of a node would keep them. So `serve` hands its order to the same command, started again in
the same process (exec): process id, arguments, environment and standard error stay as they are. Imports only
what a name server needs; the caller reports failures.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.model.fleet import Endpoint, Node, NodeSettings, ServeSettings
from dnsctl.model.repo import NodeFiles
from dnsctl.node.log import begin_logging
from dnsctl.node.sandbox import name_process
from dnsctl.node.signals import held_signals, ignore_strays
from dnsctl.node.succession import Bequest, Program, inherited
from dnsctl.startup import EMBEDDED, HANDED, TRIAL
from dnsctl.startup.apart import compile_apart
from dnsctl.startup.order import read, written
from dnsctl.startup.work import Embedded, Telling


@dataclass(frozen=True, slots=True)
class NodeOrder:
    """Run a node of the fleet, its agent included; as `user` where we are root."""

    settings: NodeSettings
    user: str

    def serve(self, _: Telling) -> None:
        from dnsctl.node.launch import run_node  # noqa: PLC0415 - who only hands the order on has no need

        arguments = (sys.executable, *sys.orig_argv[1:])
        program = Program(arguments, TRIAL, HANDED)
        state = self.settings.state
        run_node(
            self.settings,
            _run_agent,
            user=self.user,
            program=program,
            bequest=inherited(),
            vouched=lambda generation: _vouched(state, generation),
        )

    def try_out(self, bequest: Bequest) -> None:
        """Check that this program could take over the node that left `bequest`. Raises DnsctlError."""
        from dnsctl.node.launch import try_node  # noqa: PLC0415 - as above
        from dnsctl.replicate.agent import try_agent  # noqa: PLC0415 - as above

        try_node(self.settings, bequest)
        try_agent(self.settings)


@dataclass(frozen=True, slots=True)
class ZonesOrder:
    """Compile the zone files in `directory` and serve them, from `state` or a temporary one."""

    directory: Path
    settings: ServeSettings
    state: Path | None
    user: str
    sign: bool
    strict: bool
    metrics: Endpoint | None

    def serve(self, tell: Telling) -> None:
        from dnsctl.node.launch import run_node  # noqa: PLC0415 - as above

        with held_signals(), ExitStack() as stack:  # whatever comes, no temporary state stays behind
            kept = self.state is not None
            state = self.state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dnsctl-")))
            work = Embedded(
                self.directory, state, self.sign, self.strict, keep_keys=kept, workers=self.settings.workers
            )
            own = Node(EMBEDDED, "", self.settings.listen, "")
            node = NodeSettings(own, self.settings, state, metrics=self.metrics)
            run_node(node, user=self.user, prepare=lambda: compile_apart(work, tell))


_ORDERS: Final[dict[str, type[NodeOrder | ZonesOrder]]] = {
    kind.__name__: kind for kind in (NodeOrder, ZonesOrder)
}


def serve_anew(order: NodeOrder | ZonesOrder, program: Sequence[str], tell: Telling) -> None:
    """Carry out `order` in `program` (its arguments, the interpreter first), started again; or here, without.

    `tell` returns what prints; it is called when there is something to print, and not before.
    """
    if trial := os.environ.pop(TRIAL, ""):
        _try(order, int(trial))
        return
    if not program:
        _serve(order, tell)
        return
    ignore_strays()  # what comes before the node has its handlers must not end it
    descriptor = os.memfd_create("dnsctl order", 0)  # in no directory: it may hold TSIG keys
    _write(order, descriptor)
    sys.stdout.flush()
    sys.stderr.flush()
    environment = {**os.environ, HANDED: str(descriptor)}
    os.execve(sys.executable, (sys.executable, *program[1:]), environment)  # noqa: S606 - no shell wanted


def _write(order: NodeOrder | ZonesOrder, descriptor: int) -> None:
    with os.fdopen(descriptor, "w", encoding="ascii", closefd=False) as file:
        file.write(f"{type(order).__name__}\n{written(order)}")


def _try(order: NodeOrder | ZonesOrder, descriptor: int) -> None:
    """Write the order for the supervisor that tries this program, if it could be carried out."""
    bequest = inherited()
    if bequest is None or isinstance(order, ZonesOrder):
        raise DnsctlError(
            "only a node of a fleet can be reloaded", advice="restart it", rule=RefusalRule.RELOAD
        )
    try:
        order.try_out(bequest)
    except DnsctlError as error:
        _note(order.settings, error)
        raise
    _write(order, descriptor)


def _note(settings: NodeSettings, error: DnsctlError) -> None:
    """Note why a node cannot run with released settings."""
    from dnsctl.release import reload_note  # noqa: PLC0415 - few need it

    if settings.in_force is not None and settings.in_force.generation:
        reload_note.write(settings.state, reload_note.Refused(settings.in_force.digest, str(error)))


def serve_handed(descriptor: str, tell: Telling) -> None:
    """Carry out the order that `serve_anew` wrote to `descriptor`."""
    name_process("dnsctl")
    with os.fdopen(int(descriptor), encoding="ascii") as file:  # closed: no process of the node has it
        file.seek(0)
        kind = _ORDERS[file.readline().rstrip()]
        order = read(kind, file.read())
    _serve(order, tell)


def _serve(order: NodeOrder | ZonesOrder, tell: Telling) -> None:
    begin_logging()
    order.serve(tell)


def _vouched(state: Path, generation: int) -> tuple[str, str]:
    """Return the digests of manifest and table of a generation by the node's archive; empty: it has none."""
    from dnsctl.release.archive import Archive, activated  # noqa: PLC0415 - only the inspector needs it

    release = activated(Archive(NodeFiles(state).releases), generation)
    return ("", "") if release is None else (release.digest, release.table)


def _run_agent(settings: NodeSettings, alive: Callable[[], None]) -> None:
    from dnsctl.replicate.agent import run_agent  # noqa: PLC0415 - keeps a web server out of the workers

    supervisor = os.getppid()

    def reload() -> None:
        if os.getppid() == supervisor:  # else it has ended, and so do we
            os.kill(supervisor, signal.SIGHUP)

    run_agent(settings, alive=alive, reload=reload)
