"""Keys that do not do all that their role says, as in the steps of a roll."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dnsctl.errors import SigningError
from dnsctl.model.key import KeyUse, whole_use
from dnsctl.model.name import from_text
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.model.rrset import Type
from dnsctl.model.rrsig import parse
from dnsctl.sign.signer import sign_zone
from tests.build import validated
from tests.sign.scenery import NOW, SERIAL, TRAPS, signing_key

_ORIGIN = from_text("example.com.")
_POLICY = Policy(keys="ksk+zsk")
_KSK = signing_key(_ORIGIN, Algorithm.ECDSAP256SHA256, "ksk", 1)
_ZSK = signing_key(_ORIGIN, Algorithm.ECDSAP256SHA256, "zsk", 2)
_NEW_ZSK = signing_key(_ORIGIN, Algorithm.ECDSAP256SHA256, "zsk", 3)
_NEW_KSK = signing_key(_ORIGIN, Algorithm.ECDSAP256SHA256, "ksk", 4)
_OTHER = signing_key(_ORIGIN, Algorithm.ED25519, "csk", 5)


def _signed(*keys, previous=None, later=0):
    return sign_zone(
        validated("example.com.", TRAPS),
        keys,
        _POLICY,
        NOW + timedelta(hours=later),
        SERIAL + later,
        previous,
    )


def _used(key, **use):
    return replace(key, use=KeyUse(**use))


def _tags(zone, owner, rdtype):
    return {parse(each).tag for each in zone.get(from_text(owner), rdtype).signatures}


def test_key_that_is_published_ahead_signs_nothing():
    zone = _signed(_KSK, _ZSK, _used(_NEW_ZSK, published=True))
    assert _NEW_ZSK.public.rdata in zone.get(_ORIGIN, Type.DNSKEY).rdatas
    found = {parse(each).tag for one in zone.rrsets() for each in one.signatures}
    assert found == {_KSK.public.tag, _ZSK.public.tag}


def test_ksk_that_is_rolled_signs_the_dnskey_rrset_and_is_not_named_to_the_parent():
    zone = _signed(_KSK, _ZSK, _used(_NEW_KSK, published=True, signs_keys=True))
    assert _tags(zone, "example.com.", Type.DNSKEY) == {_KSK.public.tag, _NEW_KSK.public.tag}
    assert zone.get(_ORIGIN, Type.CDS).rdatas == (_KSK.public.ds(),)
    assert zone.get(_ORIGIN, Type.CDNSKEY).rdatas == (_KSK.public.rdata,)


def test_zone_whose_parent_should_have_no_ds_yet_asks_for_none():
    zone = _signed(_used(_KSK, published=True, signs_keys=True), _ZSK)
    assert zone.get(_ORIGIN, Type.CDS) is None
    assert zone.get(_ORIGIN, Type.CDNSKEY) is None


def test_new_algorithm_signs_before_its_key_is_published_and_keeps_its_signatures_then():
    whole = whole_use("csk")
    before = _signed(_KSK, _ZSK)
    first = _signed(_KSK, _ZSK, _used(_OTHER, signs_data=True), previous=before, later=1)
    assert _OTHER.public.rdata not in first.get(_ORIGIN, Type.DNSKEY).rdatas
    assert _tags(first, "example.com.", Type.DNSKEY) == {_KSK.public.tag}
    assert _tags(first, "www.example.com.", Type.A) == {_ZSK.public.tag, _OTHER.public.tag}
    second = _signed(_KSK, _ZSK, replace(_OTHER, use=replace(whole, ds=False)), previous=first, later=2)
    assert _OTHER.public.rdata in second.get(_ORIGIN, Type.DNSKEY).rdatas
    www = from_text("www.example.com.")
    old = before.get(www, Type.A).signatures
    assert set(old) < set(first.get(www, Type.A).signatures)
    assert second.get(www, Type.A).signatures == first.get(www, Type.A).signatures


def test_key_that_left_the_dnskey_rrset_signs_data_for_a_while():
    zone = _signed(_OTHER, _used(_ZSK, signs_data=True))
    assert zone.get(_ORIGIN, Type.DNSKEY).rdatas == (_OTHER.public.rdata,)
    assert _tags(zone, "www.example.com.", Type.A) == {_ZSK.public.tag, _OTHER.public.tag}


def test_zone_without_a_key_that_signs_its_data_is_refused():
    with pytest.raises(SigningError, match="none its data"):
        _signed(_KSK, _used(_ZSK, published=True))


def test_swapped_zsk_signs_everything_again():
    before = _signed(_KSK, _ZSK, _used(_NEW_ZSK, published=True))
    after = _signed(_KSK, _used(_ZSK, published=True), _NEW_ZSK, previous=before, later=1)
    assert _tags(after, "www.example.com.", Type.A) == {_NEW_ZSK.public.tag}
    dnskey = (before.get(_ORIGIN, Type.DNSKEY), after.get(_ORIGIN, Type.DNSKEY))
    assert dnskey[0].signatures == dnskey[1].signatures
