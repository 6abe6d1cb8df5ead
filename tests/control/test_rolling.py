"""Rolls on two real nodes: what they serve after each step, and what is written down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dnsctl.control.observations import Observed, amend, recall
from dnsctl.model.key import PublicKey, signs_keys
from dnsctl.model.name import from_text
from dnsctl.model.observation import ParentView
from dnsctl.model.repo import Repo
from dnsctl.sign.keyfile import KeyState
from dnsctl.sign.keystore import StoredKey
from tests.control.operations import zone
from tests.control.rolls import ORIGIN, Rolling, rolling


@pytest.fixture
def csk(tmp_path: Path) -> Iterator[Rolling]:
    with rolling(tmp_path) as found:
        yield found


@pytest.fixture
def split(tmp_path: Path) -> Iterator[Rolling]:
    with rolling(tmp_path, "keys: ksk+zsk, ") as found:
        yield found


def _chain_is_whole(rolls: Rolling) -> None:
    """At every node: the DS leads to a key that signs the DNSKEY RRset, and data is signed by one in it."""
    by_tag = {one.public.tag: one for one in rolls.stored()}
    for node in ("ns1", "ns2"):
        published = rolls.rdatas("DNSKEY", node)
        anchored = {
            tag for tag in rolls.signers("DNSKEY") if any(by_tag[tag].public.ds() == ds for ds in rolls.ds)
        }
        assert anchored, (rolls.ds, by_tag)
        assert {one.public.rdata for one in by_tag.values() if one.public.tag in anchored} & published
        signing = rolls.signers("A", "www.example.com.")
        assert any(by_tag[tag].public.rdata in published for tag in signing)


def test_csk_is_rolled_step_by_step(csk: Rolling):
    (old,) = csk.stored()
    csk.leave(old)
    csk.watch = lambda: _chain_is_whole(csk)
    done = csk.roll()
    assert [each.split()[0] for each in done] == ["publish", "sign", "ask", "remove"]
    (new,) = csk.stored(KeyState.ACTIVE)
    assert new.roll.replaces == old.public.tag
    assert [one.public for one in csk.stored(KeyState.REMOVED)] == [old.public]
    assert csk.ds == (new.public.ds(),)
    for node in ("ns1", "ns2"):
        assert csk.rdatas("DNSKEY", node) == {new.public.rdata}
    assert csk.signers("A", "www.example.com.") == {new.public.tag}
    assert csk.repo.json("verify")["verdict"] == "consistent"
    assert csk.repo.json("plan")["zones"] == [], "a push after a roll has nothing to do"


def test_zsk_is_rolled_without_the_parent(split: Rolling):
    (old,) = (one for one in split.stored() if one.role == "zsk")
    split.leave(old)
    split.parent = lambda asked: pytest.fail("the DS changes") if asked != split.ds else asked
    done = split.roll()
    assert [each.split()[0] for each in done] == ["publish", "sign", "remove"]
    assert old.public.tag not in split.signers("A", "www.example.com.")


def test_algorithm_of_the_policy_is_rolled_to_after_a_push(split: Rolling):
    split.watch = lambda: _chain_is_whole(split)
    before = split.ds
    split.policy("keys: ksk+zsk, algorithm: ED25519, ")
    assert {one.public.algorithm for one in split.stored(KeyState.ACTIVE)} == {13}
    done = split.roll()
    assert [each.split()[0] for each in done] == ["sign", "publish", "ask", "remove", "drop"]
    assert {one.public.algorithm for one in split.stored(KeyState.ACTIVE)} == {15}
    assert split.ds != before
    assert split.repo.json("verify", "--full")["verdict"] == "consistent"


def test_key_roles_of_the_policy_are_rolled_to(csk: Rolling):
    csk.watch = lambda: _chain_is_whole(csk)
    csk.policy("keys: ksk+zsk, ")
    csk.roll()
    assert sorted(one.role for one in csk.stored(KeyState.ACTIVE)) == ["ksk", "zsk"]


def test_push_and_renewal_in_the_middle_of_a_roll_leave_it_where_it_is(csk: Rolling):
    (old,) = csk.stored()
    csk.leave(old)
    csk.observe()
    assert csk.advance().release is not None
    keys = csk.rdatas("DNSKEY")
    assert len(keys) == 2
    csk.repo.write("zones/example.com.yaml", zone(more="a: {type: A, value: 192.0.2.1}\n"))
    csk.repo.commit("a record")
    assert csk.repo.run("push").returncode == 0
    assert csk.rdatas("DNSKEY") == keys
    assert csk.signers("A", "a.example.com.") == {old.public.tag}
    assert csk.repo.run("push", "--renew").returncode == 0
    assert csk.rdatas("DNSKEY") == keys
    assert [each.split()[0] for each in csk.roll()] == ["sign", "ask", "remove"]


def test_parent_that_does_not_follow_stops_a_roll_and_is_named(csk: Rolling):
    (old,) = csk.stored()
    csk.leave(old)
    csk.parent = lambda asked: csk.ds
    deadline = time.monotonic() + 60
    while not any("for the DS of key" in each.reason for each in csk.waits.values()):
        assert time.monotonic() < deadline, csk.waits
        csk.observe()
        csk.advance()
        time.sleep(0.3)
    for _ in range(4):
        csk.observe()
        assert csk.advance().release is None
        time.sleep(0.5)
    (wait,) = csk.waits.values()
    assert "ns1.example. from dc1" in wait.reason
    told = [each for each in csk.repo.json("status")["concerns"] if each["about"] == "example.com."]
    assert [each["weight"] for each in told if wait.reason in each["message"]] == ["soon"]
    assert old.public.rdata in csk.rdatas("DNSKEY")


def test_key_stays_whose_ds_the_parent_may_have_taken_out_of_our_sight(csk: Rolling):
    """It is asked for one DS, then another, and shows us the first of three until it shows the last."""
    (first,) = csk.stored()
    csk.leave(first)
    second = _asked_for(csk, {first.public})
    csk.parent = lambda asked: (first.public.ds(),)
    csk.leave(second)
    third = _asked_for(csk, {first.public, second.public})
    assert recall(Repo(csk.repo.root).state, ORIGIN).ds.superseded == (
        (first.public.ds(),),
        (second.public.ds(),),
    )
    csk.observe(ttl=3600)
    csk.advance()
    assert f"for the DS of key {third.public.tag} at" in csk.waits[ORIGIN].reason
    csk.parent = lambda asked: asked
    csk.observe(ttl=3600)
    csk.advance()
    assert "for caches to drop the DS of key" in csk.waits[ORIGIN].reason
    known = recall(Repo(csk.repo.root).state, ORIGIN).ds
    assert known.superseded == ()
    assert {each.what for each in known.versions if each.gone} == {
        (first.public.ds(),),
        (second.public.ds(),),
    }
    assert csk.rdatas("DNSKEY") == {one.public.rdata for one in (first, second, third)}


def _asked_for(rolls: Rolling, before: set[PublicKey]) -> StoredKey:
    """Roll until the parent is asked for the DS of a key that is not one of `before`; return that key."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for one in rolls.stored():
            if one.public not in before and one.public.ds() in rolls.rdatas("CDS"):
                return one
        rolls.observe()
        rolls.advance()
        time.sleep(0.3)
    raise AssertionError(rolls.waits)


def test_node_that_is_down_stops_a_roll(csk: Rolling):
    (old,) = csk.stored()
    csk.leave(old)
    csk.observe()
    assert csk.advance().release is not None
    csk.repo.end("ns2")
    with pytest.raises(Exception, match="ns2"):
        csk.advance()
    assert old.public.tag in csk.signers("A", "www.example.com.")
    csk.repo.start("ns2")
    csk.roll()
    assert [one.state for one in csk.stored() if one.public == old.public] == [KeyState.REMOVED]


def test_host_without_a_key_that_signs_takes_no_step_and_makes_no_other(csk: Rolling, tmp_path: Path):
    """Such as a second control host to which keys/ was not copied since."""
    csk.leave(*csk.stored())
    while len(csk.stored()) == 1:
        csk.observe()
        csk.advance()
    old, new = sorted(csk.stored(), key=lambda one: one.state is KeyState.PUBLISHED)
    ours = {each: tmp_path / each.name for each in (new.path, new.private_path, new.state_path)}
    for path, aside in ours.items():
        path.rename(aside)
    served = csk.rdatas("DNSKEY")
    assert served == {old.public.rdata, new.public.rdata}
    csk.observe()
    assert csk.advance().release is None
    assert [one.public for one in csk.stored()] == [old.public]
    told = csk.repo.json("status", code=1)["concerns"]
    what = f"is signed by key {new.public.tag} as well, which is not in keys/: no roll goes on here"
    assert any(each["weight"] == "act" and what in each["message"] for each in told)
    refused = csk.repo.run("key", "roll", "example.com", "--continue")
    assert refused.returncode == 1
    assert what in refused.stderr
    for path, aside in ours.items():
        aside.rename(path)
    assert csk.roll()
    assert csk.rdatas("DNSKEY") == {new.public.rdata}


def test_key_that_signs_and_is_lost_for_good_is_left_out_by_a_push(csk: Rolling):
    csk.leave(*csk.stored())
    while len(csk.stored()) == 1:
        csk.observe()
        csk.advance()
    old, lost = sorted(csk.stored(), key=lambda one: one.state is KeyState.PUBLISHED)
    for path in (lost.path, lost.private_path, lost.state_path):
        path.unlink()
    done = csk.repo.run("push", "--allow", "ds-change", "--allow", "old-caches", "--reason", "lost")
    assert done.returncode == 0, done
    assert csk.rdatas("DNSKEY") == {old.public.rdata}
    assert csk.roll(), "its roll begins again with another key"


def test_key_comes_back_in_the_middle_of_its_roll(csk: Rolling):
    (old,) = csk.stored()
    csk.leave(old)
    csk.observe()
    csk.advance()
    (new,) = (one for one in csk.stored() if one.public != old.public)
    csk.leave(new)
    now = new.times.generated
    (old,) = (one for one in csk.stored() if one.public == old.public)
    csk.keystore.record(old, old.state, type(old.roll)(), now)
    csk.roll()
    assert csk.rdatas("DNSKEY") == {old.public.rdata}
    assert [one.public for one in csk.stored(KeyState.ACTIVE)] == [old.public]


def test_old_state_files_are_read_and_kept_as_they_are(csk: Rolling):
    (key,) = csk.stored()
    text = key.state_path.read_text()
    assert "Leaves" not in text and "Ds" not in text
    assert csk.advance().release is None
    assert key.state_path.read_text() == text
    assert signs_keys(key.role)


def test_key_roll_prints_a_timetable_then_takes_step_by_step(csk: Rolling):
    (old,) = csk.stored()
    before = old.state_path.read_text()
    told = csk.repo.json("key", "roll", "example.com", "--plan")
    steps = [each["step"] for each in told["timetable"]]
    assert [each.split()[0] for each in steps] == ["make", "publish", "sign", "ask", "remove"]
    assert (told["generation"], told["step"]) == (None, None)
    assert (old.state_path.read_text(), len(csk.stored())) == (before, 1), "a plan changes nothing"
    csk.observe()
    begun = csk.repo.json("key", "roll", "example.com")
    assert begun["step"].startswith("publish csk ")
    assert f"csk {old.public.tag} leaves: a roll is asked for" in begun["step"]
    again = csk.repo.run("key", "roll", "example.com")
    assert again.returncode == 0, again
    assert len(csk.rdatas("DNSKEY")) == 2, "a roll that is under way is not begun again"
    assert "key roll example.com --continue" in again.stderr
    assert [each.split()[0] for each in csk.roll()][-1] == "remove"
    done = csk.repo.run("key", "roll", "example.com", "--continue")
    assert done.stdout == "example.com.: nothing is to be rolled\n"


def test_key_roll_is_taken_back_by_undo(csk: Rolling):
    (old,) = csk.stored()
    csk.observe()
    assert csk.repo.run("key", "roll", "example.com").returncode == 0
    assert csk.repo.run("key", "roll", "example.com", "--undo").returncode == 0
    csk.roll()
    assert csk.rdatas("DNSKEY") == {old.public.rdata}
    refused = csk.repo.run("key", "roll", "example.com", "--undo")
    assert refused.returncode == 1
    assert "example.com.: no key that was told to leave is still in use" in refused.stderr


def test_emergency_waits_for_caches_unless_it_is_told_twice(split: Rolling):
    split.policy("keys: ksk+zsk, standby: on, ")
    split.roll()
    time.sleep(1.2)
    standby = {one.public.tag for one in split.stored() if one.roll.standby and one.role == "zsk"}
    told = split.repo.json("key", "roll", "example.com", "--role", "zsk", "--emergency")
    assert "sign data with zsk" in told["step"], "a standby key takes over at once"
    assert split.signers("A", "www.example.com.") == standby
    refused = split.repo.run("key", "roll", "example.com", "--continue", "--break-chain", "example.com")
    assert "--break-chain: is for --emergency" in refused.stderr
    refused = split.repo.run("key", "roll", "example.com", "--emergency", "--break-chain", "example.org")
    assert "--break-chain: names example.org, and the zone is example.com" in refused.stderr
    twice = ("--continue", "--emergency", "--break-chain", "example.com")
    told = split.repo.json("key", "roll", "example.com", *twice)
    steps = [each["step"].split()[0] for each in told["steps"]]
    assert steps == ["publish", "remove"], "no cache is waited for, and one command does it"
    assert (told["step"], told["generation"]) == tuple(
        told["steps"][-1][each] for each in ("step", "generation")
    )
    assert told["waits"] is None


def test_stolen_csk_is_replaced_but_for_the_ds_that_the_parent_still_gives(csk: Rolling):
    """No cache is waited for; whoever holds nothing old always has a chain."""
    (old,) = csk.stored()
    csk.observe()
    told = csk.repo.json("key", "roll", "example.com", "--emergency", "--break-chain", "example.com")
    assert [each["step"].split()[0] for each in told["steps"]] == ["publish", "sign", "ask"]
    assert "the DS" in told["waits"]["for"]
    assert old.public.rdata in csk.rdatas("DNSKEY"), "the DS at the parent leads to it"
    csk.observe()
    again = csk.repo.run(
        "key", "roll", "example.com", "--continue", "--emergency", "--break-chain", "example.com"
    )
    assert again.returncode == 0, again.stderr
    assert old.public.rdata not in csk.rdatas("DNSKEY")


def test_timetable_after_a_step_counts_from_that_step(csk: Rolling):
    csk.observe()
    begun = csk.repo.json("key", "roll", "example.com")
    assert begun["steps"]
    first = datetime.fromisoformat(begun["timetable"][0]["at"])
    assert first < datetime.now(UTC) + timedelta(minutes=5), "nodes were looked at after the step"


def test_key_roll_of_what_is_not_there_is_refused_in_one_line(csk: Rolling):
    for arguments, words in (
        (("example.org",), "example.org.: is not released, or not signed here"),
        (("example.com", "--role", "zsk"), "example.com.: has no zsk in use; its keys in use are: csk"),
    ):
        for also in ((), ("--plan",)):
            refused = csk.repo.run("key", "roll", *arguments, *also)
            assert refused.returncode == 1
            assert words in refused.stderr
    csk.repo.end("ns2")
    (key,) = csk.stored()
    before = key.state_path.read_text()
    assert csk.repo.run("key", "roll", "example.com").returncode != 0
    assert key.state_path.read_text() == before, "what fails is not begun"
    assert len(csk.stored()) == 1


def _seen(known: Observed, views: list[ParentView], now: datetime) -> Observed:
    return replace(known, ds=known.ds.after(views, now))


def test_ds_in_a_parent_of_ours_changes_in_the_release_that_asks_for_it(tmp_path: Path):
    """Parent and child are both served here: nobody else has to do anything."""
    sub = from_text("sub.example.com.")
    with rolling(tmp_path) as rolls:
        rolls.repo.write("zones/example.com.yaml", zone(more="sub: {type: NS, value: ns1.example.com.}\n"))
        rolls.repo.write("zones/sub.example.com.yaml", "'': {type: NS, value: ns1.example.com.}\n")
        rolls.repo.commit("a child")
        assert rolls.repo.run("push").returncode == 0
        (old,) = rolls.keystore.list(sub)
        rolls.leave(old)
        generations: list[tuple[set[bytes], set[bytes]]] = []
        state = Repo(rolls.repo.root).state
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            now = datetime.now(UTC)
            ds = tuple(sorted(rolls.rdatas("DS", owner="sub.example.com.")))
            views = [ParentView(node, "dc1", now, ds, 1) for node in ("ns1", "ns2")]
            amend(state, sub, partial(_seen, views=views, now=now))
            rolls.advance(zones=frozenset((sub,)))
            ds_set = rolls.rdatas("DS", owner="sub.example.com.")
            generations.append((ds_set, rolls.rdatas("CDS", owner="sub.example.com.")))
            if rolls.result.release is None and not rolls.waits and len(rolls.keystore.list(sub)) == 2:
                break
            time.sleep(0.3)
        (new,) = (one for one in rolls.keystore.list(sub) if one.state is KeyState.ACTIVE)
        assert new.public != old.public
        assert all(ds == cds for ds, cds in generations), "DS and CDS change together"
        assert generations[-1][0] == {new.public.ds()}
        assert rolls.repo.json("verify", "--full")["verdict"] == "consistent"
        assert rolls.repo.json("plan")["zones"] == [], "the zone above is what its file and the new DS make"
        rolls.repo.write("zones/sub.example.com.yaml", "'': {type: NS, value: ns2.example.com.}\n")
        rolls.repo.commit("another name server")
        assert rolls.repo.run("push", "--allow", "apex-ns", "--reason", "meant").returncode == 0
        assert rolls.rdatas("DS", owner="sub.example.com.") == {new.public.ds()}


@pytest.fixture
def insecure(tmp_path: Path) -> Iterator[Rolling]:
    with rolling(tmp_path, dnssec="none") as found:
        yield found


def _set(rolls: Rolling, before: str, after: str) -> None:
    config = (rolls.repo.root / "dnsctl.yaml").read_text()
    rolls.repo.write("dnsctl.yaml", config.replace(f"dnssec: {before}", f"dnssec: {after}"))
    rolls.repo.commit(after)


def _sign(rolls: Rolling) -> None:
    _set(rolls, "none", "standard")
    done = rolls.repo.run("push")
    assert done.returncode == 0, done


def test_zone_that_was_unsigned_asks_for_its_ds_by_a_release_of_its_own(insecure: Rolling):
    _sign(insecure)
    assert insecure.signers("A", "www.example.com.")
    assert insecure.rdatas("CDS") == insecure.rdatas("CDNSKEY") == set()
    told = insecure.repo.run("key", "ds", "example.com")
    assert told.returncode == 0
    assert " IN DS " in told.stdout
    assert "do not give it to the parent of example.com. yet: wait for a look at every node" in told.stderr
    waits = insecure.repo.json("key", "ds", "example.com")["waits"]
    assert waits["step"].startswith("ask the parent for the DS of csk ")
    concerns = [each["message"] for each in insecure.repo.json("status")["concerns"]]
    assert any("a roll waits for" in each and "to ask the parent for the DS" in each for each in concerns)
    planned = insecure.repo.json("key", "roll", "example.com", "--continue", "--plan")["timetable"]
    assert [each["step"].split()[0] for each in planned] == ["ask"]
    assert [each.split()[0] for each in insecure.roll()] == ["ask"]
    assert insecure.rdatas("CDS")
    assert insecure.repo.json("key", "ds", "example.com")["waits"] is None
    assert insecure.repo.run("key", "ds", "example.com").stderr == ""
    assert insecure.repo.json("plan")["zones"] == [], "a push after it has nothing to do"


def test_zone_is_unsigned_by_a_release_of_its_own_once_its_ds_is_gone(split: Rolling):
    split.watch = lambda: _chain_is_whole(split) if split.ds else None
    _set(split, "standard", "none")
    planned = split.repo.json("plan", code=2)
    assert planned["guards"] == []
    assert [each["event"] for each in planned["zones"][0]["dnssec"]] == ["unsigning"]
    pushed = split.repo.run("push")
    assert pushed.returncode == 0, pushed
    assert "example.com.: stays signed until its DS is gone: ask the parent to withdraw" in pushed.stderr
    assert split.rdatas("CDS") == {bytes(5)}
    assert split.signers("A", "www.example.com.")
    assert split.repo.json("plan")["zones"] == []
    split.repo.write("zones/example.com.yaml", zone(more="a: {type: A, value: 192.0.2.1}\n"))
    split.repo.commit("a record")
    assert split.repo.run("push").returncode == 0
    assert split.repo.run("push", "--renew").returncode == 0
    split.parent = lambda asked: split.ds
    split.observe()
    assert split.advance().release is None
    told = [each["message"] for each in split.repo.json("status")["concerns"]]
    assert any(
        "a roll waits for ns1.example. from dc1, ns2.example. from dc1 to drop the DS" in each
        for each in told
    )
    planned = split.repo.json("key", "roll", "example.com", "--plan")["timetable"]
    assert planned[-1]["step"].startswith("remove all signatures, and ")
    assert (
        "the zone is to be unsigned, and waits for ns1" in split.repo.run("key", "ds", "example.com").stderr
    )
    refused = split.repo.run("key", "roll", "example.com", "--undo")
    assert "to have it stay signed, push it with a policy" in refused.stderr
    split.parent = lambda asked: asked
    taken = _by_hand(split)
    assert taken["step"].startswith("remove all signatures")
    assert (taken["timetable"], taken["waits"]) == ([], None)
    for node in ("ns1", "ns2"):
        assert (
            split.rdatas("DNSKEY", node) == split.rdatas("CDS", node) == split.rdatas("RRSIG", node) == set()
        )
        assert split.rdatas("A", node, "a.example.com.")
    assert split.repo.json("verify", "--full")["verdict"] == "consistent"
    assert split.repo.json("status")["concerns"] == []
    assert {one.state for one in split.stored()} == {KeyState.ACTIVE}, "it may be signed with them again"
    assert (
        "do not give it to the parent of example.com. yet"
        in split.repo.run("key", "ds", "example.com").stderr
    )
    assert split.repo.json("key", "ds", "example.com")["waits"]["for"] == "for it to be served signed"


def _by_hand(rolling: Rolling) -> dict[str, Any]:
    """Take the next step as a person does, once it is safe; return what was told of it."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        rolling.observe()
        told = rolling.repo.json("key", "roll", "example.com", "--continue")
        if told["generation"] is not None:
            return told
        time.sleep(0.3)
    raise AssertionError(told)


def test_zone_that_is_to_be_signed_after_all_asks_for_its_ds_again(csk: Rolling):
    csk.watch = lambda: _chain_is_whole(csk) if csk.ds else None
    before = csk.ds
    _set(csk, "standard", "none")
    assert csk.repo.run("push").returncode == 0
    csk.observe()
    assert csk.ds == ()
    _set(csk, "none", "standard")
    back = csk.repo.run("push")
    assert back.returncode == 0, back
    assert csk.rdatas("CDS") == set()
    assert [each.split()[0] for each in csk.roll()] == ["ask"]
    assert csk.ds == before
    assert len(csk.stored()) == 1
    assert csk.repo.json("plan")["zones"] == []


def test_new_key_for_a_lost_one_is_refused_while_caches_hold_the_old_keys(split: Rolling):
    (lost,) = (one for one in split.stored() if one.role == "zsk")
    for path in (lost.path, lost.private_path, lost.state_path):
        path.unlink()
    allowed = ("--allow", "keys-missing", "--reason", "lost")
    planned = split.repo.json("plan", code=2)["guards"]
    assert [each["guard"] for each in planned] == ["keys-missing", "old-caches"]
    assert planned == split.repo.json("push", "--dry-run", code=1)["guards"]
    refused = split.repo.run("push", *allowed)
    assert refused.returncode == 1
    assert "old-caches" in refused.stderr
    assert f"data signed by key tags {lost.public.tag}" in refused.stderr or "DNSKEY RRset" in refused.stderr
    assert lost.public.tag in split.signers("A", "www.example.com.")
    assert split.repo.run("push", "--allow", "old-caches", *allowed).returncode == 0
