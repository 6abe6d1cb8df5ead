"""RFC 9018: server cookies that other implementations make and accept, and secrets that change."""

import ipaddress
import os
from pathlib import Path

import pytest

from dnsctl.errors import ConfigError
from dnsctl.serve.message.cookies import LOOK_INTERVAL, Cookies, Validity, fresh_secret, read_secrets

FIRST = "e5e973e5a6b2a43f48e7dc849e37bfcf"
OLD, NEW = "dd3bdf9344b678b185a6f5cb60fca715", "445536bcd2513298075a5d379663c962"


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "cookie.secret"
    path.write_text(FIRST + "\n")
    path.chmod(0o600)
    return path


def judge(cookies: Cookies, data: str, address: str) -> tuple[str, Validity]:
    verdict = cookies.judge(bytes.fromhex(data), ipaddress.ip_address(address).packed)
    assert verdict is not None
    assert verdict.option[:4] == b"\0\x0a\0\x18"
    return verdict.option[4:].hex(), verdict.validity


# Appendix A: client cookie, what it came with, address, time, secrets, what is handed out
VECTORS = {
    "A.1 learning a new server cookie": (
        "2464c4abcf10c957", "198.51.100.100", 1559731985, (FIRST,),
        "2464c4abcf10c957010000005cf79f111f8130c3eee29480", Validity.NEW,
    ),
    "A.2 the same client with an old but good one": (
        "2464c4abcf10c957010000005cf79f111f8130c3eee29480", "198.51.100.100", 1559734385, (FIRST,),
        "2464c4abcf10c957010000005cf7a871d4a564a1442aca77", Validity.GOOD,
    ),
    "A.3 another client, reserved bits set, too old": (
        "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", "203.0.113.203", 1559734700, (FIRST,),
        "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e", Validity.BAD,
    ),
    "A.4 IPv6 and a secret rolled": (
        "22681ab97d52c298010000005cf7c57926556bd0934c72f8", "2001:db8:220:1:59de:d0f4:8769:82b8",
        1559741961, (NEW, OLD), "22681ab97d52c298010000005cf7c609a6bb79d16625507a", Validity.GOOD,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_appendix_a_vector_is_met(tmp_path: Path, name: str):
    data, address, now, lines, expected, validity = VECTORS[name]
    path = tmp_path / "cookie.secret"
    path.write_text("\n".join(lines))
    assert judge(Cookies([path], Clock(now)), data, address) == (expected, validity)


def test_appendix_a3_cookie_is_good_while_it_is_young_reserved_bits_included(secret: Path):
    data = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5"
    assert judge(Cookies([secret], Clock(1559727985)), data, "203.0.113.203")[1] is Validity.GOOD


@pytest.mark.parametrize(
    ("age", "validity", "same"),
    [
        (0, Validity.GOOD, True),
        (1799, Validity.GOOD, True),
        (1800, Validity.GOOD, False),
        (3600, Validity.GOOD, False),
        (3601, Validity.BAD, False),
        (-300, Validity.GOOD, False),
        (-301, Validity.BAD, False),
    ],
)
def test_section_4_3_age_of_a_cookie_decides(secret: Path, age: int, validity: Validity, same: bool):
    clock = Clock(1559731985.0)
    cookies = Cookies([secret], clock)
    data, _ = judge(cookies, "2464c4abcf10c957", "192.0.2.1")
    clock.now += age
    again, found = judge(cookies, data, "192.0.2.1")
    assert (found, again == data) == (validity, same)


def test_section_4_3_timestamps_are_compared_in_serial_arithmetic(secret: Path):
    clock = Clock(0xFFFFFFFF - 10.0)
    cookies = Cookies([secret], clock)
    data, _ = judge(cookies, "2464c4abcf10c957", "192.0.2.1")
    clock.now += 60
    assert judge(cookies, data, "192.0.2.1")[1] is Validity.GOOD


@pytest.mark.parametrize("change", ["address", "client cookie", "version", "hash", "length"])
def test_section_4_4_changed_cookie_is_not_good(secret: Path, change: str):
    cookies = Cookies([secret], Clock(1559731985.0))
    data, _ = judge(cookies, "2464c4abcf10c957", "192.0.2.1")
    address = "192.0.2.2" if change == "address" else "192.0.2.1"
    made = bytearray.fromhex(data)
    at = {"client cookie": 0, "version": 8, "hash": 23}.get(change)
    if at is not None:
        made[at] ^= 2
    if change == "length":
        made += b"\0"
    assert judge(cookies, made.hex(), address)[1] is Validity.BAD


def test_section_5_secret_is_rolled_without_a_bad_cookie_at_any_node(tmp_path: Path):
    """Two sites take each of three steps at different times; a client moves between them all the while."""
    clock = Clock(1559731985.0)
    paths = [tmp_path / site for site in ("dc1", "dc2")]
    for path in paths:
        path.write_text(OLD)
    sites = [Cookies([path], clock) for path in paths]
    data, _ = judge(sites[0], "2464c4abcf10c957", "192.0.2.1")
    for step in (f"{OLD}\n{NEW}", f"{NEW}\n{OLD}", None, NEW):
        if step is None:  # an hour passes between the last two
            for _ in range(3):
                clock.now += 1201
                data, validity = judge(sites[0], data, "192.0.2.1")
                assert validity is Validity.GOOD
            continue
        for path in paths:
            path.write_text(step)
            clock.now += LOOK_INTERVAL
            for site in (*sites, *reversed(sites)):
                data, validity = judge(site, data, "192.0.2.1")
                assert validity is Validity.GOOD


def test_secret_of_the_fleet_is_taken_once_it_is_there(tmp_path: Path):
    clock = Clock(1559731985.0)
    shared, own = tmp_path / "shared", tmp_path / "own"
    own.write_bytes(fresh_secret())
    cookies = Cookies([shared, own], clock)
    assert (
        judge(cookies, "2464c4abcf10c957", "198.51.100.100")[0]
        != VECTORS["A.1 learning a new server cookie"][4]
    )
    shared.write_text(FIRST)
    clock.now += LOOK_INTERVAL
    made, _ = judge(cookies, "2464c4abcf10c957", "198.51.100.100")
    assert made[32:] == Cookies([shared], clock).judge(
        bytes.fromhex("2464c4abcf10c957"), bytes((198, 51, 100, 100))
    ).option[20:].hex()  # fmt: skip


def test_damaged_file_changes_nothing_until_it_is_mended(secret: Path, caplog: pytest.LogCaptureFixture):
    clock = Clock(1559731985.0)
    cookies = Cookies([secret], clock)
    data, _ = judge(cookies, "2464c4abcf10c957", "192.0.2.1")
    for number, content in enumerate(("", "no secret", FIRST + FIRST, "\n".join([FIRST] * 5))):
        secret.write_text(content)
        os.utime(secret, ns=(number, number))
        for _ in range(3):
            clock.now += LOOK_INTERVAL
            assert judge(cookies, data, "192.0.2.1")[1] is Validity.GOOD
    assert len(caplog.records) == 4  # once a change, not once a look
    secret.unlink()
    clock.now += LOOK_INTERVAL
    assert judge(cookies, data, "192.0.2.1")[1] is Validity.GOOD


def test_without_any_secret_there_are_no_cookies(tmp_path: Path):
    assert Cookies([tmp_path / "absent"]).judge(b"12345678", b"\xc0\0\2\1") is None


def test_file_of_secrets_may_have_comments_and_fresh_ones_are_random(tmp_path: Path):
    path = tmp_path / "cookie.secret"
    path.write_text(f"# rolled by hand\n{NEW}  # makes\n\n{OLD.upper()}\n")
    assert [one.hex() for one in read_secrets(path)] == [NEW, OLD]
    assert len({fresh_secret() for _ in range(10)}) == 10
    with pytest.raises(ConfigError, match="cannot be read"):
        read_secrets(tmp_path / "absent")
