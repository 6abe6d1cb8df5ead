"""The algorithms against the examples of their RFCs."""

from __future__ import annotations

import base64
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from dnsctl.errors import SigningError
from dnsctl.model.key import PublicKey
from dnsctl.model.name import from_text
from dnsctl.model.policy import Algorithm
from dnsctl.model.rrset import RRset, Type
from dnsctl.sign.algorithm import PrivateKey, scheme
from dnsctl.sign.rrsig import is_valid, message
from tests.sign.scenery import private_key

ZONE = from_text("example.com.")


def test_p256_signature_is_that_of_rfc_6979() -> None:
    """RFC 6979 Appendix A.2.5, SHA-256, message "sample"."""
    secret = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    made = scheme(13).signer(ec.derive_private_key(secret, ec.SECP256R1()))(b"sample")
    assert made.hex().upper() == (
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
    )


def test_p384_signature_is_that_of_rfc_6979() -> None:
    """RFC 6979 Appendix A.2.6, SHA-384, message "sample"."""
    secret = (
        0x6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5
    )
    made = scheme(14).signer(ec.derive_private_key(secret, ec.SECP384R1()))(b"sample")
    assert made.hex().upper() == (
        "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46"
        "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8"
    )


def test_ed448_rrsig_is_that_of_rfc_8080() -> None:
    """RFC 8080 §6.2: key and the signature over an MX RRset."""
    private = ed448.Ed448PrivateKey.from_private_bytes(
        base64.b64decode("xZ+5Cgm463xugtkY5B0Jx6erFTXp13rYegst0qRtNsOYnaVpMx0Z/c5EiA9x8wWbDDct/U3FhYWA")
    )
    public = PublicKey(ZONE, 16, 257, scheme(16).field(private))
    assert base64.b64encode(public.public) == (
        b"3kgROaDjrh0H2iuixWBrc8g2EpBBLCdGzHmn+G2MpTPhpj/OiBVHHSfPodx1FYYUcJKm1MDpJtIA"
    )
    assert public.tag == 9713
    mx = RRset(ZONE, Type.MX, 3600, (b"\0\x0a" + from_text("mail.example.com."),))
    header = struct.pack("!HBBIIIH", 15, 16, 2, 3600, 1440021600, 1438207200, 9713) + ZONE
    signature = scheme(16).signer(private)(message(header, mx))
    assert base64.b64encode(signature) == (
        b"3cPAHkmlnxcDHMyg7vFC34l0blBhuG1qpwLmjInI8w1CMB29FkEAIJUA0amxWndkmnBZ6SKiwZSAxGILn/NBtOXft0+Gj7FS"
        b"vOKxE/07+4RQvE581N3Aj/JtIyaiYVdnYtyMWbSNyGEY2213WKsJlwEA"
    )
    assert is_valid(mx, header + signature, public)


def test_ed25519_rrsig_is_that_of_rfc_8080() -> None:
    """RFC 8080 §6.1: key, DS and the signature over an MX RRset."""
    private = ed25519.Ed25519PrivateKey.from_private_bytes(
        base64.b64decode("ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=")
    )
    public = PublicKey(ZONE, 15, 257, scheme(15).field(private))
    assert base64.b64encode(public.public) == b"l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4="
    assert public.tag == 3613
    assert public.ds().hex() == (
        "0e1d0f02" + "3aa5ab37efce57f737fc1627013fee07bdf241bd10f3b1964ab55c78e79a304b"
    )
    mx = RRset(ZONE, Type.MX, 3600, (b"\0\x0a" + from_text("mail.example.com."),))
    header = struct.pack("!HBBIIIH", 15, 15, 2, 3600, 1440021600, 1438207200, 3613) + ZONE
    signature = scheme(15).signer(private)(message(header, mx))
    assert base64.b64encode(signature) == (
        b"oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg=="
    )
    assert is_valid(mx, header + signature, public)


def test_rsa_field_carries_exponents_of_any_length() -> None:
    """RFC 3110 §2: one octet of length, or three for an exponent over 255 octets."""
    private = private_key(Algorithm.RSASHA256, 1)
    assert isinstance(private, rsa.RSAPrivateKey)
    field = scheme(8).field(private)
    assert field[:4] == b"\x03\x01\x00\x01"
    assert len(field) == 4 + 256
    signature = scheme(8).signer(private)(b"octets")
    padded = b"\0" + (3).to_bytes(2, "big") + field[1:]  # the long form of the same exponent
    for form in (field, padded):
        assert scheme(8).checker(form)(signature, b"octets")
        assert not scheme(8).checker(form)(signature, b"other octets")


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("other", list(Algorithm))
def test_key_of_another_algorithm_is_refused(algorithm: Algorithm, other: Algorithm) -> None:
    private: PrivateKey = private_key(other, 1)
    if algorithm is other:
        scheme(algorithm).signer(private)
        return
    for refuse in (scheme(algorithm).signer, scheme(algorithm).field):
        with pytest.raises(SigningError, match="the private key is not an"):
            refuse(private)


def test_p384_key_is_not_a_p256_key() -> None:
    with pytest.raises(SigningError, match="not an ECDSA P-256 key"):
        scheme(13).field(ec.generate_private_key(ec.SECP384R1()))


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize(
    "signature", [b"", b"\0" * 63, b"\0" * 64, b"\xff" * 64, b"\0" * 65, b"\0" * 96, b"\0" * 114, b"\0" * 256]
)
def test_malformed_signature_is_invalid_and_no_error(algorithm: Algorithm, signature: bytes) -> None:
    field = scheme(algorithm).field(private_key(algorithm, 1))
    assert not scheme(algorithm).checker(field)(signature, b"octets")
