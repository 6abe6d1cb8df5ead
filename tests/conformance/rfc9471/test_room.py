"""RFC 9471 §3: which glue must fit, and which is sent as far as it fits."""

import struct
from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.store import Image
from dnsctl.model.policy import Policy
from dnsctl.sign.signer import sign_zone, unsigned_zone
from tests.build import validated
from tests.conformance.zones import NOW, Server
from tests.sign.scenery import keys_for

COUNT = 13
POLICIES = {"plain": None, "nsec": Policy(), "nsec3": Policy(denial="nsec3")}


def hosts(above: str, count: int = COUNT) -> str:
    return "".join(
        f"n{index:02}{above} A 192.0.2.{index}\nn{index:02}{above} AAAA 2001:db8::{index:x}\n"
        for index in range(1, count + 1)
    )


def delegated(cut: str, above: str, count: int = COUNT) -> str:
    return "".join(f"{cut} NS n{index:02}{above}\n" for index in range(1, count + 1))


ZONE = (
    hosts("") + hosts(".inside") + hosts(".sibling")
    + delegated("inparent", "") + delegated("inside", ".inside") + delegated("sibling", ".sibling")
    + delegated("other", ".sibling") + delegated("mixed", "") + "mixed NS ns.mixed\nns.mixed A 192.0.2.99\n"
    + delegated("secure", "") + f"secure DS 4711 13 2 {'ab' * 32}\n" + "alias CNAME www.inparent\n"
    + "away NS ns.example.net.\n" + delegated("away", "")
)  # fmt: skip


@pytest.fixture(scope="module", params=POLICIES)
def referring(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    policy, zone = POLICIES[request.param], validated("example.com.", ZONE)
    if policy is None:
        made = unsigned_zone(zone, 1)
    else:
        made = sign_zone(zone, keys_for(zone.origin, policy), policy, NOW, 1)
    with Image.open(tmp_path_factory.mktemp("referring"), readonly=False) as image:
        with image.writer() as writer:
            writer.apply(difference(writer, [compile_zone(made)]))
        with image.reader() as reader:
            yield Server(reader)


QUERIES = {
    f"payload {payload}{' DO' if do else ''}": (payload, do)
    for payload in (512, 700, 1000, 1232, 4096)
    for do in (False, True)
}
QUERIES["no EDNS"] = (0, False)


def asked(name: str, payload: int, do: bool) -> bytes:
    more: dict[str, Any] = {"use_edns": 0, "payload": payload, "want_dnssec": do} if payload else {}
    return dns.message.make_query(f"{name}.example.com.", "A", id=7, **more).to_wire()


def records_of(wire: bytes, count: int) -> int:
    """Return where the first `count` records behind the question of a response end."""

    def skip(at: int) -> int:
        while 0 < wire[at] < 0xC0:
            at += 1 + wire[at]
        return at + (1 if not wire[at] else 2)

    at = skip(12) + 4
    for _ in range(count):
        at = skip(at)
        at += 10 + struct.unpack_from("!H", wire, at + 8)[0]
    return at


@pytest.mark.parametrize("size", QUERIES)
@pytest.mark.parametrize("cut", ["inparent", "inside", "sibling", "other", "mixed", "secure", "away"])
@pytest.mark.parametrize("below", ["", "www.", "a.b."])
def test_section_3_2_addresses_outside_the_child_are_sent_as_far_as_they_fit(referring, below, cut, size):
    """TC only where what is below the cut does not fit: other addresses leave, whole RRsets from the end"""
    payload, do = QUERIES[size]
    wire = asked(below + cut, payload, do)
    whole = referring.octets(wire)
    limit = min(max(payload, 512), 1232)
    opt = 11 if payload else 0
    message = dns.message.from_wire(whole)
    required = [one for one in message.additional if one.name.to_text().endswith(f".{cut}.example.com.")]
    authority = sum(map(len, message.authority))
    needed = records_of(whole, authority + sum(map(len, required)))
    for _ in range(3):  # the full path, the fast path, and what that remembers
        found = referring.octets(wire, stream=False)
        assert len(found) <= limit
        cut_off = bool(found[2] & 0x02)
        assert cut_off is (needed + opt > limit)
        if cut_off:
            assert found[6:10] == bytes(4)
            continue
        read = dns.message.from_wire(found)
        assert read.authority == message.authority
        end = len(found) - opt
        assert found[12:end] == whole[12:end]
        assert found[end:] == whole[len(whole) - opt :]
        rest = [one for one in message.additional if one not in read.additional]
        assert all(one in read.additional for one in required)
        assert all(one in message.additional for one in read.additional)
        if rest:  # the next RRset, with its signature, would not have fitted
            held = sum(map(len, read.authority)) + sum(map(len, read.additional))
            signed = do and any(one.rdtype == 46 for one in message.additional)
            assert records_of(whole, held + 1 + signed) + opt > limit
    assert bool(message.flags & dns.flags.TC) is False


def test_section_3_2_referral_whose_name_servers_are_in_the_parent_is_no_empty_tc(referring):
    """Where NS fit and addresses do not, the NS go"""
    found = dns.message.from_wire(referring.octets(asked("www.inparent", 0, False), stream=False))
    assert not found.flags & dns.flags.TC
    assert len(found.authority[0]) == COUNT
    assert 0 < len(found.additional) < 2 * COUNT


def test_section_3_1_alias_that_leads_to_a_referral_keeps_to_the_same(referring):
    for payload in (0, 512, 1232):
        found = referring.octets(asked("alias", payload, False), stream=False)
        assert not found[2] & 0x02
        message = dns.message.from_wire(found)
        assert (len(message.answer), len(message.authority[0])) == (1, COUNT)
