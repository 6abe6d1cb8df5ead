"""What an example is."""

from typing import NamedTuple


class Example(NamedTuple):
    """Records that break a rule, records that just do not, and zones of ours beside: (origin, records).

    `origin`, `apex`, `signed`, `nsec3`: what the zone is, where it is not an ordinary example.com.;
    `certificates`: authorities by owner, as in dnsctl.yaml;
    `fine_origin`: where the fault is in the apex itself; `words`: for the page, where records say too little.
    """

    breaks: str
    fine: str
    others: tuple[tuple[str, str], ...] = ()
    origin: str = "example.com."
    fine_origin: str = ""
    apex: bool = True
    signed: bool = False
    nsec3: bool = False
    certificates: tuple[tuple[str, str], ...] = ()
    words: str = ""
