"""dnsctl as a library: every example of docs/api.md runs, and `import dnsctl` loads nothing for it."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dns.rdatatype
import pytest

import dnsctl
from dnsctl.errors import PassphraseError
from tests.cli.test_serve import serving

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ZONE = "$TTL 300\n@ SOA ns1 hostmaster 2026010101 7200 1800 1209600 300\n@ NS ns1\nns1 A 192.0.2.53\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to work in, with zones/example.com.zone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "example.com.zone").write_text(ZONE + "www A 192.0.2.80\n")
    return tmp_path


def test_every_example_of_the_page_runs(place: Path) -> None:
    blocks = BLOCK.findall(PAGE.read_text("utf-8"))
    ((_, zone),) = [each for each in blocks if each[0] == "zone"]
    programs = [text for kind, text in blocks if kind == "python"]
    assert len(programs) == 6
    (place / "zones" / "example.com.zone").write_text(zone)
    names: dict[str, object] = {}
    with serving(place / "zones") as node:
        for program in programs:
            there = program.replace('"192.0.2.53", 53', f'"127.0.0.1", {node.port}')
            exec(compile(there, str(PAGE), "exec"), names)  # noqa: S102 - the page's own examples


def test_page_names_everything_that_is_offered() -> None:
    text = PAGE.read_text("utf-8")
    for name in set(dnsctl.__all__) - {"__version__"}:
        assert f"`{name}" in text, name
        assert getattr(dnsctl, name).__name__ == name
    assert set(dnsctl.__all__) <= set(dir(dnsctl))
    assert set(dnsctl.__all__) == {"__version__", *dnsctl._HOMES}
    with pytest.raises(AttributeError, match="no attribute 'check_zone'"):
        dnsctl.check_zone  # type: ignore[attr-defined]  # noqa: B018 - what is not there is the point


def test_import_loads_nothing_but_the_version() -> None:
    program = "import sys; before = set(sys.modules); import dnsctl; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["dnsctl"]


def test_zone_with_errors_is_told_and_left_out_and_no_other(place: Path) -> None:
    (place / "zones" / "example.net.zone").write_text(ZONE + "www CNAME a\nwww A 192.0.2.1\n")
    zones = dnsctl.check_zones("zones")
    assert zones.has_errors
    assert {(each.rule, str(each.position)) for each in zones.findings if each.severity.name == "ERROR"} == {
        ("cname-other-data", "example.net.zone:5:1")
    }
    assert zones.names == ("example.com.",)
    with dnsctl.build_image(zones, "image") as image:
        assert image.names == ("example.com.",)
        assert image.answer("www.example.net").rcode().name == "SERVFAIL"
        assert image.answer("www.example.com").rcode().name == "NOERROR"
        assert image.answer("www.example.org").rcode().name == "REFUSED"


def test_signing_without_keys_or_passphrase_changes_nothing(place: Path) -> None:
    with dnsctl.build_image(dnsctl.check_zones("zones"), "image") as image:
        before = image.answer("example.com", "SOA")
    zones = dnsctl.check_zones("zones", sign=True)
    with pytest.raises(dnsctl.DnsctlError, match="name the directory of keys"):
        dnsctl.build_image(zones, "image")
    with pytest.raises(PassphraseError, match="no passphrase"):
        dnsctl.build_image(zones, "other", keys="keys")
    assert not (place / "other").exists()
    assert not (place / "keys").exists()
    with dnsctl.open_image("image") as image:
        assert image.answer("example.com", "SOA").answer == before.answer


def test_server_of_other_data_is_told_with_what_differs(place: Path) -> None:
    with serving(place / "zones") as node:
        port = node.port  # told once zones are read
        zone = place / "zones" / "example.com.zone"
        zone.write_text(zone.read_text().replace("192.0.2.80", "192.0.2.81"))
        with dnsctl.build_image(dnsctl.check_zones("zones"), "image") as image:
            report = image.verify("127.0.0.1", port, full=True)
        assert not report.consistent
        assert ["192.0.2.81" in str(each) and "192.0.2.80" in str(each) for each in report.faults] == [True]
        with pytest.raises(dnsctl.DnsctlError, match="no such zone"), dnsctl.open_image("image") as image:
            image.verify("127.0.0.1", port, zones=["example.org"])


def test_image_that_is_built_anew_answers_from_the_new_zones(place: Path) -> None:
    dnsctl.build_image(dnsctl.check_zones("zones"), "image").close()
    (place / "zones" / "example.com.zone").unlink()
    (place / "zones" / "example.org.zone").write_text(ZONE)
    with dnsctl.build_image(dnsctl.check_zones(place / "zones"), place / "image") as image:
        assert image.names == ("example.org.",)


@pytest.mark.parametrize("name", ["a..example.com", "x" * 64 + ".example.com"])
def test_name_that_is_not_one_is_an_error_with_advice(place: Path, name: str) -> None:
    with dnsctl.build_image(dnsctl.check_zones("zones"), "image") as image, pytest.raises(dnsctl.DnsctlError):
        image.answer(name)


def test_image_that_cannot_be_signed_is_not_begun(place: Path) -> None:
    zones = dnsctl.check_zones("zones", sign=True)
    dnsctl.build_image(zones, "image", keys="keys", passphrase=b"right").close()
    with pytest.raises(PassphraseError):
        dnsctl.build_image(zones, "other", keys="keys", passphrase=b"wrong")
    assert not (place / "other").exists()


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda image: image.answer("example.com", "FOO"), "FOO is not a type"),
        (lambda image: image.answer("example.com", "TYPE65536"), "TYPE65536 is not a type"),
        (lambda image: image.verify("ns1.example.com"), "not an address"),
        (lambda image: image.verify("192.0.2.1", 99999), "no port between"),
    ],
)
def test_question_that_cannot_be_asked_is_an_error(
    place: Path, ask: Callable[[dnsctl.ZoneImage], object], told: str
) -> None:
    with dnsctl.build_image(dnsctl.check_zones("zones"), "image") as image:
        with pytest.raises(dnsctl.DnsctlError, match=told) as caught:
            ask(image)
        assert caught.value.rule == "command-line"


def test_type_may_be_one_of_dnspythons(place: Path) -> None:
    with dnsctl.build_image(dnsctl.check_zones("zones"), "image") as image:
        number = dns.rdatatype.NS
        assert image.answer("example.com", number).answer  # type: ignore[arg-type]  # as programs have them
        with pytest.raises(dnsctl.DnsctlError, match="is not a type"):
            image.answer("example.com", 70000)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "use",
    [
        lambda image: image.names,
        lambda image: image.answer("example.com"),
        lambda image: image.respond(b""),
        lambda image: image.verify("192.0.2.1"),
    ],
)
def test_image_that_was_closed_says_so(place: Path, use: Callable[[dnsctl.ZoneImage], object]) -> None:
    image = dnsctl.build_image(dnsctl.check_zones("zones"), "image")
    image.close()
    with pytest.raises(dnsctl.DnsctlError, match="the image is closed"):
        use(image)


def test_directory_that_is_not_there_is_an_error(place: Path) -> None:
    with pytest.raises(dnsctl.DnsctlError, match="nowhere"):
        dnsctl.check_zones("nowhere")
