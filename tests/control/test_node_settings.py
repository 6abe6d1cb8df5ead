"""When settings travel with releases, and what a rollback does to them. Real nodes, which do not reload."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dnsctl.control.node_settings import again
from dnsctl.image.store import Image
from dnsctl.model.repo import Repo
from dnsctl.release.archive import Archive, activated
from dnsctl.release.manifest import FORMAT, Manifest
from dnsctl.release.settings import FleetSettings
from tests.control.operations import NODES, Operations, made, zone
from tests.release.releases import manifest


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    with made(tmp_path / "ops", dnssec="none") as operations:
        yield operations


def serve(repo: Operations, identity: str) -> None:
    config = (repo.root / "dnsctl.yaml").read_text().partition("serve:")[0]
    repo.write("dnsctl.yaml", f"{config}serve: {{identity: {identity}}}\n")
    repo.commit(identity)


def released(repo: Operations, generation: int) -> Manifest:
    found = activated(Archive(Repo(repo.root).state.archive), generation)
    assert found is not None
    return found


def identity(of: Manifest) -> Any:
    assert of.settings is not None
    return of.settings.get("serve", {})


def test_settings_wait_until_every_node_reads_them(repo: Operations) -> None:
    """An old node meets a new control host: it gets manifests that it reads, and keeps its own file."""
    repo.reading["ns2"] = 1
    repo.start(*NODES)
    assert repo.json("push")["settings"]["digest"] is None
    serve(repo, "waits")
    done = repo.json("push")
    assert [each for each in done["notes"] if "ns2 runs an older version of dnsctl" in each]
    assert (done["result"], done["settings"], released(repo, 1).format) == ("nothing", None, 1)
    repo.end("ns2")
    repo.reading.clear()
    repo.start("ns2")
    assert repo.json("push")["result"] == "served"
    assert (released(repo, 2).format, identity(released(repo, 2))) == (FORMAT, {"identity": "waits"})
    repo.reading["ns2"] = 1  # once they travel, they always do
    serve(repo, "travels")
    assert repo.json("push")["settings"]["changes"][0]["after"] == "travels"
    assert identity(released(repo, 3)) == {"identity": "travels"}


def test_settings_that_no_node_could_read_yet_make_no_release_by_themselves(repo: Operations) -> None:
    repo.reading["ns2"] = 1
    repo.start(*NODES)
    repo.json("push")
    repo.end("ns2")
    repo.reading.clear()
    repo.start("ns2")
    assert repo.json("push")["result"] == "nothing"
    repo.write("zones/example.com.yaml", zone("192.0.2.99"))
    repo.commit("a record")
    repo.json("push")
    assert [released(repo, each).format for each in (1, 2)] == [1, FORMAT]


def test_settings_do_not_begin_to_travel_while_a_site_is_left_out(repo: Operations) -> None:
    repo.start("ns1")
    done = repo.json("push", "--without", "dc2", "--reason", "not built yet", code=3)
    assert done["settings"]["digest"] is None and released(repo, 1).format == 1


def test_renewal_and_rollback_say_which_settings_hold_as_well(repo: Operations) -> None:
    repo.start(*NODES)
    repo.json("push")
    serve(repo, "second")
    planned = repo.json("plan", code=2)["settings"]
    assert [(each["setting"], each["before"], each["after"]) for each in planned["changes"]] == [
        ("serve.identity", None, "second")
    ]
    assert repo.json("plan", "--against", "HEAD^", "--offline", code=2)["settings"] == planned
    assert repo.json("push")["settings"]["changes"] == planned["changes"]
    rolled = repo.json("rollback")["settings"]
    assert [(each["before"], each["after"]) for each in rolled["changes"]] == [("second", None)]
    assert identity(released(repo, 3)) == {}
    with Image.open(Repo(repo.root).state.image) as image, image.reader() as reader:
        assert reader.released_commit == released(repo, 3).commit == released(repo, 1).commit


def test_rollback_leaves_sites_and_a_push_that_is_taken_back_does_not(repo: Operations) -> None:
    repo.start(*NODES)
    repo.json("push")
    with Image.open(Repo(repo.root).state.image) as image, image.reader() as served:
        now = released(repo, 1).settings
        assert now is not None
        then: FleetSettings = {"format": 1, "sites": {}, "serve": {"cookies": False}}
        earlier = manifest(settings=then)
        assert again(served, earlier, whole=True).settings == then
        assert again(served, earlier, whole=False).settings == {**then, "sites": now["sites"]}
        assert again(served, manifest(), whole=True).settings is None  # as they are
