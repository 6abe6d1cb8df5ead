"""SIG(0) over messages (RFC 2931): others take what we sign; what nsupdate signs has our layout."""

from __future__ import annotations

import base64
import struct
import subprocess
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.update
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from dnsctl.errors import SigningError
from dnsctl.model.key import PublicKey
from dnsctl.model.name import from_text, to_text
from dnsctl.model.policy import Algorithm
from dnsctl.sign.algorithm import scheme
from dnsctl.sign.foreign.files import key_pair
from dnsctl.sign.sig0 import ALGORITHMS, WINDOW, Sig0Key, sig_rdata
from dnsctl.sign.sig0_keys import adopted, drafted
from tests.parent.scripted import answer, serving
from tests.peers import need
from tests.sign.sig0_verifier import need_verifier, verdict

NAME = from_text("updates.example.")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HEAD = 18  # octets of a SIG's rdata before the signer's name


def update() -> bytes:
    """Return an update that replaces a DS, not signed."""
    message = dns.update.UpdateMessage("example.", id=0x1234)
    message.present("child.example.", "NS")
    message.delete("child.example.", "DS")
    message.add("child.example.", 600, "DS", "12345 13 2 " + "ab" * 32)
    return message.to_wire()


def without_additional(message: bytes) -> bytes:
    """Return a message that says it has no additional records; a SIG is still behind it."""
    return message[:10] + b"\0\0" + message[12:]


def signed(message: bytes, key: Sig0Key, now: datetime) -> bytes:
    """Return `message` with its SIG at the end: root, SIG, ANY, TTL 0; counted in ARCOUNT."""
    rdata = sig_rdata(message, key, now)
    count = int.from_bytes(message[10:12], "big") + 1
    record = b"\0" + struct.pack("!HHIH", 24, 255, 0, len(rdata)) + rdata
    return message[:10] + count.to_bytes(2, "big") + message[12:] + record


@pytest.mark.peer
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_signature_of_every_algorithm_is_valid_to_another_verifier(algorithm: Algorithm) -> None:
    need_verifier()
    key = drafted(NAME, algorithm, ())
    message = signed(update(), key, datetime.now(UTC))
    assert verdict(message, key) == "valid"
    place = message.index(b"\xab" * 32)
    changed = message[:place] + b"\xac" + message[place + 1 :]
    assert verdict(changed, key) != "valid"


@pytest.mark.peer
def test_signature_of_another_key_or_another_time_is_not_valid() -> None:
    need_verifier()
    key, other = (drafted(NAME, Algorithm.ED25519, ()) for _ in range(2))
    now = datetime.now(UTC)
    assert verdict(signed(update(), Sig0Key(key.public, other.private), now), key) != "valid"
    for hours, said in ((-1, "expired at"), (1, "valid from")):
        assert f"Signature {said}" in verdict(signed(update(), key, now + timedelta(hours=hours)), key)


def test_rdata_is_as_rfc_2931_says() -> None:
    key = drafted(NAME, Algorithm.ED25519, ())
    rdata = sig_rdata(update(), key, NOW)
    covered, algorithm, labels, ttl, expiration, inception, tag = struct.unpack("!HBBIIIH", rdata[:HEAD])
    assert (covered, algorithm, labels, ttl, tag) == (0, 15, 0, 0, key.public.tag)
    moment = int(NOW.timestamp())
    assert (inception, expiration) == (moment - WINDOW, moment + WINDOW) == (moment - 300, moment + 300)
    start = HEAD + len(NAME)
    assert rdata[HEAD:start] == NAME
    check = scheme(15).checker(key.public.public)
    assert check(rdata[start:], rdata[:start] + update())


def test_time_beyond_2106_wraps() -> None:
    rdata = sig_rdata(
        update(), drafted(NAME, Algorithm.ED25519, ()), datetime(2106, 2, 7, 6, 28, 16, tzinfo=UTC)
    )
    assert struct.unpack("!II", rdata[8:16]) == (300, 2**32 - 300)


@pytest.mark.peer
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_nsupdate_signs_with_an_imported_key_is_laid_out_as_ours(
    algorithm: Algorithm, tmp_path: Path
) -> None:
    command = [need("dnssec-keygen"), "-q", "-T", "KEY", "-n", "HOST", "-a", algorithm.name, to_text(NAME)]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    (path,) = tmp_path.glob("*.private")
    key = adopted(key_pair(path, datetime.now(UTC), "KEY"), NAME)
    got: list[bytes] = []

    def script(query: bytes, _tcp: bool) -> list[bytes]:
        got.append(query)
        return [answer(without_additional(query))]

    with serving(script) as server:
        lines = f"server {server.endpoint.address} {server.endpoint.port}\nzone example.\n"
        lines += f"update add child.example. 600 DS 12345 13 2 {'ab' * 32}\nsend\n"
        command = [need("nsupdate"), "-v", "-k", str(path)]
        subprocess.run(command, input=lines.encode(), capture_output=True, check=False, timeout=60)
    message = got[0]
    length = HEAD + len(NAME) + {8: 256, 13: 64, 14: 96, 15: 64, 16: 114}[algorithm]
    rdata, bare = message[-length:], without_additional(message[: -length - 11])
    assert message[-length - 11 : -length - 8] == b"\0\0\x18", "owner root, type SIG"
    head, signature = rdata[: HEAD + len(NAME)], rdata[HEAD + len(NAME) :]
    assert int.from_bytes(head[16:18], "big") == key.public.tag
    assert scheme(algorithm).checker(key.public.public)(signature, head + bare)
    ours = sig_rdata(bare, key, NOW)
    assert (ours[:8], ours[16 : HEAD + len(NAME)]) == (head[:8], head[16:]), "all but the times"


def test_private_half_is_in_no_representation_and_no_traceback() -> None:
    key = drafted(NAME, Algorithm.ED25519, ())
    assert isinstance(key.private, ed25519.Ed25519PrivateKey)
    unusable = Sig0Key(PublicKey(NAME, 99, key.public.flags, key.public.public), key.private)
    with pytest.raises(SigningError) as failure:
        sig_rdata(update(), unusable, NOW)
    told = traceback.TracebackException.from_exception(failure.value, capture_locals=True)
    text = "".join(told.format()) + f"{key!r} {key}"
    assert "Sig0Key(" in text
    raw = key.private.private_bytes_raw()
    assert not any(each in text for each in (raw.hex(), base64.b64encode(raw).decode(), repr(raw)))
