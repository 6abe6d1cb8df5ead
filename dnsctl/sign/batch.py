"""Signatures in bulk, made and then verified, in this process or in several.

Invariant: what comes out was verified with the public key taken from the DNSKEY RRset *by key, not by tag*,
in the process that made it; with a key's own public half while it is not published. Private keys reach the
workers through fork, in memory; nothing secret is pickled or written. Signatures that others made are
verified in the same way: see `verified`.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from dnsctl.errors import SigningError
from dnsctl.model.key import PublicKey
from dnsctl.model.name import Name, to_text
from dnsctl.model.prctl import die_with_parent
from dnsctl.model.rrset import RRset, type_text
from dnsctl.sign.algorithm import Check, Sign, scheme
from dnsctl.sign.keystore import SigningKey

if TYPE_CHECKING:
    from concurrent.futures import Future

Task = tuple[int, bytes]  # which key signs, and the octets to sign: see `rrsig.message`


class Claim(NamedTuple):
    """A signature over `message`, said to be by one of the keys at `places`: several may share a tag."""

    places: tuple[int, ...]
    message: bytes
    signature: bytes


_CHUNK = 512  # signatures; some 50 ms of work, so that progress moves and workers end together
_WORTH_FORKING = 4  # chunks; with fewer a second process costs more than it brings
_AHEAD = 3  # chunks waiting a worker: bounds memory, keeps every worker busy
_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Signatory:
    """One key, ready to sign; checks with the DNSKEY that is published, not with its own idea of it."""

    __slots__ = ("check", "cut", "sign", "text")

    def __init__(self, key: SigningKey, dnskey: RRset) -> None:
        """Raises SigningError where the key is not in `dnskey`, or its two halves do not belong together."""
        self.text = f"key {key.public.tag} of algorithm {key.public.algorithm}"
        where = to_text(dnskey.owner)
        published = key.public  # of an algorithm that signs before its key is published, RFC 6781 §4.1.4
        if key.duty.published:
            if key.public.rdata not in dnskey.rdatas:
                raise SigningError(f"{self.text} is not in the DNSKEY RRset", where=where)
            published = PublicKey.of(dnskey.owner, dnskey.rdatas[dnskey.rdatas.index(key.public.rdata)])
        made = scheme(published.algorithm)
        if made.field(key.private) != published.public:
            raise SigningError(
                f"the private half of {self.text} does not belong to the DNSKEY",
                where=where,
                advice="restore the key's files from one backup",
            )
        self.sign: Sign = made.signer(key.private)
        self.check: Check = made.checker(published.public)
        self.cut = 18 + len(dnskey.owner)  # RRSIG rdata before the signature: fixed fields, signer's name


def signatures(
    tasks: Iterable[Task], keys: Sequence[SigningKey], dnskey: RRset, workers: int
) -> Generator[list[bytes], None, None]:
    """Yield RRSIG rdatas in the order of `tasks`, a list for each chunk.

    Raises SigningError where a signature does not verify, or a worker died.
    """
    chunks, worth_forking = _weighed(tasks, workers)
    if not worth_forking:
        signatories = [Signatory(key, dnskey) for key in keys]
        yield from (signed(chunk, signatories) for chunk in chunks)
        return
    # forked: the keys are inherited, not sent
    yield from _pooled(chunks, workers, (_begin, (tuple(keys), dnskey)), _work, dnskey.owner)


def verified(
    claims: Iterable[Claim], checks: Sequence[Check | None], workers: int, zone: Name
) -> Generator[list[bool], None, None]:
    """Yield for each of `claims`, in order, whether one of its keys made it.

    `checks`: by place, what checks with that key. A list for each chunk; see `signatures`.
    """
    chunks, worth_forking = _weighed(claims, workers)
    if not worth_forking:
        yield from (_held(chunk, checks) for chunk in chunks)
        return
    yield from _pooled(chunks, workers, (_begin_checking, (tuple(checks),)), _check, zone)


def _held(chunk: list[Claim], checks: Sequence[Check | None]) -> list[bool]:
    held = []
    for places, octets, signature in chunk:
        usable = [check for place in places if (check := checks[place]) is not None]
        held.append(any(check(signature, octets) for check in usable))
    return held


def _pooled(
    chunks: Iterator[_In],
    workers: int,
    begin: tuple[Callable[..., None], tuple[object, ...]],
    work: Callable[[_In], _Out],
    zone: Name,
) -> Generator[_Out, None, None]:
    """Yield the result of `work` for each of `chunks`, in order, by processes that `begin` sets up."""
    import multiprocessing  # noqa: PLC0415 - most commands sign too little to fork for it
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - as above
    from concurrent.futures.process import BrokenProcessPool  # noqa: PLC0415 - as above

    context = multiprocessing.get_context("fork")
    set_up, arguments = begin
    try:
        with ProcessPoolExecutor(workers, context, set_up, (os.getpid(), *arguments)) as pool:
            waiting: deque[Future[_Out]] = deque()
            try:
                for chunk in chunks:
                    waiting.append(pool.submit(work, chunk))
                    if len(waiting) > _AHEAD * workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)
    except BrokenProcessPool:
        raise SigningError(
            "a signing process was killed", where=to_text(zone), advice="check the memory, try again"
        ) from None


def signed(chunk: list[Task], signatories: Sequence[Signatory]) -> list[bytes]:
    """Sign a chunk, then verify it."""
    made = [(place, octets, signatories[place].sign(octets)) for place, octets in chunk]
    for place, octets, signature in made:
        if not signatories[place].check(signature, octets):
            raise _invalid(signatories[place], octets)
    return [octets[: signatories[place].cut] + signature for place, octets, signature in made]


def _invalid(signatory: Signatory, octets: bytes) -> SigningError:
    body = octets[signatory.cut :]
    end = body.index(0) + 1  # good enough for a message: the owner's name up to its root label
    rdtype = type_text(int.from_bytes(octets[:2], "big"))
    return SigningError(
        f"the signature over {to_text(Name(body[:end]))} {rdtype} does not verify with the DNSKEY of "
        f"{signatory.text}",
        advice="nothing was published; check this machine's memory and the key's files",
    )


def _weighed(tasks: Iterable[_In], workers: int) -> tuple[Iterator[list[_In]], bool]:
    """Return `tasks` in chunks, and whether they are worth a second process."""
    chunks = _chunks(tasks)
    first = list(itertools.islice(chunks, _WORTH_FORKING)) if workers > 1 else []
    return itertools.chain(first, chunks), len(first) == _WORTH_FORKING


def _chunks(tasks: Iterable[_In]) -> Iterator[list[_In]]:
    source = iter(tasks)
    while chunk := list(itertools.islice(source, _CHUNK)):
        yield chunk


_signatories: list[Signatory] = []  # of a worker process
_checks: list[Check | None] = []  # of a worker process that verifies


def _begin(parent: int, keys: Sequence[SigningKey], dnskey: RRset) -> None:
    """Set a worker up that signs."""
    _leave_to_parent(parent)
    _signatories[:] = [Signatory(key, dnskey) for key in keys]


def _begin_checking(parent: int, checks: Sequence[Check | None]) -> None:
    _leave_to_parent(parent)
    _checks[:] = checks


def _leave_to_parent(parent: int) -> None:
    """Leave interrupts to the parent, and never outlive it with keys in memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            die_with_parent(parent, signal.SIGKILL)
    gc.disable()  # a collection would touch, and so copy, every page shared with the parent


def _work(chunk: list[Task]) -> list[bytes]:
    return signed(chunk, _signatories)


def _check(chunk: list[Claim]) -> list[bool]:
    return _held(chunk, _checks)
