"""Zones as people write them for octoDNS, drawn at random: every quirk of its files, in one file or many.

What the files mean is not said here: octoDNS itself reads them (`tests/load/octodns_judge.py`).
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field

from hypothesis import strategies as st

ZONES = ("example.com", "bücher.example", "2.0.192.in-addr.arpa")
DIRECTORY = "config"
LABELS = (
    "www",
    "Mail",
    "a",
    "*",
    "_dmarc",
    "x-1",
    "bücher",
    "日本",
    "deep.er",
    "*.wild",
    "_sip._tcp",
    "_a_b",
)
KEYS = ("67", "44.74", "3.0", "0", "a.b.c", "ns1", "1.2.3")  # that YAML reads as numbers, or nearly
TARGETS = (
    "www.example.com.",
    "Target.Example.NET.",
    "bücher.example.",
    "xn--bcher-kva.example.",
    "_x.example.org.",
    "日本。example.net.",
)
TEXTS = (
    "v=spf1 include:_spf.example.net -all",
    r"v=DMARC1\; p=none\; rua=mailto:d@example.com",
    r"semi\;colon",
    "with ; blank before",
    'say "hi" to it',
    "back\\slash",
    "two  blanks",
    "# no comment",
    "yes",
    "123",
    "'single'",
    "ends in backslash\\",
    "*",
    "colon: and more",
    "%{percent}",
)
HEX = "0123456789abcdefABCDEF"
BASE64 = "AQIDBAUGBwgJCgsM"


@dataclass
class Drawn:
    """`files`: texts by path from the root of the repo; `ttl`: of records without one."""

    zone: str
    files: dict[str, str] = field(default_factory=dict)
    ttl: int = 3600


def quoted(text: str, style: str) -> str:
    """Return a YAML scalar of `text` in the style, as far as that style can hold it."""
    plain = (
        text.strip(" ") == text and text[:1] not in ("", *"#*'\"%&!{[|>@`-?:0123456789\\") and text != "yes"
    )
    if style == "plain" and plain and ": " not in text and " #" not in text:
        return text
    if style == "double":
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "'" + text.replace("'", "''") + "'"


styles = st.sampled_from(["plain", "single", "double"])
numbers = st.integers(0, 65535).map(str)
octets = st.integers(0, 255).map(str)
targets = st.sampled_from(TARGETS)


def fields(**parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Draw a flow mapping."""
    return st.fixed_dictionaries(parts).map(
        lambda made: "{" + ", ".join(f"{name}: {value}" for name, value in made.items()) + "}"
    )


def hexadecimal(octets_: int) -> st.SearchStrategy[str]:
    return st.text(HEX, min_size=2 * octets_, max_size=2 * octets_).map(lambda text: f"'{text}'")


@st.composite
def long_text(draw: st.DrawFn) -> str:
    """Draw a text of more than one character-string, with semicolons where it may be cut."""
    size = draw(st.sampled_from([253, 254, 255, 256, 509, 510, 511, 600]))
    text = "".join(draw(st.lists(st.sampled_from("abcdefgh01 ="), min_size=8, max_size=8))) * (size // 8 + 1)
    place = draw(st.sampled_from([1, 250, 253, 254, 255]))
    return (text[:place] + "\\;" + text[place:])[:size].strip(" \\")


texts = st.one_of(st.sampled_from(TEXTS), long_text())


@st.composite
def text_values(draw: st.DrawFn) -> str:
    """Draw a TXT value in any style; sometimes with the quotes of presentation form inside."""
    text = draw(texts)
    if draw(st.integers(0, 4)) == 0 and '"' not in text and "\\" not in text.replace("\\;", ""):
        half = len(text) // 2
        joined = draw(st.booleans()) and text[half - 1 : half] not in ("\\", " ") and text[half] != " "
        text = f'"{text[:half]}" "{text[half:]}"' if joined else f'"{text}"'
        return quoted(text, "single")
    return quoted(text, draw(styles))


locations = st.tuples(
    st.integers(0, 89), st.integers(0, 59), st.integers(0, 59), st.sampled_from("NS"),
    st.integers(0, 179), st.integers(0, 59), st.sampled_from("EW"), st.integers(-1000, 100000),
).map(
    lambda p: f"{{lat_degrees: {p[0]}, lat_minutes: {p[1]}, lat_seconds: {p[2]}.25, lat_direction: {p[3]}, "
    f"long_degrees: {p[4]}, long_minutes: {p[5]}, long_seconds: 4.5, long_direction: {p[6]}, "
    f"altitude: {p[7] / 4}, size: 10, precision_horz: 100, precision_vert: 10}}"
)  # fmt: skip
parameters = st.sampled_from([
    "{}", "{alpn: [h2, h3]}", "{port: 8443}", "{ipv4hint: [192.0.2.1, 192.0.2.2]}",
    "{alpn: [h2], no-default-alpn: , ipv6hint: ['2001:db8::1']}",
    "{mandatory: [port], port: 53, key65400: abc}",
])  # fmt: skip
MX = fields(preference=numbers, exchange=targets) | fields(priority=numbers, value=targets)
SVCB = fields(svcpriority=st.integers(1, 9).map(str), targetname=targets | st.just("."), svcparams=parameters)
DS_OLD = fields(flags=numbers, protocol=octets, algorithm=st.just("2"), public_key=hexadecimal(32))
DS_NEW = fields(key_tag=numbers, algorithm=octets, digest_type=st.just("2"), digest=hexadecimal(32))
VALUES: dict[str, st.SearchStrategy[str]] = {
    "A": octets.map("192.0.2.{}".format),
    "AAAA": st.sampled_from(["'2001:db8::1'", "2001:DB8:0::2", "2001:db8:0000::0003", "'::ffff:192.0.2.1'"]),
    "CAA": fields(flags=st.sampled_from(["0", "128"]), tag=st.sampled_from(["issue", "iodef", "issuewild"]),
                  value=st.sampled_from(["ca.example.net", "'mailto:a@example.com'", "';'"])),
    "CNAME": targets, "DNAME": targets, "NS": targets, "PTR": targets,
    "DS": DS_OLD | DS_NEW,
    "HTTPS": SVCB, "SVCB": SVCB,
    "LOC": locations,
    "MX": MX,
    "NAPTR": fields(order=numbers, preference=numbers, flags=st.sampled_from(["S", "'U'", "a"]),
                    service=st.sampled_from(["SIP+D2U", "''"]), regexp=st.sampled_from(["''",
                                           "'!^.*$!sip:a@example.com!'"]),
                    replacement=st.sampled_from([".", "sip.example.net."])),
    "OPENPGPKEY": st.sampled_from([BASE64, f"'{BASE64}'", f"|\n      {BASE64[:8]}\n      {BASE64[8:]}\n"]),
    "SPF": text_values(), "TXT": text_values(),
    "SRV": fields(priority=numbers, weight=numbers, port=numbers, target=targets | st.just(".")),
    "SSHFP": fields(algorithm=st.just("4"), fingerprint_type=st.just("2"), fingerprint=hexadecimal(32)),
    "TLSA": fields(certificate_usage=st.just("3"), selector=st.just("1"), matching_type=st.just("1"),
                   certificate_association_data=hexadecimal(32)),
    "URI": fields(priority=numbers, weight=numbers, target=st.just("'https://www.example.com/?a=b;c'")),
}  # fmt: skip
# A merge key counts where it stands: below a `ttl` it takes its place.
MERGED = (
    "<<: {ttl: 77}", "<<: [{ttl: 78}, {ttl: 79, octodns: {lenient: true}}]",
    "<<: !include ../shared/base.yaml",
    "<<: [!include ../shared/base.yaml, {ttl: 80}]",
)  # fmt: skip
BASE = "ttl: 81\nreason: shared\n"
SINGLE = {"CNAME", "DNAME", "LOC"}
BLOCKS = (
    "{ignored: true}", "{ignored: false}", "{excluded: [route53]}", "{included: [route53]}", "{included: []}",
    "{lenient: true}", "{cloudflare: {proxied: true, auto-ttl: true}}", "{azuredns: {x: y}}",
    "{healthcheck: {host: www.example.com, path: /, protocol: HTTPS, port: 443}}", "{included: [dnsctl, x]}",
    "{excluded: [dnsctl]}",
)  # fmt: skip
DYNAMIC = """dynamic: {{pools: {{one: {{fallback: two, values: [{{value: {0}, weight: 1}}]}}, \
two: {{values: [{{value: {0}}}]}}}}, rules: [{{geos: [AF-ZA], pool: two}}, {{pool: one}}]}}"""


@st.composite
def records(draw: st.DrawFn, rdtype: str) -> str:
    """Draw a record as a flow or block mapping, in lines without indentation."""
    values = [draw(VALUES[rdtype])]
    if rdtype not in SINGLE:
        values += draw(st.lists(VALUES[rdtype], max_size=2, unique=True))
        values = list(dict.fromkeys(values))
    lines = [f"type: {rdtype}"]
    merged = draw(st.sampled_from(MERGED)) if draw(st.integers(0, 4)) == 0 else ""
    block = any("\n" in each for each in values)
    if len(values) == 1 and (block or rdtype in SINGLE or draw(st.booleans())):
        lines.append(f"value: {values[0]}".rstrip("\n"))
    elif block:
        lines.append("\n".join(("values:", *(f"  - {each}".rstrip("\n") for each in values))))
    else:
        lines.append("values: [" + ", ".join(each for each in values) + "]")
    ttl = draw(st.sampled_from(["", "", "60", "300", "'300'", "86400", "1_000"]))
    if ttl:
        lines.append(f"ttl: {ttl}")
    if draw(st.integers(0, 3)) == 0:
        lines.append(f"octodns: {draw(st.sampled_from(BLOCKS))}")
    if rdtype in ("A", "CNAME") and draw(st.integers(0, 4)) == 0:
        lines.append(DYNAMIC.format(draw(VALUES[rdtype])))
    elif rdtype == "A" and draw(st.integers(0, 5)) == 0:
        lines.append("geo: {AF: [192.0.2.9], NA-US-CA: [192.0.2.8]}")
    if draw(st.booleans()):
        lines.reverse()
    if merged:
        lines.insert(draw(st.integers(0, len(lines))), merged)
    return "\n".join(lines)


def indented(text: str, depth: int) -> str:
    return "\n".join(" " * depth + line if line else line for line in text.split("\n"))


_TYPES = [
    ["CNAME"], ["A"], ["A", "AAAA", "TXT"], ["TXT", "MX"], ["NS", "DS"], ["CAA", "LOC", "SSHFP"],
    ["HTTPS", "A"], ["SVCB"], ["NAPTR", "PTR"], ["TLSA", "OPENPGPKEY"], ["SPF", "TXT"], ["DNAME", "TXT"],
]  # fmt: skip
_ELSEWHERE = ("ALIAS", "CloudflareProvider/URLFWD", "AzureProvider/ALIAS")  # that no DNS server has
_SERVICES = [["SRV"], ["URI", "SRV"], ["SRV", "TXT"]]  # for names that begin with two underscores


@st.composite
def entries(draw: st.DrawFn, files: dict[str, str], count: int, prefix: str, types: list[list[str]]) -> str:
    """Draw what one owner has, as a YAML value; parts of it may go to `files`, which it includes."""
    below = draw(st.sampled_from(types))
    made = [draw(records(each)) for each in below]
    if draw(st.integers(0, 5)) == 0:
        name = f"shared/{prefix}-{count}.yaml"
        listed = len(made) > 1 or draw(st.booleans())
        if listed:
            files[name] = "---\n" + "".join("- " + indented(each, 2).lstrip() + "\n" for each in made)
        else:
            files[name] = made[0] + "\n"
        return f" !include ../{name}\n"
    if len(made) == 1 and draw(st.booleans()):
        return "\n" + indented(made[0], 2) + "\n"
    return "\n" + "".join("  - " + indented(each, 4).lstrip() + "\n" for each in made)


@st.composite
def drawn_zones(draw: st.DrawFn) -> Drawn:
    """Draw the files of one zone."""
    zone = draw(st.sampled_from(ZONES))
    made = Drawn(zone, {"shared/base.yaml": BASE}, draw(st.sampled_from([3600, 300])))
    names = draw(st.lists(st.sampled_from((*LABELS, *KEYS, "")), min_size=1, max_size=8, unique=True))
    blocks: list[tuple[str, str]] = []
    for count, name in enumerate(names):
        if name == "":
            below = draw(st.lists(st.sampled_from(["A", "MX", "TXT", "NS", "CAA"]), min_size=1, unique=True))
            parts = [draw(records(each)) for each in below]
            if "A" not in below:
                kind = draw(st.sampled_from(_ELSEWHERE))
                parts.append(f"type: {kind}\nvalue: {draw(targets)}")
            text = "\n" + "".join("  - " + indented(each, 4).lstrip() + "\n" for each in parts)
        else:
            text = draw(entries(made.files, count, zone[:4], _TYPES if name != "_sip._tcp" else _SERVICES))
        if name not in ("", "_sip._tcp") and draw(st.integers(0, 3)) == 0:
            text = f" &n{count}{text}alias-{count}: *n{count}\n"
        blocks.append((name, f"{_key(name, draw)}:{text}"))
    _lay_out(made, blocks, draw)
    return made


def _key(name: str, draw: st.DrawFn) -> str:
    if not name or name[0] == "*":
        return quoted(name, draw(st.sampled_from(["single", "double"])))
    return name if draw(st.booleans()) else quoted(name, "single")


def _lay_out(made: Drawn, blocks: list[tuple[str, str]], draw: st.DrawFn) -> None:
    """Put the blocks into one file, or a directory as octoDNS splits zones, or both."""
    shape = draw(st.sampled_from(["file", "file", "split", "both"]))
    whole = [text for _, text in blocks]
    kept = 0 if shape == "split" else len(blocks) if shape == "file" else len(blocks) // 2
    if shape != "split":
        made.files[f"{DIRECTORY}/{made.zone}.yaml"] = "---\n" + "".join(whole[:kept])
    if shape == "file":
        return
    directory = f"{DIRECTORY}/{made.zone}."
    rest = blocks[kept:] or [("", "{}\n")]
    for number, (name, text) in enumerate(rest):
        catchall = draw(st.booleans())
        stem = f"${made.zone}" if name in ("", "*") and catchall else name if "/" not in name else str(number)
        path = posixpath.join(directory, f"{stem}.yaml")
        # an included file is named from where the zone's file is
        moved = text.replace("!include ../", "!include ../../")
        made.files[path] = made.files.get(path, "---\n") + moved
