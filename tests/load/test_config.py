"""dnsctl.yaml: the documented text loads, and every fault is one line with its place and a way out."""

import base64
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dnsctl.errors import ConfigError
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.file import load_config, parse_config
from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import from_text
from dnsctl.model.policy import Algorithm, Policy
from tests.load.sources import MemorySource

DOCUMENTED = """\
version: 1
sites:
  dc1: {nodes: {ns1: {listen: ["127.0.0.1:5301"], control: "https://127.0.0.1:8301"}}}
  dc2: {nodes: {ns2: {listen: ["127.0.0.1:5302"], control: "https://127.0.0.1:8302"}}}
release: {keys: [keys/release.pub], threshold: 1}
defaults:
  ttl: 1h
  soa: {mname: ns1.example.net., rname: hostmaster.example.net., refresh: 2h, retry: 30m, expire: 14d, minimum: 5m}
  ns: [ns1.example.net., ns2.example.net.]
  dnssec: standard
policies:
  standard: {algorithm: ECDSAP256SHA256, keys: csk, denial: nsec, signatures: {lifetime: 14d, refresh: 7d, inception-offset: 1h, jitter: 12h}}
zones:
  "*": {}                       # every file in zones/
  example.org: {dnssec: none, checks: {mx-target-resolves: off}}
guards: {deletes: 30%, updates: 30%, minimum: 10}
"""  # noqa: E501 - the interface's very text
COM = from_text("example.com.")
ORG = from_text("example.org.")


def changed(old: str, new: str) -> Config:
    assert old in DOCUMENTED
    return parse_config(DOCUMENTED.replace(old, new, 1).encode())


def refused(old: str, new: str) -> str:
    with pytest.raises(ConfigError) as caught:
        changed(old, new)
    return str(caught.value)


def test_documented_file_says_what_it_shows() -> None:
    config = parse_config(DOCUMENTED.encode())
    assert [(node.name, node.site, node.control) for node in config.nodes()] == [
        ("ns1", "dc1", "https://127.0.0.1:8301"),
        ("ns2", "dc2", "https://127.0.0.1:8302"),
    ]
    assert config.nodes()[1].listen == (Endpoint("127.0.0.1", 5302),)
    assert config.policy(COM) == Policy()
    assert config.policy(ORG) is None
    assert dict(config.checks(ORG)) == {"mx-target-resolves": "off"}
    assert dict(config.checks(COM)) == {}
    assert config.defaults.ttl == 3600
    assert config.defaults.soa is not None
    assert config.defaults.soa.mname == from_text("ns1.example.net.")
    assert config.defaults.ns == (from_text("ns1.example.net."), from_text("ns2.example.net."))
    assert (config.guards.deletes, config.guards.minimum) == (0.3, 10)
    assert config.release.keys == ("keys/release.pub",)
    assert config.keystore.passphrase == "file:keys/passphrase"
    assert config.transfers.allow == ()


def test_every_field_of_a_policy_can_be_written_and_reaches_the_policy() -> None:
    written = """policies:
  strict: {algorithm: ED25519, beside: MLDSA44, keys: ksk+zsk, denial: nsec3, opt-out: on, dnskey-ttl: 2h,
    serial: increment, foreign-keys: allow, cds: off, zonemd: publish, standby: on,
    lifetimes: {csk: 2d, ksk: 52w, zsk: unlimited},
    signatures: {lifetime: 20d, refresh: 8d, inception-offset: 2h, jitter: 6h, interval: 12h}}"""
    config = parse_config(f"version: 1\ndefaults: {{dnssec: strict}}\n{written}\n".encode(), fleet=False)
    policy = config.policy(COM)
    assert policy is not None
    parts = [(getattr(policy, name), getattr(Policy(), name)) for name in ("signatures", "lifetimes")]
    for made, default in ((policy, Policy()), *parts):
        for field in fields(made):
            assert getattr(made, field.name) != getattr(default, field.name), field.name
    assert policy.signatures.interval == timedelta(hours=12)
    assert policy.foreign_keys == "allow"


@pytest.mark.parametrize(("written", "algorithms"), [("off", (13,)), ("18", (13, 18)), ("mldsa44", (13, 18))])
def test_second_algorithm_is_named_as_the_first_or_off(written: str, algorithms: tuple[int, ...]) -> None:
    config = parse_config(
        f"version: 1\npolicies: {{standard: {{beside: {written}}}}}\n".encode(), fleet=False
    )
    policy = config.policy(COM)
    assert policy is not None
    assert policy.algorithms == algorithms


def test_interval_that_is_written_must_fit_and_the_default_gives_way() -> None:
    assert "renewals are too far apart" in refused("refresh: 7d", "refresh: 1d, interval: 1d")
    policy = changed("refresh: 7d", "refresh: 1d").policy(COM)
    assert policy is not None
    assert policy.signatures.renewed_every == timedelta(hours=12)
    assert changed("refresh: 7d", "refresh: 1d, interval: null").policy(COM) == policy


def test_mistyped_key_of_a_policy_is_told_with_its_nearest() -> None:
    assert "unknown setting policies.standard.denail; did you mean denial?" in refused("denial: ", "denail: ")
    assert "did you mean jitter?" in refused("jitter: 12h", "jiter: 12h")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("guards:", "guardz:", "dnsctl.yaml:16:1: unknown setting guardz; did you mean guards?"),
        (
            "minimum: 5m",
            "minimun: 5m",
            "dnsctl.yaml:8:104: unknown setting defaults.soa.minimun; did you mean minimum?",
        ),
        (
            "inception-offset",
            "inception_offset",
            "dnsctl.yaml:12:108: unknown setting policies.standard.signatures.inception_offset; "
            "did you mean inception-offset?",
        ),
        (
            "dnssec: none",
            "dnsec: none",
            "dnsctl.yaml:15:17: unknown setting zones.example.org.dnsec; did you mean dnssec?",
        ),
        ("control:", "contrl:", "did you mean control?"),
    ],
)
def test_unknown_key_names_the_nearest_known_one(old: str, new: str, line: str) -> None:
    assert line in refused(old, new)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("5302", "5301", "dnsctl.yaml:4:23: 127.0.0.1:5301 is an address of node ns1 already"),
        ("8302", "5301", "127.0.0.1:5301 is an address of node ns1 already"),
        ("{ns2:", "{ns1:", "node ns1 is in two sites"),
        ("threshold: 1", "threshold: 2", "threshold 2 of 1 keys"),
        ("[keys/release.pub]", "[keys/release.pub, keys/release.pub]", "named twice"),
        ("dnssec: standard", "dnssec: stanard", "unknown policy stanard; did you mean standard?"),
        ("dnssec: standard", "dnssec: nope", "nope; known: standard; `none` leaves zones unsigned"),
        ("dnssec: standard", "dnssec: None", "unknown policy None; did you mean none?"),
        ("standard: {alg", "none: {alg", "`none` means unsigned"),
        ("refresh: 7d", "refresh: 14d", "dnsctl.yaml:12:67: refresh and jitter leave nothing"),
        ("denial: nsec,", "denial: nsec, opt-out: true,", "opt-out needs denial: nsec3"),
    ],
)
def test_contradiction_is_refused_with_its_place(old: str, new: str, said: str) -> None:
    assert said in refused(old, new)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: 1", "version: 2", "version"),
        ("ECDSAP256SHA256", "RSASHA1", "algorithm RSASHA1 is not signed with here; use RSASHA256 (8)"),
        ("refresh: 2h", "refresh: 2q", "'2q' is not a duration: write 90s, 30m, 2h, 14d or seconds"),
        ("30%", "300%", "'300%' is not a share"),
        ("127.0.0.1:5301", "localhost:5301", "is not an address and port"),
        ("127.0.0.1:5301", "::1:5301", "in brackets"),
        ("127.0.0.1:5301", "127.0.0.1:99999", "no port between 1 and 65535"),
        ("https://127.0.0.1:8301", "http://127.0.0.1:8301", "is not a control URL"),
        ("https://127.0.0.1:8301", "https://127.0.0.1", "needs a port"),
        (
            "ns: [ns1.example.net.",
            "ns: [ns1..example.net.",
            "dnsctl.yaml:9:8: defaults.ns.0: 'ns1..example.net.'",
        ),
        ("ns: [ns1.example.net.", "ns: [ns1", "'ns1' is one label: write the whole name"),
        ("mname: ns1.example.net.", "mname: ns1", "'ns1' is one label"),
        ("ns: [ns1.example.net.", "ns: ['ns1.example.net. '", "' ' in it: write only the name of the host"),
        ("ns: [ns1.example.net.", "ns: ['\"ns1.example.net.\"'", "'\"' in it"),
        ("ns: [ns1.example.net.", "ns: ['https://ns1.example.net.'", "':' in it"),
        ("ns: [ns1.example.net.", "ns: ['ns1.example.net.,x.'", "',' in it"),
        ("ns: [ns1.example.net.", "ns: ['', ns1.example.net.", "an empty name"),
        ("mname: ns1.example.net.", "mname: ns1@example.net.", "'@' in it"),
        ("mname: ns1.example.net.", "mname: 'ns1 .example.net.'", "' ' in it"),
        (
            "mx-target-resolves: off",
            "mx-target-resolves: offf",
            "should be 'off', 'note', 'warning' or 'error'",
        ),
        ("{ns1: {listen", "{../ns1: {listen", "use letters, digits"),
        ('listen: ["127.0.0.1:5301"]', "listen: []", "needs at least one entry"),
        ("guards:", "version: 1\nguards:", "'version' is set twice"),
        ("guards:", "guards: !!python/object:os.system x\nx:", "tag !!python/object:os.system is not read"),
        ("sites:", "sites: {}\nzzz:", "sites"),
        ("guards:", "parents: {x: {ds: hook, command: /bin/true}}\nguards:", "x.command: should be a list;"),
        ("guards:", "parents: 5\nguards:", "parents: should be a mapping;"),
    ],
)
def test_malformed_value_says_what_is_accepted(old: str, new: str, said: str) -> None:
    message = refused(old, new)
    assert said in message
    assert message.startswith("dnsctl.yaml:")


@pytest.mark.parametrize(
    "data", [b"", b"- a", b"text", b"\0", b"\xff\xfe", b"{" * 5000, b"version: 1", b"a: *b"]
)
def test_no_settings_at_all_is_one_error(data: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lifetime: 14d", "lifetime: " + "x" * 10_000),
        ("ECDSAP256SHA256", "9" * 10_000),
        ("dnssec: standard", "dnssec: " + "x" * 10_000),
        ("guards: {", "guards: {" + "x" * 10_000 + ": 1, "),
        ("ttl: 1h", "ttl: " + "x " * 5_000),
    ],
)
def test_value_without_an_end_is_not_repeated_whole(old: str, new: str) -> None:
    told = refused(old, new)
    assert told.startswith("dnsctl.yaml:")
    assert len(told) < 1500


def test_missing_file_says_how_to_get_one() -> None:
    with pytest.raises(ConfigError, match="dnsctl init"):
        load_config(MemorySource())


def test_most_specific_pattern_wins_for_each_setting() -> None:
    config = changed(
        "zones:\n",
        'zones:\n  "*.arpa": {dnssec: none, checks: {ttl-low: off}}\n'
        '  "2.0.192.*.arpa": {dnssec: standard, checks: {ptr-target: note}}\n',
    )
    reverse = from_text("2.0.192.in-addr.arpa.")
    assert config.policy(reverse) is not None
    assert config.policy(from_text("8.b.d.0.1.0.0.2.ip6.arpa.")) is None
    assert dict(config.checks(reverse)) == {"ttl-low": "off", "ptr-target": "note"}


@pytest.mark.parametrize("key", ["EXAMPLE.ORG", "example.org."])
def test_zone_is_matched_whatever_its_case_and_final_dot(key: str) -> None:
    assert changed("  example.org:", f"  {key}:").policy(ORG) is None


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [("8", Algorithm.RSASHA256), ("13", Algorithm.ECDSAP256SHA256), ("ed25519", Algorithm.ED25519)],
)
def test_algorithm_is_read_as_number_or_mnemonic(text: str, algorithm: Algorithm) -> None:
    policy = changed("ECDSAP256SHA256", text).policy(COM)
    assert policy is not None
    assert policy.algorithm is algorithm


def test_every_policy_setting_reaches_the_policy() -> None:
    config = changed(
        "algorithm: ECDSAP256SHA256, keys: csk, denial: nsec",
        "algorithm: 15, keys: ksk+zsk, denial: nsec3, opt-out: yes, dnskey-ttl: 2h, serial: dateserial",
    )
    policy = config.policy(COM)
    assert policy is not None
    assert (policy.keys, policy.denial, policy.opt_out, policy.dnskey_ttl) == ("ksk+zsk", "nsec3", True, 7200)
    assert policy.serial == "dateserial"
    assert policy.signatures.lifetime == timedelta(days=14)


def test_optional_settings_reach_the_node(tmp_path: Path) -> None:
    text = DOCUMENTED.replace(
        'control: "https://127.0.0.1:8301"', 'control: "https://127.0.0.1:8301", workers: 3'
    )
    text += "transfers: {allow: [127.0.0.1/32, '::1/128']}\n"
    public = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "keys").mkdir()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "keys/release.pub").write_bytes(pem)
    settings = parse_config(text.encode()).node_settings("ns1", tmp_path)
    assert settings.serve.workers == 3
    assert [str(network) for network in settings.serve.transfer] == ["127.0.0.1/32", "::1/128"]
    assert settings.release_keys == (public.public_bytes_raw(),)
    assert [peer.name for peer in settings.peers] == ["ns2"]
    assert settings.state == tmp_path / "state/nodes/ns1"
    assert settings.certificate == tmp_path / "keys/pki/ns1.crt"


def test_node_knows_the_servers_that_parents_name(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    public = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "keys/release.pub").write_bytes(
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    named = 'parents: {a: {servers: ["192.0.2.9", "[2001:db8::9]:5300"]}, b: {servers: 192.0.2.9}, c: {}}'
    settings = parse_config(f"{DOCUMENTED}\n{named}\n".encode()).node_settings("ns1", tmp_path)
    assert set(settings.parents) == {Endpoint("192.0.2.9", 53), Endpoint("2001:db8::9", 5300)}


@pytest.mark.parametrize("encoding", ["openssh", "base64"])
def test_release_key_is_read_in_other_encodings(encoding: str, tmp_path: Path) -> None:
    public = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "keys").mkdir()
    data = base64.b64encode(public.public_bytes_raw()) + b"\n"
    if encoding == "openssh":
        data = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    (tmp_path / "keys/release.pub").write_bytes(data)
    assert parse_config(DOCUMENTED.encode()).node_settings("ns1", tmp_path).release_keys == (
        public.public_bytes_raw(),
    )


def test_settings_load_before_a_release_key_exists_but_no_node_does(tmp_path: Path) -> None:
    config = parse_config(DOCUMENTED.encode())
    with pytest.raises(ConfigError, match=r"release key cannot be read.*dnsctl init"):
        config.node_settings("ns1", tmp_path)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/release.pub").write_text("not a key")
    with pytest.raises(ConfigError, match="is not a public key"):
        config.node_settings("ns1", tmp_path)


def test_unknown_node_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean ns1"):
        parse_config(DOCUMENTED.encode()).node_config("ns11")


def test_mailbox_may_be_written_as_an_address() -> None:
    soa = changed("rname: hostmaster.example.net.", "rname: host.master@example.net").defaults.soa
    assert soa is not None
    assert soa.rname == from_text(r"host\.master.example.net.")


def test_sites_are_asked_for_where_there_is_a_fleet_and_nowhere_else() -> None:
    data = b"version: 1\ndefaults: {ttl: 1h}\n"
    assert parse_config(data, fleet=False).nodes() == ()
    with pytest.raises(ConfigError) as caught:
        parse_config(data)
    assert str(caught.value) == "dnsctl.yaml:1:1: sites is missing; name the sites and nodes of the fleet"


def test_missing_version_is_told_with_what_to_write() -> None:
    with pytest.raises(ConfigError, match="version is missing; write version: 1"):
        parse_config(b"defaults: {ttl: 1h}\n", fleet=False)


def test_lifetime_of_no_time_is_refused() -> None:
    told = refused("keys: csk,", "keys: csk, lifetimes: {csk: 0},")
    assert "dnsctl.yaml:12:" in told
    assert "write unlimited" in told


def test_misspelt_role_of_a_lifetime_is_refused() -> None:
    assert "did you mean zsk?" in refused("keys: csk,", "keys: csk, lifetimes: {zskk: 90d},")


def test_files_of_secrets_are_all_that_settings_name() -> None:
    text = """version: 1
keystore: {passphrase: "file:keys/passphrase"}
transfers: {keys: {xfr.example: {secret: "file:aside/xfr"}, inside.example: {}}}
parents:
  registry: {ds: update, server: "192.0.2.1", key: {name: update.example, secret: "file:aside/update"}}
  variable: {ds: update, server: "192.0.2.1", key: {name: other.example, secret: "env:OTHER"}}
serve: {cookie-secret: aside/cookies}
"""
    found = parse_config(text.encode(), fleet=False).secret_files()
    assert set(found) == {"keys/passphrase", "aside/xfr", "aside/update", "aside/cookies"}


@pytest.mark.parametrize(
    ("written", "directories"),
    [
        ("dns/zones", ("dns/zones",)),
        ("./dns//zones/", ("dns/zones",)),
        ("[dns, more/zones]", ("dns", "more/zones")),
        (".", ("",)),
    ],
)
def test_zone_files_is_a_directory_or_several(written: str, directories: tuple[str, ...]) -> None:
    config = changed("version: 1\n", f"version: 1\nzone-files: {written}\n")
    assert config.zone_files == directories
    assert config.released == ("dnsctl.yaml", *directories)
    assert config.zone_files_at.line == 2


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("../zones", "outside the operations repo"),
        ("/etc/zones", "outside the operations repo"),
        ("keys/zones", "is not for zone files"),
        ("state", "is not for zone files"),
        (".git", "is not for zone files"),
        ("hooks", "is not for zone files"),
        ("[]", "at least one"),
        ("''", "is not a path"),
        ("[dns, ./dns]", "named twice"),
        ("{dns: 1}", "zone-files"),
    ],
)
def test_zone_files_that_cannot_be_is_refused(written: str, message: str) -> None:
    text = refused("version: 1\n", f"version: 1\nzone-files: {written}\n")
    assert text.startswith("dnsctl.yaml:2:")
    assert message in text


def test_certificates_are_by_owner_and_the_most_specific_entry_has_the_last_word() -> None:
    config = changed(
        '"*": {}',
        """"*": {certificates: {'': ca.example.net, '*': CA.example.org}}\n"""
        "  example.com: {certificates: {'': [a.example.net, b.example.net], www: ca.example.org}}",
    )
    assert dict(config.certificates(COM)) == {
        COM: ("a.example.net", "b.example.net"),
        from_text("www.example.com."): ("ca.example.org",),
        from_text("*.example.com."): ("ca.example.org",),
    }
    assert config.certificates(ORG)[from_text("*.example.org.")] == ("ca.example.org",)


@pytest.mark.parametrize(
    ("certificates", "what"),
    [
        ("{'': https://ca.example.net/}", "write a domain: ca.example.net"),
        ("{'': []}", "needs at least one entry"),
        ("{www.example.com.: ca.example.net}", "write it relative to the zone"),
        ("{a..b: ca.example.net}", "is not a name in the zone"),
        ("ca.example.net", "certificates"),
    ],
)
def test_certificates_that_cannot_be_meant_are_refused(certificates: str, what: str) -> None:
    assert what in refused('"*": {}', f'"*": {{certificates: {certificates}}}')
