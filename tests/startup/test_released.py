"""With which settings a node begins, by what its archive holds."""

import base64
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dnsctl.errors import ConfigError, ReleaseError
from dnsctl.load.settings.file import parse_config
from dnsctl.load.settings.released import ReleasedSettings
from dnsctl.model.repo import NodeFiles
from dnsctl.release import reload_note
from dnsctl.release.archive import Archive
from dnsctl.release.settings import digest_of, encode
from dnsctl.startup.released import Host, node_settings
from tests.load.test_config import DOCUMENTED
from tests.replicate.control import Control, Made, new_key, text


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    made = Control(tmp_path / "control")
    yield made
    made.close()


@pytest.fixture
def host(tmp_path: Path, control: Control) -> Host:
    root = tmp_path / "host"
    (root / "keys").mkdir(parents=True)
    (root / "keys/release.pub").write_bytes(base64.b64encode(control.key.public))
    return Host(parse_config(DOCUMENTED.encode()), root, root / "state")


def released(control: Control, more: str) -> Made:
    settings = ReleasedSettings.of(parse_config((DOCUMENTED + more).encode())).written()
    made = control.altered(control.release({"example.com.": text(1)}, adopt=False), settings=settings)
    control.adopt(made)
    return made


def keep(host: Host, made: Made, *, generation: int = 1) -> None:
    archive = Archive(NodeFiles(host.state or Path()).releases)
    archive.put(made.delta)
    archive.put_manifest(generation, made.sealed)
    archive.put_activation(generation, made.certificate)


def begun(host: Host, *, trial: bool = False) -> tuple[Any, list[str]]:
    said: list[str] = []
    return node_settings(host, "ns1", said.append, trial=trial), said


def test_node_without_a_release_begins_with_its_own_file(host: Host) -> None:
    found, said = begun(host)
    own = digest_of(encode(ReleasedSettings.of(host.config).written()))
    assert (found.serve.identity, found.in_force.digest, found.in_force.generation, said) == (
        "ns1",
        own,
        0,
        [],
    )


def test_node_begins_with_the_settings_of_its_last_release(host: Host, control: Control) -> None:
    keep(host, made := released(control, "serve: {identity: released}\n"))
    found, said = begun(host)
    assert (found.serve.identity, found.in_force.generation, said) == ("released", 1, [])
    assert found.in_force.digest == digest_of(encode(made.manifest.settings))


def test_release_of_an_earlier_version_leaves_the_file_of_the_host(host: Host, control: Control) -> None:
    keep(host, control.release({"example.com.": text(1)}))
    found, said = begun(host)
    assert (found.in_force.generation, said) == (0, [])


def test_settings_that_the_release_keys_did_not_seal_are_not_taken(host: Host, control: Control) -> None:
    made = released(control, "serve: {identity: forged}\n")
    keep(host, control.seal(made.manifest, made.delta, key=new_key()))
    found, said = begun(host)
    assert (found.serve.identity, found.in_force.generation) == ("ns1", 0)
    assert "signed by 0 of the 1 release keys" in said[0]
    with pytest.raises(ReleaseError):
        begun(host, trial=True)


def test_sealed_manifest_in_the_place_of_another_is_not_taken(host: Host, control: Control) -> None:
    first = released(control, "serve: {identity: first}\n")
    second = released(control, "serve: {identity: second}\n")
    keep(host, second, generation=2)
    os.truncate(Archive(NodeFiles(host.state or Path()).releases).path_of(2, "manifest"), 0)
    Archive(NodeFiles(host.state or Path()).releases).path_of(2, "manifest").write_bytes(first.sealed)
    assert begun(host)[0].in_force.generation == 0


def test_settings_that_do_not_fit_are_refused_at_a_reload_and_passed_over_at_a_start(
    host: Host, control: Control
) -> None:
    keep(host, made := released(control, "transfers: {keys: {xfr.example: {}}}\n"))
    digest, state = digest_of(encode(made.manifest.settings)), host.state or Path()
    with pytest.raises(ConfigError, match="TSIG"):
        begun(host, trial=True)
    found, said = begun(host)
    assert (found.in_force.generation, found.serve.keys) == (0, ())
    assert "keys/tsig/xfr.example" in said[0] and "TSIG" in reload_note.reason_for(state, digest)
    assert reload_note.reason_for(state, "other settings") == ""
    secret = host.root / "keys/tsig/xfr.example"
    secret.parent.mkdir()
    secret.write_bytes(base64.b64encode(bytes(32)))
    secret.chmod(0o600)
    assert begun(host)[0].in_force.generation == 1
    assert reload_note.reason_for(state, digest) == ""


def test_key_of_the_old_file_needs_no_secret_once_there_is_a_release(host: Host, control: Control) -> None:
    keep(host, released(control, ""))
    old = replace(
        host, config=parse_config((DOCUMENTED + "transfers: {keys: {gone.example: {}}}\n").encode())
    )
    assert begun(old)[0].in_force.generation == 1
