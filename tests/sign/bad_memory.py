"""Signatures that go wrong in one bit now and then, as with bad memory; also in the processes that sign."""

from __future__ import annotations

import os
import signal

from dnsctl.sign import processes
from dnsctl.sign.algorithm import PrivateKey, Scheme, Sign, scheme

EVERY = 1000
_SCHEME = "import dnsctl.sign.chunks as c; import tests.sign.bad_memory as bad; c.scheme = bad."


def program_with(fault: str) -> str:
    """Return the program of a process that signs, with a fault."""
    begin, found, end = processes.PROGRAM.partition("from dnsctl.sign.process")
    assert found
    return begin + fault + found + end


def bad_program() -> str:
    return program_with(f"{_SCHEME}bad_scheme; ")


def dying_program() -> str:
    return program_with(f"{_SCHEME}deadly_scheme; ")


def bad_scheme(algorithm: int) -> Scheme:
    """Return a scheme whose every `EVERY`th signature is wrong."""
    made = scheme(algorithm)
    count = 0

    def signer(private: PrivateKey) -> Sign:
        sign = made.signer(private)

        def sometimes_wrong(message: bytes) -> bytes:
            nonlocal count
            count += 1
            signature = bytearray(sign(message))
            signature[7] ^= count % EVERY == 0
            return bytes(signature)

        return sometimes_wrong

    return made._replace(signer=signer)


def deadly_scheme(algorithm: int) -> Scheme:
    """Return a scheme that kills its process at the first signature."""

    def sign(_: bytes) -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    return scheme(algorithm)._replace(signer=lambda _: sign)
