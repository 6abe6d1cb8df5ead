"""DS by dynamic update, at a BIND that is the parent."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dnsctl.demo.ports import free_port
from dnsctl.model.fleet import Endpoint, TransferKey
from dnsctl.model.name import from_text
from dnsctl.parent.exchange import ExchangeError
from dnsctl.parent.looking import look
from dnsctl.parent.servers import Server
from dnsctl.parent.update import replace_ds
from tests.parent.updates import KEY, parent

pytestmark = pytest.mark.peer
ZONE, OTHER = from_text("child.example."), from_text("other.example.")
TEXT = """\
$TTL 600
example. SOA ns.example. hostmaster.example. 1 7200 1800 1209600 300
example. NS ns.example.
ns.example. A 192.0.2.9
child.example. NS ns.example.net.
"""
OLD, NEW = (bytes.fromhex(f"30{tag}0d02" + "ab" * 32) for tag in ("39", "3a"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Endpoint]:
    with parent(tmp_path, "example.", TEXT) as endpoint:
        yield endpoint


def seen(server: Endpoint) -> tuple[tuple[bytes, ...] | None, int]:
    view = look(Server("", server), ZONE, datetime.now(UTC)).ds
    return view.ds, view.ttl


def test_ds_is_put_in_place_replaced_and_taken_away(server: Endpoint) -> None:
    for ds in ((OLD,), (OLD, NEW), (NEW,)):
        replace_ds(ZONE, ds, 1800, server, KEY)
        assert seen(server) == (ds, 1800)
    replace_ds(ZONE, (), 1800, server, KEY)
    assert seen(server)[0] == ()


@pytest.mark.parametrize("key", [None, replace(KEY, secret=bytes(32)), replace(KEY, name="another.")])
def test_update_without_the_right_key_is_refused_and_changes_nothing(
    server: Endpoint, key: TransferKey | None
) -> None:
    with pytest.raises(ExchangeError, match=r"REFUSED|NOTAUTH|Peer|malformed"):
        replace_ds(ZONE, (OLD,), 1800, server, key)
    assert seen(server)[0] == ()


def test_zone_that_is_not_delegated_gets_no_ds(server: Endpoint) -> None:
    with pytest.raises(ExchangeError, match="not delegated there"):
        replace_ds(OTHER, (OLD,), 1800, server, KEY)


def test_server_that_does_not_serve_the_parent_is_told_so(server: Endpoint) -> None:
    with pytest.raises(ExchangeError, match="not authoritative"):
        replace_ds(from_text("child.test."), (OLD,), 1800, server, KEY)


def test_server_that_is_away_is_told_so() -> None:
    with pytest.raises(ExchangeError, match="does not answer"):
        replace_ds(ZONE, (OLD,), 1800, Endpoint("127.0.0.1", free_port()), KEY)
