import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dnsctl.errors import PassphraseError, PkiError
from dnsctl.replicate import pki

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NODES = ("ns1", "ns2")


def passphrase() -> bytes:
    return b"correct horse"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    pki.ensure_authority(tmp_path, passphrase, NODES, NOW)
    return tmp_path


def credentials(keys: Path, name: str) -> pki.Credentials:
    return pki.Credentials(
        keys / "pki/ca.crt", keys / f"pki/{name}.crt", keys / f"pki/{name}.pem", passphrase
    )


def test_first_run_makes_authority_control_and_every_node(tmp_path: Path) -> None:
    made = pki.ensure_authority(tmp_path, passphrase, NODES, NOW)
    assert made == (
        "pki/ca.crt", "pki/ca.pem", "pki/control.crt", "pki/control.pem",
        "pki/ns1.crt", "pki/ns1.pem", "pki/ns2.crt", "pki/ns2.pem",
    )  # fmt: skip
    assert sorted(made) == sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    for name in ("control", "ns1"):
        pki.check(credentials(tmp_path, name), NOW)


def test_private_keys_are_readable_by_the_owner_only(keys: Path) -> None:
    for path in keys.glob("pki/*.pem"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in (keys / "pki/ca.pem").read_bytes()
    assert b"ENCRYPTED" in (keys / "pki/control.pem").read_bytes()
    assert b"ENCRYPTED" not in (keys / "pki/ns1.pem").read_bytes()


def test_second_run_touches_nothing_and_needs_no_passphrase(keys: Path) -> None:
    before = {path: path.read_bytes() for path in keys.glob("pki/*")}

    def never() -> bytes:
        raise AssertionError("asked for the passphrase")

    assert pki.ensure_authority(keys, never, NODES, NOW) == ()
    assert {path: path.read_bytes() for path in keys.glob("pki/*")} == before


def test_new_node_gets_a_certificate_from_the_existing_authority(keys: Path) -> None:
    assert pki.ensure_authority(keys, passphrase, (*NODES, "ns3"), NOW) == ("pki/ns3.crt", "pki/ns3.pem")
    pki.check(credentials(keys, "ns3"), NOW)


def test_interrupted_issue_is_completed_by_the_next_run(keys: Path) -> None:
    (keys / "pki/ns2.crt").unlink()
    assert pki.ensure_authority(keys, passphrase, NODES, NOW) == ("pki/ns2.crt", "pki/ns2.pem")


def test_wrong_passphrase_cannot_issue(keys: Path) -> None:
    with pytest.raises(PassphraseError, match=r"ca\.pem"):
        pki.ensure_authority(keys, lambda: b"wrong", (*NODES, "ns3"), NOW)
    assert not (keys / "pki/ns3.crt").exists()


def test_authority_kept_elsewhere_is_named_when_needed(keys: Path) -> None:
    (keys / "pki/ca.pem").unlink()
    assert pki.ensure_authority(keys, passphrase, NODES, NOW) == ()
    with pytest.raises(PkiError, match="private key is not here"):
        pki.ensure_authority(keys, passphrase, (*NODES, "ns3"), NOW)


@pytest.mark.parametrize("name", ["ca", "control"])
def test_node_named_like_a_file_of_the_authority_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PkiError, match="another name"):
        pki.ensure_authority(tmp_path, passphrase, (name,), NOW)


def test_expired_certificate_is_named_with_file_date_and_remedy(keys: Path) -> None:
    later = NOW + pki.LEAF_LIFETIME + timedelta(days=1)
    with pytest.raises(PkiError, match=r"control\.crt: expired on 2028-11-20 12:00 UTC; .*dnsctl init"):
        pki.check(credentials(keys, "control"), later)


def test_certificate_from_the_future_points_at_the_clock(keys: Path) -> None:
    with pytest.raises(PkiError, match=r"not valid before .*check this host's clock"):
        pki.check(credentials(keys, "ns1"), NOW - timedelta(days=1))


def test_certificate_of_another_authority_is_refused(
    keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    pki.ensure_authority(other, passphrase, NODES, NOW)
    mixed = pki.Credentials(other / "pki/ca.crt", keys / "pki/ns1.crt", keys / "pki/ns1.pem")
    with pytest.raises(PkiError, match="not issued by this fleet's authority"):
        pki.check(mixed, NOW)


@pytest.mark.parametrize(
    "content", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_missing_or_damaged_certificate_is_a_pki_error(keys: Path, content: bytes | None) -> None:
    path = keys / "pki/ns1.crt"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PkiError, match=r"ns1\.crt"):
        pki.check(credentials(keys, "ns1"), NOW)


def test_renew_replaces_only_what_runs_out(keys: Path) -> None:
    assert pki.renew(keys, passphrase, NOW) == ()
    later = NOW + pki.LEAF_LIFETIME - timedelta(days=10)
    pki.ensure_authority(keys, passphrase, (*NODES, "ns3"), later)
    assert pki.renew(keys, passphrase, later) == (
        "pki/control.crt", "pki/control.pem", "pki/ns1.crt", "pki/ns1.pem", "pki/ns2.crt", "pki/ns2.pem",
    )  # fmt: skip
    assert pki.expiry(keys / "pki/control.crt") == later + pki.LEAF_LIFETIME
    pki.check(credentials(keys, "control"), later + timedelta(days=300))
