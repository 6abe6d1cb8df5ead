"""A wildcard's NSEC lacks a type; going insecure in a hurry makes it worse, since caches hold the DS."""

from __future__ import annotations

from datetime import UTC, datetime

from dnsctl.control.observations import Observed, remember
from dnsctl.model.guard_names import DS_SEEN, GUARDS
from dnsctl.model.observation import DsMemory, ParentView
from dnsctl.model.repo import Repo
from dnsctl.model.rrset import Type
from tests.outages.conftest import Fleet, three_keys
from tests.sign.mutations import NSEC, NSEC3, ORIGIN, bits, records_of

DAY = 86400


def test_wildcard_whose_nsec_lacks_a_type_is_refused(fleet: Fleet) -> None:
    for policy in (NSEC, NSEC3):
        records = records_of(policy)
        bits("*.w", take=Type.TXT)(records, policy)
        fleet.commit_presigned(records)
        assert "[denial-chain]" in fleet.refused("check").stdout
        assert "[denial-chain]" in fleet.refused("push").stderr
        fleet.repo.git("reset", "--quiet", "--hard", "released")


def test_zone_does_not_become_unsigned_while_caches_may_hold_its_ds(fleet: Fleet) -> None:
    ds, now = three_keys()[0].public.ds(), datetime.now(UTC)
    for views in (((ds,), (ds,)), ((), ())):  # both servers of the parent had it, and just dropped it
        memory = DsMemory().after([ParentView(f"ns{n}", "", now, (ds,), DAY) for n in (1, 2)], now)
        seen = [ParentView(f"ns{n}", "", now, each, DAY) for n, each in enumerate(views, 1)]
        remember(Repo(fleet.repo.root).state, ORIGIN, Observed(ds=memory.after(seen, now)))
        config = (fleet.repo.root / "dnsctl.yaml").read_text()
        fleet.repo.write("dnsctl.yaml", config.replace("dnssec: standard", "dnssec: none"))
        fleet.repo.commit("go insecure")
        others = [option for guard in GUARDS if guard != DS_SEEN for option in ("--allow", guard)]
        told = fleet.refused("push", *others, "--reason", "in a hurry").stderr
        assert f"guard {DS_SEEN}" in told
    assert "caches may hold the DS" in told
    assert "push again after that time" in told
