"""`dnsctl serve --zones` where zones have errors: the others are served, however they lead there."""

import itertools
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from tests.cli.test_serve import refused
from tests.cli.test_serve import serving as served
from tests.node.running import READY, RunningNode

APEX = "@ SOA ns1 hostmaster 2026112101 2h 30m 14d 5m\n@ NS ns1\nns1 A 192.0.2.53\n"
TYPES = "mail A 192.0.2.25\nsip A 192.0.2.25\nweb A 192.0.2.25\nwww A 192.0.2.25\na.b A 192.0.2.25\n"
FAULTS = {  # what is wrong with NAME.example.net -> suffix and text of its file, and what is said of it
    "value": (".zone", f"$TTL 1h\n{APEX}{TYPES}".replace("2.25", "2.256", 1), "rdata-syntax"),
    "rule": (".zone", f"$TTL 1h\n{APEX}{TYPES}www CNAME mail\n", "cname-other-data"),
    "yaml": (".yaml", "www: [\n", "yaml-syntax"),
    "octets": (".yaml", "www: {type: TXT, value: \udcff}\n", "file-encoding"),
    "shape": (".yaml", "- www\n", "zone-shape"),
}
DELEGATED = {"value", "yaml"}  # the zone above says so
PARENT = f"$TTL 1h\n{APEX}www A 192.0.2.3\n" + "".join(
    f"{name} NS ns1.{name}\nns1.{name} A 192.0.2.53\n@ MX 10 mail.{name}\n" for name in DELEGATED
)
PARENT += "".join(f"@ MX 10 mail.{name}\n" for name in FAULTS)
CHILD = f"$TTL 1h\n{APEX}www A 192.0.2.4\n"
LEADS = f"$TTL 1h\n{APEX}www A 192.0.2.1\n" + "".join(
    f"""\
alias-{name} CNAME www.{name}.example.net.
deep-{name} CNAME a.b.{name}.example.net.
@ MX 10 mail.{name}.example.net.
_sip._tcp.{name} SRV 0 0 5060 sip.{name}.example.net.
svc-{name} HTTPS 1 web.{name}.example.net.
d-{name} DNAME {name}.example.net.
sub-{name} NS ns1.{name}.example.net.
@ NS ns1.{name}.example.net.
"""
    for name in FAULTS
)


@contextmanager
def serving(zones: Path, *options: str) -> Iterator[RunningNode]:
    with served(zones, *options) as node:
        node.wait_for(READY.pattern, 90)  # also where others use the machine
        yield node


def ask(node: RunningNode, name: str, rdtype: str = "A", *, tcp: bool = False) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, use_edns=0)
    by = dns.query.tcp if tcp else dns.query.udp
    return by(query, "127.0.0.1", port=node.port, timeout=5)


def reasons(message: dns.message.Message) -> list[int]:
    return [struct.unpack("!H", one.to_wire()[:2])[0] for one in message.options if one.otype == 15]


def is_unserved(message: dns.message.Message) -> bool:
    """True for SERVFAIL with "Invalid Data" (RFC 8914 §4.25), and nothing else."""
    empty = not (message.answer or message.authority or message.additional)
    return message.rcode() == dns.rcode.SERVFAIL and reasons(message) == [24] and empty


@pytest.fixture
def zones(tmp_path: Path) -> Path:
    directory = tmp_path / "zones"
    directory.mkdir()
    (directory / "leads.example.zone").write_text(LEADS)
    (directory / "example.net.zone").write_text(PARENT)
    (directory / "under.yaml.example.net.zone").write_text(CHILD)
    for name, (suffix, text, _) in FAULTS.items():
        path = directory / f"{name}.example.net{suffix}"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return directory


def test_zones_with_errors_take_no_others_with_them_and_are_answered_servfail(zones: Path):
    with serving(zones) as node:
        for name in ("www.leads.example", "www.example.net", "www.under.yaml.example.net"):
            assert ask(node, name).answer
        assert ask(node, "no.example.net").rcode() == dns.rcode.NXDOMAIN
        for _ in range(3):  # also from what is remembered
            for name, tcp in itertools.product(FAULTS, (False, True)):
                for below in ("", "www.", "x.www.", "no.", "a.b.", "WWW."):
                    assert is_unserved(ask(node, f"{below}{name}.example.net", tcp=tcp)), (below, name)
                for rdtype in ("SOA", "NS", "ANY", "TYPE65400"):
                    assert is_unserved(ask(node, f"{name}.example.net", rdtype, tcp=tcp))
                above = ask(node, f"{name}.example.net", "DS", tcp=tcp)  # that is the parent's to answer
                assert (above.rcode() == dns.rcode.NOERROR) is (name in DELEGATED)
                assert [one.rdtype for one in ask(node, f"alias-{name}.leads.example", tcp=tcp).answer] == [5]
        told = list(node.lines)
    for name, (_, _, rule) in FAULTS.items():
        assert told.count(f"dnsctl: {name}.example.net. is left out: it has errors") == 1
        [line] = [line for line in told if f"error [{rule}]" in line]
        assert line.startswith(f"{name}.example.net.")
    assert sum("error [" in line for line in told) == sum("left out" in line for line in told) == len(FAULTS)
    assert not any("cannot be served" in line for line in told)


def test_transfer_of_a_zone_that_was_left_out_is_servfail(zones: Path):
    with serving(zones, "--transfer", "127.0.0.0/8") as node:
        assert is_unserved(ask(node, "yaml.example.net", "AXFR", tcp=True))
        assert ask(node, "no.example.org", "AXFR", tcp=True).rcode() == dns.rcode.NOTAUTH
        assert ask(node, "www.yaml.example.net", "AXFR", tcp=True).rcode() == dns.rcode.NOTAUTH


def test_zone_above_with_errors_is_answered_servfail_and_the_one_below_is_served(zones: Path):
    (zones / "example.net.zone").write_text(PARENT + "broken A 192.0.2.300\n")
    with serving(zones) as node:
        assert ask(node, "www.under.yaml.example.net").answer
        assert ask(node, "www.leads.example").answer
        assert is_unserved(ask(node, "www.example.net"))
        assert is_unserved(ask(node, "no.example.net"))
        assert is_unserved(ask(node, "under.yaml.example.net", "DS"))


def test_key_that_cannot_be_read_leaves_out_its_zone_and_no_other_until_it_is_mended(
    zones: Path, tmp_path: Path
):
    state = tmp_path / "state"
    (zones / "value.example.net.zone").write_text(f"$TTL 1h\n{APEX}{TYPES}")
    options = ("--sign", "--state", str(state))
    with serving(zones, *options) as node:
        assert ask(node, "www.value.example.net").answer
    [key] = (state / "keys" / "value.example.net").glob("*.private.pem")
    whole = key.read_bytes()
    for content, is_served in ((b"spoilt", False), (whole, True)):
        key.write_bytes(content)
        with serving(zones, *options) as node:
            assert ask(node, "www.example.net").answer
            assert ask(node, "www.leads.example").answer
            found = ask(node, "www.value.example.net")
            assert is_served or is_unserved(found)
            assert bool(found.answer) is is_served
            told = "dnsctl: value.example.net. is left out: it has errors"
            assert (told in node.lines) is not is_served


def test_strict_still_refuses_whichever_zone_has_errors(zones: Path):
    code, lines = refused("--zones", str(zones), "--listen", "127.0.0.1:0", "--strict")
    assert (code, lines[-1]) == (1, "dnsctl: 5 zones with errors; correct them, or leave out --strict")
