"""dnsctl from Python: check zones, build an image, answer queries from it, verify a server.

What `dnsctl/__init__.py` offers by name; docs/api.md shows it. Names, types and addresses are text here, as a
person writes them. What fails raises DnsctlError, with advice in it; faults in zones are findings instead. No
fleet is involved: releases are made by `dnsctl push`, which has more to prove.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import dns.message
import dns.rdatatype

from dnsctl.errors import DnsctlError, ImageError, KeystoreError, PassphraseError, RefusalRule
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.load.settings.values import endpoint
from dnsctl.model.finding import Finding, by_position
from dnsctl.model.fleet import Endpoint, Node
from dnsctl.model.name import ROOT, from_text, to_text
from dnsctl.publish.directory import finish_all, judge_directory, replace_all
from dnsctl.publish.judgement import Judged
from dnsctl.serve.respond import Responder
from dnsctl.sign.keystore import Keystore
from dnsctl.startup.directory import find_config
from dnsctl.verify.anchor import NO_ANCHORS, anchors_in
from dnsctl.verify.consistency import verify_fleet
from dnsctl.verify.report import Report

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class CheckedZones:
    """The zones of a directory, and all that was found in them, by position."""

    findings: tuple[Finding, ...]
    judged: Judged = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The zones without errors: those that `build_image` takes."""
        return tuple(to_text(origin) for origin in self.judged.zones)

    @property
    def has_errors(self) -> bool:
        return self.judged.has_errors


def check_zones(directory: StrPath, *, sign: bool = False, now: datetime | None = None) -> CheckedZones:
    """Load every zone file in `directory` and judge it, as `dnsctl serve --zones` does.

    A dnsctl.yaml in `directory` or beside it holds for the zones. `sign`: whether they will be signed, by the
    policies written there; rules on signatures are judged by that. `now`: when signatures of zones that came
    signed must hold.
    """
    place = Path(directory)
    found = find_config(place)
    judged = judge_directory(place, found[0] if found else None, now or datetime.now(UTC), sign=sign)
    return CheckedZones(tuple(by_position(judged.findings)), judged)


def build_image(
    zones: CheckedZones, path: StrPath, *, keys: StrPath | None = None, passphrase: bytes = b""
) -> ZoneImage:
    """Compile `zones` into the image in directory `path`, which is made if it is missing; return it, opened.

    Zones that were checked with `sign` are signed by the keys in directory `keys`, which `passphrase` opens;
    keys that a zone lacks are made there. What `path` held before is replaced, and its signatures are kept
    where they still fit. Zones with errors are left out: queries for them get SERVFAIL. Where this raises,
    the image stays as it was. It must not be open in this process.
    """
    judged, place = zones.judged, Path(path)
    if any(each.policy is not None for each in judged.zones.values()):
        if keys is None:
            raise KeystoreError("zones that are to be signed need keys", advice="name the directory of keys")
        if not passphrase:
            raise PassphraseError("no passphrase for the keys", advice="give one, of octets")
    store = Keystore(Path(keys or path), lambda: passphrase)
    is_new = not place.exists()
    try:
        with Image.open(place, readonly=False) as image, image.writer() as writer:
            made, refused = finish_all(judged, store, writer)
            if refused:
                raise next(iter(refused.values()))
            replace_all(writer, made, {each.zone for each in judged.faults if each.zone is not None})
    except BaseException:
        if is_new:
            shutil.rmtree(place, ignore_errors=True)
        raise
    return open_image(path)


def open_image(path: StrPath) -> ZoneImage:
    """Open the image in directory `path`, read only."""
    return ZoneImage(Image.open(Path(path)))


class ZoneImage:
    """An image of zones, opened. Use it in a `with` block, and in one thread."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._reader = image.reader()
        self._responder = Responder()
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._is_closed = True
        self._reader.close()
        self._image.close()

    @property
    def names(self) -> tuple[str, ...]:
        """The zones that it holds."""
        return tuple(to_text(entry.origin) for entry in self._opened().zones())

    def answer(self, name: str, rdtype: str = "A", *, dnssec: bool = False) -> dns.message.Message:
        """Return the response to a question, whole, as over TCP. `dnssec`: with signatures and proofs."""
        owner = to_text(from_text(name, ROOT))
        query = dns.message.make_query(owner, _type(rdtype), want_dnssec=dnssec)
        response = self.respond(query.to_wire(), stream=True)
        if response is None:
            raise DnsctlError(
                "no response to this question", where=f"{owner} {rdtype}", rule=RefusalRule.NO_ANSWER
            )
        return dns.message.from_wire(response)

    def respond(self, query: bytes, *, stream: bool = False) -> bytes | None:
        """Return the octets of the response to any message, or None where there must be none.

        `stream`: over TCP, where nothing is cut.
        """
        response = self._responder.respond(self._opened(), query, stream=stream)
        return None if response is None else response.wire

    def _opened(self) -> Reader:
        if self._is_closed:
            raise ImageError("the image is closed", advice="use it inside its `with` block, or open it again")
        return self._reader

    def verify(
        self,
        address: str,
        port: int = 53,
        *,
        zones: Sequence[str] | None = None,
        full: bool = False,
        keys: StrPath | None = None,
    ) -> Report:
        """Ask the server at an IP address whether it serves exactly what is in here, over real DNS.

        `zones`: these only; `full`: every RRset instead of a sample. `keys`: the directory whose keys are the
        trust anchors of signed zones; else a zone is checked by the keys that it publishes itself.
        """
        try:
            place = endpoint(str(Endpoint(address, port)))
        except ValueError as error:
            raise DnsctlError(str(error), rule=RefusalRule.COMMAND_LINE) from None
        return verify_fleet(
            [Node(address, "", (place,), "")],
            self._opened(),
            now=datetime.now(UTC),
            zones=None if zones is None else {from_text(each, ROOT) for each in zones},
            full=full,
            anchors=NO_ANCHORS if keys is None else anchors_in(Path(keys)),
        )


def _type(rdtype: str) -> dns.rdatatype.RdataType:
    try:
        return dns.rdatatype.RdataType.make(rdtype)  # a number of dnspython's does, too
    except (dns.rdatatype.UnknownRdatatype, ValueError, TypeError):
        raise DnsctlError(f"{rdtype} is not a type", rule=RefusalRule.COMMAND_LINE) from None
