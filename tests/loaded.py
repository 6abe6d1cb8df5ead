"""What commands and nodes load, and what they make of it once: for the process that tests fork them from."""

from __future__ import annotations

import importlib

from dnsctl.cli.main import VERBS, command_line
from dnsctl.load.settings.config import Config
from tests import passphrase

for _name in (
    "anyio._core._sockets",  # these five are loaded by anyio and httpx when they are first used
    "anyio._core._streams",
    "anyio._core._tasks",
    "anyio.streams.tls",
    "httpcore",
    "cryptography.hazmat.backends.openssl.backend",
    "dnsctl.cli.check",
    "dnsctl.cli.control",
    "dnsctl.cli.explain",
    "dnsctl.cli.init",
    "dnsctl.cli.key",
    "dnsctl.cli.plan",
    "dnsctl.cli.push",
    "dnsctl.cli.rollback",
    "dnsctl.cli.serve",
    "dnsctl.cli.status",
    "dnsctl.cli.verify",
    "dnsctl.cli.zone",
    "dnsctl.control.newest",
    "dnsctl.control.cookies",
    "dnsctl.publish.work_tree",
    "dnsctl.replicate.acceptance",
    "dnsctl.verify.parts",
    "dnsctl.node.launch",
    "dnsctl.node.metrics",
    "dnsctl.node.notifier",
    "dnsctl.replicate.agent",
    "tests.control.operations",
    "tests.node.running",
    "tests.replicate.nodes",
):
    importlib.import_module(_name)
for _verb in VERBS:
    command_line().commands[_verb]
passphrase.share()
passphrase.derive()
Config.model_rebuild()
