"""`dnsctl init`: an operations repo from nothing to ready for a first push. Adds what is missing.

Run it again after adding a node. A new directory is made whole or not at all; in an existing one each file
is, and a second run adds what a killed one left out. Two runs wait for each other.
"""

from __future__ import annotations

from pathlib import Path

from dnsctl.cli import output
from dnsctl.model.repo import CONFIG, CONTROL
from dnsctl.setup.repo import Report, fill_repo, git
from dnsctl.setup.whole import whole_directory


def init(root: Path, *, example: bool, new_fleet: bool, as_json: bool) -> None:
    """Make an operations repo at `root` with keys and certificates, or add what it lacks; say what."""
    with whole_directory(root) as place:
        report = fill_repo(place, output.say, example=example, new_fleet=new_fleet)
    report.root = root
    if as_json:
        output.json_result(
            {"root": str(root), "made": report.made, "renewed": report.renewed, "kept": report.kept}
        )
        return
    for fate, paths in (("made", report.made), ("renewed", report.renewed), ("kept", report.kept)):
        for path in paths:
            output.line(f"{fate}  {output.visible(path)}")
    _tell_renewed(report)
    _next_steps(report, example=example)


def _tell_renewed(report: Report) -> None:
    names = [Path(each).stem for each in report.renewed if each.endswith(".crt")]
    if nodes := [each for each in names if each != CONTROL]:
        output.say(
            f"copy the new certificates and keys in keys/pki/ to {', '.join(nodes)},"
            " and restart each node's service"
        )


def _next_steps(report: Report, *, example: bool) -> None:
    """Tell a newcomer what to do next; somebody who runs it again knows."""
    if CONFIG not in report.made:
        return
    enter = "" if report.root.resolve() == Path.cwd().resolve() else f"cd {report.root} && "
    output.say("")
    if not example:
        output.say(
            "next: name your sites and nodes in dnsctl.yaml, put zones into zones/ (see zones/README.md)"
        )
    output.say(
        "keys/passphrase opens every key: keep a copy elsewhere, and move it to a systemd credential "
        "(keystore: {passphrase: credential:NAME}) on a real host"
    )
    output.say(f"then: {enter}dnsctl check && git add -A && git commit -m 'First zones'")
    if git(report.root, "rev-parse", "--show-prefix") is not None:
        output.say("have git check zones before every commit and push: dnsctl hook install")
    output.say("start each node (dnsctl serve --node NAME), and release: dnsctl push")
