"""One small zone in an image, for tests that ask a responder directly."""

from collections.abc import Iterator

import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.sign.signer import unsigned_zone
from tests.build import validated
from tests.conformance import zones

SERIAL = 2026112101
LARGE = "\n".join(f'large TXT "{number:02d}{"x" * 200}"' for number in range(12))
ZONE = f"""\
www A 192.0.2.1
alias CNAME www
sub NS ns.sub
ns.sub A 192.0.2.2
fits TXT "{"y" * 200}" "{"z" * 200}"
{LARGE}
"""


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    zones = [
        unsigned_zone(validated("example.com.", ZONE), SERIAL),
        unsigned_zone(validated("child.example.com.", "www A 192.0.2.9\n"), SERIAL + 1),
    ]
    with Image.open(tmp_path_factory.mktemp("image"), readonly=False) as image:
        with image.writer() as writer:
            writer.apply(difference(writer, [compile_zone(zone) for zone in zones]))
        with image.reader() as reader:
            yield reader


@pytest.fixture(scope="session")
def empty_reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with Image.open(tmp_path_factory.mktemp("empty"), readonly=False) as image, image.reader() as reader:
        yield reader


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zones.Server]:
    """Answers for the zones of `zones`, signed and not."""
    with zones.fill(tmp_path_factory.mktemp("zones")) as image, image.reader() as reader:
        yield zones.Server(reader)
