"""`dnsctl approve`: vouch for a commit of somebody else by a signed tag, and say how it gets to others."""

from __future__ import annotations

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.control.approving import Approval
from dnsctl.control.approving import approve as approve_commit
from dnsctl.load.ancestry import described
from dnsctl.model.json_value import Json


def approve(context: Context, commit: str, *, as_json: bool) -> None:
    """Make the tag, and print who approved what by it."""
    made = approve_commit(context.root, commit)
    if as_json:
        output.json_result(_to_json(made))
        return
    told = described(context.root, (made.commit,)).get(made.commit, made.commit)
    before = "Already approved by you: " if made.already else ""
    output.line(output.visible(f"{before}{made.by} approves commit {told}"))
    if not made.suffices:
        why = f"nobody whom {made.signers.do('name')} has signed the commit"
        output.line(output.visible(f"Another person must approve it as well: {why}"))
    if not made.released:
        others = f"a push may ask other people than {made.signers.do('name')}"
        output.line(output.visible(f"This clone knows of no release: {others}"))
    output.line(output.visible(f"To let others see it: git push origin {made.tag}"))


def _to_json(made: Approval) -> dict[str, Json]:
    return {
        "commit": made.commit,
        "tag": made.tag,
        "by": made.by,
        "suffices": made.suffices,
        "already": made.already,
        "rules_of": made.signers.commit,
        "released": made.released,
    }
