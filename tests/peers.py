"""Other DNS implementations the tests compare with: skipped where absent, required in CI."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

PACKAGES = {  # program: the Debian package that brings it
    "knotd": "knot",
    "kdig": "knot-dnsutils",
    "keymgr": "knot",
    "knotc": "knot",
    "kzonecheck": "knot-dnssecutils",
    "nsd": "nsd",
    "nsd-checkzone": "nsd",
    "named": "bind9",
    "dnssec-verify": "bind9-utils",
    "dnssec-cds": "bind9-utils",
    "nsupdate": "bind9-dnsutils",
    "dnssec-dsfromkey": "bind9-utils",
    "dnssec-keygen": "bind9-utils",
    "dnssec-signzone": "bind9-utils",
    "named-checkzone": "bind9-utils",
    "named-compilezone": "bind9-utils",
    "dig": "bind9-dnsutils",
    "unbound": "unbound",
    "unbound-control": "unbound",
    "ldns-verify-zone": "ldnsutils",
    "ldns-signzone": "ldnsutils",
    "ldns-read-zone": "ldnsutils",
    "dnsperf": "dnsperf",
    "systemd-analyze": "systemd",
    "faketime": "faketime",
    "pdns_server": "pdns-server pdns-backend-sqlite3",
    "pdnsutil": "pdns-server",
    "groff": "groff",
    "perl": "libnet-dns-sec-perl",
    "gpg": "gnupg",
}


def need(program: str) -> str:
    """Return the path of a peer's program; skip the test where it is missing, or fail it in CI."""
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        message = f"{program} is not installed: apt-get install {PACKAGES[program]}"
        if os.environ.get("DNSCTL_REQUIRE_PEERS") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return found


def unbound_config(directory: Path, port: int, settings: Iterable[str]) -> str:
    """Return the configuration of a validating Unbound on loopback, with more lines for its server clause."""
    return f"""server:
  interface: 127.0.0.1@{port}
  port: {port}
  do-ip6: no
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: "{directory}/unbound.pid"
  use-syslog: no
  num-threads: 1
  module-config: "validator iterator"
  do-not-query-localhost: no
  harden-dnssec-stripped: yes
{"".join(f"  {line}{chr(10)}" for line in settings)}remote-control:
  control-enable: no
"""
