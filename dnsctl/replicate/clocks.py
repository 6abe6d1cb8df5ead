"""Compare the clocks of the fleet's hosts with each other, and a release with the clock of its node.

A signature is valid by a clock, and a host cannot tell whether its own clock is right. So hosts that sign and
hosts that serve must agree to within `TOLERANCE`. If they do not, the message shows each clock: of two clocks
nobody knows which is wrong. Pure: the caller reads the clocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from dnsctl.errors import ClockError, RefusalRule, ReleaseRefusedError
from dnsctl.image.layout import ZoneEntry
from dnsctl.model.name import Name, to_text
from dnsctl.model.validity import TOLERANCE, Period, moment
from dnsctl.release.manifest import ActivationCertificate, Manifest

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_ADVICE = "set it by NTP (`timedatectl` shows it); nothing has changed"


@dataclass(frozen=True, slots=True)
class Offset:
    """How far another host's clock is ahead of ours, in seconds, give or take `uncertainty`."""

    seconds: float
    uncertainty: float = 0.0

    @classmethod
    def measured(cls, theirs: float, ours: float, round_trip: float) -> Offset:
        """Return the offset that follows from `theirs`, read in a `round_trip` that ended at `ours`.

        It was read halfway, give or take half.
        """
        return cls(theirs - (ours - round_trip / 2), round_trip / 2)

    @property
    def is_far(self) -> bool:
        """True where the clocks differ by more than `TOLERANCE` for certain."""
        return abs(self.seconds) - self.uncertainty > TOLERANCE

    def __str__(self) -> str:
        return f"{span(self.seconds)} {'ahead of' if self.seconds > 0 else 'behind'}"

    def is_near(self, other: Offset) -> bool:
        """True where two other hosts' clocks agree, as far as can be told."""
        apart = abs(self.seconds - other.seconds)
        return apart <= TOLERANCE + self.uncertainty + other.uncertainty


def span(seconds: float) -> str:
    """Return a time span in its two largest units, rounded: `2 h 0 min`, `90 s`."""
    rest = round(abs(seconds))
    for (size, unit), (smaller, smaller_unit) in pairwise(_UNITS):
        rounded = (rest + smaller // 2) // smaller * smaller
        if rest >= 120 and rounded >= size:
            return f"{rounded // size} {unit} {rounded % size // smaller} {smaller_unit}"
    return f"{rest} s"


def require_agreement(offsets: Mapping[str, Offset], ours: float) -> None:
    """Raise ClockError where the clock of a node (`offsets` by name) is not that of this host, `ours`.

    A single clock against others is named; of one against one, both times are shown.
    """
    far = {name: offset for name, offset in offsets.items() if offset.is_far}
    if not far:
        return
    near = [name for name in offsets if name not in far]
    first = next(iter(far.values()))
    if not near and len(far) > 1 and all(first.is_near(each) for each in far.values()):
        raise ClockError(
            f"the clock of this host ({moment(ours)}) is {Offset(-first.seconds)} {_whose(far)},"
            " which agree with each other",
            advice=_ADVICE,
        )
    told = "; ".join(
        f"the clock of {name} ({moment(ours + offset.seconds)}) is {offset} that of this host"
        + (f" ({moment(ours)})" if number == 0 else "")
        for number, (name, offset) in enumerate(far.items())
    )
    if near:
        agree = "agrees" if len(near) == 1 else "agree"
        told += f"; {_whose(near)} {agree} with this host's"
        raise ClockError(told, where=next(iter(far)) if len(far) == 1 else "", advice=_ADVICE)
    raise ClockError(
        f"{told}; this host cannot tell which of them is wrong",
        advice="compare all of them with a clock that you trust, and set the wrong one; nothing has changed",
    )


def require_witness(offsets: Mapping[str, Offset], ours: float) -> None:
    """Raise ClockError where no node's clock agrees with this host's, or none tells its time.

    For what only this host's clock matters to: one node whose clock is wrong is told elsewhere.
    """
    if any(not each.is_far for each in offsets.values()):
        return
    require_agreement(offsets, ours)
    raise ClockError(
        "no node tells its time, by which this host's clock could be judged",
        advice="`dnsctl status` shows why the nodes are silent",
    )


def require_company(offsets: Mapping[str, Offset], ours: float) -> None:
    """Raise ClockError where two or more others agree with each other, and none of them with this host.

    One other alone cannot say whose clock is wrong.
    """
    told = list(offsets.values())
    if len(told) > 1 and all(each.is_far and told[0].is_near(each) for each in told):
        require_agreement(offsets, ours)


def require_past(manifest: Manifest, certificate: ActivationCertificate | None, now: float) -> None:
    """Raise ClockError where a node's clock, `now`, says that a release was made in the future."""
    made = [(f"generation {manifest.generation}", manifest.created)]
    if certificate is not None:
        made.append((f"the certificate of generation {manifest.generation}", certificate.created))
    for what, created in made:
        if created - now > TOLERANCE:
            raise ClockError(
                f"{what} was made at {moment(created)}, {span(created - now)} ahead of this node's clock"
                f" ({moment(now)})",
                advice="set the clock that is wrong, of the control host or of this node",
            )


def require_validity(zones: Mapping[Name, ZoneEntry], now: float, *, late: bool = False) -> None:
    """Raise ReleaseRefusedError where signatures of a zone do not hold by a node's clock, `now`.

    `late`: expired ones do not count, only those that are not valid yet.
    """
    periods = {origin: entry.period for origin, entry in zones.items()}
    if late:
        periods = {origin: Period(period.inception) for origin, period in periods.items()}
    faults = [(origin, fault) for origin, period in periods.items() if (fault := period.fault(now))]
    if faults:
        more = f" (and those of {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise ReleaseRefusedError(
            f"signatures of {to_text(faults[0][0])}{more} {faults[0][1]},"
            f" and this node's clock says {moment(now)}",
            advice="set the clock that is wrong, of the control host or of this node, and push again",
            rule=RefusalRule.SIGNATURE_TIME,
        )


def _whose(nodes: Iterable[str]) -> str:
    names = [f"{name}'s" for name in sorted(nodes)]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
