"""A Knot that signs a parent zone, and takes updates. Knot 3.2 scans no children for CDS: `registry` does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dnsctl.demo.ports import free_port
from dnsctl.model.fleet import Endpoint
from tests.parent.updates import KEY, SECRET
from tests.peers import need
from tests.serve.peer_servers import running

KNOT = """\
server:
  listen: 127.0.0.1@{port}
  rundir: "{directory}"
database:
  storage: "{directory}"
log:
  - target: stderr
    any: info
key:
  - id: {name}
    algorithm: hmac-sha256
    secret: "{secret}"
acl:
  - id: updates
    key: {name}
    action: update
policy:
  - id: one
    algorithm: ecdsap256sha256
    single-type-signing: on
zone:
  - domain: {origin}
    file: "{directory}/zone"
    acl: updates
    dnssec-signing: on
    dnssec-policy: one
"""


@contextlib.contextmanager
def signed_knot(directory: Path, origin: str, text: str) -> Iterator[Endpoint]:
    """Serve `origin` with a Knot that signs it, and takes updates with a TSIG key. `text`: unsigned."""
    program, port = need("knotd"), free_port()
    directory.mkdir()
    (directory / "zone").write_text(text)
    config = directory / "knot.conf"
    config.write_text(
        KNOT.format(port=port, directory=directory, name=KEY.name, secret=SECRET, origin=origin)
    )
    with running([program, "-c", str(config)], port, [origin], directory / "log"):
        yield Endpoint("127.0.0.1", port)
