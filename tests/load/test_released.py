"""The settings that a release brings: one form for each meaning, read by the types of dnsctl.yaml."""

import base64
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsctl.errors import ConfigError
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.file import parse_config
from dnsctl.load.settings.released import ReleasedSettings
from dnsctl.model.fleet import Endpoint
from tests.load.test_config import DOCUMENTED
from tests.load.test_config_serve import SECRET

MORE = """
transfers:
  allow: [192.0.2.0/24, "2001:db8::1"]
  keys: {xfr.example: {allow: [198.51.100.0/24]}}
  notify: [192.0.2.7, {address: "[2001:db8::1]:54", key: xfr.example, zones: "*.example.com"}]
serve: {identity: "{node}@{site}", cookies: off, rate-limit: {}, cookie-secret: /elsewhere}
parents: {com: {servers: 192.0.2.88}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with the files of a node."""
    (tmp_path / "keys" / "tsig").mkdir(parents=True)
    (tmp_path / "keys" / "release.pub").write_bytes(base64.b64encode(SECRET))
    secret = tmp_path / "keys" / "tsig" / "xfr.example"
    secret.write_bytes(base64.b64encode(SECRET))
    secret.chmod(0o600)
    return tmp_path


def config(more: str = MORE) -> Config:
    return parse_config((DOCUMENTED + more).encode())


def written(more: str = MORE) -> dict[str, Any]:
    return ReleasedSettings.of(config(more)).written()


def test_what_is_written_is_read_as_it_was() -> None:
    wanted, again = config(), ReleasedSettings.read(written())
    assert (again.sites, again.transfers, again.parents) == (
        wanted.sites,
        wanted.transfers,
        wanted.parent_servers,
    )
    assert again.serve.rate_limit == wanted.serve.rate_limit and again.serve.cookies is False
    assert again.written() == written()


def test_other_words_for_the_same_settings_have_the_same_form() -> None:
    other = MORE.replace("cookies: off", "chaos: yes, cookies: 'no'").replace("192.0.2.7,", '"192.0.2.7:53",')
    assert written(other) == written()
    assert written("serve: {zone-metrics: on, version: ''}\n") == written("")


def test_no_secret_and_no_path_of_a_host_travels() -> None:
    text = str(written())
    assert "elsewhere" not in text and "release.pub" not in text and "passphrase" not in text


def test_node_takes_what_was_released_and_keeps_what_is_of_its_host(root: Path) -> None:
    own = config("serve: {cookie-secret: /own, identity: old}\n").node_settings("ns1", root)
    node = ReleasedSettings.read(written()).applied_to(own)
    assert node.serve.identity == f"ns1@{node.node.site}" and not node.serve.cookies
    assert node.serve.cookie_secret == Path("/own")
    assert [each.name for each in node.serve.keys] == ["xfr.example"]
    assert node.parents == (Endpoint("192.0.2.88", 53),)
    assert (node.release_keys, node.certificate, node.node.control) == (
        own.release_keys,
        own.certificate,
        own.node.control,
    )
    assert {each.name for each in node.peers} == {each.name for each in config().nodes()} - {"ns1"}


def test_number_of_workers_on_the_command_line_wins(root: Path) -> None:
    own = replace(config("").node_settings("ns1", root), given_workers=7)
    assert ReleasedSettings.read(written("")).applied_to(own).serve.workers == 7


def test_node_that_is_not_among_them_is_told(root: Path) -> None:
    own = config("").node_settings("ns1", root)
    found = ReleasedSettings.read({**written(""), "sites": {"x": {"nodes": {"other": NODE}}}})
    with pytest.raises(ConfigError, match="ns1 is not among the nodes"):
        found.applied_to(own)


def test_secret_that_is_not_on_the_host_is_named(root: Path) -> None:
    own = config("").node_settings("ns1", root)
    (root / "keys/tsig/xfr.example").unlink()
    with pytest.raises(ConfigError, match=r"keys/tsig/xfr\.example"):
        ReleasedSettings.read(written()).applied_to(own)


NODE = {"listen": ["192.0.2.1:53"], "control": "https://192.0.2.1:8853"}
FORM: dict[str, Any] = {"format": 1, "sites": {"a": {"nodes": {"n": NODE}}}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "are of format 2, this dnsctl reads 1"),
        ({"format": "1"}, "format"),
        ({"sites": {}}, "sites"),
        ({"sites": {"a": {"nodes": {"n": {**NODE, "later": 1}}}}}, "sites.a.nodes.n.later"),
        ({"serve": {"rate-limit": {"rate": 0}}}, "serve.rate-limit.rate"),
        ({"serve": {"identity": "x" * 64}}, "serve.identity"),
        ({"transfers": {"allow": ["example.com"]}}, "transfers.allow.0"),
        ({"transfers": {"keys": {"x": {"secret": "in the clear"}}}}, "transfers.keys.x.secret"),
        ({"parents": ["192.0.2.1:99999"]}, "parents.0"),
        ({"more": 1}, "more"),
    ],
)  # fmt: skip
def test_form_that_is_wrong_is_refused_by_its_setting(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as told:
        ReleasedSettings.read({**FORM, **change})
    assert said in str(told.value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_PLACES = ("format", "sites", "transfers", "serve", "parents")


@given(st.sampled_from(_PLACES), _JSON)
def test_any_json_in_any_section_raises_config_errors_only(section: str, value: Any) -> None:
    with contextlib.suppress(ConfigError):
        found = ReleasedSettings.read({**FORM, section: value})
        assert ReleasedSettings.read(found.written()) == found


@given(_JSON)
def test_any_json_raises_config_errors_only(value: Any) -> None:
    with pytest.raises(ConfigError):
        ReleasedSettings.read(value)
