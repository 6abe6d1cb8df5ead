"""`dnsctl demo`: show a change on its way through two datacenters on this machine, in plain words.

A story with real processes: every line that begins with `$` is run as it stands, followed by what it printed,
shortened. It leaves nothing behind, unless `--keep` or `--dir` ask for it.
"""

from __future__ import annotations

import re
import shutil
import signal
import sys
import time
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rdatatype

from dnsctl.cli import output
from dnsctl.demo.forgery import forge
from dnsctl.demo.rehearsal import ENDING_SIGNALS, Ran, Rehearsal, RehearsalError, rehearsal
from dnsctl.model.repo import Repo

ZONE = "example.com."
OWNER = "demo.example.com."
FIRST, SECOND, FORGED = "192.0.2.10", "192.0.2.20", "203.0.113.66"
_SHOWN = 7  # lines of a command's output


def demo(directory: Path | None, *, keep: bool) -> None:
    """Play the story in `directory`, or in a temporary one; `keep`: go on serving until Ctrl-C."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.default_int_handler)  # whatever ends us, the nodes end as well
    started = time.monotonic()
    try:
        with rehearsal(directory) as stage:
            for act in (_found, _deploy, _change, _lose_a_site, _return, _drift, _roll_back):
                act(stage)
            _heading(f"That was how a change is made, in {time.monotonic() - started:.0f} seconds.")
            _farewell(stage, directory, keep=keep)
    finally:
        for number in ENDING_SIGNALS:  # nothing is left to end: an impatient one changes no exit code
            signal.signal(number, signal.SIG_IGN)


def _found(stage: Rehearsal) -> None:
    _heading("An operations repo: zones, keys and settings, in git")
    _dnsctl(stage, "init", "--example", shown=4)
    stage.use_free_ports()
    for name, node in stage.fleet.items():
        _say(f"Site {node.site} has one name server, {name}, at {node.listen[0]}.")
    _git(stage, "add", "--all")
    _git(stage, "commit", "--quiet", "--no-verify", "--message", "The zones of a small mail provider")


def _deploy(stage: Rehearsal) -> None:
    _heading("Two name servers, one in each datacenter, without a release to serve yet")
    for name in stage.fleet:
        _command(f"dnsctl serve --node {name} &")
        stage.start(name)
    stage.wait(lambda: all(_ask(stage, name, ZONE, "SOA") is not None for name in stage.fleet), "an answer")
    _heading("Push: validate, sign, stage on every node, prove, then activate both sites together")
    _dnsctl(stage, "push")
    _say("Both sites now serve the same signed zones. From outside, record by record:")
    _dnsctl(stage, "verify", "--full")


def _change(stage: Rehearsal) -> None:
    _heading("Edit a zone, see what it would change, and push that")
    _edit(stage, "", FIRST)
    _dnsctl(stage, "plan", expect=(2,))
    _dnsctl(stage, "push")
    _show_answers(stage)


def _lose_a_site(stage: Rehearsal) -> None:
    lost = list(stage.fleet)[-1]
    site = stage.fleet[lost].site
    _heading(f"Lose a datacenter: {lost} in {site} gets kill -9")
    stage.kill(lost)
    _edit(stage, FIRST, SECOND)
    _dnsctl(stage, "push", expect=(1, 3))
    _say("Nothing changed anywhere; the message says what to do. We do it:")
    _dnsctl(stage, "push", "--without", site, "--reason", "power cut in the demo", expect=(0, 3))
    _show_answers(stage)


def _return(stage: Rehearsal) -> None:
    name = list(stage.fleet)[-1]
    _heading("The datacenter is back, and catches up by itself, from the other one")
    _command(f"dnsctl serve --node {name} &")
    stage.start(name)
    took = stage.wait(lambda: _addresses(_ask(stage, name, OWNER, "A")) == [SECOND], "catching up")
    _say(f"{name} serves what it missed {took:.1f} s after it was started; no operator, no control host.")
    _show_answers(stage)


def _drift(stage: Rehearsal) -> None:
    name = list(stage.fleet)[-1]
    state = Repo(stage.root).node(name).directory
    _heading(f"Somebody with root on {name} changes a record in its database")
    while _is_mended_before_verify_sees_it(stage, name, state):
        _say(f"{name} has found that itself, and fetched its image from the other site again. Once more:")
    _say(f"Found, with node, owner, expected and received. {name} deletes its image and fetches a good one:")
    stage.kill(name)
    _command(f"rm -r state/nodes/{name} && dnsctl serve --node {name} &")
    shutil.rmtree(state)
    stage.start(name)
    stage.wait(lambda: _addresses(_ask(stage, name, OWNER, "A")) == [SECOND], "the repair")
    _dnsctl(stage, "verify")


def _is_mended_before_verify_sees_it(stage: Rehearsal, name: str, state: Path) -> bool:
    """Change a record and verify. True where the node's inspector, which looks now and then, came first."""
    forge(state, ZONE, OWNER, FORGED)
    stage.wait(lambda: _addresses(_ask(stage, name, OWNER, "A")) == [FORGED], "the forged answer")
    _show_answers(stage)
    return _dnsctl(stage, "verify", "--full", expect=(0, 1)).code == 0


def _roll_back(stage: Rehearsal) -> None:
    _heading("Roll back: the previous records, as a new generation with a higher serial")
    before = _serial(stage)
    _dnsctl(stage, "rollback")
    _show_answers(stage)
    _say(f"The serial of {ZONE} went from {before} to {_serial(stage)}: secondaries follow, too.")
    _dnsctl(stage, "verify")


def _farewell(stage: Rehearsal, directory: Path | None, *, keep: bool) -> None:
    node = next(iter(stage.fleet.values()))
    dig = f"dig @{node.listen[0].address} -p {node.listen[0].port} {OWNER} A +dnssec"
    if not keep:
        _say(f"With --keep the servers stay up, and you can ask them yourself: {dig}")
        if directory is not None:
            _say(f"The repo stays in {directory}.")
        return
    _say("Both name servers are up until you press Ctrl-C. Ask them:")
    for each in stage.fleet.values():
        _command(f"dig @{each.listen[0].address} -p {each.listen[0].port} {OWNER} A +dnssec")
    _command(f"dnsctl -C {stage.root} status")
    try:
        while all(process.poll() is None for process in stage.nodes.values()):
            time.sleep(0.2)
    except KeyboardInterrupt:
        _say(
            "Ended; nothing is left behind."
            if directory is None
            else f"Ended; the repo stays in {directory}."
        )
        return
    raise RehearsalError("a name server ended by itself", advice=f"see {stage.root}/state/*.log")


# ── What the story is made of ─────────────────────────────────────────────────────────────────────────────


def _edit(stage: Rehearsal, old: str, new: str) -> None:
    """Give OWNER the address `new` in its zone file, or add it where `old` is empty, and commit."""
    path = Repo(stage.root).zones / f"{ZONE[:-1]}.yaml"
    text = path.read_text("utf-8")
    line = "demo: {{type: A, ttl: 60, value: {}}}"
    if old:
        text = text.replace(line.format(old), line.format(new))
        _command(f"sed -i s/{old}/{new}/ zones/{path.name}")
    else:
        text = text.rstrip("\n") + "\n" + line.format(new) + "\n"
        _command(f"echo '{line.format(new)}' >> zones/{path.name}")
    path.write_text(text, "utf-8")
    _git(stage, "commit", "--quiet", "--no-verify", "--all", "--message", f"Point demo at {new}")


def _ask(stage: Rehearsal, name: str, owner: str, rdtype: str) -> dns.message.Message | None:
    endpoint = stage.fleet[name].listen[0]
    query = dns.message.make_query(owner, rdtype, want_dnssec=True, payload=1232)
    try:
        return dns.query.udp(query, endpoint.address, timeout=0.5, port=endpoint.port)
    except (dns.exception.DNSException, OSError):
        return None


def _addresses(answer: dns.message.Message | None) -> list[str]:
    if answer is None:
        return []
    return [str(rdata) for rrset in answer.answer if rrset.rdtype == dns.rdatatype.A for rdata in rrset]


def _show_answers(stage: Rehearsal) -> None:
    for name, node in stage.fleet.items():
        answer = _ask(stage, name, OWNER, "A") if name in stage.nodes else None
        signed = answer is not None and any(rrset.rdtype == dns.rdatatype.RRSIG for rrset in answer.answer)
        found = ", ".join(_addresses(answer)) or ("no address" if answer else "no answer")
        _output(f"{OWNER} A at {name} ({node.site}): {found}{', signed' if signed else ''}")


def _serial(stage: Rehearsal) -> int:
    answer = _ask(stage, next(iter(stage.fleet)), ZONE, "SOA")
    if answer is None or not answer.answer:
        raise RehearsalError(f"{ZONE} SOA is not answered")
    return int(answer.answer[0][0].serial)


def _dnsctl(stage: Rehearsal, *arguments: str, expect: tuple[int, ...] = (0,), shown: int = _SHOWN) -> Ran:
    quoted = (f"'{each}'" if re.search(r"\s", each) else each for each in arguments)
    _command(" ".join(("dnsctl", *quoted)))
    began = time.monotonic()
    ran = stage.run(*arguments, expect=expect)
    lines = _aligned([line for line in ran.lines or ran.told if line.strip()])
    hidden = len(lines) - shown
    for line in lines if hidden <= 0 else lines[: shown - 1]:
        _output(line)
    if hidden > 0:
        _output(f"… and {hidden + 1} lines more")
    _output(f"(exit code {ran.code}, {time.monotonic() - began:.1f} s)")
    return ran


def _aligned(lines: list[str]) -> list[str]:
    """Return `lines` with the columns of those that hold tabs set below each other."""
    rows = [line.split("\t") for line in lines if "\t" in line]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    return [
        "  ".join(map(str.ljust, line.split("\t"), widths)).rstrip() if "\t" in line else line
        for line in lines
    ]


def _git(stage: Rehearsal, *arguments: str) -> None:
    quoted = (f"'{each}'" if " " in each else each for each in arguments)
    _command(" ".join(("git", *quoted)))
    stage.git(*arguments)


def _heading(text: str) -> None:
    output.line("")
    _print((text, "bold"))


def _say(text: str) -> None:
    _print(f"  {text}")


def _command(text: str) -> None:
    _print(("  $ ", "green"), (text, "bold green"))


def _output(text: str) -> None:
    _print((f"    {text}", "dim"))


def _print(*parts: str | tuple[str, str]) -> None:
    """Print a line at once, also into a pipe: what comes next may take seconds."""
    output.styled(*parts)
    sys.stdout.flush()
