"""RFC 8945: signed queries are verified, and what answers them is signed; by section."""

import ipaddress
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from operator import itemgetter

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.tsig
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsctl.image.reader import Reader
from dnsctl.model.fleet import Network, TransferKey
from dnsctl.serve.message.cookies import Cookies, fresh_secret
from dnsctl.serve.message.query import Rejected
from dnsctl.serve.message.tsig import Keyring, Rdata
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport import transfer
from tests.conformance.asking import octets, option, query, rcode, told

ALGORITHMS = ["hmac-sha256", "hmac-sha384", "hmac-sha512"]
KEYS = [TransferKey(f"{each}.example", each, each.encode() * 3) for each in ALGORITHMS]
NAMES = [key.name for key in KEYS]
RESPONDER = Responder("ns1", keys=Keyring(KEYS))
ADDRESS = "198.51.100.100"


def key(name: str, *, secret: bytes | None = None, algorithm: str | None = None) -> dns.tsig.Key:
    known = next((one for one in KEYS if one.name == name), KEYS[0])
    return dns.tsig.Key(f"{name}.", secret or known.secret, algorithm or known.algorithm)


def signed(asked: dns.message.Message, used: dns.tsig.Key) -> dns.message.Message:
    asked.use_tsig(used)
    asked.to_wire()  # makes the MAC that the response is verified with
    return asked


def read(wire: bytes, asked: dns.message.Message, used: dns.tsig.Key) -> dns.message.Message:
    """Return the response with its TSIG verified. Raises what dnspython does."""
    return dns.message.from_wire(
        wire, keyring={used.name: used}, request_mac=asked.mac, ignore_trailing=False
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("owner", ["www", "absent", "large"])
def test_section_5_3_answer_to_a_signed_query_is_signed(reader: Reader, name: str, stream: bool, owner: str):
    asked = signed(query(f"{owner}.example.com.", "TXT"), key(name))
    message = read(octets(RESPONDER, reader, asked.to_wire(), stream=stream), asked, key(name))
    assert message.had_tsig
    assert rcode(message) == ("NXDOMAIN" if owner == "absent" else "NOERROR")
    assert message.question == asked.question
    assert bool(message.flags & dns.flags.TC) == (owner == "large" and not stream)


def test_section_5_3_signature_leaves_the_answer_within_what_the_client_takes(reader: Reader):
    for payload in range(512, 640):
        asked = signed(query("fits.example.com.", "TXT", payload=payload), key(NAMES[2]))
        wire = octets(RESPONDER, reader, asked.to_wire())
        assert len(wire) <= payload
        read(wire, asked, key(NAMES[2]))


def test_key_names_are_compared_without_case(reader: Reader):
    asked = signed(query(), dns.tsig.Key("HMAC-SHA256.Example.", KEYS[0].secret, KEYS[0].algorithm))
    assert read(octets(RESPONDER, reader, asked.to_wire()), asked, key(NAMES[0])).had_tsig


def refused(wire: bytes) -> Rdata:
    """Return the TSIG rdata of an unsigned NOTAUTH."""
    message = dns.message.from_wire(wire, keyring=False)
    assert rcode(message) == "NOTAUTH"
    assert not message.answer
    assert message.edns == 0  # RFC 6891 §6.1.1
    rdata: Rdata = message.tsig[0]
    return rdata


@pytest.mark.parametrize(
    ("used", "error"),
    [
        (key("unknown.example"), 17),
        (key(NAMES[0], algorithm="hmac-sha512"), 17),
        (key(NAMES[0], secret=b"another secret of the same name"), 16),
    ],
    ids=["unknown key", "other algorithm", "other secret"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_section_5_2_1_and_5_2_2_wrong_key_or_mac_is_notauth_unsigned(
    reader: Reader, used: dns.tsig.Key, error: int, stream: bool
):
    asked = signed(query(), used)
    found = refused(octets(RESPONDER, reader, asked.to_wire(), stream=stream))
    assert (int(found.error), found.mac) == (error, b"")
    assert found.algorithm == used.algorithm


def test_section_5_2_2_changed_message_is_badsig(reader: Reader):
    wire = bytearray(signed(query(), key(NAMES[0])).to_wire())
    wire[13] ^= 0x01  # a letter of the question
    assert int(refused(octets(RESPONDER, reader, bytes(wire))).error) == 16


@pytest.mark.parametrize("late", [-400, 400])
def test_section_5_2_3_wrong_time_is_badtime_signed_with_our_time(reader: Reader, late: int):
    now = time.time()
    responder = Responder(keys=Keyring(KEYS, clock=lambda: now + late))
    asked = signed(query(), key(NAMES[0]))
    wire = octets(responder, reader, asked.to_wire())
    with pytest.raises(dns.tsig.PeerBadTime):
        read(wire, asked, key(NAMES[0]))
    found = refused(wire)
    assert int.from_bytes(found.other, "big") == int(now + late)
    assert (found.time_signed, len(found.mac)) == (asked.tsig[0].time_signed, 32)


@pytest.mark.parametrize("late", [-290, 290])
def test_section_5_2_3_time_within_the_fudge_is_good(reader: Reader, late: int):
    now = time.time()
    responder = Responder(keys=Keyring(KEYS, clock=lambda: now + late))
    asked = signed(query(), key(NAMES[0]))
    assert read(octets(responder, reader, asked.to_wire()), asked, key(NAMES[0])).answer


def with_mac(
    used: dns.tsig.Key, change: Callable[[bytes], bytes], asked: dns.message.Message | None = None
) -> tuple[bytes, bytes]:
    """Return a query signed with `used` whose MAC is changed, and that MAC."""
    asked = signed(asked or query(), used)
    wire, rdata = asked.to_wire(), asked.tsig[0]
    mac = change(rdata.mac)
    made = rdata.replace(mac=mac).to_wire()
    return wire[: -len(rdata.to_wire()) - 2] + struct.pack("!H", len(made)) + made, mac


SIZES = list(zip(NAMES, (32, 48, 64), strict=True))  # octets of a whole MAC


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("name", "whole"), SIZES)
def test_section_5_2_4_mac_that_is_right_but_truncated_is_badtrunc_signed(
    reader: Reader, name: str, whole: int, stream: bool
):
    """a MAC too short for the policy (it must be whole): BADTRUNC, signed"""
    for size in (whole // 2, whole - 1):
        cut, mac = with_mac(key(name), itemgetter(slice(size)))
        wire = octets(RESPONDER, reader, cut, stream=stream)
        found = refused(wire)
        assert (int(found.error), len(found.mac)) == (22, whole)
        with pytest.raises(dns.tsig.PeerBadTruncation):
            dns.message.from_wire(wire, keyring={key(name).name: key(name)}, request_mac=mac)
        own = dns.tsig.sign(wire_without_tsig(wire, found, name), key(name), found, found.time_signed, mac)
        assert own[0].mac == found.mac


def wire_without_tsig(wire: bytes, rdata: Rdata, name: str) -> bytes:
    size = len(dns.name.from_text(name).to_wire()) + 10 + len(rdata.to_wire())
    return wire[:10] + (int.from_bytes(wire[10:12], "big") - 1).to_bytes(2, "big") + wire[12:-size]


@pytest.mark.parametrize(("name", "whole"), SIZES)
def test_section_5_2_4_truncated_mac_is_looked_at_after_mac_and_time(reader: Reader, name: str, whole: int):
    half = slice(whole // 2)
    spoilt, _ = with_mac(key(name), lambda mac: bytes((mac[0] ^ 1,)) + mac[1 : whole // 2])
    assert int(refused(octets(RESPONDER, reader, spoilt)).error) == 16
    late = Responder(keys=Keyring(KEYS, clock=lambda: time.time() + 1000))
    cut, _ = with_mac(key(name), itemgetter(half))
    assert int(refused(octets(late, reader, cut)).error) == 18


@pytest.mark.parametrize(("name", "whole"), SIZES)
def test_section_5_2_2_1_mac_of_a_size_that_none_may_have_is_formerr(reader: Reader, name: str, whole: int):
    """a MAC longer than whole, or shorter than 10 octets or half: FORMERR"""
    for size in (0, 9, whole // 2 - 1, whole + 1):
        for asked in (query(), query("example.com.", "AXFR")):
            wire, mac = with_mac(key(name), lambda mac, size=size: (mac + b"x")[:size], asked)  # type: ignore[misc]
            assert len(mac) == size
            message = dns.message.from_wire(octets(RESPONDER, reader, wire))
            assert rcode(message) == "FORMERR"
            assert message.edns == asked.edns
            assert not message.had_tsig
        assert transfer_rcode(wire) == 1


def transfer_rcode(wire: bytes) -> int:
    with pytest.raises(Rejected) as rejected:
        transfer.admit(wire, ADDRESS, (), RESPONDER.keys)
    return rejected.value.rcode


def test_section_5_2_tsig_that_is_not_last_or_not_alone_is_formerr(reader: Reader):
    wire = signed(query(), key(NAMES[0])).to_wire()
    opt = b"\0\0\x29\4\xd0\0\0\0\0\0\0"
    tsig = wire[wire.index(b"\x0bhmac-sha256\7example") :]
    for additional, count in ((tsig + opt, 2), (opt + tsig + tsig, 3), (tsig[:-8], 1)):
        made = wire[:10] + count.to_bytes(2, "big") + wire[12:33] + additional
        assert octets(RESPONDER, reader, made)[3] & 0xF == 1


@pytest.mark.parametrize("late", [-400, 400])
def test_section_5_3_mac_of_badtime_is_over_the_opt_too(reader: Reader, late: int):
    responder = Responder("ns1", keys=Keyring(KEYS, clock=lambda: time.time() + late))
    asked = signed(query("www.example.com.", "A", option(3)), key(NAMES[0]))
    wire = octets(responder, reader, asked.to_wire())
    found = refused(wire)
    plain = wire_without_tsig(wire, found, NAMES[0])
    assert told(dns.message.from_wire(plain), 3) == b"ns1"
    made, _ = dns.tsig.sign(plain, key(NAMES[0]), found, found.time_signed, asked.mac)
    assert made.mac == found.mac


def test_query_without_edns_is_refused_without(reader: Reader):
    asked = signed(dns.message.make_query("www.example.com.", "A"), key("unknown.example"))
    message = dns.message.from_wire(octets(RESPONDER, reader, asked.to_wire()), keyring=False)
    assert (rcode(message), message.edns) == ("NOTAUTH", -1)


def test_tsig_is_looked_at_before_the_version_of_edns(reader: Reader):
    asked = query()
    asked.use_edns(1)
    wire = octets(RESPONDER, reader, signed(asked, key("unknown.example")).to_wire())
    assert int(refused(wire).error) == 17
    wire = octets(RESPONDER, reader, signed(asked, key(NAMES[0])).to_wire())
    assert rcode(read(wire, asked, key(NAMES[0]))) == "BADVERS"


def test_server_without_keys_knows_none(reader: Reader):
    found = refused(octets(Responder(), reader, signed(query(), key(NAMES[0])).to_wire()))
    assert int(found.error) == 17


def test_signed_query_has_its_options_answered(reader: Reader):
    asked = signed(query("www.example.com.", "A", option(3)), key(NAMES[1]))
    assert told(read(octets(RESPONDER, reader, asked.to_wire()), asked, key(NAMES[1])), 3) == b"ns1"


def test_signed_response_is_never_kept_for_others(reader: Reader):
    response = RESPONDER.respond(reader, signed(query(), key(NAMES[0])).to_wire(), stream=False)
    assert response is not None
    assert not response.cacheable


def transferred(wires: Iterable[bytes], asked: dns.message.Message, used: dns.tsig.Key) -> int:
    """Verify each message of a transfer as a receiver does; return how many there are."""
    context, count = None, 0
    for wire in wires:
        message = dns.message.from_wire(
            wire, keyring={used.name: used}, request_mac=asked.mac, tsig_ctx=context, multi=True, xfr=True
        )
        assert message.had_tsig
        context = message.tsig_ctx
        count += 1
    return count


@pytest.mark.parametrize("name", NAMES)
def test_section_5_3_1_every_message_of_a_transfer_is_signed_in_one_chain(
    reader: Reader, name: str, monkeypatch
):
    monkeypatch.setattr(transfer, "MESSAGE_SIZE", 600)
    asked = signed(dns.message.make_query("example.com.", "AXFR"), key(name))
    found = transfer.admit(asked.to_wire(), ADDRESS, (), RESPONDER.keys)
    assert found.allowed
    wires = list(found.signed(transfer.messages(reader, found.message)))
    assert transferred(wires, asked, key(name)) == len(wires) > 5
    asked = signed(dns.message.make_query("example.com.", "AXFR"), key(name))
    found = transfer.admit(asked.to_wire(), ADDRESS, (), RESPONDER.keys)
    wires = list(found.signed(transfer.messages(reader, found.message)))
    with pytest.raises(dns.tsig.BadSignature):
        transferred(wires[:2] + wires[3:], asked, key(name))  # one is missing


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


@pytest.mark.parametrize(
    ("by_key", "by_address", "is_signed", "allowed"),
    [
        ((), (), True, True),
        ((), (), False, False),
        (("198.51.100.0/24",), (), True, True),
        (("192.0.2.0/24",), (), True, False),
        (("192.0.2.0/24",), ("198.51.100.0/24",), True, True),
        ((), ("198.51.100.0/24",), False, True),
    ],
)
def test_transfers_are_allowed_by_key_from_where_it_is_good_or_by_address(
    by_key: tuple[str, ...], by_address: tuple[str, ...], is_signed: bool, allowed: bool
):
    keys = Keyring([replace(KEYS[0], networks=networks(*by_key))])
    asked = dns.message.make_query("example.com.", "AXFR")
    if is_signed:
        signed(asked, key(NAMES[0]))
    assert transfer.admit(asked.to_wire(), ADDRESS, networks(*by_address), keys).allowed is allowed


@given(st.data())
def test_mutated_signed_query_is_never_taken_for_a_signed_one(reader: Reader, data: st.DataObject):
    original = signed(query(), key(NAMES[0])).to_wire()
    wire = bytearray(original)
    at = data.draw(st.integers(2, len(wire) - 1))  # the header's id is not signed
    wire[at] ^= data.draw(st.integers(1, 255))
    response = RESPONDER.respond(reader, bytes(wire), stream=True)
    if response is None:
        return
    if wire[2] >> 3 & 0xF == dns.opcode.UPDATE:  # dnspython reads no update of a zone without SOA
        assert response.wire[3] & 0xF in (dns.rcode.FORMERR, dns.rcode.NOTAUTH)
        return
    message = dns.message.from_wire(response.wire, keyring=False)
    if message.had_tsig and rcode(message) != "NOTAUTH":
        assert bytes(wire).lower() == original.lower()  # of names, case alone may differ


def with_rdata(asked: dns.message.Message, used: dns.tsig.Key, **fields: object) -> bytes:
    """Return a query signed with `used` over other fields of TSIG than usual."""
    template = signed(asked, used).tsig[0].replace(mac=b"", **fields)
    asked.tsig = None
    plain = asked.to_wire()
    made, _ = dns.tsig.sign(plain, used, template, template.time_signed)
    rdata: bytes = made.to_wire()
    count = (plain[10] << 8 | plain[11]) + 1
    head = used.name.to_wire() + struct.pack("!HHIH", 250, 255, 0, len(rdata))
    return plain[:10] + count.to_bytes(2, "big") + plain[12:] + head + rdata


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("used", [key(NAMES[0]), key("unknown.example"), key(NAMES[0], secret=b"another")])
@pytest.mark.parametrize("other", [b"", b"x", b"x" * 6, b"x" * 400])
def test_section_5_3_other_data_of_a_query_is_never_sent_back(
    reader: Reader, used: dns.tsig.Key, other: bytes, stream: bool
):
    """other data is empty but in BADTIME, whatever the query has there"""
    wire = octets(RESPONDER, reader, with_rdata(query(), used, other=other), stream=stream)
    assert dns.message.from_wire(wire, keyring=False).tsig[0].other == b""


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("other", [b"", b"x" * 6, b"x" * 400])
def test_section_5_2_3_other_data_of_badtime_is_our_time_alone(reader: Reader, other: bytes, stream: bool):
    now = int(time.time())
    responder = Responder(keys=Keyring(KEYS, clock=lambda: now))
    wire = with_rdata(query(), key(NAMES[0]), time_signed=now - 1000, other=other)
    found = refused(octets(responder, reader, wire, stream=stream))
    assert (int(found.error), found.other) == (18, now.to_bytes(6, "big"))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("time_signed", "fudge", "error"),
    [
        (0, 300, 0), (-300, 300, 0), (-301, 300, 18), (300, 300, 0), (301, 300, 18),
        (0, 0, 0), (1, 0, 18), (-1, 0, 18), (65535, 65535, 0), (-65535, 65535, 0), (65536, 65535, 18),
        ((1 << 48) - 1 - 1_800_000_000, 65535, 18), (-1_800_000_000, 65535, 18),
    ],
)  # fmt: skip
def test_section_5_2_3_time_is_good_up_to_the_fudge_and_not_a_second_further(
    reader: Reader, time_signed: int, fudge: int, error: int, stream: bool
):
    """a time signed more than the fudge before or after ours: BADTIME; all 48 bits of it count"""
    now = 1_800_000_000
    responder = Responder(keys=Keyring(KEYS, clock=lambda: now))
    wire = with_rdata(query(), key(NAMES[0]), time_signed=now + time_signed, fudge=fudge)
    answered = octets(responder, reader, wire, stream=stream)
    if error:
        assert int(refused(answered).error) == error
    else:
        found = dns.message.from_wire(answered, keyring=False)
        assert (rcode(found), int(found.tsig[0].error), found.tsig[0].fudge) == ("NOERROR", 0, 300)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("error", [16, 17, 18, 22, 4095])
def test_section_5_2_query_that_tells_an_error_is_formerr(reader: Reader, error: int, stream: bool):
    wire = with_rdata(query(), key(NAMES[0]), error=error)
    assert octets(RESPONDER, reader, wire, stream=stream)[3] & 0xF == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("section", [6, 8], ids=["answer", "authority"])
def test_section_5_1_tsig_in_another_section_is_formerr(reader: Reader, section: int, stream: bool):
    """TSIG MUST stand in the additional section, as its last record"""
    wire = signed(dns.message.make_query("www.example.com.", "A"), key(NAMES[0])).to_wire()
    for more in (b"", b"\0\0\x29\4\xd0\0\0\0\0\0\0"):
        moved = wire[:section] + b"\0\1" + bytes(8 - section) + bytes((0, bool(more))) + wire[12:] + more
        assert octets(RESPONDER, reader, moved, stream=stream)[3] & 0xF == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("rdclass", "ttl"), [(1, 0), (254, 0), (255, 1), (255, 0x80000000), (0, 0)])
def test_section_4_2_class_other_than_any_and_ttl_other_than_0_are_formerr(
    reader: Reader, rdclass: int, ttl: int, stream: bool
):
    """CLASS MUST be ANY, TTL MUST be 0"""
    wire = signed(query(), key(NAMES[0])).to_wire()
    at = wire.index(b"\x0bhmac-sha256\7example\0\0\xfa") + 23
    made = wire[:at] + struct.pack("!HI", rdclass, ttl) + wire[at + 6 :]
    assert octets(RESPONDER, reader, made, stream=stream)[3] & 0xF == 1


@pytest.mark.parametrize("stream", [False, True])
def test_section_5_2_key_is_looked_at_before_mac_time_and_cookie(reader: Reader, stream: bool):
    """key, MAC, time: in this order; and TSIG before what EDNS asks for"""
    cookie = option(10, b"odd")
    for used, expected in ((key("unknown.example"), 17), (key(NAMES[0], secret=b"another"), 16)):
        wire = with_rdata(query("www.example.com.", "A", cookie), used, time_signed=1)
        assert int(refused(octets(RESPONDER, reader, wire, stream=stream)).error) == expected


@pytest.mark.parametrize("stream", [False, True])
def test_section_5_3_signed_query_with_a_cookie_gets_both(reader: Reader, tmp_path, stream: bool):
    path = tmp_path / "cookie.secret"
    path.write_bytes(fresh_secret())
    responder = Responder("ns1", keys=Keyring(KEYS), cookies=Cookies([path]))
    for data, expected in ((b"8 octets", "NOERROR"), (b"8 octets" * 3, "BADCOOKIE"), (b"odd", "FORMERR")):
        asked = signed(query("www.example.com.", "A", option(10, data)), key(NAMES[0]))
        found = read(octets(responder, reader, asked.to_wire(), stream=stream), asked, key(NAMES[0]))
        assert found.had_tsig
        assert rcode(found) == ("NOERROR" if stream and expected == "BADCOOKIE" else expected)
        assert (told(found, 10) is None) is (expected == "FORMERR")
