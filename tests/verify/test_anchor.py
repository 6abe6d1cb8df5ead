"""Trust anchors from key files."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnsctl.sign.keyfile import directory_name
from dnsctl.verify import anchor
from dnsctl.verify.anchor import AnchorFiles, anchors_in
from tests.publish.host import SIMPLE, Host, intent, name


def test_anchors_of_one_zone_are_read_without_the_files_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(tmp_path)
    host.push(intent({"example.com.": SIMPLE, "example.net.": SIMPLE}))
    keys = host.keystore.root
    whole = anchors_in(keys)
    assert dict(AnchorFiles(keys, directory_name)) == whole
    monkeypatch.setattr(anchor, "anchors_in", None)  # what reads all
    found = AnchorFiles(keys, directory_name)
    assert found  # asked by who has a default for none
    assert found.get(name("example.com.")) == whole[name("example.com.")]
    assert found.get(name("example.org."), ()) == ()
