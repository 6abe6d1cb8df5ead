"""RFC 9460 §4.1: answers of SVCB and HTTPS carry what we know of their targets; by what the target is."""

from collections.abc import Iterator

import dns.flags
import dns.message
import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.store import Image
from dnsctl.model.policy import Policy
from dnsctl.sign.signer import sign_zone, unsigned_zone
from tests.build import validated
from tests.conformance.zones import NOW, Server, types
from tests.sign.scenery import keys_for

ZONE = """\
www A 192.0.2.1
www AAAA 2001:db8::1
www HTTPS 1 . alpn=h2
@ HTTPS 0 www
four A 192.0.2.4
lone HTTPS 1 four alpn=h2
two HTTPS 1 www alpn=h2
two HTTPS 2 four alpn=h2
two HTTPS 3 host.example.net. alpn=h2
svc SVCB 1 www alpn=h2
chain0 HTTPS 0 chain1
chain1 HTTPS 0 www
chain1 A 192.0.2.5
loop0 HTTPS 0 loop1
loop1 HTTPS 0 loop0
self HTTPS 0 self
self A 192.0.2.6
none HTTPS 0 .
alias CNAME www
toalias HTTPS 1 alias alpn=h2
bare HTTPS 1 . alpn=h2
gone HTTPS 1 nothing alpn=h2
*.wild HTTPS 1 . alpn=h2
*.wild A 192.0.2.7
towild HTTPS 1 x.wild alpn=h2
sub NS ns.sub
ns.sub A 192.0.2.8
toglue HTTPS 1 ns.sub alpn=h2
tosub HTTPS 1 sub alpn=h2
child NS ns1.child
ns1.child A 192.0.2.9
tochild HTTPS 1 www.child alpn=h2
aschild HTTPS 1 child alpn=h2
elsewhere HTTPS 1 www.example.org. alpn=h2
CASED HTTPS 1 WWW alpn=h2
d DNAME www
mx MX 10 www
srv SRV 0 0 443 www
"""
POLICIES = {"plain": None, "nsec": Policy(), "nsec3": Policy(denial="nsec3")}


@pytest.fixture(scope="module", params=POLICIES)
def label(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def services(label: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    policy, texts = POLICIES[label], {
        "example.com.": ZONE,
        "child.example.com.": "@ AAAA 2001:db8::9\nwww A 192.0.2.10\nwww AAAA 2001:db8::10\nwww HTTPS 1 .\n",
        "example.net.": "host A 192.0.2.11\nhost AAAA 2001:db8::11\n",
    }  # fmt: skip
    zones = [validated(origin, text) for origin, text in texts.items()]
    made = [
        unsigned_zone(zone, 1)
        if policy is None
        else sign_zone(zone, keys_for(zone.origin, policy), policy, NOW, 1)
        for zone in zones
    ]
    with Image.open(tmp_path_factory.mktemp("services"), readonly=False) as image:
        with image.writer() as writer:
            writer.apply(difference(writer, map(compile_zone, made)))
        with image.reader() as reader:
            yield Server(reader)


def carried(message: dns.message.Message) -> list[str]:
    """Return owner and type of the RRsets in the additional section, in their order; signatures left out."""
    return [
        f"{one.name} {dns.rdatatype.to_text(one.rdtype)}".replace(".example.com.", "")
        for one in message.additional
        if one.rdtype not in (46, 47, 50)
    ]


TARGETS = {
    ("www", "HTTPS"): ["www A", "www AAAA"],
    ("example.com.", "HTTPS"): ["www HTTPS", "www A", "www AAAA"],
    ("lone", "HTTPS"): ["four A"],
    ("two", "HTTPS"): ["www A", "www AAAA", "www HTTPS", "four A", "host.example.net. A",
                       "host.example.net. AAAA"],
    ("svc", "SVCB"): ["www A", "www AAAA"],
    ("chain0", "HTTPS"): ["chain1 HTTPS", "www HTTPS", "www A", "www AAAA", "chain1 A"],
    ("loop0", "HTTPS"): ["loop1 HTTPS"],
    ("self", "HTTPS"): ["self A"],
    ("none", "HTTPS"): [],
    ("alias", "HTTPS"): ["www A", "www AAAA"],
    ("toalias", "HTTPS"): [],
    ("bare", "HTTPS"): [],
    ("gone", "HTTPS"): [],
    ("x.wild", "HTTPS"): ["x.wild A"],
    ("towild", "HTTPS"): [],
    ("toglue", "HTTPS"): [],
    ("tosub", "HTTPS"): [],
    ("tochild", "HTTPS"): ["www.child A", "www.child AAAA", "www.child HTTPS"],
    ("aschild", "HTTPS"): ["child AAAA"],
    ("elsewhere", "HTTPS"): [],
    ("cased", "HTTPS"): ["www A", "www AAAA", "www HTTPS"],
    ("www", "SVCB"): [],
    ("mx", "MX"): [],
    ("srv", "SRV"): [],
    ("example.com.", "NS"): [],
    ("www", "A"): [],
    ("www", "ANY"): [],
}  # fmt: skip


@pytest.mark.parametrize("do", [False, True], ids=["plain query", "with DO"])
@pytest.mark.parametrize(("name", "rdtype"), TARGETS)
def test_section_4_1_answers_carry_addresses_and_records_of_targets_in_our_zones(services, name, rdtype, do):
    """A, AAAA and SVCB (HTTPS) of TargetNames SHOULD be in the additional section, and nothing of others"""
    owner = name if name.endswith(".") else f"{name}.example.com."
    found = services.ask(owner, rdtype, do=do)
    assert carried(found) == TARGETS[name, rdtype]
    if not do:
        assert all(one.rdtype not in (46, 47, 50) for one in found.additional)


@pytest.mark.parametrize(("name", "rdtype"), TARGETS)
def test_section_4_1_records_of_targets_come_with_signatures_and_what_they_lack_is_denied(
    services, label, name, rdtype
):
    """DNSSEC records authenticating existence or non-existence SHOULD go along in a signed zone"""
    found = services.ask(name if name.endswith(".") else f"{name}.example.com.", rdtype, do=True)
    shown = types(found.additional)
    if label == "plain":
        assert not any(one.startswith(("RRSIG", "NSEC")) for one in shown)
        return
    rrsets = [one for one in shown if not one.startswith("RRSIG")]
    assert sorted(f"RRSIG {one}" for one in rrsets) == [one for one in shown if one.startswith("RRSIG")]
    lacking = {"lone", "two", "svc", "chain0", "loop0", "self", "bare", "aschild"}
    denies = any(one.startswith("NSEC") for one in shown)
    assert denies is (name in lacking)


@pytest.mark.parametrize("do", [False, True])
def test_section_4_1_what_does_not_fit_is_left_out_from_the_end_and_never_truncates(services, do):
    """Additional data SHOULD not make an answer TC (RFC 2181 §9)"""
    whole = services.ask("two.example.com.", "HTTPS", do=do, **({} if do else {"use_edns": 0}))
    order = [(one.name, one.rdtype, one.covers) for one in whole.additional]
    seen = set()
    for payload in range(512, 1233, 4):
        query = dns.message.make_query(
            "two.example.com.", "HTTPS", payload=payload, want_dnssec=do, use_edns=0
        )
        wire = services.octets(query.to_wire(), stream=False)
        assert len(wire) <= payload
        found = dns.message.from_wire(wire)
        assert not found.flags & dns.flags.TC
        assert found.answer == whole.answer
        kept = [(one.name, one.rdtype, one.covers) for one in found.additional]
        assert {(name, rdtype or covers) for name, rdtype, covers in kept} <= {
            (n, r or c) for n, r, c in order
        }
        seen.add(len(kept))
    assert (len(seen) > 1) is (do and any(rdtype == 46 for _, rdtype, _ in order))
