"""A release key's public half is read in each form that people have it in; nothing else passes for one."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dnsctl.errors import KeystoreError
from dnsctl.model.release_key import public_release_key

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
PEM = KEY.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
DER = KEY.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
LINE = KEY.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
BASE64 = base64.b64encode(KEY.public_bytes_raw())
OTHER = X25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()

FORMS = {
    "base64": BASE64,
    "base64 of what PEM wraps": base64.b64encode(DER),
    "PEM": PEM,
    "OpenSSH": LINE,
    "OpenSSH with its comment": LINE + b" release@example.org",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("before", [b"", b"# our key\n\n  ", b"\xef\xbb\xbf"], ids=["", "comment", "BOM"])
def test_key_is_the_same_in_every_form(form: str, line_end: bytes, before: bytes) -> None:
    written = (before + FORMS[form].rstrip() + b"\n").replace(b"\n", line_end)
    assert public_release_key(written, "release.pub") == KEY.public_bytes_raw()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"# only a comment\n",
        b"AAAA\n",
        b"\xff" * 50,
        BASE64 + b"\nB\n",
        BASE64[:-1],
        BASE64 + b"\n" + BASE64,
        PEM.replace(b"M", b"N", 1),
        PEM[:-12],
        LINE[:-4],
        b"ssh-ed25519\n",
    ],
)
def test_what_is_not_a_public_key_is_refused_with_its_place(content: bytes) -> None:
    with pytest.raises(KeystoreError, match="release key") as caught:
        public_release_key(content, "keys/release.pub")
    assert caught.value.where == "keys/release.pub"


@pytest.mark.parametrize(
    "content",
    [
        OTHER.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        base64.b64encode(OTHER.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
    ],
    ids=["PEM", "base64"],
)
def test_key_of_another_algorithm_is_told_apart(content: bytes) -> None:
    with pytest.raises(KeystoreError, match="not an Ed25519 key"):
        public_release_key(content, "release.pub")
