"""Talk to one node's agent: HTTPS with certificates both ways, every failure told as whose and why.

Invariants: the node is known by its name in its certificate, whatever its address; every request has a time
limit and every response a size limit; nothing but NodeUnreachableError, PkiError and ReleaseRefusedError
(and their kin in `dnsctl.errors`) comes out, with the node's name as `where`.
"""

from __future__ import annotations

import hashlib
import json
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from dnsctl.errors import NodeUnreachableError, PkiError, ReleaseRefusedError
from dnsctl.model.fleet import Node
from dnsctl.model.validity import Period
from dnsctl.release.envelope import MAX_ENVELOPE
from dnsctl.release.manifest import MAX_DELTA_SIZE
from dnsctl.replicate.clocks import Offset
from dnsctl.replicate.staging import Refusal, Served
from dnsctl.replicate.tls import explain
from dnsctl.replicate.trust import Certified

HEAD_LENGTH = "dnsctl-head"  # header with the octets of the first part of a body of two
MAX_JSON = 3 * MAX_ENVELOPE  # octets: one sealed manifest and its certificate fit, whatever they hold
MAX_SNAPSHOT = 2**36  # octets
_CHUNK = 256 * 1024  # octets
_NO_CLOCK = 2**37  # unix seconds: the year 6325
_SMALL = 2**20  # octets: to ask whether the node has it takes as long as to send it


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait: to connect, for a short answer, for a long job (a transfer, `prepare`)."""

    connect: float = 5.0
    short: float = 15.0
    long: float = 300.0


@dataclass(frozen=True, slots=True)
class ZoneStatus:
    """One zone as a node serves it, and when its signatures hold."""

    serial: int
    digest: str
    period: Period


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What an agent says of its node. `zones` is empty unless it was asked for."""

    name: str
    site: str
    served: Served
    created: int | None  # unix seconds, of the release served
    prepared: Served | None
    expires_in: float  # seconds the prepared release has left
    refusal: Refusal | None
    zone_count: int
    period: Period  # of all zones: when all signatures hold
    clock: Offset | None  # its clock against ours; None: an agent that does not tell
    workers: int
    silent: bool  # it answers no query until it is current
    zones: dict[str, ZoneStatus]
    certificate: int | None = None  # unix seconds: when the one that it shows runs out


def clocks_of(statuses: Iterable[NodeStatus]) -> dict[str, Offset]:
    """Return the offset of each node's clock, of those that tell, by the node's name."""
    return {one.name: one.clock for one in statuses if one.clock is not None}


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
        answer = await self._json("GET", "/v1/status", params={"zones": "1"} if zones else None)
        ended, ours = time.monotonic(), time.time()
        try:
            told = answer.get("time")
            clock = None if told is None else Offset.measured(_time(told), ours, ended - began)
            found = replace(_status(answer, clock), certificate=self._certificate)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._nonsense(f"a status without {error}") from None
        if found.name != self.node.name:
            raise PkiError(f"says it is {found.name!r}", where=self.node.name, advice="check dnsctl.yaml")
        return found

    async def releases(self, after: int) -> tuple[Certified, ...]:
        """Return activated releases after generation `after`, ascending; perhaps not all at once."""
        answer = await self._json("GET", "/v1/releases", params={"after": str(after)})
        try:
            return tuple(
                Certified(one["manifest"].encode("ascii"), one["certificate"].encode("ascii"))
                for one in answer["releases"]
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._nonsense("a malformed list of releases") from None

    async def has_blob(self, digest: str) -> bool:
        async with self._request("HEAD", f"/v1/blobs/{digest}", missing=True) as response:
            return response.status_code == 200

    async def get_blob(self, digest: str, size: int) -> bytes:
        """Return a delta of exactly `size` octets. Raises ReleaseRefusedError where it is another."""
        body = bytearray()
        async with self._request("GET", f"/v1/blobs/{digest}", long=True) as response:
            async for chunk in self._chunks(response, min(size, MAX_DELTA_SIZE)):
                body += chunk
        data = bytes(body)
        if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
            raise ReleaseRefusedError("sent another delta than asked for", where=self.node.name)
        return data

    async def snapshot(self, into: Path) -> tuple[int, Path]:
        """Fetch everything the node serves into a file in `into`; return its generation and the file."""
        async with self._request("GET", "/v1/snapshot", long=True) as response:
            generation = response.headers.get("dnsctl-generation", "")
            if not generation.isdecimal():
                raise self._nonsense("a snapshot of no generation")
            with tempfile.NamedTemporaryFile(dir=into, prefix="snapshot-", delete=False) as file:
                path = Path(file.name)
                try:
                    async for chunk in self._chunks(response, MAX_SNAPSHOT):
                        file.write(chunk)
                except BaseException:
                    path.unlink(missing_ok=True)
                    raise
        return int(generation), path

    # -- Requests that change something --------------------------------------------------------------------

    async def put_delta(self, digest: str, delta: bytes, sealed: bytes) -> None:
        """Send a delta behind the sealed manifest that names it; a large one only if the node has it not."""
        if len(delta) < _SMALL or not await self.has_blob(digest):
            path = f"/v1/blobs/{digest}"
            await self._json("PUT", path, content=_parts(sealed, delta), head=len(sealed), long=True)

    async def prepare(self, sealed: bytes) -> float:
        """Have a release prepared; return the seconds it stays so. Raises ReleaseRefusedError."""
        answer = await self._json("POST", "/v1/prepare", content=sealed, long=True)
        return float(answer.get("expires_in", 0.0))

    async def activate(self, sealed: bytes) -> None:
        """Hand over a certificate. Raises ReleaseRefusedError where it is not what is prepared."""
        await self._json("POST", "/v1/activate", content=sealed)

    async def abort(self, digest: str) -> None:
        """Have the prepared manifest `digest` dropped; nothing happens where it is not prepared."""
        await self._json("POST", "/v1/abort", content=json.dumps({"manifest": digest}).encode())

    async def follow(self, releases: Sequence[Certified]) -> None:
        """Have releases taken in one step, those between never served; their deltas were sent before."""
        body = {"releases": [_release_json(release) for release in releases]}
        await self._json("POST", "/v1/follow", content=json.dumps(body).encode(), long=True)

    async def restore(self, release: Certified, snapshot: Path) -> None:
        """Have the image replaced by the snapshot of `release` in a file."""
        head = json.dumps(_release_json(release)).encode()
        await self._json("POST", "/v1/restore", content=_parts(head, snapshot), head=len(head), long=True)

    # -- Inside --------------------------------------------------------------------------------------------

    async def _json(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        head: int | None = None,
        long: bool = False,
    ) -> dict[str, Any]:
        body = bytearray()
        async with self._request(
            method, path, params=params, content=content, head=head, long=long
        ) as response:
            async for chunk in self._chunks(response, MAX_JSON):
                body += chunk
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise self._nonsense("something else than a JSON object")
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
        long: bool = False,
        missing: bool = False,
    ) -> AsyncIterator[httpx.Response]:
        """Begin a response; refusals and failures raise. With `missing`, 404 is an answer.

        `head`: octets of the first part of a `content` of two.
        """
        patience = self._patience
        request = self._http.build_request(
            method,
            path,
            params=params,
            content=content,
            headers=None if head is None else {HEAD_LENGTH: str(head)},
            timeout=httpx.Timeout(patience.long if long else patience.short, connect=patience.connect),
            extensions={"sni_hostname": self.node.name},
        )
        try:
            response = await self._http.send(request, stream=True)
            self._certificate = _certificate_of(response) or self._certificate
            try:
                if response.status_code >= 300 and not (missing and response.status_code == 404):
                    raise await self._refused(response)
                yield response
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        except ssl.SSLError as error:  # from a body, where httpx does not wrap it
            raise self._unreachable(error) from error

    async def _chunks(self, response: httpx.Response, limit: int) -> AsyncIterator[bytes]:
        async for chunk in response.aiter_bytes(_CHUNK):
            limit -= len(chunk)
            if limit < 0:
                raise self._nonsense("more octets than it may")
            yield chunk

    async def _refused(self, response: httpx.Response) -> ReleaseRefusedError | NodeUnreachableError:
        body = bytearray()
        async for chunk in self._chunks(response, 65536):
            body += chunk
        try:
            answer = json.loads(body)
            what, advice = str(answer["what"]), str(answer.get("advice", ""))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            what, advice = f"HTTP status {response.status_code}", ""
        if response.status_code in (500, 503):
            return NodeUnreachableError(what, where=self.node.name, advice=advice or "see the agent's log")
        return ReleaseRefusedError(what, where=self.node.name, advice=advice)

    def _nonsense(self, what: str) -> NodeUnreachableError:
        return NodeUnreachableError(
            f"sent {what}", where=self.node.name, advice=f"is {self.node.control} really its agent?"
        )

    def _unreachable(self, error: BaseException) -> PkiError | NodeUnreachableError:
        certificates = explain(error, self.node.name)
        if certificates is not None:
            return certificates
        if isinstance(error, httpx.TimeoutException):
            what = "did not answer in time"
        else:
            what = f"cannot be reached ({str(error) or type(error).__name__})"
        return NodeUnreachableError(
            f"{what} at {self.node.control}",
            where=self.node.name,
            advice="check that the node runs and that its `control:` address is right",
        )


def _certificate_of(response: httpx.Response) -> int | None:
    """Return when the certificate of the other side runs out, in unix seconds."""
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


def _status(answer: dict[str, Any], clock: Offset | None) -> NodeStatus:
    prepared, refusal = answer["prepared"], answer["refusal"]
    return NodeStatus(
        name=str(answer["name"]),
        site=str(answer["site"]),
        served=Served(int(answer["generation"]), str(answer["manifest"])),
        created=answer["created"] and int(answer["created"]),
        prepared=prepared and Served(int(prepared["generation"]), str(prepared["manifest"])),
        expires_in=float(prepared["expires_in"]) if prepared else 0.0,
        refusal=refusal and Refusal(int(refusal["at"]), str(refusal["action"]), str(refusal["reason"])),
        zone_count=int(answer["zone_count"]),
        period=_period(answer),
        clock=clock,
        workers=int(answer["workers"]),
        silent=bool(answer.get("silent", False)),
        zones={
            str(origin): ZoneStatus(int(one["serial"]), str(one["digest"]), _period(one))
            for origin, one in answer.get("zones", {}).items()
        },
    )


def _time(told: Any) -> float:
    """Return unix seconds. Raises ValueError for what no clock says."""
    if not 0 <= float(told) < _NO_CLOCK:
        raise ValueError("a time")
    return float(told)


def _period(answer: dict[str, Any]) -> Period:
    inception, expiry = answer.get("inception"), answer["expiry"]
    return Period(inception and int(inception), expiry and int(expiry))
