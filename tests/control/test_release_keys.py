"""Which private release keys are on this host, and whether they are enough for a release."""

from pathlib import Path

import pytest

from dnsctl.control.release_keys import load_release_keys
from dnsctl.errors import KeystoreError, PassphraseError
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.file import load_config
from dnsctl.release.envelope import ensure_release_key

SITES = 'sites: {dc1: {nodes: {ns1: {listen: ["127.0.0.1:5301"], control: "https://127.0.0.1:8301"}}}}'


def settings(root: Path, threshold: int) -> Config:
    keys = "[keys/release.pub, keys/second.pub]"
    text = f"version: 1\n{SITES}\nrelease: {{keys: {keys}, threshold: {threshold}}}\n"
    (root / "dnsctl.yaml").write_text(text)
    return load_config(WorkTree(root))


def test_release_keys_are_those_whose_private_halves_are_here(tmp_path: Path) -> None:
    config = settings(tmp_path, threshold=1)
    with pytest.raises(KeystoreError, match="0 private release keys"):
        load_release_keys(tmp_path, config, b"secret")
    ensure_release_key(tmp_path / "keys", b"secret")
    (key,) = load_release_keys(tmp_path, config, b"secret")
    assert key.id in (tmp_path / "keys" / "release.pub").read_text()
    with pytest.raises(PassphraseError):
        load_release_keys(tmp_path, config, b"wrong")


def test_fewer_keys_than_the_threshold_are_refused(tmp_path: Path) -> None:
    config = settings(tmp_path, threshold=2)
    ensure_release_key(tmp_path / "keys", b"secret")
    with pytest.raises(KeystoreError, match="releases need 2"):
        load_release_keys(tmp_path, config, b"secret")
