import contextlib
import json
from typing import Any
from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsctl.errors import ReleaseError
from dnsctl.image.layout import ZoneEntry
from dnsctl.model.name import from_text
from dnsctl.model.zone import Nsec3Parameters
from dnsctl.release import canonical
from dnsctl.release.manifest import ActivationCertificate, Manifest, settings_in
from dnsctl.release.settings import MAX_SETTINGS
from tests.release.releases import certificate, entry, manifest


def _with(path: str, value: Any) -> bytes:
    """The manifest of `releases.manifest` with one field, named by a dotted path, replaced."""
    document = json.loads(manifest().to_bytes())
    *way, last = path.split("/")
    place: Any = document
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    place[int(last) if isinstance(place, list) else last] = value
    return canonical.encode(document)


def test_manifest_survives_its_bytes() -> None:
    one = manifest(
        generation=42,
        commit=None,
        zones={
            from_text(each): entry(
                each,
                signed=True,
                expiry=1_796_000_000,
                tags=(1, 65535),
                nsec3=Nsec3Parameters(0, b"\1", True),
            )
            for each in ("example.com.", r"b\046ad.example.", ".")
        },
    )
    again = Manifest.from_bytes(one.to_bytes())
    assert again == one
    assert again.digest == one.digest


def test_settings_make_it_format_2_and_are_read_without_its_zones() -> None:
    settings = {"format": 1, "serve": {"cookies": False}}
    one = manifest(settings=settings)
    assert (manifest().format, one.format) == (1, 2)
    assert Manifest.from_bytes(one.to_bytes()) == one
    assert settings_in(one.to_bytes()) == settings and settings_in(manifest().to_bytes()) is None


@pytest.mark.parametrize(
    "change",
    [
        {"format": 1, "settings": {}},  # which has none
        {"format": 2},
        {"format": 2, "settings": []},
        {"format": 2, "settings": None},
        {"format": 3, "settings": {}},
        {"format": True},
        {"format": 2, "settings": {"a": "x" * MAX_SETTINGS}},
    ],
)
def test_settings_of_another_format_or_too_long_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ReleaseError):
        Manifest.from_bytes(canonical.encode(json.loads(manifest().to_bytes()) | change))


def test_manifest_that_is_in_use_is_not_read_again_and_one_that_is_not_is_not_kept() -> None:
    octets = manifest(generation=77).to_bytes()
    first = Manifest.from_bytes(octets)
    assert Manifest.from_bytes(bytes(bytearray(octets))) is first
    known = ref(first)
    del first
    assert known() is None
    assert Manifest.from_bytes(octets).to_bytes() == octets


def test_digest_does_not_depend_on_the_order_zones_were_given_in() -> None:
    zones = {from_text(each): entry(each) for each in ("a.example.", "b.example.")}
    backwards = dict(reversed(list(zones.items())))
    assert manifest(zones=zones).digest == manifest(zones=backwards).digest


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", 2),
        ("generation", 0),
        ("generation", -1),
        ("generation", 2),  # a second release without a parent
        ("generation", True),
        ("generation", 2**60),
        ("parent", "12" * 32),  # a first release with one
        ("parent", 7),
        ("commit", "HEAD"),
        ("commit", "AB" * 20),
        ("created", -1),
        ("created", "now"),
        ("table", ""),
        ("table", "0" * 63),
        ("zones", []),
        ("zones", {"example.net.": None}),
        ("zones/example.com./serial", 2**32),
        ("zones/example.com./serial", -1),
        ("zones/example.com./serial", None),
        ("zones/example.com./origin", "example.net."),
        ("zones/example.com./owners", 9),
        ("zones/example.com./tags", [70000]),
        ("zones/example.com./tags", ["1"]),
        ("zones/example.com./tags", [[]]),
        ("zones/example.com./tags", 5),
        ("zones/example.com./nsec3", [0]),
        ("zones/example.com./nsec3", [0, "zz", False]),
        ("zones/example.com./nsec3", {}),
        ("zones/example.com./source", "x"),
        ("zones/example.com./digest", "x"),
        ("zones/example.com./signed", 1),
        ("removed", ["example.com."]),
        ("removed", ["b.example.", "a.example."]),
        ("removed", ["a.example.", "a.example."]),
        ("removed", ["EXAMPLE.ORG."]),
        ("removed", ["no-dot"]),
        ("removed", [1]),
        ("removed", [["a."]]),
        ("delta", {}),
        ("delta/size", -1),
        ("delta/length", 2**40),
        ("delta/digest", "AB" * 32),
        ("probes/0/name", "www"),
        ("probes/0/rdtype", 0),
        ("probes/0/dnssec", 1),
        ("probes/0/rcode", 4096),
        ("probes/0/answers", ["c0000202", "c0000201"]),
        ("probes/0/answers", ["c0000201", "c0000201"]),
        ("probes/0/answers", ["c00"]),
        ("probes/0/answers", [None]),
        ("probes/0/answers", ["c0000201", 3]),
        ("extra", 1),
    ],
)
def test_manifest_out_of_bounds_is_refused(path: str, value: Any) -> None:
    with pytest.raises(ReleaseError):
        Manifest.from_bytes(_with(path, value))


def test_zone_under_a_name_not_canonical_is_refused() -> None:
    document = json.loads(manifest().to_bytes())
    document["zones"] = {"EXAMPLE.com.": document["zones"]["example.com."]}
    with pytest.raises(ReleaseError):
        Manifest.from_bytes(canonical.encode(document))


def test_manifest_larger_than_allowed_is_not_even_parsed() -> None:
    with pytest.raises(ReleaseError, match="at most"):
        Manifest.from_bytes(b" " * (32 * 2**20 + 1))


@given(st.binary(max_size=200))
def test_random_octets_raise_release_errors_only(octets: bytes) -> None:
    with pytest.raises(ReleaseError):
        Manifest.from_bytes(octets)
    with pytest.raises(ReleaseError):
        ActivationCertificate.from_bytes(octets)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


_FULL = json.loads(manifest(settings={"format": 1}).to_bytes())


@given(st.sampled_from(sorted(_FULL)), _JSON)
def test_any_json_in_any_field_raises_release_errors_only(field: str, value: Any) -> None:
    try:
        data = canonical.encode(_FULL | {field: value})
        assert Manifest.from_bytes(data).to_bytes() == data
    except ReleaseError:
        pass


@given(st.sampled_from(sorted(entry().to_json())), _JSON)
def test_any_json_in_a_zones_entry_raises_release_errors_only(field: str, value: Any) -> None:
    data = _with(f"zones/example.com./{field}", value)
    with contextlib.suppress(ReleaseError):
        assert Manifest.from_bytes(data).to_bytes() == data


def test_certificate_survives_its_bytes_and_names_its_manifest() -> None:
    one = certificate(manifest(3))
    assert ActivationCertificate.from_bytes(one.to_bytes()) == one
    assert one.manifest == manifest(3).digest


@pytest.mark.parametrize(
    "change", [{"generation": 0}, {"generation": False}, {"manifest": "x"}, {"created": -1}, {"more": 1}]
)
def test_malformed_certificate_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ReleaseError):
        ActivationCertificate.from_bytes(
            canonical.encode(json.loads(certificate(manifest()).to_bytes()) | change)
        )


def test_entry_is_the_images_own() -> None:
    assert isinstance(next(iter(manifest().zones.values())), ZoneEntry)
