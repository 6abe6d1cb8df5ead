"""The agent's HTTP interface under /v1: requests, their limits of size and time, errors as JSON.

    GET  status?zones=1       what is served, prepared, last refused
    GET  releases?after=N     activated releases after N, sealed, in order
    GET  blobs/DIGEST         a delta (HEAD: is it here)
    GET  snapshot             everything that is served, as one delta
    POST activate             a sealed certificate
    PUT  blobs/DIGEST         a sealed manifest, then the delta that it names
    POST prepare              a sealed manifest
    POST abort                {"manifest": DIGEST}
    POST follow               {"releases": [{"manifest", "certificate"}, …]}
    POST look                 servers of parents, and zones to ask them about: see `parent.errand`
    POST restore              {"manifest", "certificate"}, then a snapshot of that release

For who may do what, see `rights`. If a body has two parts, the header `dnsctl-head` has the length of the
first. Nothing is stored before the release keys' seal on the first part vouches for it, and nothing is
deleted on request: with a certificate alone, even the control host's, one can neither fill a disk nor delete
anything. What the control host activates is current: a silent node answers from then on. All work on the
image is handed to the one thread that owns its write transaction. A look at servers of parents changes
nothing here: one at a time, in threads of its own, and bounded in number, time and targets.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import json
import logging
import math
import os
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import lmdb
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dnsctl.errors import (
    DnsctlError,
    ImageError,
    PkiError,
    RefusalRule,
    ReleaseError,
    ReleaseRefusedError,
    SystemRefusalError,
    advice_of,
)
from dnsctl.files import durable
from dnsctl.image.damage import DamageNote
from dnsctl.image.reader import Reader
from dnsctl.image.silence import Silence
from dnsctl.image.store import Image
from dnsctl.model.fleet import NodeSettings
from dnsctl.model.name import to_text
from dnsctl.model.validity import Period
from dnsctl.release.envelope import MAX_ENVELOPE, unverified_payload
from dnsctl.release.manifest import FORMAT, MAX_CERTIFICATE, Manifest
from dnsctl.replicate import snapshot
from dnsctl.replicate.answers import NodeStatus, ZoneStatus
from dnsctl.replicate.catchup import end_silence
from dnsctl.replicate.client import HEAD_LENGTH
from dnsctl.replicate.fitting import status_of
from dnsctl.replicate.rights import RIGHTS, Right, require
from dnsctl.replicate.staging import Served, Staging, refused
from dnsctl.replicate.tls import Peer, peer_of
from dnsctl.replicate.trust import Certified

if TYPE_CHECKING:
    from dnsctl.parent.errand import Errand
    from dnsctl.parent.patience import Patience

PEER_CERTIFICATE = "peer_certificate"  # key of the connection's state, see `agent`
_MAX_SEALED_CERTIFICATE = 4 * MAX_CERTIFICATE  # octets: base64 and the signatures of many keys
MAX_RELEASES_BODY = 4 * MAX_ENVELOPE  # octets of releases that are handed over in one request
_MAX_RELEASES = 64  # in one answer
_RELEASES_BUDGET = 16 * 2**20  # octets in one answer, unless a single release is larger

_log = logging.getLogger("dnsctl.replicate")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Limits:
    """What an agent grants. Sizes in octets, times in seconds."""

    blob: int = 2**36  # a snapshot of the largest image; a delta has the size that its manifest says
    places: int = 8  # connections of one node
    control_places: int = 32  # connections of the control host
    pace: float = 20.0  # requests of one node a second
    burst: int = 200  # of them at once: a node that catches up makes some hundred
    transfers: int = 4  # blobs and snapshots at once, for each node and for the control host
    body_time: float = 30.0
    transfer_time: float = 900.0
    expiry: float = 60.0  # how long a prepared release waits for its certificate
    catch_up_every: float = 5.0


class _TooLargeError(DnsctlError):
    rule = RefusalRule.TOO_LARGE


class _NotFoundError(DnsctlError):
    rule = RefusalRule.NOT_ARCHIVED


class _BusyError(DnsctlError):
    rule = RefusalRule.BUSY


class _Parts:
    """Parts of a snapshot, each made in a thread. `close` waits for it: who asked may go at any time."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._parts = snapshot.encode(reader)
        self._lock = threading.Lock()
        self._closed = False

    def next(self) -> bytes | None:
        """Return one more part, or None after the last."""
        with self._lock:
            return None if self._closed else next(self._parts, None)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._reader.close()


@dataclass(frozen=True, slots=True)
class _Summary:
    """What takes a walk over all zones of a release to tell; `manifest` is the digest of that release's."""

    manifest: str
    zone_count: int
    period: Period
    created: int | None


class Api:
    """The endpoints of one node. `activated` is called with each certificate that changed what is served,
    `missed` when a certificate came for a release that is not prepared here.
    """

    def __init__(
        self,
        settings: NodeSettings,
        image: Image,
        staging: Staging,
        writer: Executor,
        *,
        limits: Limits,
        activated: Callable[[bytes], None],
        missed: Callable[[], None],
        silence: Silence,
    ) -> None:
        self._settings = settings
        self._image = image
        self._staging = staging
        self._writer = writer
        self._limits = limits
        self._activated = activated
        self._missed = missed
        self._silence = silence
        self._damage = DamageNote(settings.state)
        self._known = {peer.name for peer in settings.peers}
        self._transfers: dict[str, asyncio.Semaphore] = {}  # places of each peer, by its name
        self._lists: dict[str, asyncio.Lock] = {}  # of each peer: one list of releases is made at a time
        self._restoring = asyncio.Lock()
        self._looking = threading.Lock()
        self._has_ended = False
        self._summary: _Summary | None = None
        self.last_received = float("-inf")  # when a blob last came, by the monotonic clock

    def application(self) -> Starlette:
        handlers: dict[tuple[str, str], _Handler] = {
            ("GET", "/v1/status"): self.status,
            ("GET", "/v1/releases"): self.releases,
            ("GET", "/v1/blobs/{digest}"): self.get_blob,
            ("GET", "/v1/snapshot"): self.snapshot,
            ("POST", "/v1/activate"): self.activate,
            ("PUT", "/v1/blobs/{digest}"): self.put_blob,
            ("POST", "/v1/prepare"): self.prepare,
            ("POST", "/v1/abort"): self.abort,
            ("POST", "/v1/follow"): self.follow,
            ("POST", "/v1/look"): self.look,
            ("POST", "/v1/restore"): self.restore,
        }
        return Starlette(
            routes=[
                Route(one.path, self._allowed(one, handlers[one.method, one.path]), methods=[one.method])
                for one in RIGHTS
            ],
            exception_handlers={
                DnsctlError: _tell,
                ClientDisconnect: _tell_nobody,
                404: _no_such_path,
                OSError: _refuse_for_the_system,
                lmdb.Error: _tell_of_image,
                Exception: _confess,
            },
        )

    # -- Who -----------------------------------------------------------------------------------------------

    def _allowed(self, right: Right, handler: _Handler) -> _Handler:
        async def checked(request: Request) -> Response:
            require(right, self._peer(request))
            return await handler(request)

        return checked

    def _peer(self, request: Request) -> Peer:
        peer = peer_of(request.scope.get("state", {}).get(PEER_CERTIFICATE))
        if peer is None:
            raise PkiError(
                "this certificate is neither for the control host nor for a node",
                rule=RefusalRule.NOT_PERMITTED,
            )
        if not peer.is_control and peer.node not in self._known:
            raise PkiError(
                f"{peer} is not a peer of {self._settings.node.name}",
                advice="check its settings",
                rule=RefusalRule.NOT_PERMITTED,
            )
        return peer

    # -- Questions -----------------------------------------------------------------------------------------

    async def status(self, request: Request) -> Response:
        served, prepared = self._staging.served, self._staging.prepared()
        if self._summary is None or self._summary.manifest != served.manifest:
            self._summary = await asyncio.to_thread(self._summarize, served)
        summary = self._summary
        zones: dict[str, ZoneStatus] = {}
        if "zones" in request.query_params:
            async with self._places(request):  # it may be as large as a delta
                zones = await asyncio.to_thread(self._zones)
        status = NodeStatus(
            name=self._settings.node.name,
            site=self._settings.node.site,
            served=served,
            created=summary.created,
            prepared=Served(prepared.manifest.generation, prepared.manifest.digest) if prepared else None,
            expires_in=prepared.expires_in if prepared else 0.0,
            refusal=self._staging.refusal,
            zone_count=summary.zone_count,
            period=summary.period,
            clock=None,
            workers=self._settings.serve.workers,
            silent=self._silence.holds,
            zones=zones,
            damage=self._damage.last(),
            settings=status_of(self._settings, served.generation, self._staging.settings, self._staging.age),
            manifest_format=FORMAT,
        )
        answer = await asyncio.to_thread(status.to_json) if zones else status.to_json()
        answer["time"] = round(time.time(), 3)  # read last, to be sent at once
        return JSONResponse(answer)

    def _summarize(self, served: Served) -> _Summary:
        with self._image.reader() as reader:
            periods = [entry.period for entry in reader.zones()]
        created = None
        with contextlib.suppress(ReleaseError):  # a damaged archive hides nothing else
            release = self._staging.certified(served.generation) if served.generation else None
            # Not verified again: its release keys were pinned when it was stored, and may since have rolled.
            if release is not None:
                created = Manifest.from_bytes(unverified_payload(release.manifest, "manifest")).created
        inception = max((each.inception for each in periods if each.inception is not None), default=None)
        expiry = min((each.expiry for each in periods if each.expiry is not None), default=None)
        return _Summary(served.manifest, len(periods), Period(inception, expiry), created)

    def _zones(self) -> dict[str, ZoneStatus]:
        with self._image.reader() as reader:
            return {
                to_text(entry.origin): ZoneStatus(entry.serial, entry.digest, entry.period)
                for entry in reader.zones()
            }

    async def releases(self, request: Request) -> Response:
        after = request.query_params.get("after", "")
        if not (after.isascii() and after.isdigit() and len(after) < 17):
            raise ReleaseError("`after` must be a generation")
        async with self._lists.setdefault(str(self._peer(request)), asyncio.Lock()):
            found = await asyncio.to_thread(self._releases, int(after))
        return JSONResponse({"releases": found})

    def _releases(self, after: int) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        budget = _RELEASES_BUDGET
        served = self._staging.served.generation
        listed = [each for each in self._staging.generations() if after < each <= served]
        for generation in listed[:_MAX_RELEASES]:
            try:
                release = self._staging.certified(generation)
            except ReleaseError as error:
                _log.warning("generation %d in the archive is damaged: %s", generation, error)
                release = None
            if release is None:
                continue  # or pruned meanwhile
            if not (release.manifest.isascii() and release.certificate.isascii()):
                _log.warning("generation %d in the archive is damaged, and is not sent to others", generation)
                continue
            budget -= len(release.manifest) + len(release.certificate)
            if found and budget < 0:
                break
            found.append(
                {
                    "manifest": release.manifest.decode("ascii"),
                    "certificate": release.certificate.decode("ascii"),
                }
            )
        return found

    async def get_blob(self, request: Request) -> Response:
        archive, digest = self._staging.archive, request.path_params["digest"]
        archive.locate(digest)  # refuses what is not a digest
        if not await asyncio.to_thread(archive.has, digest):
            raise _NotFoundError(f"{digest[:64]} is not here")
        return FileResponse(archive.locate(digest), media_type="application/octet-stream")

    async def snapshot(self, request: Request) -> Response:
        places = self._places(request)
        if places.locked():
            raise _BusyError("too many transfers at once", advice="try again in a minute")
        reader = await asyncio.to_thread(self._image.reader)
        return StreamingResponse(
            self._snapshot_parts(reader, places),
            media_type="application/octet-stream",
            headers={"dnsctl-generation": str(reader.generation)},
        )

    def _places(self, request: Request) -> asyncio.Semaphore:
        """Return the counter of the client's transfers: each client has its own limit."""
        return self._transfers.setdefault(str(self._peer(request)), asyncio.Semaphore(self._limits.transfers))

    async def _snapshot_parts(self, reader: Reader, places: asyncio.Semaphore) -> AsyncIterator[bytes]:
        async with places:
            with contextlib.closing(_Parts(reader)) as parts:
                try:
                    while (part := await asyncio.to_thread(parts.next)) is not None:
                        if part:
                            yield part
                except (lmdb.Error, DnsctlError) as error:  # what is cut short here is refused there
                    _log.error("a snapshot ends early: the image cannot be read: %s", error)

    async def look(self, request: Request) -> Response:
        """Ask servers of parents about zones that are served here. One request at a time."""
        # Here, because it takes a tenth of a second of each start, and most nodes are never asked.
        from dnsctl.parent import errand  # noqa: PLC0415 - as above
        from dnsctl.parent.patience import Patience  # noqa: PLC0415 - as above

        body = await self._body(request, errand.MAX_ERRAND)
        try:
            wanted = await asyncio.to_thread(errand.Errand.from_bytes, body)
        except errand.TooManyLooksError as error:
            raise _TooLargeError(str(error)) from None
        except ValueError as error:
            raise ReleaseError(f"no errand: {error}") from None
        patience = Patience(wanted.seconds, self._counted)
        brought = await asyncio.to_thread(self._carry_out, wanted, patience)
        return Response(brought, media_type="application/json")

    def _carry_out(self, wanted: Errand, patience: Patience) -> bytes:
        from dnsctl.parent.errand import carried_out  # noqa: PLC0415 - as in `look`

        if not self._looking.acquire(blocking=False):  # in this thread, which goes on if who asked has gone
            raise _BusyError("a look at parents is under way", advice="try again in a minute")
        try:
            with self._image.reader() as reader:
                served = {zone for zone, _ in wanted.asked() if reader.zone(zone) is not None}
            return carried_out(wanted, self._settings.parents, served.__contains__, patience).to_bytes()
        finally:
            self._looking.release()

    def _counted(self) -> float:
        """Return a time in seconds; all patience is over when this agent ends."""
        return math.inf if self._has_ended else time.monotonic()

    def end(self) -> None:
        """Begin nothing more of what is under way."""
        self._has_ended = True

    # -- What changes something ----------------------------------------------------------------------------

    async def activate(self, request: Request) -> Response:
        sealed = await self._body(request, _MAX_SEALED_CERTIFICATE)
        is_control = self._peer(request).is_control
        try:
            changed = await self._write(self._staging.activate, sealed, "control" if is_control else "peer")
        except ReleaseRefusedError:
            if self._is_ahead(sealed):
                self._missed()
            raise
        if changed:
            self._activated(sealed)
        if changed or is_control:
            end_silence(self._silence, self._staging.served.generation)
        return JSONResponse({"generation": self._staging.served.generation})

    def _is_ahead(self, sealed: bytes) -> bool:
        """True for a certificate of the release keys for what is not served yet."""
        try:
            return self._staging.trust.certificate(sealed).generation > self._staging.served.generation
        except DnsctlError:
            return False

    async def put_blob(self, request: Request) -> Response:
        """Store a delta, and only what a sealed manifest names that this node has still to take."""
        digest = request.path_params["digest"]
        archive = self._staging.archive
        archive.locate(digest)  # refuses what is not a digest before anything is read
        async with self._places(request):
            head, parts = await self._head(request, MAX_ENVELOPE)
            manifest = await asyncio.to_thread(self._staging.trust.manifest, head)
            self._require_ahead(manifest)
            if manifest.delta.digest != digest:
                raise ReleaseRefusedError(
                    f"{digest[:12]} is not the delta that the manifest names", rule=RefusalRule.DELTA_DIFFERS
                )
            self.last_received = time.monotonic()
            with self._storing():
                await asyncio.to_thread(durable.make_directory, archive.root)
                path, found = await self._receive(parts, manifest.delta.size, archive.root)
                try:
                    if found != digest:
                        raise ReleaseRefusedError(
                            f"what arrived is not {digest[:12]}", rule=RefusalRule.DELTA_DIFFERS
                        )
                    await asyncio.to_thread(archive.adopt, path, digest)
                finally:
                    path.unlink(missing_ok=True)
        return JSONResponse({"digest": digest})

    @contextlib.contextmanager
    def _storing(self) -> Iterator[None]:
        """Report a disk that refuses like any refusal: in the answer, the log and `status`."""
        try:
            yield
        except OSError as error:
            with self._staging.refusing("store", "control"):
                raise SystemRefusalError.of(error, self._staging.archive.root) from None

    def _require_ahead(self, manifest: Manifest) -> None:
        """Refuse to store anything for a release that is served already, or was passed."""
        served = self._staging.served.generation
        if manifest.generation <= served:
            raise ReleaseRefusedError(
                f"nothing is stored for generation {manifest.generation}: {served} is served",
                rule=RefusalRule.TOO_LATE,
            )

    async def _head(self, request: Request, limit: int) -> tuple[bytes, AsyncIterator[bytes]]:
        """Return the first part of a body of two, and what follows it. Raises ReleaseError."""
        told = request.headers.get(HEAD_LENGTH, "")
        if not (told.isascii() and told.isdigit() and len(told) < 12):
            raise ReleaseError(
                "the sealed manifest that names it must come before the data to store",
                advice=f"give its length in the header {HEAD_LENGTH}",
            )
        length = int(told)
        if length > limit:
            raise _TooLargeError(f"more than {limit} octets")
        stream = request.stream()
        head = bytearray()
        async with _time_limit(self._limits.body_time):
            while len(head) < length and (chunk := await anext(stream, b"")):
                head += chunk
        rest = bytes(head[length:])

        async def following() -> AsyncIterator[bytes]:
            yield rest
            async for chunk in stream:
                yield chunk

        return bytes(head[:length]), following()

    async def _receive(self, parts: AsyncIterator[bytes], limit: int, directory: Path) -> tuple[Path, str]:
        """Write `parts` to a file aside, fsynced; return it and its SHA-256.

        Raises _TooLargeError over `limit` octets, ReleaseError where it takes too long.
        """
        state = hashlib.sha256()
        size = 0
        with tempfile.NamedTemporaryFile(
            dir=directory, prefix=durable.TEMPORARY_PREFIX, delete=False
        ) as file:
            path = Path(file.name)
            try:
                async with _time_limit(self._limits.transfer_time):
                    async for chunk in parts:
                        size += len(chunk)
                        if size > limit:
                            raise _TooLargeError(f"more than {limit} octets")
                        state.update(chunk)
                        file.write(chunk)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        return path, state.hexdigest()

    async def prepare(self, request: Request) -> Response:
        sealed = await self._body(request, MAX_ENVELOPE)
        await self._write(self._staging.prepare, sealed)
        prepared = self._staging.prepared()
        asyncio.get_running_loop().call_later(
            self._limits.expiry + 0.05, self._writer.submit, self._staging.expire
        )
        return JSONResponse({"prepared": True, "expires_in": prepared.expires_in if prepared else 0.0})

    async def abort(self, request: Request) -> Response:
        body = await self._json(request, 4096, ("manifest",))
        dropped = await self._write(self._staging.abort, body["manifest"])
        return JSONResponse({"dropped": dropped})

    async def follow(self, request: Request) -> Response:
        """Take releases that were activated before, in one step; their deltas were put before."""
        listed = (await self._json(request, MAX_RELEASES_BODY)).get("releases")
        if not isinstance(listed, list) or not listed:
            raise ReleaseError("`releases` must be a list of releases")
        releases = [_certified(one) for one in listed]
        if await self._write(functools.partial(self._staging.follow, source="control"), *releases):
            self._activated(releases[-1].certificate)
        end_silence(self._silence, self._staging.served.generation)
        return JSONResponse({"generation": self._staging.served.generation})

    async def restore(self, request: Request) -> Response:
        """Replace the image by a snapshot that follows the release it is of. One at a time."""
        if self._restoring.locked():
            raise _BusyError("a snapshot is being taken already", advice="try again in a minute")
        async with self._restoring:
            head, parts = await self._head(request, MAX_RELEASES_BODY)
            release = _certified(_object(head, ("manifest", "certificate")))
            self._require_ahead(await asyncio.to_thread(self._staging.trust.certified, release))
            root = self._staging.archive.root
            self.last_received = time.monotonic()
            with self._storing():
                await asyncio.to_thread(durable.make_directory, root)
                room = shutil.disk_usage(root).free // 2  # the image that is made of it takes as much again
                path, _ = await self._receive(parts, min(self._limits.blob, room), root)
            try:
                take = functools.partial(self._staging.restore, source="control")
                await self._write(take, release, snapshot.decode(path))
            finally:
                path.unlink(missing_ok=True)
        end_silence(self._silence, self._staging.served.generation)
        return JSONResponse({"generation": self._staging.served.generation})

    async def _write(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._writer, function, *arguments)

    async def _body(self, request: Request, limit: int) -> bytes:
        body = bytearray()
        async with _time_limit(self._limits.body_time):
            async for chunk in request.stream():
                if len(body) + len(chunk) > limit:
                    raise _TooLargeError(f"more than {limit} octets")
                body += chunk
        return bytes(body)

    async def _json(self, request: Request, limit: int, keys: tuple[str, ...] = ()) -> Mapping[str, object]:
        return _object(await self._body(request, limit), keys)


def _object(body: bytes, keys: tuple[str, ...]) -> Mapping[str, object]:
    """Return a JSON object whose `keys` are strings. Raises ReleaseError."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in keys):
        raise ReleaseError(f"a JSON object with {', '.join(keys)} belongs here")
    return value


def _certified(value: object) -> Certified:
    """Return a release from JSON; nothing in it is believed yet. Raises ReleaseError."""
    manifest, certificate = (
        (value.get("manifest"), value.get("certificate")) if isinstance(value, dict) else (None, None)
    )
    if not isinstance(manifest, str) or not isinstance(certificate, str):
        raise ReleaseError("a release is a JSON object with manifest and certificate")
    try:
        return Certified(manifest.encode("ascii"), certificate.encode("ascii"))
    except UnicodeEncodeError:
        raise ReleaseError("a sealed release is ASCII") from None


_Handler = Callable[[Request], Awaitable[Response]]


@contextlib.asynccontextmanager
async def _time_limit(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise ReleaseError(f"did not arrive within {seconds:.0f} s") from None


_STATUS_CODES: tuple[tuple[type[DnsctlError], int], ...] = (
    (PkiError, 403),
    (_NotFoundError, 404),
    (_TooLargeError, 413),
    (_BusyError, 503),
    (ReleaseRefusedError, 409),
    (ReleaseError, 400),
)


async def _tell(request: Request, error: Exception) -> Response:
    code = next((code for kind, code in _STATUS_CODES if isinstance(error, kind)), 500)
    return JSONResponse(
        {"what": _whole(error), "advice": getattr(error, "advice", ""), "rule": getattr(error, "rule", None)},
        status_code=code,
        headers={"connection": "close"},  # what is left of a refused body is not read
    )


async def _refuse_for_the_system(request: Request, error: Exception) -> Response:
    """Answer with what this host lacks: space, descriptors, rights."""
    refusal = refused(cast(OSError, error))
    _log.warning("%s %s refused: %s", request.method, request.url.path, refusal)
    return await _tell(request, refusal)


def _whole(error: Exception) -> str:
    what, where = getattr(error, "what", ""), getattr(error, "where", "")
    return f"{where}: {what}" if where else what


async def _tell_of_image(request: Request, error: Exception) -> Response:
    """Answer with LMDB's reason: the inspector finds what is damaged, and the agent replaces the image."""
    told = ImageError(f"the image cannot be read: {error}", advice=advice_of(str(error)))
    _log.error("%s %s failed: %s", request.method, request.url.path, told)
    return await _tell(request, told)


async def _tell_nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=400)


async def _confess(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse({"what": f"internal error: {type(error).__name__}", "advice": ""}, status_code=500)


async def _no_such_path(request: Request, error: Exception) -> Response:
    return JSONResponse({"what": f"no such path: {request.url.path[:80]}", "advice": ""}, status_code=404)
