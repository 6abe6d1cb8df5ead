"""What somebody has to act on: signatures, certificates, clocks and nodes, as the nodes report them. Pure.

Signatures made here are a concern when less is left than renewals promise (`model.validity`): nobody pushes.
Those of pre-signed zones are a concern from a week before they expire, certificates from 30 days. An alarm is
raised for whatever has less than 7 days left, and again at 3 days.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from dnsctl.errors import ClockError, DnsctlError, NodeUnreachableError
from dnsctl.image.reader import Reader
from dnsctl.model.name import to_text
from dnsctl.model.policy import Policy
from dnsctl.model.validity import PRESIGNED_WARNING, Period, moment
from dnsctl.replicate.answers import NodeStatus, clocks_of
from dnsctl.replicate.clocks import require_agreement
from dnsctl.replicate.fitting import SettingsStatus
from dnsctl.replicate.staging import Served
from dnsctl.sign.keystore import Keystore

CERTIFICATE_WARNING = 30 * 86400  # seconds
_ELSEWHERE = "renew its signatures at its signer, then push"
ALARMS = (7, 3)  # days that are left when an alarm is raised
_DAY = 86400  # seconds
_LATE = 84  # a renewal may be late by this part of `refresh` without an alarm: of a week, two hours
Weight = Literal["act", "unknown", "soon"]
FLEET = "fleet"  # the zone of all: what is about all of them
Answers = Mapping[str, NodeStatus | DnsctlError]


class Concern(NamedTuple):
    """One thing. `about`: a zone, a node, a certificate; `weight`: to act on, not known, or to know before
    somebody has to act.
    """

    weight: Weight
    about: str
    message: str


class Ending(NamedTuple):
    """What runs out at `at` (unix seconds). `alarms`: how many seconds before, for each of `ALARMS`."""

    what: str  # `signatures` or `certificate`
    about: str
    at: int
    alarms: tuple[int, int] = (ALARMS[0] * _DAY, ALARMS[1] * _DAY)

    def alarm(self, now: float) -> int:
        """Return which alarm is raised, by its days; 0: none."""
        left = self.at - now
        spans = zip(ALARMS[::-1], self.alarms[::-1], strict=True)
        return next((days for days, span in spans if span and left < span), 0)

    def __str__(self) -> str:
        whose = "certificate of" if self.what == "certificate" else "signatures of"
        return f"{whose} {self.about}"


def ending_of(origin: str, expiry: int, policy: Policy | None) -> Ending:
    """Return when signatures of a zone run out. `policy`: as in `least`.

    Signatures that are renewed when less than a week is left raise their alarms in proportion to that.
    """
    if policy is None:
        return Ending("signatures", origin, expiry)
    refresh = int(policy.signatures.refresh.total_seconds())
    spans = [min(days * _DAY, refresh * days // ALARMS[0]) for days in ALARMS]
    return Ending("signatures", origin, expiry, (min(spans[0], refresh - refresh // _LATE), spans[1]))


def left(seconds: float) -> str:
    """Return how long something still lasts, as people say it: `6 days`, `5 hours`, `40 minutes`."""
    for size, unit in ((_DAY, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size or (size == 60 and seconds >= 0):
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "nothing"


def exit_code(concerns: Iterable[Concern]) -> int:
    """Return 0 where all is well, 1 where somebody must act now, 2 where that is not known."""
    return code_of({each.weight for each in concerns})


def code_of(weights: Collection[str]) -> int:
    """Return the exit code for the gravest of `weights`."""
    return 1 if "act" in weights else 2 if "unknown" in weights else 0


def least(policy: Policy | None) -> int:
    """Return how many seconds signatures of a zone have left while all is well; None: not made here.

    A renewal may be late by an eighth of the time between two.
    """
    if policy is None:
        return PRESIGNED_WARNING
    signatures = policy.signatures
    return int((signatures.refresh - signatures.renewed_every * 9 / 8).total_seconds())


def of_signatures(period: Period, policy: Policy | None, now: float) -> str:
    """Return what is wrong with the signatures of a zone, or empty. `policy`: as in `least`."""
    if fault := period.fault(now):
        return f"signatures {fault}"
    if period.expiry is None or period.expiry - now >= least(policy):
        return ""
    why = "it is not signed here" if policy is None else "renewal is overdue"
    return f"signatures run out soon, at {moment(period.expiry)}: {why}"


def of_ends(reader: Reader, keystore: Keystore, now: float) -> Iterator[Concern]:
    """Yield released pre-signed zones whose signatures have expired, or will within a week."""
    for entry in reader.expiring(now + PRESIGNED_WARNING):
        if not keystore.list(entry.origin):
            what = of_signatures(entry.period, None, now)
            yield Concern("act", to_text(entry.origin), f"{what}; {_ELSEWHERE}")


def of_zones(
    answers: Answers, policy_of: Callable[[str], Policy | None], longest: int, now: float
) -> Iterator[tuple[str, Concern]]:
    """Yield node and concern for each zone with signatures that are not valid, or not for long.

    Policies are looked up only for zones with less than `longest` seconds left.
    """
    for name, answer in answers.items():
        for origin, zone in answer.zones.items() if isinstance(answer, NodeStatus) else ():
            if not is_near(zone.period, longest, now):
                continue
            policy = policy_of(origin)
            if message := of_signatures(zone.period, policy, now):
                way = "run `dnsctl push`" if policy else _ELSEWHERE
                rest = "" if zone.period.fault(now) else f" ({_rest(zone.period, now)})"
                yield name, Concern("act", origin, f"{message}; {way}{rest}")
            elif zone.period.expiry is not None:
                ending = ending_of(origin, zone.period.expiry, policy)
                if ending.alarm(now):
                    yield name, Concern("soon", origin, f"{_remaining(ending, now)}; a renewal is due")


def endings_of(
    answers: Answers,
    policy_of: Callable[[str], Policy | None],
    certificates: Mapping[str, int],
    longest: int,
    now: float,
) -> Iterator[Ending]:
    """Yield what runs out: certificates by name, the fleet's first signature, and zones that are near it."""
    for name, expiry in certificates.items():
        yield Ending("certificate", name, expiry)
    told = [each for each in answers.values() if isinstance(each, NodeStatus)]
    if first := min((each.period.expiry for each in told if each.period.expiry is not None), default=None):
        yield Ending("signatures", FLEET, first, (0, 0))
    near: dict[str, int] = {}
    for answer in told:
        for origin, zone in answer.zones.items():
            if zone.period.expiry is not None and is_near(zone.period, longest, now):
                near[origin] = min(zone.period.expiry, near.get(origin, zone.period.expiry))
    for origin, expiry in near.items():
        yield ending_of(origin, expiry, policy_of(origin))


def _rest(period: Period, now: float) -> str:
    return f"{left((period.expiry or now) - now)} left"


def _remaining(ending: Ending, now: float) -> str:
    return f"{ending.what} run out in {left(ending.at - now)}, at {moment(ending.at)}"


def is_near(period: Period, longest: int, now: float) -> bool:
    """True where signatures are not valid, or have less than `longest` seconds left."""
    return bool(period.fault(now)) or (period.expiry is not None and period.expiry - now < longest)


def newest(answers: Answers, released: Served | None) -> Served | None:
    """Return the release that the fleet should serve: the newest that a node serves, or this host knows.

    Another clone may have released since this host last did.
    """
    served = [each.served for each in answers.values() if isinstance(each, NodeStatus)]
    known = [each for each in (released, *served) if each is not None and each.generation]
    return max(known, key=lambda each: each.generation, default=None)  # of equal ones this host's


def of_nodes(answers: Answers, expected: Served | None) -> Iterator[Concern]:
    """Yield what is wrong with nodes: not reached, silent, of another release than `expected` (`newest`)."""
    for name, answer in answers.items():
        if isinstance(answer, NodeUnreachableError):
            yield Concern("unknown", name, answer.what)
        elif isinstance(answer, DnsctlError):
            yield Concern("act", name, f"{answer.what}; {answer.advice}" if answer.advice else answer.what)
        elif answer.damage is not None and not answer.damage.is_mended:
            yield Concern(
                "act",
                name,
                f"its image is damaged: {answer.damage.reason}; it fetches another from a node that has one,"
                " or from `dnsctl push`",
            )
        elif answer.silent:
            yield Concern("act", name, "answers no query before it has caught up")
        elif expected is not None and answer.served != expected:
            yield Concern("act", name, _otherwise(answer, expected))
        elif answer.settings is not None and not answer.settings.is_current:
            yield _with_other_settings(name, answer, answer.settings)
    if expected is None:
        yield Concern("act", "release", "neither the nodes nor this host have a release; run `dnsctl push`")


def _otherwise(answer: NodeStatus, expected: Served) -> str:
    served = answer.served
    if served.generation == expected.generation:
        what = f"serves another generation {served.generation} ({served.manifest[:12]})"
        return f"{what} than the others or this host ({expected.manifest[:12]})"
    reason = f"; it refused: {answer.refusal.reason}" if answer.refusal else ""
    return f"serves generation {served.generation}, not {expected.generation}{reason}"


def _with_other_settings(name: str, answer: NodeStatus, settings: SettingsStatus) -> Concern:
    wanted = f"generation {answer.served.generation}"
    if settings.is_coming:
        return Concern("soon", name, f"is about to run with the settings of {wanted}")
    now = f"those of generation {settings.generation}" if settings.generation else "its own dnsctl.yaml"
    advice = f"set that right, then reload it: systemctl reload dnsctl-node@{name}"
    return Concern(
        "act", name, f"runs with {now}, not with the settings of {wanted}: {settings.fault}; {advice}"
    )


def of_clocks(answers: Answers, now: float) -> Iterator[Concern]:
    try:
        require_agreement(clocks_of(answers.values()), now)
    except ClockError as error:
        yield Concern(
            "act", error.where or "clocks", f"{error.what}; no push is possible until it is set right"
        )


def of_certificates(expiries: Mapping[str, int], now: float) -> Iterator[Concern]:
    """Yield certificates, by name, that have expired or will soon."""
    for name, expiry in expiries.items():
        if expiry <= now:
            yield Concern("act", name, f"its certificate expired at {moment(expiry)}; run `dnsctl init`")
        elif expiry - now < CERTIFICATE_WARNING:
            advice = "`dnsctl init` renews it; then copy it to its host"
            if name == "authority":
                advice = "then all certificates of the fleet expire: make a new authority"
            yield Concern("act", name, f"its certificate expires soon, at {moment(expiry)}; {advice}")
