"""Bring up a node: state on disk, sockets, privileges, then its processes until a signal ends them.

In this order: lock the state, or make it if it is missing; bind every address except the agent's; prepare the
image; drop privileges. Only then is a process of the node forked, or a query read. The agent binds its own
address each time it starts, so its port must not need a privilege. A node of a fleet with an empty image
keeps silent until its agent has what the fleet serves, and answers REFUSED if the fleet serves nothing yet.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.files import durable
from dnsctl.files.lock import lock_file, take
from dnsctl.image.damage import DamageNote
from dnsctl.image.inspection import Depth, Vouched, nobody_vouches
from dnsctl.image.silence import Silence
from dnsctl.image.store import Image
from dnsctl.model.fleet import Endpoint, NodeSettings
from dnsctl.model.prctl import forbid_core_dumps
from dnsctl.model.repo import NodeFiles
from dnsctl.node import proc, sandbox
from dnsctl.node.inspector import look, watch_image
from dnsctl.node.signals import held_signals
from dnsctl.node.succession import Bequest, Kept, Predecessor, Program, Succession
from dnsctl.node.supervisor import Role, Supervisor
from dnsctl.node.worker import Ready, answer_datagrams, answer_streams, cookie_paths, responder_of
from dnsctl.serve.message.cookies import fresh_secret, read_secrets
from dnsctl.serve.metrics.counters import Block
from dnsctl.serve.metrics.tally import Tally, is_silent
from dnsctl.serve.transport.listen import Listener, listen, listen_http, try_listen
from dnsctl.serve.transport.rate_limit import FlowTable, RateLimiter

_log = logging.getLogger(__name__)

_Metrics = tuple[Endpoint, socket.socket]  # the address of /metrics, and its listening socket
Alive = Callable[[], None]  # to be called each second by who does not hang
Agent = Callable[[NodeSettings, Alive], None]  # runs the node's agent until the process ends

_LOOK = 0.02  # seconds between two looks whether another agent has ended
_LOCK_PATIENCE = 3.0  # seconds that the processes of a supervisor that was killed may take to end
_AGENT_SILENCE = 30.0  # seconds; it has more to do at once than those who answer queries


def run_node(
    settings: NodeSettings,
    agent: Agent | None = None,
    *,
    user: str = "",
    prepare: Callable[[], None] | None = None,
    program: Program | None = None,
    bequest: Bequest | None = None,
    vouched: Vouched = nobody_vouches,
) -> None:
    """Serve until SIGTERM or SIGINT. Where we are root, serve as `user`, or as root where none is given.

    `prepare` fills the image while nobody else can, and must not leave it open. `program`: what takes the
    node over at SIGHUP; `bequest`: what this one takes over.
    `vouched`: returns what the image of a generation must be. Raises ListenError for an
    address that cannot be bound, ImageError for a damaged image, DnsctlError where another process serves
    from the same state.
    """
    if user:
        sandbox.account_of(user)  # a wrong name is reported before anything is made
    with held_signals(), _locked(settings.state, bequest) as lock:
        listeners = listen(settings.serve.listen, settings.serve.workers, _kept_listeners(bequest))
        metrics: _Metrics | None = None
        try:
            if settings.metrics is not None:
                metrics = _kept_http(settings.metrics, bequest) or listen_http(settings.metrics)
            if bequest is None and (agent is not None or prepare is not None):
                _discard_damaged(settings.state, alone=agent is None)
            if prepare is not None:
                prepare()
            if bequest is None:
                _prepare_image(settings.state, alone=agent is None)
            _drop_privileges(user, settings.state)
            forbid_core_dumps()
            _prepare_cookies(settings)
            sandbox.raise_descriptor_limit()
            name = settings.node.name
            predecessors = {} if bequest is None else dict(bequest.children)
            Supervisor(
                _roles(settings, listeners, agent, metrics, predecessors, vouched),
                lambda generation: _report(name, listeners, metrics, generation),
                predecessors,
                Succession(program, _bequest(lock, listeners, metrics)) if program is not None else None,
                hangup=bequest is not None and bequest.again,
            ).run()
            _notify("STOPPING=1")
            _log.info("%s stopped", name)
        finally:
            for listener in listeners:
                listener.close()
            if metrics is not None:
                metrics[1].close()


def _roles(
    settings: NodeSettings,
    listeners: tuple[Listener, ...],
    agent: Agent | None,
    metrics: _Metrics | None,
    predecessors: Mapping[int, Predecessor],
    vouched: Vouched,
) -> list[Role]:
    serve, state = settings.serve, settings.state
    blocks: dict[str, Block] = {}  # made here, before any fork: what they count is seen by the exporter

    def role(
        name: str, work: Callable[[Tally, Ready], None], *, answers: bool = True, silence: float | None = None
    ) -> Role:
        block = blocks[name] = Block()

        def counted(ready: Ready) -> None:
            tally = Tally(block, by_zone=serve.zone_metrics)
            tally.begin()
            work(tally, ready)

        if not answers and silence is None:
            return Role(name, counted, awaited=False)
        return Role(name, counted, awaited=answers, hangs=partial(is_silent, block, silence))

    flows = FlowTable(serve.rate_limit.table_size) if serve.rate_limit is not None else None

    def limiter(tally: Tally) -> RateLimiter | None:
        if serve.rate_limit is None or flows is None:
            return None
        return RateLimiter(serve.rate_limit, flows, tally, serve.workers)

    def worker(number: int) -> Role:
        sockets = [one for listener in listeners for one in listener.datagrams[number :: serve.workers]]
        return role(
            f"udp{number}",
            lambda tally, ready: answer_datagrams(sockets, state, serve, tally, ready, limiter(tally)),
        )

    def export_metrics(_tally: Tally, ready: Ready) -> None:
        from dnsctl.node.metrics import export  # noqa: PLC0415 - keeps a web server out of the workers

        ready(0)
        if metrics is not None:
            export(settings, blocks, metrics[1])

    def tell_secondaries(tally: Tally, ready: Ready) -> None:
        from dnsctl.node.notifier import notify  # noqa: PLC0415 - keeps what it needs out of the workers

        ready(0)
        notify(serve, [listener.endpoint for listener in listeners], state, tally)

    def inspect_image(_tally: Tally, ready: Ready) -> None:
        ready(0)
        watch_image(state, blocks, vouched)

    streams = [listener.stream for listener in listeners]
    roles = [worker(number) for number in range(serve.workers)]
    roles.append(role("stream", lambda tally, ready: answer_streams(streams, state, serve, tally, ready)))
    if agent is not None:
        roles.append(
            role(
                "agent",
                lambda tally, ready: agent(settings, _alive(tally, ready, predecessors)),
                answers=False,
                silence=_AGENT_SILENCE,
            )
        )
    roles.append(role("inspect", inspect_image, answers=False))
    if serve.notify:
        roles.append(role("notify", tell_secondaries, answers=False))
    if metrics is not None:
        roles.append(role("metrics", export_metrics, answers=False))
    return roles


def _alive(tally: Tally, ready: Ready, predecessors: Mapping[int, Predecessor]) -> Alive:
    """Return what an agent is to call each second. The first call returns when no other agent runs."""
    others = [pid for pid, one in predecessors.items() if one.name == "agent"]

    def alive() -> None:
        tally.fold()
        if others:
            ready(0)  # which has them ended
        while others:
            others[:] = [pid for pid in others if proc.standing(pid)]
            tally.fold()
            time.sleep(_LOOK)

    return alive


def _kept_listeners(bequest: Bequest | None) -> list[Listener]:
    if bequest is None:
        return []
    found = []
    for kept in bequest.sockets:
        if kept.kind == "tcp":
            datagrams = bequest.descriptors("udp", kept.endpoint)
            sockets = tuple(socket.socket(fileno=one) for one in datagrams)
            found.append(Listener(kept.endpoint, sockets, socket.socket(fileno=kept.descriptor)))
    return found


def _kept_http(endpoint: Endpoint, bequest: Bequest | None) -> _Metrics | None:
    for descriptor in bequest.descriptors("http", endpoint) if bequest is not None else ():
        return endpoint, socket.socket(fileno=descriptor)
    return None


def _bequest(lock: int, listeners: tuple[Listener, ...], metrics: _Metrics | None) -> Bequest:
    sockets = []
    for listener in listeners:
        sockets += [Kept("udp", listener.endpoint, one.fileno()) for one in listener.datagrams]
        sockets.append(Kept("tcp", listener.endpoint, listener.stream.fileno()))
    if metrics is not None:
        sockets.append(Kept("http", metrics[0], metrics[1].fileno()))
    return Bequest(lock, tuple(sockets))


def try_node(settings: NodeSettings, bequest: Bequest) -> None:
    """Check that this program can take over `bequest`, in a process that ends after that.

    Raises what `run_node` and the processes of a node would: DnsctlError.
    """
    with _locked(settings.state, bequest):
        try_listen(settings.serve.listen, settings.serve.workers, _kept_listeners(bequest))
        if settings.metrics is not None and _kept_http(settings.metrics, bequest) is None:
            listen_http(settings.metrics)
        if settings.serve.cookies:
            for path in cookie_paths(settings.serve, settings.state):
                if os.path.lexists(path):
                    read_secrets(path)
        with Image.open(NodeFiles(settings.state).image) as image, image.reader() as reader:
            responder_of(settings.serve, settings.state).zones(reader)


def _discard_damaged(state: Path, *, alone: bool) -> None:
    """Remove the image where nobody could serve from it; `alone`: also where it is damaged.

    What there is can be made again: by `prepare` from zones, or of a peer's snapshot. A node of a fleet whose
    image is damaged and can be opened serves from it until its agent has another.
    """
    note = DamageNote(state)
    reason = note.reason() if alone else ""
    if NodeFiles(state).image.exists() and (reason := reason or look(state, depth=Depth.ENTRIES)):
        _log.error("the image is damaged, and is made again: %s", reason)
        note.write(reason)
        note.discard()


def _prepare_image(state: Path, *, alone: bool) -> None:
    """Make the image if it is missing; from an empty one nothing is answered, unless we are `alone`."""
    silence = Silence(NodeFiles(state).silent)
    with Image.open(NodeFiles(state).image, readonly=False) as image, image.reader() as reader:
        if alone:
            silence.end()
        elif not reader.generation:
            silence.begin()
    if silence.holds:
        _log.info("no query is answered until this node has what its fleet serves")


@contextmanager
def _locked(state: Path, bequest: Bequest | None = None) -> Iterator[int]:
    """Make `state` and lock it for this node only: two would write one image. Yields the lock's descriptor.

    A `bequest` has it held already.
    """
    if bequest is not None:
        if not os.path.sameopenfile(bequest.lock, _opened(state)):
            raise DnsctlError(
                "is not the state that this node serves from",
                where=str(state),
                advice="restart the node instead of reloading it",
                rule=RefusalRule.RELOAD,
            )
        yield bequest.lock
        return
    descriptor = _opened(state)
    try:
        if not take(descriptor, _LOCK_PATIENCE):
            raise DnsctlError(
                "another process serves from this state",
                where=str(state),
                advice="stop it or choose another with --state",
                rule=RefusalRule.STATE_IN_USE,
            )
        yield descriptor
    finally:
        os.close(descriptor)


def _opened(state: Path) -> int:
    """Return a descriptor of the file that holds the lock of `state`, which is made. Raises DnsctlError."""
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        return lock_file(state / "lock")
    except OSError as fault:
        raise DnsctlError(
            f"cannot keep state: {fault.strerror}",
            where=str(state),
            advice="choose another with --state",
            rule=RefusalRule.SYSTEM,
        ) from None


def _drop_privileges(user: str, state: Path) -> None:
    """Become `user` where we are root and one is given, keep no capability, and forbid getting any.

    Root without a user stays root, with a warning: a try in a container must serve as well.
    Capabilities that cannot be given up are logged, and do not stop serving: a unit that allows no capset(2)
    is an earlier version's.
    """
    if user:
        sandbox.drop_privileges(user, state)
    elif os.geteuid() == 0:
        _log.warning(
            "every process serves as root: start with --user dnsctl, or by the systemd unit in docs/systemd"
        )
    try:
        sandbox.give_up_capabilities()
    except OSError as fault:
        _log.warning(
            "capabilities are kept, %s: install the systemd unit of this version, which can give them up",
            fault.strerror,
        )
    sandbox.forbid_new_privileges()


def _prepare_cookies(settings: NodeSettings) -> None:
    """Make sure of a cookie secret: the fleet's, or one of this node only.

    To be called as the user who serves, who must be able to read it. Raises ConfigError for a damaged one.
    """
    serve = settings.serve
    if not serve.cookies:
        return
    paths = cookie_paths(serve, settings.state)
    if present := next((path for path in paths if os.path.lexists(path)), None):
        read_secrets(present)
        return
    durable.create(paths[-1], fresh_secret(), 0o600)
    if serve.cookie_secret is not None:
        _log.warning(
            "%s is missing: made a cookie secret for this node only; copy the fleet's secret here",
            serve.cookie_secret,
        )


def _report(name: str, listeners: tuple[Listener, ...], metrics: _Metrics | None, generation: int) -> None:
    addresses = ", ".join(str(listener.endpoint) for listener in listeners)
    _log.info("%s serving on %s udp tcp (generation %d)", name, addresses, generation)
    if metrics is not None:
        _log.info("%s metrics on http://%s/metrics", name, metrics[0])
    _notify("READY=1")


def _notify(state: str) -> None:
    """Notify systemd, if it asked for that (sd_notify(3))."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
            notify.sendto(state.encode(), address)
    except OSError as fault:
        _log.warning("systemd cannot be told %s: %s", state, fault.strerror)
