"""Settings on answers and transfers reach the node, secrets included, or are refused by name."""

import base64
import ipaddress
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dnsctl.errors import ConfigError
from dnsctl.load.settings.file import parse_config
from dnsctl.model.fleet import Endpoint, RateLimit, ServeSettings, TransferKey
from tests.load.test_config import DOCUMENTED

SECRET = bytes(range(32))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "keys" / "tsig").mkdir(parents=True)
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    (tmp_path / "keys" / "release.pub").write_bytes(base64.b64encode(public))
    secret = tmp_path / "keys" / "tsig" / "xfr.example"
    secret.write_bytes(base64.b64encode(SECRET) + b"\n")
    secret.chmod(0o640)
    return tmp_path


def serve(text: str, root: Path) -> ServeSettings:
    return parse_config((DOCUMENTED + text).encode()).node_settings("ns1", root).serve


def test_without_settings_the_node_tells_its_name_and_hands_out_cookies(root: Path):
    found = serve("", root)
    assert (found.identity, found.version, found.chaos, found.cookies) == ("ns1", "", True, True)
    assert found.cookie_secret == root / "keys/cookie.secret"
    assert found.keys == ()


def test_what_is_told_can_be_chosen_and_switched_off(root: Path):
    text = (
        "serve: {identity: '{node}.{site}.example', version: '9', chaos: off, cookies: off, cookie-secret: c}"
    )
    found = serve(text, root)
    assert (found.identity, found.version, found.chaos, found.cookies) == (
        "ns1.dc1.example",
        "9",
        False,
        False,
    )
    assert found.cookie_secret == root / "c"


def test_transfer_key_is_read_from_the_file_of_its_name_or_where_it_says(root: Path, monkeypatch):
    monkeypatch.setenv("TSIG", base64.b64encode(SECRET * 2).decode())
    text = (
        "transfers: {keys: {xfr.example.: {}, "
        "other: {algorithm: hmac-sha512, secret: env:TSIG, allow: [192.0.2.0/24]}}}"
    )
    first, second = serve(text, root).keys
    assert first == TransferKey("xfr.example.", "hmac-sha256", SECRET)
    assert (second.name, second.algorithm, second.secret) == ("other", "hmac-sha512", SECRET * 2)
    assert [str(one) for one in second.networks] == ["192.0.2.0/24"]


def test_secret_of_a_key_is_never_shown(root: Path):
    (key,) = serve("transfers: {keys: {xfr.example: {}}}", root).keys
    assert repr(SECRET) not in repr(key)
    assert base64.b64encode(SECRET).decode() not in repr(key)


@pytest.mark.parametrize(
    ("text", "content", "message"),
    [
        ("transfers: {keys: {absent: {}}}", None, "file:keys/tsig/absent: the secret .* cannot be read"),
        ("transfers: {keys: {odd: {}}}", "no base64!", "file:keys/tsig/odd: is not base64"),
        ("transfers: {keys: {odd: {}}}", "c2hvcnQ=", "has 5 octets.*openssl rand"),
        ("transfers: {keys: {odd: {algorithm: hmac-md5}}}", "", "hmac-sha256"),
        ("transfers: {keys: {'a..b': {}}}", "", "not a domain name"),
        ("serve: {chaos: maybe}", "", "write on or off"),
        (f"serve: {{version: {'x' * 64}}}", "", "at most 63"),
        ("serve: {identty: x}", "", "did you mean identity"),
    ],
)
def test_wrong_setting_is_refused_with_a_way_out(root: Path, text: str, content: str | None, message: str):
    if content is not None:
        (root / "keys" / "tsig" / "odd").write_text(content)
        (root / "keys" / "tsig" / "odd").chmod(0o600)
    with pytest.raises(ConfigError, match=message):
        serve(text, root)


def test_rate_limit_is_off_until_it_is_written_and_then_as_operators_know_it(root: Path):
    assert serve("", root).rate_limit is None
    assert serve("serve: {rate-limit: {}}", root).rate_limit == RateLimit(200, 1, 24, 56, 393_241, ())
    text = (
        "serve: {rate-limit: {rate: 50, slip: 2, ipv4-prefix-length: 32, ipv6-prefix-length: 64, "
        "table-size: 4096, whitelist: [192.0.2.0/24]}}"
    )
    assert serve(text, root).rate_limit == RateLimit(
        50, 2, 32, 64, 4096, (ipaddress.ip_network("192.0.2.0/24"),)
    )


@pytest.mark.parametrize(
    "text",
    ["{rate: 0}", "{slip: 11}", "{ipv4-prefix-length: 33}", "{ipv6-prefix-length: 65}", "{table-size: 1}"],
)
def test_rate_limit_that_makes_no_sense_is_refused(root: Path, text: str):
    with pytest.raises(ConfigError, match="rate-limit"):
        serve(f"serve: {{rate-limit: {text}}}", root)


def test_metrics_have_an_address_where_the_node_has_one_and_name_zones_unless_switched_off(root: Path):
    node = parse_config(DOCUMENTED.encode()).node_settings("ns1", root)
    assert (node.metrics, node.serve.zone_metrics) == (None, True)
    told = DOCUMENTED.replace("ns1: {listen", "ns1: {metrics: '127.0.0.1:9853', listen", 1)
    node = parse_config((told + "serve: {zone-metrics: off}").encode()).node_settings("ns1", root)
    assert (node.metrics, node.serve.zone_metrics) == (Endpoint("127.0.0.1", 9853), False)


def test_metrics_at_an_address_that_is_taken_are_refused(root: Path):
    told = DOCUMENTED.replace("ns1: {listen", "ns1: {metrics: '127.0.0.1:5302', listen", 1)
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:5302 is an address of node ns1 already"):
        parse_config(told.encode())


def test_secondaries_are_addresses_alone_or_with_key_and_zones(root: Path):
    text = (
        "transfers: {keys: {xfr.example.: {}}, notify: [192.0.2.1, '192.0.2.2:5353', '2001:db8::1', "
        "'[2001:db8::2]:5353', "
        "{address: 192.0.2.3, key: XFR.example, zones: [Example.COM., '*.example.net']}]}"
    )
    found = serve(text, root)
    assert [str(each.endpoint) for each in found.notify] == [
        "192.0.2.1:53",
        "192.0.2.2:5353",
        "[2001:db8::1]:53",
        "[2001:db8::2]:5353",
        "192.0.2.3:53",
    ]
    assert [each.key for each in found.notify] == [None] * 4 + [found.keys[0]]
    assert found.notify[4].zones == ("example.com", "*.example.net")


@pytest.mark.parametrize(
    ("notify", "told"),
    [
        ("[nowhere]", "'nowhere' is not an address and port"),
        ("['192.0.2.1:0']", "has no port between 1 and 65535"),
        ("[{address: 192.0.2.1, key: xfr.exampel}]", "unknown key xfr.exampel; did you mean xfr.example"),
        ("[{address: 192.0.2.1, zone: example.com}]", "did you mean zones"),
        ("[{key: xfr.example}]", "address"),
        ("[192.0.2.1, '192.0.2.1:53']", "192.0.2.1:53 stands here twice"),
    ],
)
def test_secondary_that_is_wrong_is_named_with_what_is_right(root: Path, notify: str, told: str):
    with pytest.raises(ConfigError) as caught:
        serve(f"transfers: {{keys: {{xfr.example: {{}}}}, notify: {notify}}}", root)
    assert told.lower() in str(caught.value).lower()


def test_daemon_has_an_address_a_time_of_night_and_how_long_evidence_is_kept(root: Path):
    found = parse_config(DOCUMENTED.encode()).control
    assert (found.metrics, found.nightly, found.evidence) == (
        None,
        timedelta(hours=2, minutes=30),
        timedelta(days=90),
    )
    text = "control: {metrics: '127.0.0.1:9180', nightly: 4:05, evidence: 30d}"
    found = parse_config((DOCUMENTED + text).encode()).control
    assert (found.metrics, found.nightly, found.evidence) == (
        Endpoint("127.0.0.1", 9180),
        timedelta(hours=4, minutes=5),
        timedelta(days=30),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nightly: 24:00", "is not a time of day: write 02:30, in UTC"),
        ("nightly: 2h", "is not a time of day"),
        ("metrics: localhost:9180", "is not an address and port"),
        ("evidence: long", "is not a duration"),
        ("metric: '127.0.0.1:9180'", "metrics"),
    ],
)
def test_settings_of_the_daemon_that_cannot_be_are_named(text: str, words: str):
    with pytest.raises(ConfigError, match=words):
        parse_config((DOCUMENTED + f"control: {{{text}}}").encode())
