"""The name of a zone's file, and the zone that is read from it."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dnsctl.interchange.naming import file_stem
from dnsctl.load.revision import Entry
from dnsctl.load.zone_files import zone_files
from dnsctl.model.name import Name, from_labels, from_text, to_text
from dnsctl.model.repo import ZONE_SUFFIXES, ZONES


class Listed:
    """A directory with one file: what a zone is called may be longer than a file system takes."""

    root = Path()
    commit: str | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self, path: str, limit: int = 0) -> bytes:
        raise AssertionError(path)

    def below(self, directory: str) -> "Listed":
        raise AssertionError(directory)

    def entries(self, directory: str) -> tuple[Entry, ...]:
        return (Entry(f"{ZONES}/{self.name}"),)


def read_from(name: str) -> list[Name]:
    return list(zone_files(Listed(name)).zones)


@example([b"."], ".yaml")
@example([b"a\\.", b"\\"], ".zone")
@given(
    st.lists(st.binary(min_size=1, max_size=12).map(bytes.lower), max_size=4), st.sampled_from(ZONE_SUFFIXES)
)
def test_each_name_is_read_from_its_file(labels: list[bytes], suffix: str) -> None:
    origin = from_labels(labels)
    name = file_stem(origin) + suffix
    assert "/" not in name
    assert read_from(name) == [origin]


@pytest.mark.parametrize(
    ("zone", "stem"),
    [
        ("example.com.", "example.com"),
        (".", "."),
        ("0/25.2.0.192.in-addr.arpa.", r"0\04725.2.0.192.in-addr.arpa"),
        ("readme.example.", r"\114eadme.example"),
        ("dnsctl.", r"\100nsctl"),
        ("%41.example.", r"\03741.example"),
    ],
)
def test_names_that_files_cannot_have_are_escaped(zone: str, stem: str) -> None:
    assert file_stem(from_text(zone)) == stem
    assert [to_text(each) for each in read_from(f"{stem}.yaml")] == [zone]
