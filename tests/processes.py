"""Processes of nodes, forked from one that has loaded what a node needs: no start pays for that again."""

from __future__ import annotations

import multiprocessing

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    [
        "anyio._core._sockets",  # these five are loaded by anyio and httpx when they are first used
        "anyio._core._streams",
        "anyio._core._tasks",
        "anyio.streams.tls",
        "httpcore",
        "cryptography.hazmat.backends.openssl.backend",
        "dnsctl.cli.main",
        "dnsctl.cli.serve",
        "dnsctl.cli.verbs.serve",
        "dnsctl.node.launch",
        "dnsctl.node.metrics",
        "dnsctl.node.notifier",
        "dnsctl.replicate.agent",
        "tests.control.operations",
        "tests.replicate.nodes",
    ]
)
