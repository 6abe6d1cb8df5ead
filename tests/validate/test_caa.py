"""CAA against the authorities that dnsctl.yaml names: RFC 8659 §3 tells which record holds for a name."""

from collections.abc import Mapping

import pytest

from dnsctl.model.finding import Finding
from dnsctl.model.name import from_text
from dnsctl.validate.run import validate
from tests.validate.scenes import zone

COM = from_text("example.com.")


def told(text: str, certificates: Mapping[str, tuple[str, ...]], *others: tuple[str, str]) -> list[Finding]:
    """Return what the rule says of example.com."""
    zones = [zone("example.com.", text), *(zone(*each) for each in others)]
    wanted = {from_text(owner or "@", COM): names for owner, names in certificates.items()}
    made = validate(
        {each.origin: each for each in zones},
        lambda _: {},
        lambda _: None,
        certificates=lambda origin: wanted if origin == COM else {},
    )
    return [each for each in made.findings if each.rule == "caa-authority"]


OTHER = "{} CAA 0 issue ca.example.org\n"
OURS = "{} CAA 0 issue ca.example.net\n"


@pytest.mark.parametrize(
    ("text", "owner", "wrong"),
    [
        (OTHER.format("@"), "", "example.com."),
        (OTHER.format("@"), "a.b", "example.com."),
        (OTHER.format("@") + OURS.format("b"), "a.b", ""),
        (OURS.format("@") + OTHER.format("b"), "a.b", "b.example.com."),
        (OURS.format("@") + OTHER.format("a.b"), "b", "a.b.example.com."),
        (OURS.format("@") + OTHER.format("b"), "a", ""),
        (OTHER.format("t") + "www CNAME t\n", "www", "t.example.com."),
        (OTHER.format("@") + "www CNAME t.example.org.\n", "www", ""),
        (OTHER.format("*.w"), "a.w", "*.w.example.com."),
        (OTHER.format("@") + "b NS ns.example.org.\n", "b", ""),
        ('@ CAA 0 issue ";"\n', "", "example.com."),
        ("@ CAA 0 iodef mailto:a@example.org\n", "", ""),
        ("@ CAA 0 issuewild ca.example.org\n", "", ""),
        ("@ CAA 0 issuewild ca.example.org\n", "*", "example.com."),
        (OURS.format("@") + "@ CAA 0 issuewild ca.example.org\n", "*", "example.com."),
        (OURS.format("@") + OTHER.format("b"), "*", ""),
        (OTHER.format("b"), "*.b", "b.example.com."),
    ],
)
def test_record_that_holds_for_a_name_is_the_one_that_is_judged(text: str, owner: str, wrong: str) -> None:
    messages = [each.message for each in told(text, {owner: ("ca.example.net",)})]
    assert [each.partition(" CAA forbids ")[0] for each in messages] == ([wrong] if wrong else [])


def test_each_authority_in_use_must_be_allowed_and_a_likely_typo_is_told() -> None:
    [finding] = told(
        "@ CAA 0 issue ca.exmaple.net\n@ CAA 0 issue ca.example.org\n", {"": ("ca.example.net",)}
    )
    assert finding.advice.startswith("did you mean ca.example.net in place of ca.exmaple.net?")
    [finding] = told(OURS.format("@"), {"": ("ca.example.net", "ca.example.org")})
    assert "forbids ca.example.org" in finding.message


def test_name_with_authorities_of_its_own_is_judged_by_those_alone() -> None:
    text = OURS.format("@") + OTHER.format("shop")
    assert told(text, {"": ("ca.example.net",), "shop": ("ca.example.org",)}) == []


def test_record_of_a_parent_zone_of_ours_holds_where_the_zone_has_none() -> None:
    parent = ("com.", OTHER.format("@"))
    [finding] = told("", {"": ("ca.example.net",)}, parent)
    assert finding.message.startswith("com. CAA forbids ca.example.net")
    assert finding.position.file == "zones/example.com.zone"
    assert told("", {"": ("ca.example.net",)}) == []
