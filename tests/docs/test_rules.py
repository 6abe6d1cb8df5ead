"""docs/rules.md has every rule of `check`. `python -m tests.docs.test_rules` writes its tables."""

from pathlib import Path

from dnsctl.model import alias, presigned, reading
from dnsctl.model.finding import Severity, level_text
from dnsctl.validate.rule import Rule
from dnsctl.validate.rules import BESIDE, FIXED, RULE_NAMES, RULES, UNKNOWN, UPDATE_KEY
from tests.load.examples import ELSEWHERE, FILES
from tests.validate.examples import EXAMPLES

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"
LONGEST = 72  # octets of a line that is shown
TITLES = {  # of the modules that judge, in the order of the table
    "apex": "Apex",
    "names": "Names",
    "lookalike": "Names",
    "cname": "Aliases",
    "takeover": "Aliases",
    "delegation": "Delegations",
    "target": "Targets",
    "reverse": "Targets",
    "mail": "Mail",
    "spf": "Mail",
    "dkim": "Mail",
    "dmarc": "Mail",
    "transport": "Mail",
    "bimi": "Mail",
    "values": "Values, TTLs and sizes",
    "ttl": "Values, TTLs and sizes",
    "size": "Values, TTLs and sizes",
    "caa": "Certificates, host keys and services",
    "dane": "Certificates, host keys and services",
    "services": "Certificates, host keys and services",
    "dnssec": "DNSSEC",
    "cds": "DNSSEC",
}
# What breaks a rule, where a zone file shows it badly
WORDS = {
    "dnskey-tag-shared": "two DNSKEYs of another signer with algorithm 13 and tag 12345",
    "algorithm-experimental": "a policy with `algorithm: MLDSA44`",
    presigned.INCOMPLETE: "an RRset without a signature",
    presigned.INVALID: "a record that was changed after it was signed",
    presigned.TIME: "an RRSIG whose expiration has passed",
    presigned.SOON: "an RRSIG that expires in five days",
    presigned.EXPIRE: "SOA EXPIRE of four weeks, and signatures of two",
    presigned.CHAIN: "an NSEC that does not list a type of its owner",
    presigned.ZONEMD: "a ZONEMD of the zone before a change",
    presigned.ALGORITHM: "a DNSKEY of algorithm 15 that signs nothing, beside one of 13",
    presigned.UNKNOWN: "an RRSIG of algorithm 253",
    presigned.FOREIGN: "an RRSIG by a key that was removed from DNSKEY",
    presigned.UNNEEDED: "an RRSIG over glue",
    presigned.UNUSED: "NSEC beside a chain of NSEC3 that is complete",
    presigned.ALONE: "an NSEC at a name without records",
    presigned.KEY: "a DNSKEY of protocol 4",
    presigned.CDS: "CDS that the ZSK alone signed",
    alias.LOOP: "an ALIAS of a name whose ALIAS leads back",
    alias.LEFT_OUT: "an ALIAS of a name that is in no zone of ours",
    alias.UNKNOWN: "an ALIAS of a name that `alias.resolvers` were not asked for yet",
    alias.UNRESOLVED: "an ALIAS of a name that gets SERVFAIL, and was not known before",
    alias.KEPT: "an ALIAS of a name that gets SERVFAIL, whose addresses are known",
    alias.NO_ADDRESS: "an ALIAS of a name in a zone of ours that has no address",
    FIXED: "`checks: {soa-missing: off}` in dnsctl.yaml",
    UPDATE_KEY: "`sig0: {name: updates.example.net}` for a parent, and no such key in keys/sig0/",
    UNKNOWN: "`checks: {mx-target-resolve: off}` in dnsctl.yaml",
}


def tables() -> str:
    """Return the tables of the page, by subject."""
    parts: dict[str, list[str]] = {title: [] for title in TITLES.values()}
    for rule in RULES:
        parts[_title(rule)].append(_row(rule.name, rule.severity, rule.meaning, fixed=rule.fixed))
    judged = {rule.name for rule in RULES}
    parts["Reading zone files"] = [
        _row(name, severity, meaning, fixed=severity is Severity.ERROR)
        for name, severity, meaning in sorted(reading.RULES)
        if name not in judged
    ]
    parts["Pre-signed zones, ALIAS, and `checks` itself"] = [
        _row(name, severity, meaning, fixed=severity is Severity.ERROR) for name, severity, meaning in BESIDE
    ]
    made = []
    for title, rows in parts.items():
        made += [
            "",
            f"## {title}",
            "",
            "| rule | severity | fault | for example |",
            "|---|---|---|---|",
            *rows,
        ]
    return "\n".join(made) + "\n"


def _title(rule: Rule) -> str:
    return TITLES[rule.check.__module__.rpartition(".")[2]]


def _row(name: str, severity: Severity | None, meaning: str, *, fixed: bool) -> str:
    level = f"{level_text(severity)}{', fixed' if fixed else ''}"
    return f"| `{name}` | {level} | {meaning} | {_example(name)} |"


def _example(name: str) -> str:
    if name in WORDS or name in ELSEWHERE:
        return WORDS.get(name) or ELSEWHERE[name][0]
    if name in FILES:
        file = FILES[name]
        return file.words or _code(str(file.text))
    example = EXAMPLES[name]
    beside = [f"in `{origin}`: {_code(text)}" for origin, text in example.others if text]
    where = f"in `{example.origin}`: " if example.origin != "example.com." else ""
    return "; ".join([where + (example.words or _code(example.breaks)), *beside])


def _code(text: str) -> str:
    lines = [line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…" for line in text.splitlines()]
    shown = lines if len(lines) <= 3 else [*lines[:2], "…"]
    return "<br>".join(f"`{line}`" for line in shown).replace("|", "\\|")


def test_page_has_every_rule_as_it_is_judged() -> None:
    assert PAGE.read_text("utf-8").endswith(tables()), "run `python -m tests.docs.test_rules`"


def test_every_rule_has_an_example() -> None:
    shown = {*EXAMPLES, *FILES, *ELSEWHERE, *WORDS}
    assert shown - RULE_NAMES == set()
    assert RULE_NAMES - shown == set(), "tests/validate/examples or tests/load/examples.py"


def test_tests_that_stand_elsewhere_are_there() -> None:
    for _, test in ELSEWHERE.values():
        path, name = test.split("::")
        assert f"def {name}(" in (PAGE.parents[1] / "tests" / path).read_text("utf-8")


if __name__ == "__main__":
    head = PAGE.read_text("utf-8").partition("\n## Apex")[0].rstrip("\n") + "\n"
    PAGE.write_text(head + tables(), "utf-8")
