"""RRSIG rdata, taken apart as dnspython wrote it; where names end, and how labels are counted."""

import dns.rdata
import pytest

from dnsctl.errors import SigningError
from dnsctl.model.name import from_text, label_count, labels, name_end
from dnsctl.model.rrset import RRset, Type, before_signing
from dnsctl.model.rrsig import COVERS, EXPIRATION, INCEPTION, SIGNER_AT, TAG, expiration, parse

TEXT = "A 13 3 3600 20261212120000 20261128110000 4711 Example.COM. " + "AAEC" * 16
RDATA = dns.rdata.from_text("IN", "RRSIG", TEXT).to_wire()
assert RDATA is not None


def test_rdata_is_taken_apart_as_dnspython_wrote_it():
    one = parse(RDATA)
    assert one[:4] == (Type.A, 13, 3, 3600)
    assert (one.expiration, one.inception, one.tag) == (1797076800, 1795863600, 4711)
    assert one.signer == from_text("example.com.")
    assert RDATA[one.start :] == bytes((0, 1, 2)) * 16


def test_parts_stand_where_they_are_said_to():
    one = parse(RDATA)
    assert expiration(RDATA) == one.expiration == int.from_bytes(RDATA[EXPIRATION], "big")
    assert int.from_bytes(RDATA[INCEPTION], "big") == one.inception
    assert int.from_bytes(RDATA[TAG], "big") == one.tag
    assert RDATA.startswith(COVERS.pack(*one[:4]))
    assert name_end(RDATA, SIGNER_AT) == one.start


@pytest.mark.parametrize("length", [0, 1, 17, 18, 20])
def test_rdata_that_is_cut_off_is_refused(length):
    with pytest.raises(SigningError):
        parse(RDATA[:length])


@pytest.mark.parametrize(
    ("name", "count"), [(".", 0), ("com.", 1), ("www.example.com.", 3), ("*.example.com.", 2), ("*.", 0)]
)
def test_labels_are_counted_without_root_and_wildcard(name, count):
    assert label_count(from_text(name)) == count
    assert len(labels(from_text(name))) == count + name.startswith("*")


def test_the_end_of_a_name_among_other_octets():
    name = from_text("a.bc.example.")
    assert name_end(b"\xff\xff" + name + b"rest", 2) == 2 + len(name)
    with pytest.raises(IndexError):
        name_end(name[:-1], 0)


def test_what_signing_made_is_left_out_and_signatures_with_it():
    owner = from_text("example.com.")
    node = tuple(
        RRset(owner, rdtype, 300, (b"x",), signatures=(b"y",))
        for rdtype in (Type.NS, Type.NSEC, Type.DNSKEY, Type.NSEC3PARAM)
    )
    assert [(one.rdtype, one.signatures) for one in before_signing(node)] == [
        (Type.NS, ()),
        (Type.DNSKEY, ()),
    ]
