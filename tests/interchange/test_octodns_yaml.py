"""octoDNS YAML that is written: read back the same here, sorted and known as octoDNS wants it."""

import logging
from pathlib import Path

import pytest
from hypothesis import given, settings

from dnsctl.interchange.incoming import aliases
from dnsctl.interchange.octodns_yaml import natural_key, octodns_yaml, unknown_types
from dnsctl.interchange.signer import unsigned
from dnsctl.load import masterfile, zone_yaml
from dnsctl.load.draft import ZoneDefaults
from dnsctl.model.finding import Position, Severity
from dnsctl.model.name import to_relative_text
from dnsctl.model.presentation import master_file
from dnsctl.model.rrset import Type, type_text
from dnsctl.model.zone import Zone
from tests.build import zone as built
from tests.interchange.zones import ORIGIN, content, zones

EVERY_TYPE = Path(__file__).parents[1] / "load" / "inputs" / "every_type.zone"
DEFAULTS = ZoneDefaults()


def read(text: str) -> Zone:
    zone, findings = zone_yaml.parse(text.encode(), "zones/example.com.yaml", ORIGIN, DEFAULTS)
    assert zone is not None, findings
    assert [each for each in findings if each.severity is Severity.ERROR] == []
    return zone


@settings(max_examples=50, deadline=None)
@given(zones)
def test_what_is_written_is_read_back_the_same(zone: Zone) -> None:
    assert content(read("".join(octodns_yaml(zone)))) == content(zone)


@settings(max_examples=25, deadline=None)
@given(zones)
def test_a_master_file_that_is_written_is_read_back_the_same(zone: Zone) -> None:
    text = "".join(master_file(zone)).encode()
    again, findings = masterfile.parse(text, "zones/example.com.zone", ORIGIN, DEFAULTS)
    assert again is not None
    assert [each for each in findings if each.severity is Severity.ERROR] == []
    assert content(again) == content(zone)


def test_every_type_that_a_master_file_may_have_is_read_back_the_same() -> None:
    zone, _ = masterfile.parse(EVERY_TYPE.read_bytes(), EVERY_TYPE.name, ORIGIN, DEFAULTS)
    assert zone is not None
    assert content(read("".join(octodns_yaml(zone)))) == content(zone)
    assert {"CERT", "HINFO", "WKS"} <= set(unknown_types(zone))


def test_what_a_signer_made_is_left_out_and_counted() -> None:
    zone = built(
        "example.com.", "@ DNSKEY 257 3 13 AQID\n@ NSEC www A\nwww A 192.0.2.1\nsub DNSKEY 257 3 13 AQID\n"
    )
    left, gone = unsigned(zone)
    assert gone == {"DNSKEY": 1, "NSEC": 1}
    assert left.get(ORIGIN, Type.DNSKEY) is None
    assert "sub" in [
        to_relative_text(one.owner, ORIGIN) for one in left.rrsets() if one.rdtype == Type.DNSKEY
    ]


def test_a_semicolon_is_escaped_within_quotes_as_well() -> None:
    """octoDNS refuses an unescaped semicolon wherever it stands."""
    zone = built("example.com.", '@ TXT "a;b" "c"\n')
    written = "".join(octodns_yaml(zone))
    assert r'"a\;b" "c"' in written
    assert content(read(written)) == content(zone)


def test_an_alias_is_read_back_the_same() -> None:
    text = """\
'':
  ttl: 60
  type: ALIAS
  value: www.example.net.
one:
  type: Route53Provider/ALIAS
  value: {name: www, type: AAAA}
"""
    zone = read(text)
    assert len(aliases(zone)) == 2
    assert aliases(read("".join(octodns_yaml(zone)))) == aliases(zone)


def test_order_is_that_of_numbers() -> None:
    texts = ["a10", "a9", "", "*", "10", "9", "b", "*.w", "a9.b10", "a9.b9", "_s._tcp", "a", "1a", "01"]
    found = sorted(texts, key=natural_key)
    assert found[:4] == ["", "01", "1a", "9"]
    assert found.index("a9.b9") < found.index("a9.b10") < found.index("a10")
    natsort = pytest.importorskip("natsort")  # what octoDNS sorts by
    assert found == natsort.natsorted(texts)


def test_octodns_reads_what_is_written(tmp_path: Path) -> None:
    """octoDNS itself refuses an unsorted file and an unescaped semicolon, and counts the records."""
    yaml = pytest.importorskip("octodns.provider.yaml")
    zone_module = pytest.importorskip("octodns.zone")
    logging.getLogger("octodns").setLevel(logging.ERROR)
    zone = built(
        "example.com.",
        """\
@ 300 MX 10 mx1
@ MX 20 mx2.example.net.
@ CAA 0 issue "ca.example.net"
a10 A 192.0.2.10
a9 A 192.0.2.9
a9 AAAA 2001:db8::9
*.w TXT "v=DMARC1; p=reject"
_s._tcp SRV 1 2 443 a9
n NAPTR 100 10 "U" "E2U+sip" "!^.*$!sip:a@example.com!" .
t TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
k SSHFP 4 2 0000000000000000000000000000000000000000000000000000000000000000
d DS 12345 13 2 0000000000000000000000000000000000000000000000000000000000000000
d NS ns1.example.net.
h HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1,192.0.2.2
l LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
_u._tcp URI 10 1 "https://www.example.com/"
x DNAME example.net.
c CNAME a9
p PTR a9
""",
    )
    kept = Zone(
        zone.origin,
        {name: tuple(one for one in node if one.rdtype != Type.SOA) for name, node in zone.nodes.items()},
    )
    (tmp_path / "example.com.yaml").write_text("".join(octodns_yaml(kept)))
    provider = yaml.YamlProvider("config", str(tmp_path), escaped_semicolons=True)
    read_by_octodns = zone_module.Zone("example.com.", [])
    provider.populate(read_by_octodns)
    theirs = {(each.name, each._type, each.ttl) for each in read_by_octodns.records}
    ours = {
        (to_relative_text(one.owner, ORIGIN).replace("@", ""), type_text(one.rdtype), one.ttl)
        for one in kept.rrsets()
    }
    assert theirs == ours


def test_aliases_are_written_and_read_back_the_same() -> None:
    text = (
        "'': {type: ALIAS, ttl: 60, value: web.example.net.}\n"
        "a:\n- {type: ANAME, ttl: 90, value: web.example.net.}\n- {type: TXT, value: x}\n"
        "b: {type: Route53Provider/ALIAS, value: {name: a, type: A}}\n"
    )
    zone = read(text)
    again = read("".join(octodns_yaml(zone)))
    assert len(zone.aliases) == 3
    assert {each._replace(position=Position("")) for each in again.aliases} == {
        each._replace(position=Position("")) for each in zone.aliases
    }
