"""Mutated files of the example: whatever comes, findings or one ConfigError; never another exception."""

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from dnsctl.errors import ConfigError, RevisionError
from dnsctl.load import masterfile, zone_yaml
from dnsctl.load.draft import ZoneDefaults
from dnsctl.load.example import example_files
from dnsctl.load.settings.file import parse_config
from dnsctl.model.name import from_text
from dnsctl.model.rrset import rdata_text

FILES = example_files()
SIGNS = (
    b"\0",
    b'"',
    b"'",
    b"\\",
    b"(",
    b")",
    b";",
    b"{",
    b"}",
    b"[",
    b"]",
    b": ",
    b"- ",
    b"%",
    b"..",
    b".",
    b"@",
)
YAML = (b"&a ", b"*a", b"<<: *a", b"!x ", b"!!python/object:a ", b"~", b"null", b"*", b"? ", b"---\n", b"|\n")
OCTETS = (
    b"\xff",
    b"\xed\xa0\x80",
    b"\xc3\xbc",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\n",
    b"\t",
    b"\r",
    b"\\999",
)
LARGE = (b"9" * 5000, b"a" * 70, b"[" * 40, b"{a: " * 40, b"\\# 4 00", b"xn--a")
LINES = (
    b"$INCLUDE x\n",
    b"$GENERATE 0-99 a$ A 192.0.2.$\n",
    b"$ORIGIN .\n",
    b"$TTL -1\n",
    b" HIP ",
    b" NSEC3 ",
)
TYPES = (b"type: HTTPS", b"type: NAPTR", b"type: APL", b"type: LOC", b"type: CERT", b"type: IPSECKEY")
SPICE = (*SIGNS, *YAML, *OCTETS, *LARGE, *LINES, *TYPES)


@st.composite
def mutated(draw: st.DrawFn, path: str) -> bytes:
    data = bytearray(FILES[path])
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            data[at:at] = draw(st.sampled_from(SPICE))
        elif kind == 1:
            del data[at : at + draw(st.integers(1, 30))]
        elif kind == 2:
            data[at : at + 1] = bytes((draw(st.integers(0, 255)),))
        else:
            start = draw(st.integers(0, len(data)))
            data[at:at] = data[start : start + draw(st.integers(1, 60))]
    return bytes(data)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(data=st.data(), path=st.sampled_from([path for path in FILES if path.startswith("zones/")]))
def test_mutated_zone_file_gives_findings_and_no_exception(data: st.DataObject, path: str) -> None:
    text = data.draw(mutated(path))
    origin = from_text(path.removeprefix("zones/").rpartition(".")[0] + ".")

    def include(wanted: str) -> bytes:
        if wanted.endswith("x"):
            return text
        raise RevisionError("is not there", where=wanted)

    if path.endswith(".zone"):
        zone, findings = masterfile.parse(text, path, origin, ZoneDefaults(), include)
    else:
        zone, findings = zone_yaml.parse(text, path, origin, ZoneDefaults(), today=date(2026, 11, 21))
    assert zone is not None or findings
    for each in findings:
        assert "\n" not in str(each)
        assert each.message
        assert each.zone == origin
        str(each).encode()  # can be printed
    if zone is not None:
        for one in zone.rrsets():
            assert all(rdata_text(one.rdtype, rdata) for rdata in one.rdatas[:3])


@settings(max_examples=200, deadline=None, derandomize=True)
@given(text=mutated("dnsctl.yaml"))
def test_mutated_settings_load_or_give_one_error(text: bytes) -> None:
    try:
        parse_config(text)
    except ConfigError as error:
        assert "\n" not in str(error)
