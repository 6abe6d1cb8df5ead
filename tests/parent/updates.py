"""A BIND that serves a parent zone and takes DS by updates that a TSIG key signs."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path

from dnsctl.demo.ports import free_port
from dnsctl.model.fleet import Endpoint, TransferKey
from tests.peers import need
from tests.serve.peer_servers import running

KEY = TransferKey("parent-update.", "hmac-sha256", bytes(range(32)))
SECRET = base64.b64encode(KEY.secret).decode()


@contextlib.contextmanager
def parent(directory: Path, origin: str, text: str) -> Iterator[Endpoint]:
    """Serve `origin` with BIND until the block ends; the key may change DS there, and nothing else."""
    program, port, base = need("named"), free_port(), directory / "bind"
    base.mkdir(parents=True)
    (base / "zone").write_text(text)
    (base / "named.conf").write_text(
        f'key "{KEY.name}" {{ algorithm {KEY.algorithm}; secret "{SECRET}"; }};\n'
        f'options {{ directory "{base}"; pid-file "{base}/pid"; session-keyfile "{base}/key";\n'
        f"  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; notify no;\n"
        "  dnssec-validation no; };\ncontrols {};\n"
        f'zone "{origin}" {{ type primary; file "{base}/zone";\n'
        f'  update-policy {{ grant "{KEY.name}" zonesub DS; }}; }};\n'
    )
    command = [program, "-g", "-n", "1", "-c", str(base / "named.conf")]
    with running(command, port, [origin], directory / "named.log"):
        yield Endpoint("127.0.0.1", port)
