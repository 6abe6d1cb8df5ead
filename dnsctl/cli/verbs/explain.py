"""The command line of `dnsctl explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from dnsctl.cli.command_line import completion
from dnsctl.cli.command_line.given import AtOption, JsonOption, examples, here


def register(app: typer.Typer) -> None:
    app.command(
        "explain",
        epilog=examples(
            "dnsctl explain www.example.com AAAA",
            "dnsctl explain www.example.com A --work-tree --json",
            "dnsctl explain www.example.com A --at 41",
        ),
    )(explain)


def explain(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="An owner name; the final dot is optional.", autocompletion=completion.owners
        ),
    ],
    rdtype: Annotated[str, typer.Argument(metavar="TYPE", help="A, AAAA, MX … or TYPE65400.")] = "A",
    work_tree: Annotated[
        bool, typer.Option("--work-tree", help="Answer from the files as they are now, not from the release.")
    ] = False,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain the answer to a question: zone, cut, wildcard, alias chain, proof."""
    if at is not None and work_tree:
        raise typer.BadParameter("is of a release, --work-tree of the files as they are", param_hint="--at")
    from dnsctl.cli.explain import explain as run

    run(here(ctx), name, rdtype, work_tree=work_tree, at=at, as_json=as_json)
