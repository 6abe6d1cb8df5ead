"""A BIND that serves a parent zone and takes DS by updates: with TSIG, or with SIG(0) from a KEY in the zone.

BIND 9.18 checks no SIG(0) since 9.18.28 (CVE-2024-1975); 9.20 does. `.ci/newer-named` brings one.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from dnsctl.demo.ports import free_port
from dnsctl.model.fleet import Endpoint, TransferKey
from tests.peers import need
from tests.serve.peer_servers import running

KEY = TransferKey("parent-update.", "hmac-sha256", bytes(range(32)))
SECRET = base64.b64encode(KEY.secret).decode()


def sig0_named() -> str:
    """Return the path of a named that checks SIG(0), the one that is installed or another; skip without."""
    program = os.environ.get("DNSCTL_SIG0_NAMED") or need("named")
    told = subprocess.run([program, "-V"], capture_output=True, text=True, check=True, timeout=60).stdout
    found = re.match(r"BIND 9\.(\d+)\.", told)
    if found is None or int(found[1]) < 20:
        pytest.skip(f"{program} checks no SIG(0): name one in DNSCTL_SIG0_NAMED, see .ci/newer-named")
    return program


@contextlib.contextmanager
def parent(
    directory: Path, origin: str, text: str, grants: Iterable[str] = (KEY.name,), program: str = ""
) -> Iterator[Endpoint]:
    """Serve `origin` with BIND until the block ends. Who has a grant may change DS there, nothing else."""
    program, port, base = program or need("named"), free_port(), directory / "bind"
    base.mkdir(parents=True)
    policy = " ".join(f'grant "{each}" zonesub DS;' for each in grants)
    (base / "zone").write_text(text)
    (base / "named.conf").write_text(
        f'key "{KEY.name}" {{ algorithm {KEY.algorithm}; secret "{SECRET}"; }};\n'
        f'options {{ directory "{base}"; pid-file "{base}/pid"; session-keyfile "{base}/key";\n'
        f"  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; notify no;\n"
        "  dnssec-validation no; };\ncontrols {};\n"
        f'zone "{origin}" {{ type primary; file "{base}/zone";\n'
        f"  update-policy {{ {policy} }}; }};\n"
    )
    command = [program, "-g", "-n", "1", "-c", str(base / "named.conf")]
    with running(command, port, [origin], directory / "named.log"):
        yield Endpoint("127.0.0.1", port)
