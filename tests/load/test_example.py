"""The example operations repo: what it promises is in it, and it loads without a finding."""

import ipaddress
import re
from datetime import date

from dnsctl.load.example import example_files
from dnsctl.load.settings.file import load_config
from dnsctl.load.zones import load_zones
from dnsctl.model.name import from_text, is_subdomain, is_wildcard, to_text
from dnsctl.model.rrset import Type, rdata_text, type_text
from tests.load.sources import MemorySource

DOCUMENTATION = [
    ipaddress.ip_network(each)
    for each in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
RESERVED = re.compile(
    r"example\.(com|net|org)\.|example\.|(2\.0\.192\.in-addr|8\.b\.d\.0\.1\.0\.0\.2\.ip6)\.arpa\.|\.$"
)


def source() -> MemorySource:
    made = MemorySource()
    for path, data in example_files().items():
        made.put(path, data)
    return made


def test_example_loads_without_a_finding() -> None:
    loaded = load_zones(source(), load_config(source()), today=date(2026, 11, 21))
    assert loaded.findings == ()
    assert not loaded.partial


def test_example_shows_what_it_is_there_for() -> None:
    config = load_config(source())
    zones = load_zones(source(), config).zones
    everything = [one for zone in zones.values() for one in zone.rrsets()]
    held = {type_text(one.rdtype) for one in everything}
    assert held >= {
        "A",
        "AAAA",
        "NS",
        "SOA",
        "MX",
        "TXT",
        "SRV",
        "TLSA",
        "CAA",
        "SVCB",
        "HTTPS",
        "DS",
        "CNAME",
        "DNAME",
        "PTR",
        "NAPTR",
        "SSHFP",
        "LOC",
    }
    assert any(is_wildcard(one.owner) for one in everything)
    assert any(b"xn--" in one.owner for one in everything)
    assert {to_text(origin).split(".", 4)[-1] for origin in zones} >= {"arpa."} or any(
        is_subdomain(origin, from_text("ip6.arpa.")) for origin in zones
    )
    texts = " ".join(
        rdata_text(Type.TXT, rdata) for one in everything if one.rdtype == Type.TXT for rdata in one.rdatas
    )
    for record in ("v=spf1", "v=DKIM1; k=rsa", "v=DMARC1", "v=STSv1", "v=TLSRPTv1"):
        assert record in texts
    com = zones[from_text("example.com.")]
    assert com.cuts == {from_text("lab.example.com.")}
    assert from_text("users.example.com.") not in com.nodes  # an empty non-terminal
    policies = {to_text(origin): config.policy(origin) for origin in zones}
    assert policies["customer.example."] is None
    assert policies["example.org."] is not None
    assert policies["example.org."].denial == "nsec3"


def test_example_uses_documentation_names_and_addresses_only() -> None:
    loaded = load_zones(source(), load_config(source()))
    for zone in loaded.zones.values():
        for one in zone.rrsets():
            for rdata in one.rdatas:
                if one.rdtype in (Type.A, Type.AAAA):
                    address = ipaddress.ip_address(rdata)
                    assert any(
                        address in network for network in DOCUMENTATION if network.version == address.version
                    )
                elif one.rdtype in (Type.NS, Type.CNAME, Type.MX, Type.SRV, Type.PTR, Type.DNAME):
                    target = rdata_text(one.rdtype, rdata).rpartition(" ")[2]
                    assert RESERVED.search(target), target


def test_example_holds_nothing_secret() -> None:
    files = example_files()
    assert [path for path in files if path.startswith("keys/")] == ["keys/README.md"]
    assert not any(b"PRIVATE KEY" in data for data in files.values())
