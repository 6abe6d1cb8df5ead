"""A control host for tests: keystore, image, archive and release key, and the way of a push."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dnsctl.control.keeping import prepared
from dnsctl.image.store import Image
from dnsctl.model.guard_limits import GuardLimits
from dnsctl.model.name import Name, from_text, to_text
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import Type, rdata_text, type_text
from dnsctl.model.zone import SignedZone, is_presigned
from dnsctl.publish.intent import Intent, ZoneIntent
from dnsctl.publish.keys import settle
from dnsctl.publish.pipeline import Release, build, certify
from dnsctl.release.archive import Archive
from dnsctl.replicate.trust import Trust
from dnsctl.sign.keystore import Keystore
from tests.build import validated
from tests.release.releases import release_key

TRUST = Trust((release_key().public,), 1)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
STANDARD = Policy()
_LIMITS = GuardLimits()
SIMPLE = "www A 192.0.2.1\nmail A 192.0.2.2\n@ MX 10 mail\n"


def intent(
    zones: Mapping[str, str], policy: Policy | None = STANDARD, limits: GuardLimits = _LIMITS
) -> Intent:
    """Return the intent of zones given as master-file text without SOA and NS."""
    wanted = {}
    for origin, text in zones.items():
        zone = validated(origin, text, apex="SOA" not in text)
        presigned = is_presigned(zone)
        wanted[zone.origin] = ZoneIntent(zone, None if presigned else policy, presigned)
    return Intent(wanted, "ab" * 20, (), limits)


def adopt(release: Release, certificate: bytes, image: Image, archive: Archive) -> None:
    """Decide `release`, and keep it, as a push does."""
    with prepared(image, archive, TRUST, release.sealed, release.delta) as staging:
        archive.put_activation(release.generation, certificate)  # the decision
        staging.activate(certificate)


class Host:
    def __init__(self, root: Path) -> None:
        self.keystore = Keystore(root / "keys", lambda: b"passphrase")
        self.image = Image.open(root / "image", readonly=False)
        self.archive = Archive(root / "archive")
        self.keys = (release_key(),)

    def build(self, wanted: Intent, now: datetime = NOW) -> Release | None:
        return build(wanted, self.keystore, self.keys, self.image, now)

    def push(self, wanted: Intent, now: datetime = NOW) -> Release:
        release = self.build(wanted, now)
        assert release is not None
        self.take(release, now)
        return release

    def take(self, release: Release, now: datetime) -> None:
        """Decide a release that was built, and keep it."""
        self.keystore.store(release.new_keys)
        for one in release.unasked:
            self.keystore.record(one, one.state, replace(one.roll, ds=False), now)
        adopt(release, certify(release.manifest, self.keys, now), self.image, self.archive)
        with self.image.reader() as reader:
            settle(self.keystore, reader, now)

    def zone(self, origin: str) -> SignedZone:
        with self.image.reader() as reader:
            return reader.signed_zone(from_text(origin))

    def table(self) -> tuple[int, str, str]:
        with self.image.reader() as reader:
            return reader.generation, reader.manifest, reader.table_digest()


def name(text: str) -> Name:
    return from_text(text)


def master_text(zone: SignedZone) -> str:
    """Return a signed zone (NSEC, not NSEC3) as a master file with its signatures."""
    return "".join(
        f"{to_text(one.owner)} {one.ttl} {type_text(rdtype)} {rdata_text(rdtype, each)}\n"
        for one in zone.rrsets()
        for rdtype, rdatas in ((one.rdtype, one.rdatas), (int(Type.RRSIG), one.signatures))
        for each in rdatas
    )
