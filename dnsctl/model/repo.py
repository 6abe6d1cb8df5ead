"""The paths in an operations repo, and in the state that a host keeps beside it. Opens no file.

    dnsctl.yaml                       the settings
    zones/                            zone files, unless `zone-files` names other directories
    hooks/
    keys/                             keys of zones below, each in a directory of its own
      release.pem  release.pub        the key that signs releases
      passphrase  cookie.secret  tsig/NAME
      sig0/NAME/                      keys that sign updates (SIG(0)), whose KEY records stand at parents
      pki/ca.crt  pki/ca.pem          the fleet's authority
      pki/control.*  pki/NODE.*       certificates of the control host and the nodes, with their keys
    state/                            of the control host: control.db, push.lock, image/, archive/, evidence/,
                                      observations/, control.lock, hook.lock, jobs.json, aliases.json,
                                      queries.db, memory.db
      nodes/NAME/                     of a node, unless it has another place: see `NodeFiles`

What a person may name in dnsctl.yaml stands here with the place that is taken where nothing is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Paths from the root of the repo, as git and messages name them.
CONFIG = "dnsctl.yaml"
ZONES = "zones"
ZONE_FILES = "zone-files"  # the setting that names other directories
HOOKS = "hooks"
KEYS = "keys"
STATE = "state"
KEPT_HERE = (KEYS, STATE, ".git")  # top directories with what is of this host, in which nothing is a zone's
PRE_COMMIT = f"{HOOKS}/pre-commit"
KEYS_README = f"{KEYS}/README.md"
ZONES_README = f"{ZONES}/README.md"
RELEASE_PUBLIC = f"{KEYS}/release.pub"
RELEASE_PRIVATE = f"{KEYS}/release.pem"
PASSPHRASE = f"{KEYS}/passphrase"
COOKIE_SECRET = f"{KEYS}/cookie.secret"
TSIG = f"{KEYS}/tsig"
_SIG0 = "sig0"
SIG0 = f"{KEYS}/{_SIG0}"

YAML, MASTER = ".yaml", ".zone"
ZONE_SUFFIXES = (YAML, MASTER)  # of zone files: the rest of the name is the apex

AUTHORITY = "ca"
CONTROL = "control"  # names in keys/pki/ that no node may have


def shown_directories(directories: tuple[str, ...]) -> str:
    """Return directories as messages name them, `dns/zones/, more/`; the root of the repo as `./`."""
    return ", ".join(f"{each or '.'}/" for each in directories)


@dataclass(frozen=True, slots=True)
class PkiFiles:
    """The certificates of a fleet, in keys/pki/: `AUTHORITY`, `CONTROL` and one by the name of each node."""

    directory: Path

    def certificate(self, name: str) -> Path:
        return self.directory / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.directory / f"{name}.pem"


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """What is kept in keys/."""

    directory: Path

    @property
    def release_private(self) -> Path:
        return self.directory / "release.pem"

    @property
    def release_public(self) -> Path:
        return self.directory / "release.pub"

    @property
    def sig0(self) -> Path:
        return self.directory / _SIG0

    @property
    def pki(self) -> PkiFiles:
        return PkiFiles(self.directory / "pki")


@dataclass(frozen=True, slots=True)
class HostFiles:
    """What the control host remembers, in state/."""

    directory: Path

    @property
    def records(self) -> Path:
        return self.directory / "control.db"

    @property
    def lock(self) -> Path:
        return self.directory / "push.lock"

    @property
    def hook_lock(self) -> Path:
        """Return what is locked by the hook that brings this repo to what was pushed."""
        return self.directory / "hook.lock"

    @property
    def control_lock(self) -> Path:
        """Return what is locked by the one process that does the jobs of this host."""
        return self.directory / "control.lock"

    @property
    def jobs(self) -> Path:
        """Return where is kept when each job was done last, and how it ended."""
        return self.directory / "jobs.json"

    @property
    def aliases(self) -> Path:
        """Return where is kept what resolvers said of the targets of ALIAS."""
        return self.directory / "aliases.json"

    @property
    def queries(self) -> Path:
        """Return where is kept how many queries zones got in the last day; losing it loses only that."""
        return self.directory / "queries.db"

    @property
    def memory(self) -> Path:
        """Return where is kept what was found of each zone file; losing it only costs time."""
        return self.directory / "memory.db"

    @property
    def image(self) -> Path:
        return self.directory / "image"

    @property
    def looked(self) -> Path:
        """Return where is kept when all of the image was read, and found right."""
        return self.image / "looked.json"

    @property
    def archive(self) -> Path:
        return self.directory / "archive"

    def base(self, zone: str) -> Path:
        """Return where is kept what is known of the file of a large zone; losing it only costs time."""
        return self.directory / "bases" / f"{zone}.json"

    def observation(self, zone: str) -> Path:
        """Return where is kept what was seen of a zone; `zone`: its name as a file name."""
        return self.directory / "observations" / f"{zone}.json"

    def evidence(self, generation: int) -> Path:
        """Return where is kept what verification saw of a release that was taken back."""
        return self.directory / "evidence" / f"generation-{generation}.json"


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """What a node keeps: `generation` counts what it serves, `silent` is there while it answers nothing."""

    directory: Path

    @property
    def image(self) -> Path:
        return self.directory / "image"

    @property
    def damaged_image(self) -> Path:
        """The image that another took the place of, until it is removed."""
        return self.directory / "image.damaged"

    @property
    def new_image(self) -> Path:
        """The image that is to take the place of a damaged one."""
        return self.directory / "image.new"

    @property
    def releases(self) -> Path:
        return self.directory / "releases"

    @property
    def generation(self) -> Path:
        return self.directory / "generation"

    @property
    def silent(self) -> Path:
        return self.directory / "silent"

    @property
    def damage(self) -> Path:
        return self.directory / "damage"

    @property
    def reload_refused(self) -> Path:
        """Return where stands why it does not run with the settings of its release."""
        return self.directory / "reload.refused"

    @property
    def cookie_secret(self) -> Path:
        return self.directory / "cookie.secret"


@dataclass(frozen=True, slots=True)
class Repo:
    """An operations repo."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / CONFIG

    @property
    def zones(self) -> Path:
        return self.root / ZONES

    @property
    def keys(self) -> KeyFiles:
        return KeyFiles(self.root / KEYS)

    @property
    def state(self) -> HostFiles:
        return HostFiles(self.root / STATE)

    def node(self, name: str) -> NodeFiles:
        """Return what node `name` keeps, unless it has another place."""
        return NodeFiles(self.root / STATE / "nodes" / name)
