"""Handshakes in memory: no sockets, real TLS."""

import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dnsctl.errors import PassphraseError, PkiError
from dnsctl.replicate import pki, tls

NOW = datetime.now(UTC)  # OpenSSL knows no other clock


def passphrase() -> bytes:
    return b"correct horse"


def fleet(directory: Path, now: datetime = NOW) -> Path:
    pki.ensure_authority(directory, passphrase, ("ns1", "ns2"), now)
    return directory


def credentials(keys: Path, name: str) -> pki.Credentials:
    return pki.Credentials(
        keys / "pki/ca.crt", keys / f"pki/{name}.crt", keys / f"pki/{name}.pem", passphrase
    )


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """Return the server's end. Raises what the first side to refuse says."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up, server_hostname=name),
        server.wrap_bio(up, down, server_side=True),
    ]
    for _ in range(3):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return ends[1]


def test_control_and_node_know_each_other(tmp_path: Path) -> None:
    keys = fleet(tmp_path)
    client = tls.client_context(credentials(keys, "control"), NOW)
    end = handshake(client, tls.server_context(credentials(keys, "ns1"), NOW), "ns1")
    assert end.version() == "TLSv1.3"
    peer = tls.peer_of(end.getpeercert())
    assert peer is not None
    assert peer.is_control


def test_node_is_told_from_control(tmp_path: Path) -> None:
    keys = fleet(tmp_path)
    client = tls.client_context(credentials(keys, "ns2"), NOW)
    end = handshake(client, tls.server_context(credentials(keys, "ns1"), NOW), "ns1")
    assert tls.peer_of(end.getpeercert()) == tls.Peer("ns2")


def test_another_node_behind_the_address_is_refused(tmp_path: Path) -> None:
    keys = fleet(tmp_path)
    client = tls.client_context(credentials(keys, "control"), NOW)
    with pytest.raises(ssl.SSLError) as caught:
        handshake(client, tls.server_context(credentials(keys, "ns2"), NOW), "ns1")
    assert "another node's certificate" in str(tls.explain(caught.value, "ns1"))


def test_client_of_another_authority_is_refused(tmp_path: Path) -> None:
    ours, theirs = fleet(tmp_path / "ours"), fleet(tmp_path / "theirs")
    (theirs / "pki/ca.crt").rename(theirs / "pki/own.crt")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(str(ours / "pki/ca.crt"))
    client.load_cert_chain(
        str(theirs / "pki/control.crt"), str(theirs / "pki/control.pem"), password=passphrase
    )
    with pytest.raises(ssl.SSLError):
        handshake(client, tls.server_context(credentials(ours, "ns1"), NOW), "ns1")


def test_client_without_certificate_is_refused(tmp_path: Path) -> None:
    keys = fleet(tmp_path)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(str(keys / "pki/ca.crt"))
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        handshake(client, tls.server_context(credentials(keys, "ns1"), NOW), "ns1")


def test_older_tls_is_refused(tmp_path: Path) -> None:
    keys = fleet(tmp_path)
    client = tls.client_context(credentials(keys, "control"), NOW)
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        handshake(client, tls.server_context(credentials(keys, "ns1"), NOW), "ns1")


def test_expired_certificate_never_reaches_the_wire(tmp_path: Path) -> None:
    keys = fleet(tmp_path, NOW - timedelta(days=1000))
    with pytest.raises(PkiError, match="expired on"):
        tls.client_context(credentials(keys, "control"), NOW)


def test_wrong_passphrase_of_the_control_key_is_named(tmp_path: Path) -> None:
    keys = fleet(tmp_path)
    wrong = pki.Credentials(
        keys / "pki/ca.crt", keys / "pki/control.crt", keys / "pki/control.pem", lambda: b"wrong"
    )
    with pytest.raises(PassphraseError, match=r"control\.pem"):
        tls.client_context(wrong, NOW)


def test_key_of_another_certificate_is_named(tmp_path: Path) -> None:
    keys = fleet(tmp_path)
    mixed = pki.Credentials(keys / "pki/ca.crt", keys / "pki/ns1.crt", keys / "pki/ns2.pem")
    with pytest.raises(PkiError, match=r"ns2\.pem: does not belong to .*ns1\.crt"):
        tls.server_context(mixed, NOW)


@pytest.mark.parametrize(
    "names",
    [
        (),
        (("DNS", "ns1"),),
        (("URI", "urn:dnsctl:node:"),),
        (("URI", "urn:dnsctl:operator"),),
        (("URI", "urn:dnsctl:control"), ("URI", "urn:dnsctl:node:ns1")),
    ],
)
def test_certificate_without_exactly_one_role_speaks_for_nobody(names: tuple[tuple[str, str], ...]) -> None:
    assert tls.peer_of({"subjectAltName": names}) is None
