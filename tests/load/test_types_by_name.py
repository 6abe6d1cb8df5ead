"""Types that few zones have, by name: loaded as named loads them, or told how to write them; and exported."""

import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from dnsctl.load.draft import ZoneDefaults
from dnsctl.load.location import location
from dnsctl.load.masterfile import parse
from dnsctl.load.presentation import TYPES, NameReader, RdataFault, tokenize, type_code
from dnsctl.load.rdata_text import to_wire
from dnsctl.model.finding import Severity
from dnsctl.model.name import from_text
from dnsctl.model.presentation import master_file
from dnsctl.model.rrset import rdata_text
from tests.load.compiled import HEAD, alike, by_named
from tests.load.test_reading_as_named import ours
from tests.peers import need

pytestmark = pytest.mark.peer
ORIGIN = from_text("example.com.")
EVERY_TYPE = (Path(__file__).parent / "inputs" / "every_type.zone").read_text()
# Names of the registry that have no form, or that nobody reads by name.
WITHOUT_FORM = ("NULL", "UINFO", "UID", "GID", "UNSPEC", "CLA", "IPN")


def wire(line: str, *, absolute: bool = False) -> bytes:
    kind, _, text = line.partition(" ")
    code = type_code(kind)
    assert code is not None
    return to_wire(code, tokenize(text), NameReader(ORIGIN, absolute=absolute))


def test_every_type_that_named_reads_is_read_the_same(tmp_path: Path) -> None:
    text = (HEAD + EVERY_TYPE).encode()
    theirs, said = by_named(text, tmp_path)
    assert theirs is not None, said
    records, findings = ours(text)
    assert findings == []
    assert alike(records) == alike(theirs)


def test_every_name_of_a_type_is_read_or_says_what_to_write() -> None:
    tried = {line.split()[1] for line in EVERY_TYPE.splitlines()}
    for kind in WITHOUT_FORM:
        with pytest.raises(RdataFault, match="not read here") as caught:
            wire(f"{kind} text")
        assert caught.value.advice.startswith(rf"write TYPE{type_code(kind)} \#")
        assert wire(rf"{kind} \# 2 0a0b") == b"\x0a\x0b"
    usual = {
        "A",
        "NS",
        "MD",
        "MF",
        "CNAME",
        "SOA",
        "PTR",
        "MX",
        "TXT",
        "AAAA",
        "SRV",
        "DNAME",
        "RRSIG",
        "NSEC",
    }
    usual |= {"DNSKEY", "NSEC3", "NSEC3PARAM", "TLSA", "SMIMEA", "CDS", "CDNSKEY", "SPF", "NXT", "DSYNC"}
    usual |= {"HHIT", "BRID"}
    assert {kind for kind in TYPES if kind.isupper()} == tried | usual | set(WITHOUT_FORM)


def test_types_that_named_calls_obsolete_are_read_as_nsd_and_ldns_do() -> None:
    assert wire("MD Mail") == wire("MF Mail") == b"\4mail\7example\3com\0"
    assert wire("NXT B A MX KEY") == b"\1b\7example\3com\0" + bytes((0x40, 1, 0, 0x40))
    with pytest.raises(RdataFault, match="no type up to 127"):
        wire("NXT B A URI")


def test_export_is_read_back_by_every_peer(tmp_path: Path) -> None:
    zone, findings = parse((HEAD + EVERY_TYPE).encode(), "f", ORIGIN, ZoneDefaults())
    assert zone is not None
    assert findings == ()
    text = "".join(master_file(zone))
    theirs, said = by_named(text.encode(), tmp_path)
    assert theirs == ours(text.encode())[0], said
    path = tmp_path / "example.com.zone"
    path.write_text(text)
    for command in (
        ["nsd-checkzone", "example.com"],
        ["ldns-read-zone"],
        ["kzonecheck", "-o", "example.com"],
    ):
        done = subprocess.run(
            [need(command[0]), *command[1:], str(path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("line", "octets"),
    [
        ("L64 10 2001:db8:1140:1", "000a 2001 0db8 1140 0001"),
        ("NID 10 14:4fff:ff20:ee64", "000a 0014 4fff ff20 ee64"),
        ("L32 10 10.1.2.0", "000a 0a010200"),
        ("CERT URI 1 RSASHA1-NSEC3-SHA1 AQID", "00fd 0001 07 010203"),
        ("CERT iacpkix 1 ecc-gost AQID", "0008 0001 0c 010203"),
        ("CERT IPKIX 1 DSA-NSEC3-SHA1 AQID", "0004 0001 06 010203"),
        ("CERT 65534 1 PRIVATEOID AQID", "fffe 0001 fe 010203"),
        ("DNSKEY 256 3 RSASHA1-NSEC3-SHA1 AQID", "0100 03 07 010203"),
        ("CDNSKEY 256 3 ECC-GOST12 AQID", "0100 03 17 010203"),
        ("DS 1 RSASHA1-NSEC3-SHA1 SHA-1 " + "00" * 20, "0001 07 01" + "00" * 20),
        ("HTTPS 0 www.example.net. alpn=h2", "0000 03777777076578616d706c65036e657400"),
        (r"HTTPS \# 12 000001610000010003026832", "0000 016100"),
        ("SVCB 1 . tls-supported-groups=29,23", "0001 00 0009 0004 001d 0017"),
        (
            'HTTPS 1 . tls-supported-groups="29" pvd alpn=h2',
            "0001 00 0001 0003 026832 0009 0002 001d 000b 0000",
        ),
        (
            "HTTPS 1 . mandatory=tls-supported-groups,pvd pvd tls-supported-groups=29",
            "0001 00 0000 0004 0009000b 0009 0002 001d 000b 0000",
        ),
        ("HTTPS 1 . key8=", "0001 00 0008 0000"),
        ("LOC 052 022 023 N 004 053 032.5 E 1m", "00121613 8b3cf018 810cbed4 009896e4"),
        ("KEY 49152 3 13", "c000 03 0d"),
        ("HTTPS 1 . key00009=ab ohttp", "0001 00 0008 0000 0009 0002 6162"),
        ('HTTPS 1 . "alpn=h2"', "0001 00 0001 0003 026832"),
        ("HTTPS 1 . docpath=a,b", "0001 00 000a 0004 01610162"),
        ("HTTPS 1 Www.Example.", "0001 0357777707 4578616d706c65 00"),
        (r"TYPE7 \# 8 044D61696C014200", "046d61696c016200"),
        (r"MINFO \# 6 0141000142 00", "016100016200"),
    ],
)
def test_values_are_these_octets(line: str, octets: str) -> None:
    assert wire(line) == bytes.fromhex(octets.replace(" ", ""))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("L64 10 ::1", "four groups"),
        ("NID 10 1:2:3:12345", "four groups"),
        ("HTTPS 1 . ALPN=h2", "write it in lower case"),
        ("HTTPS 1 . tls-supported-groups", "has no value"),
        ("HTTPS 1 . tls-supported-groups=29,29", "twice"),
        ("HTTPS 1 . tls-supported-groups=x25519", "not a number"),
        ("HTTPS 1 . pvd=x", "takes no value"),
        ("HTTPS 1 . key65535=x", "over key65534"),
        ("HTTPS 1 . alpn=h2 alpn=h3", "duplicate key"),
        ("HTTPS 1 . mandatory=alpn", "not present"),
        ('HTTPS 1 . mandatory="alpn, port" alpn=h2', "invalid key"),
        ("HTTPS 1 . ech=", "empty"),
        ("KEY 256 3 13", "4 are needed"),
        ("CERT PKIXX 1 8 AQID", "did you mean PKIX"),
        ("CERT PKIX 1 RSASHA AQID", "did you mean RSASHA"),
        ("WKS 192.0.2.1 TCP smtpp", "did you mean SMTP"),
        ("A6 64 ::1", "2 fields where 3 are needed"),
        ("A6 129 ::1 a", "prefix length"),
        (r"TYPE7 \# 3 010203", "no uncompressed name"),
        (r"TYPE7 \# 2 c00c", "no uncompressed name"),
        (r"TYPE14 \# 3 016100", "no uncompressed name"),
        (r"MX \# 6 000a01610000", "too many"),
        (r"TYPE1 \# 4 0a0000", "is followed by 3 octets"),
        (r"TYPE1 \#", "without a length"),
        ("HINFO a", "1 field where 2 are needed"),
        ('HINFO "' + "x" * 256 + '" a', "a string of 256 octets"),
        ("MB a b", "2 fields where 1 is needed"),
        ("ISDN", "nothing where 1 to 2 are needed"),
        ('URI 1 1 ""', "an empty target"),
    ],
)
def test_what_is_no_value_says_why(line: str, says: str) -> None:
    with pytest.raises(RdataFault) as caught:
        wire(line)
    assert says in f"{caught.value.message}; {caught.value.advice}"
    assert caught.value.advice


def test_alias_with_parameters_loads_with_a_warning() -> None:
    _, findings = ours(f"{HEAD}a HTTPS 0 www.example.net. alpn=h2\n".encode())
    assert [(each.rule, each.severity) for each in findings] == [("svcb-alias-parameters", Severity.WARNING)]


# ── LOC ───────────────────────────────────────────────────────────────────────────────────────────────


def test_altitude_is_exact_for_every_centimetre() -> None:
    names = NameReader(ORIGIN)
    for altitude in range(-2000, 100_001):
        text = f"{Decimal(altitude) / 100}m"
        made = location(("52", "N", "4", "E", text), names)
        assert int.from_bytes(made[12:], "big") == 10_000_000 + altitude, text
        if altitude % 97 == 0:
            assert Decimal(rdata_text(29, made).split()[8][:-1]) * 100 == altitude
    assert names.remarks == []


def test_seconds_are_exact_to_the_thousandth() -> None:
    for thousandths in range(0, 60_000, 7):
        made = location(("0", "0", f"{Decimal(thousandths) / 1000}", "S", "4", "E", "0"), NameReader(ORIGIN))
        assert int.from_bytes(made[4:8], "big") == 2**31 - thousandths


def test_locations_are_read_as_named_reads_them(tmp_path: Path) -> None:
    texts = [
        "52 N 4 E 0",
        "52 22 N 4 53 E -100000m",
        "90 S 180 W 42849672.95",
        *(
            f"1 2 3 N 4 5 6 E 7 {size} {size}m"
            for size in ("0", "0.01", "0.99", "1", "15", "2345.67", "90000000")
        ),
    ]
    text = HEAD + "".join(f"a{number} LOC {each}\n" for number, each in enumerate(texts))
    theirs, said = by_named(text.encode(), tmp_path)
    assert theirs is not None, said
    records, findings = ours(text.encode())
    assert records == theirs
    assert [(each.rule, each.position.line) for each in findings for _ in (1,)] == [
        ("loc-rounded", line) for line in (9, 9, 11, 11, 12, 12)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "52 N 4 E",
        "52 60 N 4 E 0",
        "90 0 0.001 N 4 E 0",
        "52.5 N 4 E 0",
        "52 22 23.1234 N 4 E 0",
        "52 E 4 N 0",
        "52 N 4 E 1.135m",
        "52 N 4 E 42849672.96m",
        "52 N 4 E -100000.01m",
        "52 N 4 E 0 90000000.01m",
        "52 N 4 E 0 -1m",
        "52 N 4 E 0 1 1 1 1",
        "52 N 4 E 1e2",
    ],
)
def test_no_location(text: str) -> None:
    with pytest.raises(RdataFault) as caught:
        wire(f"LOC {text}")
    assert caught.value.advice.startswith("write 52 22")


@pytest.mark.parametrize(
    ("line", "message", "advice"),
    [
        (r"A \# 3 c00002", "these 3 octets are not A rdata", "write 192.0.2.1"),
        (r"AAAA \# 4 c0000201", "these 4 octets are not AAAA rdata", "write 2001:db8::1"),
        ("APL 1:192.0.2.0", "not APL rdata: a part of a field is missing", "write 1:192.0.2.0/24"),
        ("HIP 2 012 AQID", "not HIP rdata: hexadecimal digits, an odd number", "write 2 2001"),
        ("IPSECKEY 10 1 2", "not IPSECKEY rdata: a field is missing", "write 10 1 2 192.0.2.1 AQID"),
        ("HTTPS 1 . ipv4hint=192.0.2", "not HTTPS rdata", "write 1 . alpn=h2,h3"),
        ("GPOS a b c", "not GPOS rdata", "write -32.6882"),
        ("EUI48 00:00:5e:00:53:2a", "Dash expected", "write 00-00-5e-00-53-2a"),
    ],
)
def test_fault_is_told_in_words_of_the_type_with_an_example(line: str, message: str, advice: str) -> None:
    with pytest.raises(RdataFault) as caught:
        wire(line)
    assert message in caught.value.message
    assert caught.value.advice.startswith(advice)
    assert "unpack" not in caught.value.message
