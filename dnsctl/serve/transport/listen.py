"""Listening sockets, bound once and before any fork: one UDP socket a worker and one TCP socket an address.

The UDP sockets of an address share it through SO_REUSEPORT, so that the kernel spreads clients over the
workers. The first is bound without it, so that an address that another program holds is an error, and not
shared. The sockets stay open in the process that bound them: a worker that dies leaves its queue to its
successor.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dnsctl.errors import ListenError
from dnsctl.model.fleet import Endpoint
from dnsctl.serve.message.datagrams import is_wildcard
from dnsctl.serve.metrics.counters import IDLE_SECONDS

SEND_SECONDS = 0.05  # how long one send may wait for a full device queue before the answers are dropped
RECEIVE_BUFFER = 4 << 20  # octets; the kernel may grant less
BACKLOG = 1024  # TCP connections the kernel completes before they are accepted
PORT_ATTEMPTS = 16  # port 0: how many ports the kernel chose for UDP are tried for TCP as well

# Linux values the socket module has no names for (linux/in.h, linux/in6.h)
IP_PKTINFO = 8
IP_MTU_DISCOVER = 10
IP_PMTUDISC_OMIT = 5  # neither set DF nor believe ICMP: answers are at most 1232 octets
IPV6_MTU_DISCOVER = 23
IPV6_PMTUDISC_OMIT = 5


@dataclass(frozen=True, slots=True)
class Listener:
    """The sockets of one address. `endpoint` holds the port the kernel chose where 0 was asked for."""

    endpoint: Endpoint
    datagrams: tuple[socket.socket, ...]
    stream: socket.socket

    def close(self) -> None:
        for one in (*self.datagrams, self.stream):
            one.close()


def listen(
    endpoints: Sequence[Endpoint], workers: int, kept: Sequence[Listener] = ()
) -> tuple[Listener, ...]:
    """Bind every endpoint for `workers` UDP processes and one for streams, or none. Raises ListenError.

    What is `kept`, bound already, is taken as it is, and further UDP sockets are bound beside it; there may
    be more of these than workers.
    """
    known = {one.endpoint: one for one in kept}
    bound: list[Listener] = []
    try:
        for endpoint in endpoints:
            if endpoint in known:
                bound.append(_listen_beside(known[endpoint], workers))
            else:
                bound.append(_listen(endpoint, workers))
    except ListenError:
        for one in bound:
            one.close()
        raise
    return tuple(bound)


def try_listen(endpoints: Sequence[Endpoint], workers: int, kept: Sequence[Listener]) -> None:
    """Find out whether `listen` could bind what it is asked for, and keep nothing. Raises ListenError.

    Beside what is `kept` nothing is bound: the kernel would give the new socket a share of the clients, and
    what they asked would be lost when it closes.
    """
    known = {one.endpoint: one for one in kept}
    for one in listen([each for each in endpoints if each not in known], workers):
        one.close()
    for endpoint in endpoints:
        if endpoint in known and workers > len(known[endpoint].datagrams):
            _try_beside(known[endpoint])


def listen_http(endpoint: Endpoint) -> tuple[Endpoint, socket.socket]:
    """Bind one TCP address for a web server; return it with the port the kernel chose. Raises ListenError."""
    one = _bind(endpoint, socket.SOCK_STREAM, shared=False)
    one.listen(BACKLOG)
    return Endpoint(endpoint.address, one.getsockname()[1]), one


def _listen(endpoint: Endpoint, workers: int) -> Listener:
    for attempt in range(PORT_ATTEMPTS):
        datagrams = _bind_datagrams(endpoint, workers)
        chosen = Endpoint(endpoint.address, datagrams[0].getsockname()[1])
        try:
            stream = _bind(chosen, socket.SOCK_STREAM, shared=False)
            stream.listen(BACKLOG)
        except (ListenError, OSError):
            for one in datagrams:
                one.close()
            if endpoint.port or attempt == PORT_ATTEMPTS - 1:
                raise
            continue  # the kernel chose a port that TCP has no room for: ask for another
        return Listener(chosen, datagrams, stream)
    raise AssertionError("the last attempt returns or raises")


def _listen_beside(kept: Listener, workers: int) -> Listener:
    more = []
    for _ in range(workers - len(kept.datagrams)):
        more.append(_bind(kept.endpoint, socket.SOCK_DGRAM, shared=True))
        _set_up_datagrams(more[-1])
    return Listener(kept.endpoint, (*kept.datagrams, *more), kept.stream)


def _try_beside(kept: Listener) -> None:
    """See whether we have what a UDP socket beside `kept` needs: a privilege for the port, the same user."""
    try:
        with socket.socket(kept.stream.family, socket.SOCK_STREAM) as probe:
            probe.bind(kept.stream.getsockname())
    except OSError as fault:
        if fault.errno != errno.EADDRINUSE:  # by our own: it asks for privileges first
            raise _listen_error(kept.endpoint, socket.SOCK_DGRAM, fault) from fault
    owner, we = os.fstat(kept.datagrams[0].fileno()).st_uid, os.geteuid()
    if owner != we:
        raise ListenError(
            f"its UDP sockets were bound by user {owner}; user {we} cannot bind another beside them",
            where=str(kept.endpoint),
            advice="restart the node instead of reloading it",
        )


def _bind_datagrams(endpoint: Endpoint, workers: int) -> tuple[socket.socket, ...]:
    first = _bind(endpoint, socket.SOCK_DGRAM, shared=False)
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    chosen = Endpoint(endpoint.address, first.getsockname()[1])
    bound = [first]
    try:
        for _ in range(workers - 1):
            bound.append(_bind(chosen, socket.SOCK_DGRAM, shared=True))
    except ListenError:
        for one in bound:
            one.close()
        raise
    for one in bound:
        _set_up_datagrams(one)
    return tuple(bound)


def _bind(endpoint: Endpoint, kind: socket.SocketKind, *, shared: bool) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            endpoint.address, endpoint.port, type=kind, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise ListenError(
            f"{endpoint.address!r} is not an IP address",
            where=str(endpoint),
            advice="write 192.0.2.1:53 or [2001:db8::1]:53",
        ) from None
    try:
        one = socket.socket(family, kind)
    except OSError as fault:
        raise _listen_error(endpoint, kind, fault) from fault
    try:
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(address)
    except OSError as fault:
        one.close()
        raise _listen_error(endpoint, kind, fault) from fault
    return one


def _set_up_datagrams(one: socket.socket) -> None:
    """Set buffers, timeouts, path MTU behaviour and, on a wildcard address, who-was-asked information."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(IDLE_SECONDS))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(SEND_SECONDS))
    if one.family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT)
        if is_wildcard(one):
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        one.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT)
        if is_wildcard(one):
            one.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)


def _timeval(seconds: float) -> bytes:
    """Return a `struct timeval` of two native longs."""
    return b"".join(part.to_bytes(8, "little") for part in (int(seconds), round(seconds % 1 * 1_000_000)))


def _listen_error(endpoint: Endpoint, kind: socket.SocketKind, fault: OSError) -> ListenError:
    transport = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
    where = str(endpoint)
    if fault.errno == errno.EADDRINUSE:
        return ListenError(
            f"{transport} port {endpoint.port} is taken{_holder(endpoint.port, transport.lower())}",
            where=where,
            advice="stop that program or listen on another port",
        )
    if fault.errno == errno.EADDRNOTAVAIL:
        return ListenError(
            f"{endpoint.address} is not an address of this machine",
            where=where,
            advice="listen on one that `ip address` shows",
        )
    if fault.errno in (errno.EACCES, errno.EPERM):
        return ListenError(
            f"{transport} port {endpoint.port} needs a privilege",
            where=where,
            advice="start as root, grant CAP_NET_BIND_SERVICE, or use a port from 1024 up",
        )
    return ListenError(
        f"cannot bind {transport}: {fault.strerror}", where=where, advice="listen on another address"
    )


def _holder(port: int, transport: str) -> str:
    """Name the program that holds `port`, as far as /proc shows it to us; empty where it does not."""
    inodes = set()
    for table in (transport, transport + "6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with suppress(OSError):  # it has ended, or it is another user's
            if any(str(one.readlink()) in inodes for one in (process / "fd").iterdir()):
                return f" by {(process / 'comm').read_text().strip()} (process {process.name})"
    return ""
