"""Settings that contradict each other. One function for each rule; no rule opens a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from dnsctl.load.nearest import did_you_mean
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.policy import STANDARD, UNSIGNED
from dnsctl.model.repo import ZONE_FILES

Path = tuple[int | str, ...]  # of keys and list positions, from the top of dnsctl.yaml


class Contradiction(NamedTuple):
    """Settings that are each right but not together. `path`: where in the file."""

    path: Path
    what: str
    advice: str


def contradictions(config: Config, written: Callable[[Path], bool]) -> Iterator[Contradiction]:
    """Give the settings that are each right but not together.

    `written`: whether the file has a value at a path. A default gives way where a written value does not.
    """
    yield from _shared_addresses(config)
    yield from _unknown_policies(config)
    yield from _unknown_parents(config)
    yield from _parents(config)
    yield from _secondaries(config)
    if config.release.threshold > len(config.release.keys):
        count = len(config.release.keys)
        yield Contradiction(
            ("release", "threshold"),
            f"threshold {config.release.threshold} of {count} keys",
            "lower it or add keys",
        )
    if len(set(config.zone_files)) < len(config.zone_files):
        yield Contradiction((ZONE_FILES,), "a directory of zone files is named twice", "name each once")
    if len(set(config.release.keys)) < len(config.release.keys):
        yield Contradiction(("release", "keys"), "a release key is named twice", "name each once")
    commits = config.commits
    if (commits.approval.zones or commits.approval.guards) and not (
        commits.allowed_signers or commits.openpgp_keys
    ):
        yield Contradiction(
            ("commits", "approval"),
            "approval needs a list of those who may give it",
            "name it: allowed-signers for SSH keys, openpgp-keys for OpenPGP keys",
        )
    yield from _signatures(config, written)


def _signatures(config: Config, written: Callable[[Path], bool]) -> Iterator[Contradiction]:
    for name, policy in config.policies.items():
        at: Path = ("policies", name)
        window = policy.signatures
        if window.refresh + window.jitter >= window.lifetime:
            yield Contradiction(
                (*at, "signatures"),
                "refresh and jitter leave nothing of the signatures' lifetime",
                "keep lifetime above refresh + jitter",
            )
        if window.interval > window.refresh / 2 and written((*at, "signatures", "interval")):
            yield Contradiction(
                (*at, "signatures", "interval"),
                "renewals are too far apart: signatures may run out in between",
                "keep interval at half of refresh or less, and renew that often",
            )
        if policy.beside is policy.algorithm:
            yield Contradiction(
                (*at, "beside"),
                f"{policy.algorithm.name} cannot sign beside itself",
                "name another algorithm, or drop beside",
            )
        if policy.opt_out and policy.denial != "nsec3":
            yield Contradiction(
                (*at, "opt-out"),
                "opt-out needs denial: nsec3",
                "set denial: nsec3, or drop opt-out",
            )


def _shared_addresses(config: Config) -> Iterator[Contradiction]:
    taken: dict[str, str] = {}
    for site_name, site in config.sites.items():
        for name, node in site.nodes.items():
            at: Path = ("sites", site_name, "nodes", name)
            if f"node {name}" in taken:
                yield Contradiction(at, f"node {name} is in two sites", "give each node a name of its own")
            taken[f"node {name}"] = name
            control = node.control.removeprefix("https://")
            used = [("listen", str(each)) for each in node.listen] + [("control", control)]
            if node.metrics is not None:
                used.append(("metrics", str(node.metrics)))
            for setting, address in used:
                if address in taken:
                    what = f"{address} is an address of {taken[address]} already"
                    yield Contradiction((*at, setting), what, "give each its own address or port")
                taken[address] = f"node {name}"


def _secondaries(config: Config) -> Iterator[Contradiction]:
    told: set[tuple[str, tuple[str, ...]]] = set()
    for number, one in enumerate(config.transfers.notify):
        at: Path = ("transfers", "notify", number)
        if one.key is not None and config.transfers.key_of(one) is None:
            known = list(config.transfers.keys)
            advice = did_you_mean(one.key, known) if known else "name it under `transfers: keys:`"
            yield Contradiction((*at, "key"), f"unknown key {one.key}", advice)
        if (str(one.address), one.zones) in told:
            yield Contradiction(at, f"{one.address} stands here twice", "name each secondary once")
        told.add((str(one.address), one.zones))


def _unknown_policies(config: Config) -> Iterator[Contradiction]:
    if UNSIGNED in config.policies:
        yield Contradiction(
            ("policies", UNSIGNED), "`none` means unsigned and cannot name a policy", "rename it"
        )
    known = {STANDARD, UNSIGNED, *config.policies}
    for at, policy in _named(config, "dnssec"):
        if policy not in known:
            yield Contradiction(at, f"unknown policy {policy}", _policy_advice(policy, known))


def _policy_advice(policy: str, known: set[str]) -> str:
    """Return what may be meant. A word that only looks like `none` is hardly meant to end signing."""
    if policy.lower() == UNSIGNED:
        return f"did you mean {UNSIGNED}?"
    named = did_you_mean(policy, known - {UNSIGNED})
    return f"{named}{'' if named.endswith('?') else ';'} `{UNSIGNED}` leaves zones unsigned"


def _parents(config: Config) -> Iterator[Contradiction]:
    for name, parent in config.parents.items():
        at: Path = ("parents", name)
        needs = {"update": ("server", parent.server), "hook": ("command", parent.command or None)}
        setting, value = needs.get(parent.ds, ("", True))
        if value is None:
            yield Contradiction(
                (*at, "ds"), f"ds: {parent.ds} needs `{setting}`", f"add `{setting}` to parent {name}"
            )
        for setting, way, given in (
            ("server", "update", parent.server),
            ("key", "update", parent.key),
            ("sig0", "update", parent.sig0),
            ("command", "hook", parent.command or None),
            ("notify", "cds", parent.notify),
        ):
            if given is not None and parent.ds != way:
                what = f"`{setting}` is for ds: {way}, and this parent has ds: {parent.ds}"
                yield Contradiction((*at, setting), what, f"set ds: {way}, or drop `{setting}`")
        if parent.key is not None and parent.sig0 is not None:
            what = "an update is signed once: by the TSIG key `key`, or by `sig0`"
            yield Contradiction((*at, "sig0"), what, "drop one of the two")
        if any("\0" in each for each in parent.command) or parent.command[:1] == ("",):
            what = "no program can be started with a NUL in its name or arguments, or with an empty name"
            yield Contradiction((*at, "command"), what, "name the program, then each argument")
        if parent.timeout.total_seconds() < 1:
            yield Contradiction((*at, "timeout"), "no command ends in no time", "set it to a second or more")


def _unknown_parents(config: Config) -> Iterator[Contradiction]:
    known = {STANDARD, *config.parents}
    for at, parent in _named(config, "parent"):
        if parent not in known:
            yield Contradiction(at, f"unknown parent {parent}", did_you_mean(parent, known))


def _named(config: Config, setting: Literal["dnssec", "parent"]) -> Iterator[tuple[Path, str]]:
    """Yield each name that `defaults` and `zones` give in `setting`, with its place."""
    yield ("defaults", setting), getattr(config.defaults, setting)
    for pattern, each in config.zones.items():
        if (name := getattr(each, setting)) is not None:
            yield ("zones", pattern, setting), name
