"""Signatures in bulk, made and then verified, in this process or in several.

Invariant: what comes out was verified with the public key taken from the DNSKEY RRset *by key, not by tag*,
in the process that made it; with a key's own public half while it is not published. Signatures that others
made are verified in the same way: see `verified`.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import TypeVar

from dnsctl.errors import SigningError
from dnsctl.model.key import PublicKey
from dnsctl.model.name import Name, to_text
from dnsctl.model.rrset import RRset, type_text
from dnsctl.sign.algorithm import scheme
from dnsctl.sign.chunks import Claim, InvalidSignatureError, Signatory, Task, held, signed
from dnsctl.sign.keystore import SigningKey
from dnsctl.sign.published import PublishedKeys

_CHUNK = 512  # signatures; some 50 ms of work, so that progress moves and workers end together
_WORTH_PROCESSES = 6  # chunks; with fewer, to begin processes costs more than they bring
_In = TypeVar("_In")


def signatures(
    tasks: Iterable[Task], keys: Sequence[SigningKey], dnskey: RRset, workers: int
) -> Generator[list[bytes], None, None]:
    """Yield RRSIG rdatas in the order of `tasks`, a list for each chunk.

    Raises SigningError where a signature does not verify, or a process is lost.
    """
    published = [_published(key, dnskey) for key in keys]
    cut = 18 + len(dnskey.owner)  # RRSIG rdata before the signature: fixed fields, signer's name
    chunks, worth_processes = _weighed(tasks, workers)
    try:
        if not worth_processes:
            pairs = zip(published, keys, strict=True)
            signatories = [Signatory.of(one.algorithm, one.public, key.private, cut) for one, key in pairs]
            yield from (signed(chunk, signatories) for chunk in chunks)
            return
        from dnsctl.sign import process  # noqa: PLC0415 - most commands sign too little for it
        from dnsctl.sign.processes import side_by_side  # noqa: PLC0415 - as above

        first = [process.SIGN]
        for one, key in zip(published, keys, strict=True):
            first += process.key_parts(one.algorithm, cut, one.public, key.private)
        with closing(side_by_side(chunks, process.task_parts, workers, first)) as results:
            yield from results
    except InvalidSignatureError as error:
        raise _invalid(keys[error.place].public, error.octets, cut) from None


def verified(claims: Iterable[Claim], keys: PublishedKeys, workers: int) -> Generator[list[bool], None, None]:
    """Yield for each of `claims`, in order, whether one of `keys` made it, a list for each chunk.

    Raises SigningError where a process is lost.
    """
    chunks, worth_processes = _weighed(claims, workers)
    if not worth_processes:
        yield from (held(chunk, keys.checks) for chunk in chunks)
        return
    from dnsctl.sign import process  # noqa: PLC0415 - as above
    from dnsctl.sign.processes import side_by_side  # noqa: PLC0415 - as above

    usable = [
        rdata if check is not None else b"" for rdata, check in zip(keys.rdatas, keys.checks, strict=True)
    ]
    with closing(side_by_side(chunks, process.claim_parts, workers, [process.VERIFY, *usable])) as results:
        yield from (list(map(bool, found[0])) for found in results)


def _published(key: SigningKey, dnskey: RRset) -> PublicKey:
    """Return the key as it is published, if it is: an algorithm may sign before that (RFC 6781 §4.1.4).

    Raises SigningError where the key is not in `dnskey`, or its two halves do not belong together.
    """
    published, where = key.public, to_text(dnskey.owner)
    if key.duty.published:
        if published.rdata not in dnskey.rdatas:
            raise SigningError(f"{_named(published)} is not in the DNSKEY RRset", where=where)
        published = PublicKey.of(dnskey.owner, dnskey.rdatas[dnskey.rdatas.index(published.rdata)])
    if scheme(published.algorithm).field(key.private) != published.public:
        raise SigningError(
            f"the private half of {_named(published)} does not belong to the DNSKEY",
            where=where,
            advice="restore the key's files from one backup",
        )
    return published


def _named(key: PublicKey) -> str:
    return f"key {key.tag} of algorithm {key.algorithm}"


def _invalid(key: PublicKey, octets: bytes, cut: int) -> SigningError:
    body = octets[cut:]
    end = body.index(0) + 1  # good enough for a message: the owner's name up to its root label
    rdtype = type_text(int.from_bytes(octets[:2], "big"))
    return SigningError(
        f"the signature over {to_text(Name(body[:end]))} {rdtype} does not verify with the DNSKEY of "
        f"{_named(key)}",
        advice="nothing was published; check this machine's memory and the key's files",
    )


def _weighed(tasks: Iterable[_In], workers: int) -> tuple[Iterator[list[_In]], bool]:
    """Return `tasks` in chunks, and whether they are worth further processes."""
    chunks = _chunks(tasks)
    first = list(itertools.islice(chunks, _WORTH_PROCESSES)) if workers > 1 else []
    return itertools.chain(first, chunks), len(first) == _WORTH_PROCESSES


def _chunks(tasks: Iterable[_In]) -> Iterator[list[_In]]:
    source = iter(tasks)
    while chunk := list(itertools.islice(source, _CHUNK)):
        yield chunk
