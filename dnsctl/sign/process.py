"""A process that signs or verifies for the one that began it (see `processes`), until the socket is closed.

A program of its own and not a fork: a fork would keep, and slowly copy, the zone of its parent. Keys come
over an anonymous socket that only the two processes hold, and the octets that they came in are wiped. Before
that, the process makes sure that it leaves no core dump, that nobody reads its memory, and that it ends with
its parent. The first frame says what to do, each one after it is a chunk, and each chunk gets one answer.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from dnsctl.model.prctl import die_with_parent, forbid_core_dumps
from dnsctl.sign import frames
from dnsctl.sign.algorithm import PrivateKey, checker
from dnsctl.sign.chunks import Claim, InvalidSignatureError, Signatory, Task, held, signed

SIGN, VERIFY = b"sign", b"verify"  # what a first frame begins with
DONE, INVALID, FAULT = b"done", b"invalid", b"fault"  # what an answer begins with
_PLACE = 2  # octets of a key's place
_KEY_PARTS = 4  # algorithm, cut, key field, private key

Work = Callable[[Sequence[bytes]], list[bytes]]  # from a chunk to its answer


def serve(parent: int) -> None:
    """Do what comes over standard input, which is the socket, for the process `parent`."""
    forbid_core_dumps()
    die_with_parent(parent, signal.SIGKILL)
    gc.disable()  # nothing here has cycles
    with socket.socket(fileno=0) as stream, contextlib.suppress(EOFError, ConnectionError):
        work = _begun(stream)
        while True:
            chunk = frames.receive(stream)
            try:
                answer = work(chunk)
            except InvalidSignatureError as error:
                answer = [INVALID, _place(error.place), error.octets]
            except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
                answer = [FAULT, f"{type(error).__name__}: {error}".encode()]
            frames.send(stream, answer)


def _begun(stream: socket.socket) -> Work:
    octets, count = frames.receive_whole(stream)
    what, *parts = frames.split(octets, count)
    if what == SIGN:
        rows = range(0, len(parts), _KEY_PARTS)
        signatories = [_signatory(*parts[row : row + _KEY_PARTS]) for row in rows]
        parts.clear()
        octets[:] = bytes(len(octets))
        return lambda chunk: [DONE, *signed(map(_task, chunk), signatories)]
    checks = [checker(rdata[3], bytes(rdata[4:])) if rdata else None for rdata in parts]
    return lambda chunk: [DONE, bytes(held(_claims(chunk), checks))]


# -- What goes over the socket, for both of its ends -------------------------------------------------------


def key_parts(algorithm: int, cut: int, field: bytes, private: PrivateKey) -> list[bytes]:
    """Return the parts of a first frame for one key that signs."""
    secret = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return [bytes((algorithm,)), cut.to_bytes(_PLACE, "big"), field, secret]


def _signatory(algorithm: memoryview, cut: memoryview, field: memoryview, secret: memoryview) -> Signatory:
    private = load_der_private_key(secret, None)
    if not isinstance(private, PrivateKey):
        raise TypeError("not a key that signs zones")
    return Signatory.of(algorithm[0], bytes(field), private, int.from_bytes(cut, "big"))


def task_parts(chunk: Sequence[Task]) -> list[bytes]:
    """Return a chunk of what is to be signed."""
    return [_place(place) + octets for place, octets in chunk]


def _task(part: bytes) -> Task:
    return int.from_bytes(part[:_PLACE], "big"), part[_PLACE:]


def claim_parts(chunk: Sequence[Claim]) -> list[bytes]:
    """Return a chunk of what is to be verified."""
    return [
        part
        for places, message, signature in chunk
        for part in (b"".join(map(_place, places)), message, signature)
    ]


def _claims(parts: Sequence[bytes]) -> list[Claim]:
    rows = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return [Claim(_places(places), message, signature) for places, message, signature in rows]


def _place(place: int) -> bytes:
    return place.to_bytes(_PLACE, "big")


def _places(octets: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(octets[at : at + _PLACE], "big") for at in range(0, len(octets), _PLACE))
