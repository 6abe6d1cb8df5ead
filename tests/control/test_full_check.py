"""`push --full-check`: what an earlier release brought in is found before the next one leaves."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dnsctl.model.name import from_text
from dnsctl.model.rrset import Type
from dnsctl.model.zone import SignedZone
from dnsctl.publish import finish, making
from tests.control.operations import NODES, Operations, made, zone

MAIL = from_text("mail.example.com.")


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    """An operations repo whose nodes run and serve nothing yet."""
    with made(tmp_path / "ops") as operations:
        operations.start(*NODES)
        yield operations


def edit(repo: Operations, address: str) -> None:
    repo.write("zones/example.com.yaml", zone(address))
    repo.commit(f"www is {address}")


def test_right_release_leaves_with_every_rrset_verified(repo: Operations) -> None:
    told = repo.json("push", "--full-check")
    checked = told["full_check"]
    assert (told["result"], checked["verdict"], checked["zones"]) == ("served", "consistent", 1)
    assert checked["checked"] == checked["rrsets"] > 10
    assert checked["nodes"][0]["answers"] > checked["rrsets"]
    assert not any(
        "DS" in each["message"] for each in checked["notes"]
    )  # the new key's, which no file has yet
    edit(repo, "192.0.2.81")
    done = repo.run("push", "--full-check", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "Full check before it left: " in done.stdout
    assert repo.json("push")["full_check"] is None


def with_wrong_signature(signed: SignedZone) -> SignedZone:
    """Return `signed` with the last octet of one signature changed."""
    rrset = signed.get(MAIL, Type.A)
    assert rrset is not None
    rrsig = rrset.signatures[0]
    wrong = rrset._replace(signatures=(rrsig[:-1] + bytes([rrsig[-1] ^ 1]),))
    nodes = {
        owner: tuple(wrong if one == rrset else one for one in node) for owner, node in signed.nodes.items()
    }
    return replace(signed, nodes=nodes)


def test_wrong_signature_of_an_earlier_release_is_found_before_anything_leaves(
    repo: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(making, "finish", lambda *a, **k: with_wrong_signature(finish.finish(*a, **k)))
        repo.run("push")  # tells that what is served is wrong: it was asked for
    edit(repo, "192.0.2.81")
    assert repo.json("push", "--dry-run")["result"] == "dry-run"
    for options in (("--dry-run",), ()):
        failure = repo.failure("push", "--full-check", *options)
        assert failure["rule"] == "answer-wrong"
        assert "release: mail.example.com. A in zone example.com." in failure["message"]
    assert repo.json("status", code=None)["nodes"][0]["generation"] == 1
