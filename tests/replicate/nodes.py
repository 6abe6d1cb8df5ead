"""Nodes as real agent processes on loopback, with real TLS: started, killed, asked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import httpx

from dnsctl.demo.ports import free_port
from dnsctl.errors import NodeUnreachableError
from dnsctl.image.store import Image
from dnsctl.model.fleet import Endpoint, Node, NodeSettings, Secondary, ServeSettings
from dnsctl.replicate import pki, tls
from dnsctl.replicate.agent import run_agent
from dnsctl.replicate.answers import NodeStatus
from dnsctl.replicate.api import Limits
from dnsctl.replicate.client import AgentClient, Patience
from dnsctl.startup.anew import _vouched
from tests.processes import FORKED
from tests.replicate.control import Control

PATIENCE = Patience(connect=2, short=5, long=15)
_Result = TypeVar("_Result")


def passphrase() -> bytes:
    return b"correct horse"


def _serve_whole(settings: NodeSettings, limits: Limits, _largest_file: int) -> None:
    """Run all processes of a node: those that answer queries, too."""
    from dnsctl.node.launch import run_node

    logging.basicConfig(format=f"{settings.node.name}: %(message)s", level=logging.INFO)
    run_node(
        settings,
        lambda own, alive: run_agent(own, limits=limits, alive=alive),
        vouched=lambda generation: _vouched(settings.state, generation),
    )


def _serve(settings: NodeSettings, limits: Limits, largest_file: int) -> None:
    if largest_file:  # a disk that is full, as far as this process can tell
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    run_agent(settings, limits=limits)


def _stopped(pid: int) -> list[int]:
    """Return a process and all that descend from it, each stopped: none of them starts another one now."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):  # a child that has just ended
        return []
    return [pid, *(each for child in children for each in _stopped(int(child)))]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Fleet:
    """The nodes `ns1`, `ns2`, … of sites `dc1`, `dc2`, …, none started yet.

    `whole`: each with all its processes, and /health; else with its agent alone.
    """

    def __init__(
        self,
        root: Path,
        control: Control,
        *,
        size: int = 2,
        limits: Limits | None = None,
        whole: bool = False,
    ) -> None:
        self.root = root
        self._whole = whole
        self.limits = limits or Limits(catch_up_every=0.5)
        self.nodes = tuple(
            Node(
                f"ns{number}",
                f"dc{number}",
                (Endpoint("127.0.0.1", free_port()),),
                f"https://127.0.0.1:{free_port()}",
            )
            for number in range(1, size + 1)
        )
        self.notify: tuple[Secondary, ...] = ()
        self.parents: tuple[Endpoint, ...] = ()  # servers that the settings of all nodes name
        self.detours: dict[str, str] = {}  # where other nodes find an agent, in place of where it is
        self.metrics = {node.name: Endpoint("127.0.0.1", free_port()) for node in self.nodes}
        self.keys = root / "keys"
        pki.ensure_authority(self.keys, passphrase, [node.name for node in self.nodes], datetime.now(UTC))
        self._control = control
        self._running: dict[str, multiprocessing.process.BaseProcess] = {}

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def state(self, name: str) -> Path:
        return self.root / "nodes" / name

    def settings(self, name: str) -> NodeSettings:
        return NodeSettings(
            node=self.node(name),
            serve=ServeSettings(self.node(name).listen, notify=self.notify),
            state=self.state(name),
            peers=tuple(replace(one, control=self.detours.get(one.name, one.control)) for one in self.nodes),
            release_keys=self._control.trust.keys,
            threshold=self._control.trust.threshold,
            authority=self.keys / "pki/ca.crt",
            certificate=self.keys / f"pki/{name}.crt",
            key=self.keys / f"pki/{name}.pem",
            metrics=self.metrics[name] if self._whole else None,
            parents=self.parents,
        )

    def start(self, *names: str, largest_file: int = 0, wait: bool = True) -> None:
        for name in names:
            arguments = (self.settings(name), self.limits, largest_file)
            serve = _serve_whole if self._whole else _serve
            process = FORKED.Process(target=serve, args=arguments, daemon=True)
            process.start()
            self._running[name] = process
        for name in names if wait else ():
            self.wait(name, lambda status: True)

    def start_all(self) -> None:
        self.start(*(node.name for node in self.nodes))

    def pid(self, name: str) -> int:
        pid = self._running[name].pid
        assert pid is not None
        return pid

    def kill(self, name: str) -> None:
        process = self._running.pop(name)
        assert process.is_alive(), f"{name} ended by itself: {process.exitcode}"
        family = _stopped(process.pid)
        for each in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        process.join()
        deadline = time.monotonic() + 60
        while any(_is_running(each) for each in family):  # whoever starts next finds its ports free
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def stop(self) -> None:
        for process in self._running.values():
            process.terminate()
        for name, process in self._running.items():
            process.join(60)
            if process.exitcode != 0:
                process.kill()
                raise AssertionError(f"{name} ended with {process.exitcode} on {signal.SIGTERM.name}")
        self._running.clear()

    def credentials(self, who: str = "control", keys: Path | None = None) -> pki.Credentials:
        directory = (keys or self.keys) / "pki"
        return pki.Credentials(
            self.keys / "pki/ca.crt", directory / f"{who}.crt", directory / f"{who}.pem", passphrase
        )

    def client(self, name: str, who: str = "control") -> AgentClient:
        context = tls.client_context(self.credentials(who), datetime.now(UTC))
        return AgentClient(self.node(name), context, PATIENCE)

    def ask(
        self, name: str, question: Callable[[AgentClient], Awaitable[_Result]], who: str = "control"
    ) -> _Result:
        async def asked() -> _Result:
            async with self.client(name, who) as client:
                return await question(client)

        return asyncio.run(asked())

    def raw(
        self,
        name: str,
        method: str,
        path: str,
        body: bytes | AsyncIterator[bytes] = b"",
        headers: dict[str, str] | None = None,
        who: str = "control",
    ) -> httpx.Response:
        """Ask in whatever way: as somebody does who has stolen the certificate of `who`."""

        async def asked(client: AgentClient) -> httpx.Response:
            return await client._http.request(
                method, path, content=body, headers=headers, extensions={"sni_hostname": name}
            )

        return self.ask(name, asked, who)

    def status(self, name: str) -> NodeStatus:
        return self.ask(name, lambda client: client.status(zones=True))

    def wait(self, name: str, until: Callable[[NodeStatus], bool], seconds: float = 60) -> NodeStatus:
        """Poll the node's status until it is as wanted."""
        deadline = time.monotonic() + seconds
        while True:
            status = None
            try:
                status = self.status(name)
                if until(status):
                    return status
            except NodeUnreachableError:
                if not self._running[name].is_alive():
                    raise
            assert time.monotonic() < deadline, f"{name} is not as wanted in {seconds} s: {status}"
            time.sleep(0.03)

    def wait_for_generation(self, generation: int, *names: str) -> None:
        for name in names or [node.name for node in self.nodes]:
            self.wait(name, lambda status: status.served.generation >= generation)

    def table(self, name: str) -> tuple[int, str, str]:
        with Image.open(self.state(name) / "image") as image, image.reader() as reader:
            return reader.generation, reader.manifest, reader.table_digest()
