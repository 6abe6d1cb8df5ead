"""docs/json.md and what `--json` prints: every key that is printed is named there, with its type, and back.

Commands run on a fleet of two real nodes, and what hardly ever happens is made by hand.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dnsctl.cli.main import command_line
from dnsctl.cli.output.ended import to_json
from dnsctl.cli.status import _node_json
from dnsctl.control.fleet_status import FleetStatus
from dnsctl.control.host import connections
from dnsctl.control.journal import doing_jobs, this_process
from dnsctl.control.observations import Asked, Observed, remember
from dnsctl.control.push import Result
from dnsctl.control.query_counts import NodeCounts, keep_counts
from dnsctl.control.state import ControlState
from dnsctl.demo.ports import free_port
from dnsctl.errors import RefusalRule, ReleaseRefusedError
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import load_config
from dnsctl.model.fleet import Node
from dnsctl.model.name import from_text
from dnsctl.model.observation import DsMemory, ParentView
from dnsctl.model.repo import Repo
from dnsctl.release.archive import Archive
from dnsctl.replicate.answers import NodeStatus
from dnsctl.replicate.transaction import Outcome
from dnsctl.verify.report import Report
from tests.cli.shell import dnsctl
from tests.cli.shell import repo as files
from tests.cli.test_main import commands
from tests.cli.test_plan_live import OTHERS, committed, primary
from tests.control.operations import Operations, zone
from tests.control.test_approval import Approved
from tests.passphrase import PASSPHRASE
from tests.replicate.test_answers import GOOD

PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text("utf-8")
SECTIONS = {
    title: dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", text, re.MULTILINE))
    for title, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
}
RULES = SECTIONS.pop("Rules of failures")
SAME = {
    "rollback": "push",
    "key generate": "key list",
    "key import": "key list",
    "key retire": "key list",
    "key remove": "key list",
    "zone unset": "zone set",
}  # section that stands for a command's own
TO_A_FILE = ("--private", "--yes", "--to")
ZONE = "www: {type: A, value: 192.0.2.1}\nalias: {type: CNAME, value: gone.example.com.}\n"


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and bool(datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


KINDS: dict[str, Callable[[Any], bool]] = {
    "text": _is_text,
    "file": lambda value: _is_text(value) and not value.startswith("/"),
    "name": lambda value: _is_text(value) and value.endswith("."),
    "type": lambda value: _is_text(value) and value == value.upper(),
    "time": _is_time,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
    "list of text": lambda value: isinstance(value, list) and all(map(_is_text, value)),
}
OPTIONAL = re.compile(r", (only|not) .*$")


class Told:
    """What was printed so far: checked against the page, and which of its keys it had."""

    def __init__(self) -> None:
        self.seen: dict[str, set[str]] = {title: set() for title in SECTIONS}

    def hold(self, section: str, value: Any, path: str = "") -> None:
        """Check one object at `path`, and all in it."""
        named = SECTIONS[section]
        below = path + "." if path else ""
        wild = next((each for each in named if re.fullmatch(re.escape(below) + "[A-Z]+", each)), "")
        for key, one in value.items():
            inner = wild or below + key
            assert inner in named, f"{section}: {inner} is printed, and docs/json.md does not name it"
            self.seen[section].add(inner)
            self._hold_one(section, inner, one)
        always = {
            each
            for each, kind in named.items()
            if re.fullmatch(re.escape(below) + r"[a-z_]+", each) and not OPTIONAL.search(kind)
        }
        assert always <= {below + key for key in value}, f"{section}: {path} lacks a key that is always there"

    def _hold_one(self, section: str, path: str, value: Any) -> None:
        kind = OPTIONAL.sub("", SECTIONS[section][path].strip())
        kind, _, null = kind.partition(" or ") if " or " in kind else (kind, "", "")
        if value is None:
            assert null == "null", f"{section}: {path} is null"
        elif kind.startswith("as "):
            self.hold(kind.removeprefix("as ").rstrip(","), value)
        else:
            assert KINDS[kind](value), f"{section}: {path} is not a {kind}: {value!r}"
            if isinstance(value, dict):
                self.hold(section, value, path)
            elif kind == "list":
                for each in value:
                    self.hold(section, each, path + "[]")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Return what all commands printed."""
    told = Told()
    for section, value in (
        *_of_files(tmp_path_factory.mktemp("files")),
        *_of_a_fleet(tmp_path_factory.mktemp("fleet")),
        *_by_hand(),
    ):
        told.hold(section, value)
    told.hold("status", _reloading(), "nodes[]")
    return told


def _reloading() -> Any:
    """Return what `status` prints of a node that can run with other settings."""
    answer = NodeStatus.from_json(GOOD, None)
    node = Node("ns1", "dc1", (), "https://192.0.2.53:8853")
    return _node_json(node, answer, FleetStatus((node,), {"ns1": answer}, None, {}, frozenset()), 0.0)


def _of_files(root: Path) -> Iterator[tuple[str, Any]]:
    """Yield what commands print that need no node."""
    yield "init", dnsctl("init", root / "new", "--json").json
    yield "hook install", dnsctl("hook", "install", "--json", root=root / "new").json
    files(root, example_com_yaml=ZONE)
    (root / "keys").mkdir()
    (root / "keys" / "cookie.secret").write_text("11" * 16 + "\n")
    for command in ("check", "check --rules", "zone list", "key cookie"):
        yield command, dnsctl(*command.split(), "--json", root=root).json
    yield "zone show", dnsctl("zone", "show", "example.com", "--json", root=root).json
    signed = root / "signed.zone"
    signed.write_text("$TTL 300\n@ DNSKEY 257 3 13 AQID\nwww A 192.0.2.1\n")
    arguments = ("zone", "import", "example.org", "--from", signed, "--dry-run", "--json")
    yield "zone import", dnsctl(*arguments, root=root).json
    foreign = root / "named.conf"
    foreign.write_text('zone "example.org" { type secondary; file "x"; };')
    yield "zone import", dnsctl("zone", "import", "--bind", foreign, "--dry-run", "--json", root=root).json
    moving = committed(root / "moving")
    with primary(OTHERS, transfers=True) as server:
        yield "plan --live", dnsctl("plan", "--live", server, "--json", root=moving).json
    yield "zone fmt", dnsctl("zone", "fmt", "--check", "--json", root=root).json
    yield "zone set", dnsctl("zone", "set", "www.example.com", "A", "192.0.2.2", "--json", root=root).json
    yield "zone set", dnsctl("zone", "unset", "new.example.com", "A", "--json", root=root).json
    yield "failure", dnsctl("zone", "show", "example.net", "--json", root=root).json["error"]
    (root / "people").mkdir()
    people = Approved(root / "people")
    people.sign_as("bob")
    yield "approve", dnsctl("approve", "--json", root=people.root).json


def _of_a_fleet(root: Path) -> Iterator[tuple[str, Any]]:
    """Yield what they print from a first push to a node that drifted."""
    fleet = Operations(root)
    fleet.make()
    yield "status", fleet.json("status", code=1)
    yield "plan", fleet.json("plan", code=2)
    try:
        fleet.start("ns1", "ns2")
        yield "push", fleet.json("push", "--dry-run")
        yield "push", fleet.json("push")
        yield "push", fleet.json("push")
        yield "status", fleet.json("status")
        yield "status", _observed(fleet)
        yield "verify", fleet.json("verify")
        yield "control", fleet.json("control", "--once")
        with doing_jobs(Repo(fleet.root).state, this_process("daemon", datetime.now(UTC))):
            yield "status", fleet.json("status")
        for name in ("nope.www", "x.dyn", "www"):
            yield "explain", fleet.json("explain", f"{name}.example.com", "A")
        yield "explain", fleet.json("explain", "www.example.org")
        yield "key ds", fleet.json("key", "ds", "example.com")
        yield "key list", fleet.json("key", "list")
        yield "key list", _twice(fleet)
        yield "key roll", fleet.json("key", "roll", "example.com", "--plan")
        yield "key roll", fleet.json("key", "roll", "example.com")
        yield (
            "key roll",
            fleet.json("key", "roll", "example.com", "--emergency", "--break-chain", "example.com"),
        )
        fleet.json("key", "roll", "example.com", "--undo")
        yield from _of_changes(fleet)
        yield "verify", _drift(fleet)
        yield "verify", _without_anchor(fleet)
        yield "status", _refused(fleet)
        yield "status", _mended(fleet)
        yield "key list", fleet.json("key", "generate", "example.com")
        yield "key list --sig0", fleet.json("key", "generate", "updates.example.net", "--sig0")
        yield "key list --sig0", fleet.json("key", "list", "--sig0")
        yield "key list --sig0", fleet.json("key", "export", "updates.example.net", "--sig0")
        yield "key export", fleet.json("key", "export", "example.com")
        yield "key export", fleet.json("key", "export", "example.com", *TO_A_FILE, str(fleet.root / "out"))
        yield "key passphrase", fleet.json("key", "passphrase")
        yield from _of_a_backup(fleet)
    finally:
        fleet.stop()


def _twice(fleet: Operations) -> Any:
    """List keys while the files of one are there twice."""
    copies = []
    for path in (fleet.root / "keys/example.com").iterdir():
        copies.append(path.with_name("K2" + path.name))
        copies[-1].write_bytes(path.read_bytes())
    told = fleet.json("key", "list", code=1)
    for path in copies:
        path.unlink()
    return told


def _of_a_backup(fleet: Operations) -> Iterator[tuple[str, Any]]:
    """Keep a backup, list it, restore it."""
    under = ("--passphrase", f"file:{fleet.root / 'keys/passphrase'}")
    yield "backup", fleet.json("backup", str(fleet.root / "b"))
    yield "backup", fleet.json("restore", "--list", str(fleet.root / "b"), *under)
    yield "restore", fleet.json("restore", str(fleet.root / "b"), str(fleet.root / "again"), *under)


def _of_changes(fleet: Operations) -> Iterator[tuple[str, Any]]:
    """Change, add and remove records and a zone; go back."""
    fleet.write("zones/example.org.yaml", zone())
    fleet.commit("another zone")
    fleet.json("push")
    (fleet.root / "zones" / "example.org.yaml").unlink()
    more = "new: {type: A, value: 192.0.2.7}\nnear: {type: ALIAS, value: www.example.com.}\n"
    text = zone("192.0.2.99", more).replace("mail: {type: A,", "post: {type: A,")
    fleet.write("zones/example.com.yaml", text.replace("mail.example.com", "post.example.com"))
    settings = (fleet.root / "dnsctl.yaml").read_text() + "serve: {identity: changed}\n"
    fleet.write("dnsctl.yaml", settings)
    fleet.commit("changes, and a zone removed")
    _counted(fleet)
    yield "plan", fleet.json("plan", code=2)
    yield "plan", fleet.json("plan", "--against", "HEAD~1", code=2)
    yield "push", fleet.json("push", "--dry-run", code=1)
    yield "failure", fleet.json("push", code=1)["error"]
    yield "push", fleet.json("push", "--allow", "removed-zone", "--reason", "moved elsewhere")
    yield "explain", fleet.json("explain", "near.example.com", "A")
    fleet.write("zones/example.com.yaml", zone("192.0.2.300"))
    fleet.commit("an error")
    yield "failure", fleet.json("push", code=1)["error"]
    yield "push", fleet.json("rollback", "--dry-run")
    yield "push", fleet.json("rollback")
    missed: dict[str, Any] = {"generation": fleet.generations()["ns1"], "missed": {"ns2": "no answer"}}
    with ControlState.open(Repo(fleet.root).state.records) as state:
        state.audit("me", "rollback activated", "", missed, when=datetime.now(UTC))
    yield "log", fleet.json("log")
    yield "log", fleet.json("log", "www.example.com", "A")


def _counted(fleet: Operations) -> None:
    """Have ns1 count queries for an hour."""
    counts, now = Repo(fleet.root).state.queries, datetime.now(UTC)
    keep_counts(counts, {"ns1": NodeCounts(0, {})}, now - timedelta(hours=1))
    keep_counts(counts, {"ns1": NodeCounts(9, {from_text("example.com."): 7})}, now)


def _drift(fleet: Operations) -> Any:
    """Have an address of ns2 where a server runs that nobody thinks of any more."""
    stale = fleet.root / "state" / "stale"
    stale.mkdir()
    (stale / "example.com.yaml").write_text(zone("192.0.2.1"))
    port, listen = free_port(), f'"127.0.0.1:{fleet.ports["ns2"][0]}"'
    forgotten = fleet.begin("serve", "--zones", str(stale), "--listen", f"127.0.0.1:{port}")
    assert forgotten.stderr is not None
    config = (fleet.root / "dnsctl.yaml").read_text()
    try:
        assert any("serving on" in line for line in iter(forgotten.stderr.readline, ""))
        fleet.write("dnsctl.yaml", config.replace(listen, f'{listen}, "127.0.0.1:{port}"'))
        return fleet.json("verify", code=1)
    finally:
        forgotten.terminate()
        forgotten.communicate(timeout=10)
        fleet.write("dnsctl.yaml", config)


def _observed(fleet: Operations) -> Any:
    """Ask after a parent of which one server is silent, and which has yet to follow."""
    state, origin, now = Repo(fleet.root).state, from_text("example.com."), datetime.now(UTC)
    views = [ParentView("a.", "", now, (), 60), ParentView("b.", "", now, None, fault="does not answer")]
    views.append(ParentView("c.", "", now, (bytes.fromhex("30390d02" + "ab" * 32),), 60))
    views.append(ParentView("", "dc2", now, None, fault="no node can look"))
    asked = Asked(now, (), "hook", "later", "exit code 75")
    stand_ins = {"dc1": "ns1 runs an older version"}
    remember(state, origin, Observed(ds=DsMemory().after(views, now), asked=asked, stand_ins=stand_ins))
    try:
        return fleet.json("status", code=1)
    finally:
        state.observation("example.com").unlink()


def _refused(fleet: Operations) -> Any:
    """Replay the first release to a node."""
    sealed = Archive(fleet.root / "state" / "archive").manifest(1)
    nodes = load_config(WorkTree(fleet.root)).nodes()
    with connections(fleet.root, nodes, PASSPHRASE) as reached, pytest.raises(ReleaseRefusedError):
        reached.run(reached.clients[0].prepare(sealed))
    return fleet.json("status")


def _mended(fleet: Operations) -> Any:
    """Ask after an image that was damaged once: the file that its agent has left beside it."""
    (state,) = {path.parent for path in fleet.root.rglob("ns1/image")}
    told = {"at": 1_795_262_400, "reason": "example.com.: the zone's records do not match", "mended": True}
    (state / "damage").write_text(json.dumps(told))
    return fleet.json("status")


def _without_anchor(fleet: Operations) -> Any:
    """Verify on a host that lacks the public key of the zone."""
    keys, aside = fleet.root / "keys" / "example.com", fleet.root / "state" / "aside"
    keys.rename(aside)
    try:
        return fleet.json("verify")
    finally:
        aside.rename(keys)


def _by_hand() -> Iterator[tuple[str, Any]]:
    """Yield what a push prints where a node is lost after the decision, and where it is taken back."""
    outcome = Outcome(2, ("ns1",), {"ns2": "no answer"})
    yield "push", to_json(Result("partly", 2, outcome=outcome), 0.1)
    not_in_force = {"ns2": "the secret of a TSIG key cannot be read"}
    yield "push", to_json(Result("partly", 2, outcome=outcome, not_in_force=not_in_force), 0.1)
    unable = ((from_text("example.com."), "the keys that sign it are not in keys/"),)
    yield "push", to_json(Result("nothing", 2, action="renew", not_renewed=unable), 0.1)
    report = Report(2, "00", 1, 1, 1, 0.1, ())
    failed = Result("unverified", 2, outcome=outcome, report=report)
    yield (
        "push",
        to_json(Result("rolled back", 3, failed=failed, evidence=Path("state/evidence/x.json")), 0.1),
    )


def test_every_key_that_is_printed_is_documented_with_its_type(told: Told):
    assert all(told.seen.values())


def test_every_key_that_is_documented_is_printed(told: Told):
    missing = {title: sorted(set(named) - told.seen[title]) for title, named in SECTIONS.items()}
    assert {title: keys for title, keys in missing.items() if keys} == {}


def test_every_command_with_json_is_documented():
    found = {
        called.removeprefix("dnsctl ")
        for called, command in commands(command_line())
        if any(each.name == "as_json" for each in command.params)
    }
    assert found == {title for title in SECTIONS if "--" not in title} - {"failure", "settings"} | set(SAME)
    assert all(f"`{command}` prints" in PAGE for command in SAME)


def test_every_rule_of_a_failure_is_listed():
    assert list(RULES) == sorted(RULES, key=lambda each: each.replace("-", " "))
    assert set(RULES) == {str(each) for each in RefusalRule}
