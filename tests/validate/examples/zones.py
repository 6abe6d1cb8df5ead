"""Apex, aliases, cuts, targets, TTLs and sizes."""

from collections.abc import Mapping

from tests.validate.examples.example import Example

_HASH = "AB" * 32
_CDS = f"@ CDS 1 13 2 {_HASH}\n"
_NS = "@ NS ns1.example.net.\n@ NS ns2.example.net.\n"
_SOA = "@ SOA ns1.example.net. hostmaster.example.net. 1 {}\n"
_TIMERS = "7200 1800 1209600 300"
_ALIASES = "".join(f"a{number} CNAME a{number + 1}\n" for number in range(9))
_X = "x" * 255
_TEXTS = "".join(f'a TXT "{number}" {f"{chr(34)}{_X}{chr(34)} " * 9}\n' for number in range(30))
_LONG = ".".join(["l" * 60] * 3)
_MANY = "".join(f"{_LONG} A 10.{number >> 8}.{number & 255}.1\n" for number in range(320))
_KEY = f"@ DNSKEY 257 3 13 {'A' * 86}==\n"


def _addresses(count: int) -> str:
    return "".join(f"a A 192.0.2.{number}\n" for number in range(count))


APEX: Mapping[str, Example] = {
    "soa-missing": Example(_NS, _SOA.format(_TIMERS) + _NS, apex=False),
    "soa-several": Example("@ SOA ns2 hostmaster 1 7200 1800 1209600 300\n", ""),
    "soa-below-apex": Example("sub SOA ns1 hostmaster 1 7200 1800 1209600 300\n", ""),
    "soa-timers": Example(
        _SOA.format("1800 7200 1209600 300") + _NS, _SOA.format("7200 1800 9001 86400") + _NS, apex=False
    ),
    "soa-rname": Example(
        rf"@ SOA ns1.example.net. hostmaster\@example.net. 1 {_TIMERS}" + "\n" + _NS,
        rf"@ SOA ns1.example.net. host\.master.example.net. 1 {_TIMERS}" + "\n" + _NS,
        apex=False,
    ),
    "apex-ns-missing": Example(_SOA.format(_TIMERS), _SOA.format(_TIMERS) + _NS, apex=False),
    "ns-single": Example(
        _SOA.format(_TIMERS) + "@ NS ns1.example.net.\n", _SOA.format(_TIMERS) + _NS, apex=False
    ),
    "owner-outside-zone": Example("www.example.net. A 192.0.2.1\n", "www.example.net A 192.0.2.1\n"),
}

NAMES: Mapping[str, Example] = {
    "origin-repeated": Example("www.example.com A 192.0.2.1\n", "www.example A 192.0.2.1\n"),
    "hostname-syntax": Example("web_1 A 192.0.2.1\n", "web-1 A 192.0.2.1\n_web TXT x\n"),
    "owner-whitespace": Example("www\\032 TXT x\n", "My\\032Printer._ipp._tcp TXT x\n"),
    "target-syntax": Example("www CNAME https://web.example.net.\n", "www CNAME web.example.net.\n"),
    "apex-wildcard": Example("x TXT x\n", "x TXT x\n", origin="*.example.com.", fine_origin="a.example.com."),
    "wildcard-inner": Example("a.*.b A 192.0.2.1\n", "*.b A 192.0.2.1\n"),
}

ALIASES: Mapping[str, Example] = {
    "cname-other-data": Example("www CNAME ns1\nwww A 192.0.2.1\n", "www CNAME ns1\nw A 192.0.2.1\n"),
    "cname-several": Example("www CNAME ns1\nwww CNAME ns2\n", "www CNAME ns1\n"),
    "cname-loop": Example("a CNAME b\nb CNAME a\n", "a CNAME b\nb CNAME ns1\n"),
    "cname-chain": Example(_ALIASES + "a9 A 192.0.2.1\n", _ALIASES[:-12] + "a8 A 192.0.2.1\n"),
    "cname-target-resolves": Example("www CNAME gone\n", "www CNAME gone.example.net.\n"),
    "dname-several": Example("a DNAME b.example.net.\na DNAME c.example.net.\n", "a DNAME b.example.net.\n"),
    "dname-below": Example(
        "a DNAME b.example.net.\nx.a A 192.0.2.1\n", "a DNAME b.example.net.\na A 192.0.2.1\n"
    ),
}

CUTS: Mapping[str, Example] = {
    "occluded-data": Example("sub NS ns1\nwww.sub TXT x\n", "sub NS ns1\nwww TXT x\n"),
    "orphan-glue": Example("sub NS ns1\nwww.sub A 192.0.2.1\n", "sub NS ns.sub\nns.sub A 192.0.2.1\n"),
    "glue-missing": Example("sub NS ns.sub\n", "sub NS ns.sub\nns.sub AAAA 2001:db8::1\n"),
    "sibling-glue-missing": Example(
        "sub NS ns.other\nother NS ns1\n", "sub NS ns.other\nother NS ns1\nns.other A 192.0.2.1\n"
    ),
    "ds-without-ns": Example(f"sub DS 1 13 2 {_HASH}\n", f"sub NS ns1\nsub DS 1 13 2 {_HASH}\n"),
    "ds-at-apex": Example(f"@ DS 1 13 2 {_HASH}\n", f"sub NS ns1\nsub DS 1 13 2 {_HASH}\n"),
    "ds-digest": Example(
        f"sub NS ns1\nsub DS 1 13 1 {'AB' * 20}\n",
        f"sub NS ns1\nsub DS 1 13 1 {'AB' * 20}\nsub DS 1 13 2 {_HASH}\n",
    ),
    "wildcard-delegation": Example("*.a NS ns1\n", "a NS ns1\n"),
    "delegation-missing": Example(
        "x TXT x\n", "", (("example.com.", "www A 192.0.2.1\n"),), origin="sub.example.com."
    )._replace(fine_origin="sub.example.net."),
    "delegation-differs": Example(
        "sub NS ns1\nsub NS other.example.net.\n",
        "sub NS ns1.sub\nsub NS ns2.sub\nns1.sub A 192.0.2.53\nns2.sub A 198.51.100.53\n",
        (("sub.example.com.", ""),),
    ),
}

TARGETS: Mapping[str, Example] = {
    "ns-target-resolves": Example("sub NS gone\n", "sub NS gone.example.net.\n"),
    "ns-target-is-alias": Example("sub NS a\na CNAME ns1\n", "sub NS ns1\na CNAME ns1\n"),
    "mx-target-resolves": Example("@ MX 10 mail\n", "@ MX 10 mail\n* A 192.0.2.1\n"),
    "mx-target-is-alias": Example("@ MX 10 mail\nmail CNAME ns1\n", "@ MX 10 ns1\nmail CNAME ns1\n"),
    "srv-target-resolves": Example("_imap._tcp SRV 0 1 143 mail\n", "_imap._tcp SRV 0 1 143 ns1\n"),
    "srv-target-is-alias": Example(
        "_imap._tcp SRV 0 1 143 a\na CNAME ns1\n", "_imap._tcp SRV 0 1 143 ns1\na CNAME ns1\n"
    ),
    "svcb-target-resolves": Example("www HTTPS 1 web\n", "www HTTPS 1 ns1\nold HTTPS 0 .\n"),
    "ptr-target-resolves": Example("1 PTR gone\n", "1 PTR gone.example.net.\n"),
    "target-is-address": Example("@ MX 10 192.0.2.1\n", "1.2 MX 10 mail.example.net.\n"),
}

VALUES: Mapping[str, Example] = {
    "value-invalid": Example("a LOC 90 0 1 N 4 0 0 E 0m\n", "a LOC 90 0 0 N 180 0 0 W 0m\n"),
    "value-unusual": Example("@ CAA 0 isue ca.example.net\n", "@ CAA 128 issue ca.example.net\n"),
    "ttl-zero": Example("a 0 A 192.0.2.1\n", "a 1 A 192.0.2.1\n"),
    "ttl-long": Example("a 604801 A 192.0.2.1\n", "a 604800 A 192.0.2.1\n"),
    "ttl-signatures": Example("a 604800 A 192.0.2.1\n", "a 86400 A 192.0.2.1\n", signed=True),
    "rrset-too-large": Example(
        _TEXTS, _TEXTS[: _TEXTS.index('a TXT "15"')], words="30 TXT of 2,300 octets each"
    ),
    "rrset-unsignable": Example(
        _MANY,
        _MANY[: _MANY.index("10.1.0.1")].rsplit("\n", 1)[0] + "\n",
        signed=True,
        words="320 A at an owner of 183 octets, in a signed zone",
    ),
    "rrset-large": Example(_addresses(99), _addresses(50), words="99 A at one owner"),
    "record-tsig-room": Example(
        f"a TYPE65400 \\# 65500 {'00' * 65500}\n",
        f"a TYPE65400 \\# 65000 {'00' * 65000}\n",
        words="a TYPE65400 \\# 65500 …",
    ),
    "rrset-many": Example(_addresses(101), _addresses(100), words="101 A at one owner"),
    "apex-too-long": Example(
        "",
        "",
        origin=f"{_LONG}.{'x' * 40}.",
        fine_origin=f"{_LONG}.",
        signed=True,
        nsec3=True,
        words="a zone whose apex has 225 octets, with `denial: nsec3`",
    ),
}

DNSSEC: Mapping[str, Example] = {
    "dnssec-by-hand": Example("@ NSEC ns1 SOA NS\n", "ns1 TXT x\n", signed=True),
    "cds-below-apex": Example(f"sub CDS 1 13 2 {_HASH}\n", _CDS),
    "cds-delete": Example(f"@ CDS 0 0 0 00\n{_CDS}", "@ CDS 0 0 0 00\n"),
    "cds-mismatch": Example(_CDS + "@ CDNSKEY 0 3 0 AA==\n", "@ CDS 0 0 0 00\n@ CDNSKEY 0 3 0 AA==\n"),
    "cds-orphan": Example(_KEY + _CDS, _KEY + "@ CDS 0 0 0 00\n"),
    "cds-standby": Example(
        f"{_KEY}@ CDNSKEY 257 3 13 {'A' * 86}==\n@ CDNSKEY 257 3 13 {'B' * 86}==\n",
        f"{_KEY}@ CDNSKEY 257 3 13 {'A' * 86}==\n",
    ),
    "zonemd-by-hand": Example(
        f"@ ZONEMD 1 1 1 {'AB' * 48}\n",
        f"@ ZONEMD 1 1 1 {'AB' * 48}\n"
        "@ RRSIG ZONEMD 13 2 3600 20300101000000 20200101000000 1 example.com. AAAA\n",
    ),
}
