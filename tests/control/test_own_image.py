"""How far the control host looks at its own image, and when."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsctl.control.own_image import damage_since, open_own, own_writes, require_right
from dnsctl.errors import DamagedImageError
from dnsctl.image.layout import Table
from dnsctl.model.repo import HostFiles
from tests.publish.host import SIMPLE, TRUST, Host, intent, name

DAY = 86400


@pytest.fixture
def state(tmp_path: Path) -> Iterator[HostFiles]:
    """The image of a release of two zones."""
    host = Host(tmp_path)
    host.push(intent({"example.com.": SIMPLE, "example.net.": SIMPLE}))
    host.image.close()
    yield HostFiles(tmp_path)


def flip(state: HostFiles) -> None:
    """Change an octet of a node of example.net."""
    with open_own(state) as image, image.reader() as reader:
        prefix = b"net\0example\0\0"
        value = next(each for _, each in reader.nodes(Table.OWNERS, prefix) if b"\xc0\x00\x02\x01" in each)
    path = state.image / "data.mdb"
    octets = path.read_bytes()
    assert octets.count(value)
    path.write_bytes(octets.replace(value, value.replace(b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x09")))


def as_if_a_disk_did_it(state: HostFiles) -> None:
    """Let the note tell of the file as it is now: no time of a file tells what a disk does to it."""
    told = json.loads(state.looked.read_bytes())
    found = (state.image / "data.mdb").stat()
    told["file"] = [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
    state.looked.write_text(json.dumps(told))


def looked_at(state: HostFiles) -> int:
    return int(json.loads(state.looked.read_bytes())["at"])


def test_file_that_somebody_wrote_to_is_read_whole(state: HostFiles) -> None:
    assert damage_since(state, TRUST) == ""
    flip(state)
    assert "example.net.: the zone's records do not match its digest" in damage_since(state, TRUST)


def test_file_that_nobody_wrote_to_is_read_whole_after_a_day(state: HostFiles) -> None:
    assert damage_since(state, TRUST) == ""
    flip(state)
    as_if_a_disk_did_it(state)
    assert damage_since(state, TRUST) == ""
    told = json.loads(state.looked.read_bytes())
    state.looked.write_text(json.dumps({**told, "at": told["at"] - DAY}))
    assert "example.net.: the zone's records do not match its digest" in damage_since(state, TRUST)


def test_zone_that_something_is_made_of_is_compared_with_its_digest(state: HostFiles) -> None:
    assert damage_since(state, TRUST) == ""
    flip(state)
    as_if_a_disk_did_it(state)
    with open_own(state) as image, image.reader() as reader:
        require_right(state, reader, [name("example.com."), name("new.example.")])
        with pytest.raises(DamagedImageError, match=r"example\.net\.: the zone's records"):
            require_right(state, reader, [name("example.net.")])
    assert "example.net.: the zone's records do not match its digest" in damage_since(state, TRUST)


def test_what_this_host_writes_itself_counts_as_looked_at(state: HostFiles) -> None:
    assert damage_since(state, TRUST) == ""
    before = looked_at(state)
    with own_writes(state):
        os.utime(state.image / "data.mdb")
    flip(state)
    as_if_a_disk_did_it(state)
    assert damage_since(state, TRUST) == ""
    assert looked_at(state) == before


def test_file_that_was_not_looked_at_does_not_count_so_for_being_written(state: HostFiles) -> None:
    with own_writes(state):
        os.utime(state.image / "data.mdb")
    assert not state.looked.exists()
