"""`dnsctl approve`: vouch for a commit of somebody else by a signed tag, and say how it gets to others."""

from __future__ import annotations

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.control.approving import approve as approve_commit
from dnsctl.load.ancestry import described


def approve(context: Context, commit: str, *, as_json: bool) -> None:
    """Make the tag, and print who approved what by it."""
    made = approve_commit(context.root, commit)
    if as_json:
        output.json_result({"commit": made.commit, "tag": made.tag, "by": made.by, "suffices": made.suffices})
        return
    told = described(context.root, (made.commit,)).get(made.commit, made.commit)
    output.line(output.visible(f"{made.by} approves commit {told}"))
    if not made.suffices:
        output.line("One more has to: nobody whom the list of signers names has signed the commit")
    output.line(output.visible(f"To let others see it: git push origin {made.tag}"))
