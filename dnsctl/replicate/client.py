"""Talk to one node's agent: HTTPS with certificates both ways; every failure says whose it is, and why.

Invariants: a node is known by the name in its certificate, not by its address; every request has one deadline
for all of it, and every response a limit of size that fits the request; only NodeUnreachableError, PkiError
and ReleaseRefusedError (and their subclasses) are raised, with the node's name in `where`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import httpx

from dnsctl.errors import (
    AgentGoneError,
    NodeUnreachableError,
    PkiError,
    RefusalRule,
    ReleaseRefusedError,
    UnknownRequestError,
)
from dnsctl.model.fleet import Node
from dnsctl.release.envelope import MAX_ENVELOPE
from dnsctl.release.manifest import MAX_DELTA_SIZE
from dnsctl.replicate.answers import NodeStatus, refusal_rule, releases_of, seconds, words
from dnsctl.replicate.clocks import Offset
from dnsctl.replicate.tls import explain
from dnsctl.replicate.trust import Certified

HEAD_LENGTH = "dnsctl-head"  # header with the octets of the first part of a body of two
MAX_SNAPSHOT = 2**36  # octets
_CHUNK = 256 * 1024  # octets
_SLOWEST = 32 * 1024  # octets a second that any transfer must make
_SMALL = 2**20  # octets: to ask whether the node has it takes as long as to send it


class _Size(NamedTuple):
    """How large an answer may be: `octets`, and how many values of JSON, each of which takes memory.

    `seconds`: that all of it may take, whatever its size.
    """

    octets: int
    values: int
    seconds: float = math.inf


_SMALL_ANSWER = _Size(64 * 1024, 1024)
_STATUS_OF_ZONES = _Size(80 * 2**20, 3_200_000)  # of 200,000 zones, with names of 200 characters
_BROUGHT = _Size(64 * 2**20, 2_000_000)  # 5,000 looks at servers of parents, `parent.errand`
_RELEASES = _Size(3 * MAX_ENVELOPE, 32_768)  # 64 releases with 64 signatures each; one of whatever size fits


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that all of a request may take, to connect, with a short answer, with a long job (`prepare`).

    What is transferred has more, by its size; a status with all zones, `status` at most.
    """

    connect: float = 5.0
    short: float = 10.0
    long: float = 300.0
    status: float = 30.0


class AgentClient:
    """A client of one agent; use it as an async context manager, from one event loop.

    `keep`: hold connections between requests, for a push; who asks now and then should not, because an
    idle connection delays the other side's end.
    """

    def __init__(
        self, node: Node, context: ssl.SSLContext, patience: Patience | None = None, *, keep: bool = True
    ) -> None:
        self.node = node
        self._certificate: int | None = None  # when that of the last connection runs out
        self._patience = patience or Patience()
        self._http = httpx.AsyncClient(
            base_url=node.control,
            verify=context,
            headers={"accept-encoding": "identity"},  # a few octets could become very many
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # none is kept
            trust_env=False,  # no proxy from the environment stands between the fleet's hosts
            limits=httpx.Limits(max_connections=4, max_keepalive_connections=4 if keep else 0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    # -- Questions -----------------------------------------------------------------------------------------

    async def status(self, *, zones: bool = False) -> NodeStatus:
        """Return what the node serves, has prepared and last refused; with `zones`, each zone's serial."""
        began = time.monotonic()
        if zones:
            size = _STATUS_OF_ZONES._replace(seconds=self._patience.status)
            answer = await self._json("GET", "/v1/status", params={"zones": "1"}, size=size)
        else:
            answer = await self._json("GET", "/v1/status")
        ended, ours = time.monotonic(), time.time()
        with self._sensible("a status"):
            told = None if answer.get("time") is None else seconds(answer, "time")
            clock = None if told is None else Offset.measured(told, ours, ended - began)
            found = replace(NodeStatus.from_json(answer, clock), certificate=self._certificate)
        if found.name != self.node.name:
            raise PkiError(f"says it is {found.name!r}", where=self.node.name, advice="check dnsctl.yaml")
        return found

    async def releases(self, after: int) -> tuple[Certified, ...]:
        """Return activated releases after generation `after`, ascending; perhaps not all at once."""
        answer = await self._json("GET", "/v1/releases", params={"after": str(after)}, size=_RELEASES)
        with self._sensible("a list of releases"):
            return releases_of(answer)

    async def has_blob(self, digest: str) -> bool:
        async with self._request("HEAD", f"/v1/blobs/{digest}", missing=True) as (response, _):
            return response.status_code == 200

    async def get_blob(self, digest: str, size: int) -> bytes:
        """Return a delta of exactly `size` octets. Raises ReleaseRefusedError where it is another."""
        body = bytearray()
        async with self._request("GET", f"/v1/blobs/{digest}") as (response, limit):
            async for chunk in self._chunks(response, min(size, MAX_DELTA_SIZE), limit):
                body += chunk
        data = bytes(body)
        if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
            raise ReleaseRefusedError(
                "sent a delta that was not asked for", where=self.node.name, rule=RefusalRule.UNEXPECTED
            )
        return data

    async def snapshot(self, into: Path) -> tuple[int, Path]:
        """Fetch everything the node serves into a file in `into`; return its generation and the file."""
        async with self._request("GET", "/v1/snapshot") as (response, limit):
            generation = response.headers.get("dnsctl-generation", "")
            if not (generation.isascii() and generation.isdigit() and len(generation) < 17):
                raise self._nonsense("a snapshot of no generation")
            with tempfile.NamedTemporaryFile(dir=into, prefix="snapshot-", delete=False) as file:
                path = Path(file.name)
                try:
                    async for chunk in self._chunks(response, MAX_SNAPSHOT, limit):
                        file.write(chunk)
                except BaseException:
                    path.unlink(missing_ok=True)
                    raise
        return int(generation), path

    async def look(self, errand: bytes, seconds: float) -> Mapping[str, object]:
        """Have the node look at servers of parents; return what it says, as `parent.errand` reads it.

        `seconds`: until no further look begins. Raises UnknownRequestError for a node whose version cannot.
        """
        within = seconds + self._patience.status  # each of the last takes as long as its server draws it out
        return await self._json(
            "POST",
            "/v1/look",
            content=errand,
            sent=len(errand),
            within=within,
            size=_BROUGHT._replace(seconds=within),
        )

    # -- Requests that change something --------------------------------------------------------------------

    async def put_delta(self, digest: str, delta: bytes, sealed: bytes) -> None:
        """Send a delta after the sealed manifest that names it; a large one only if the node lacks it."""
        if len(delta) < _SMALL or not await self.has_blob(digest):
            path = f"/v1/blobs/{digest}"
            await self._json(
                "PUT", path, content=_parts(sealed, delta), head=len(sealed), sent=len(sealed) + len(delta)
            )

    async def prepare(self, sealed: bytes) -> float:
        """Have a release prepared; return the seconds it stays so. Raises ReleaseRefusedError."""
        answer = await self._json("POST", "/v1/prepare", content=sealed, within=self._patience.long)
        with self._sensible("an answer"):
            return seconds(answer, "expires_in")

    async def activate(self, sealed: bytes) -> None:
        """Hand over a certificate. Raises ReleaseRefusedError where it is not what is prepared."""
        await self._json("POST", "/v1/activate", content=sealed)

    async def abort(self, digest: str) -> None:
        """Have the prepared manifest `digest` dropped; nothing happens where it is not prepared."""
        await self._json("POST", "/v1/abort", content=json.dumps({"manifest": digest}).encode())

    async def follow(self, releases: Sequence[Certified]) -> None:
        """Have releases taken in one step, those between never served; their deltas were sent before."""
        body = {"releases": [_release_json(release) for release in releases]}
        content = json.dumps(body).encode()
        await self._json("POST", "/v1/follow", content=content, sent=len(content), within=self._patience.long)

    async def restore(self, release: Certified, snapshot: Path) -> None:
        """Have the image replaced by the snapshot of `release` in a file."""
        head = json.dumps(_release_json(release)).encode()
        sent = len(head) + snapshot.stat().st_size
        await self._json(
            "POST",
            "/v1/restore",
            content=_parts(head, snapshot),
            head=len(head),
            sent=sent,
            within=self._patience.long,
        )

    # -- Inside --------------------------------------------------------------------------------------------

    async def _json(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        head: int | None = None,
        sent: int = 0,
        within: float | None = None,
        size: _Size = _SMALL_ANSWER,
    ) -> Mapping[str, object]:
        body, values = bytearray(), size.values
        latest = asyncio.get_running_loop().time() + size.seconds
        async with self._request(
            method, path, params=params, content=content, head=head, sent=sent, within=within
        ) as (response, limit):
            async for chunk in self._chunks(response, size.octets, limit, latest):
                values -= chunk.count(b"[") + chunk.count(b"{") + chunk.count(b",")
                if values < 0:
                    raise self._nonsense("too many values")
                body += chunk
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise self._nonsense("something that is not a JSON object")
        return answer

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        head: int | None = None,
        sent: int = 0,
        within: float | None = None,
        missing: bool = False,
    ) -> AsyncIterator[tuple[httpx.Response, asyncio.Timeout]]:
        """Begin a response, with its deadline; refusals and failures raise. With `missing`, 404 is an answer.

        `head`: octets of the first part of a `content` of two; `sent`: octets of all of it. `within`: seconds
        that it may take, besides; `short` ones, if not given.
        """
        patience = self._patience
        within = patience.short if within is None else within
        request = self._http.build_request(
            method,
            path,
            params=params,
            content=content,
            headers=None if head is None else {HEAD_LENGTH: str(head)},
            timeout=httpx.Timeout(within, connect=patience.connect),
            extensions={"sni_hostname": self.node.name},
        )
        try:
            async with asyncio.timeout(within + sent / _SLOWEST) as limit:
                response = await self._http.send(request, stream=True)
                self._certificate = _certificate_of(response) or self._certificate
                try:
                    if response.status_code >= 300 and not (missing and response.status_code == 404):
                        raise await self._refused(response)
                    yield response, limit
                finally:
                    await response.aclose()
        except (httpx.HTTPError, TimeoutError) as error:
            raise self._unreachable(error) from error
        except ssl.SSLError as error:  # from a body, where httpx does not wrap it
            raise self._unreachable(error) from error

    async def _chunks(
        self,
        response: httpx.Response,
        most: int,
        limit: asyncio.Timeout | None = None,
        latest: float = math.inf,
    ) -> AsyncIterator[bytes]:
        """Yield the body, `most` octets of it; each puts the deadline `limit` off, as far as it may take.

        `latest`: by the event loop's time, beyond which it is not put off.
        """
        async for chunk in response.aiter_raw(_CHUNK):
            most -= len(chunk)
            if most < 0:
                raise self._nonsense("too many octets")
            if limit is not None and (when := limit.when()) is not None:
                limit.reschedule(max(when, min(when + len(chunk) / _SLOWEST, latest)))
            yield chunk

    async def _refused(self, response: httpx.Response) -> ReleaseRefusedError | NodeUnreachableError:
        body = bytearray()
        async for chunk in self._chunks(response, 65536):
            body += chunk
        try:
            answer = json.loads(body)
            what, advice = words(answer["what"]), words(answer.get("advice", ""))
            rule = refusal_rule(answer.get("rule"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            what, advice, rule = f"HTTP status {response.status_code}", "", None
        if response.status_code in (500, 503):
            return NodeUnreachableError(
                what, where=self.node.name, advice=advice or "see the agent's log", rule=rule
            )
        kind = UnknownRequestError if response.status_code == 404 and rule is None else ReleaseRefusedError
        return kind(what, where=self.node.name, advice=advice, rule=rule)

    @contextmanager
    def _sensible(self, what: str) -> Iterator[None]:
        try:
            yield
        except (KeyError, ValueError) as error:
            raise self._nonsense(f"{what} that is not valid: {words(error, 100)}") from None

    def _nonsense(self, what: str) -> NodeUnreachableError:
        return NodeUnreachableError(
            f"sent {what}", where=self.node.name, advice=f"is {self.node.control} really its agent?"
        )

    def _unreachable(self, error: BaseException) -> PkiError | NodeUnreachableError:
        certificates = explain(error, self.node.name)
        if certificates is not None:
            return certificates
        kind = NodeUnreachableError
        if isinstance(error, httpx.TimeoutException | TimeoutError):
            what = "did not answer in time"
        else:
            what = f"cannot be reached ({words(error, 100) or 'it ended the connection'})"
            kind = AgentGoneError
        return kind(
            f"{what} at {self.node.control}",
            where=self.node.name,
            advice="check that the node runs and that its `control:` address is right",
        )


def _certificate_of(response: httpx.Response) -> int | None:
    """Return when the certificate of the other side expires, in unix seconds."""
    stream = response.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    shown = tls.getpeercert() if tls is not None else None
    return ssl.cert_time_to_seconds(str(shown["notAfter"])) if shown else None


def _release_json(release: Certified) -> dict[str, str]:
    return {
        "manifest": release.manifest.decode("ascii"),
        "certificate": release.certificate.decode("ascii"),
    }


async def _parts(head: bytes, body: bytes | Path) -> AsyncIterator[bytes]:
    for whole in (head, body) if isinstance(body, bytes) else (head,):
        for start in range(0, len(whole), _CHUNK):
            yield whole[start : start + _CHUNK]
    if isinstance(body, Path):
        with body.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
