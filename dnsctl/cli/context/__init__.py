"""The context of every verb: the operations repo, its settings and files, and names as people type them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dnsctl.errors import DnsctlError, NameSyntaxError, PassphraseError, RefusalRule
from dnsctl.load.nearest import did_you_mean
from dnsctl.load.revision import WorkTree
from dnsctl.load.secret import resolve
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.file import load_config
from dnsctl.model.name import ROOT, Name, from_text, to_text
from dnsctl.model.repo import HostFiles, Repo


@dataclass(frozen=True)
class Context:
    """The global options. `root` is the operations repo (`-C DIR`).

    `program`: how this process was started, if it may start again (see `anew`).
    """

    root: Path
    program: tuple[str, ...] = ()

    @property
    def keys(self) -> Path:
        return Repo(self.root).keys.directory

    @property
    def state(self) -> HostFiles:
        """Where the control host keeps what it remembers."""
        return Repo(self.root).state

    @property
    def image(self) -> Path:
        """Where the control host keeps the image of the last release."""
        return self.state.image

    def work_tree(self) -> WorkTree:
        return WorkTree(self.root)

    def config(self, *, fleet: bool = True) -> Config:
        """Return dnsctl.yaml of the work tree. Raises ConfigError, also where `fleet` needs sites."""
        return load_config(self.work_tree(), fleet=fleet)

    def require_repo(self) -> None:
        """Raise ConfigError where this is not an operations repo: for verbs that read no settings."""
        if not Repo(self.root).config.exists():
            self.config(fleet=False)  # raises

    def passphrase(self, config: Config) -> bytes:
        """Return the keystore's passphrase. Raises PassphraseError."""
        return resolve(config.keystore.passphrase, self.root)


def new_passphrase(reference: str, root: Path, option: str) -> bytes:
    """Return what is to be a passphrase, as `option` names it; one that is typed is asked for twice.

    Raises PassphraseError.
    """
    first = resolve(reference, root, given=option)
    if reference == "prompt" and resolve(reference, root, given=option) != first:
        raise PassphraseError("the two passphrases differ", advice="type the same one twice")
    return first


def domain_name(text: str) -> Name:
    """Return the name that a person gave, with or without the final dot. Raises NameSyntaxError naming it."""
    try:
        return from_text(text, ROOT)
    except NameSyntaxError as error:
        error.where = error.where or text
        raise


def zone_name(text: str, known: tuple[Name, ...] | None = None) -> Name:
    """Return the zone that a person named, with or without the final dot.

    Raises NameSyntaxError; and DnsctlError where it is none of `known`, with the nearest one.
    """
    name = domain_name(text)
    if known is not None and name not in known:
        texts = [to_text(each) for each in known]
        raise DnsctlError(
            f"unknown zone {to_text(name)}",
            advice=did_you_mean(to_text(name), texts),
            rule=RefusalRule.ZONE_UNKNOWN,
        )
    return name
