"""A zone file that breaks each rule of reading. Tests run them; docs/rules.md shows them."""

from collections.abc import Mapping
from typing import NamedTuple

_SOA = "SOA ns1.example.net. hostmaster.example.net. 1 2h 30m 14d 5m\n"
YAML, MASTER = "example.com.yaml", "example.com.zone"


class FileExample(NamedTuple):
    """`text` of `file` in zones/; `beside`: others there; `words`: for the page."""

    text: str | bytes
    file: str = YAML
    beside: tuple[str, ...] = ()
    words: str = ""


def _master(text: str | bytes, words: str = "") -> FileExample:
    return FileExample(text, MASTER, words=words)


def _octodns(settings: str) -> FileExample:
    return FileExample(f"www: {{type: A, value: 192.0.2.1, octodns: {settings}}}\n")


FILES: Mapping[str, FileExample] = {
    "alias-beside": FileExample(
        "'':\n- {type: ALIAS, value: www.example.net.}\n- {type: A, value: 192.0.2.1}\n"
    ),
    "alias-several": FileExample(
        "'':\n- {type: ALIAS, value: a.example.net.}\n- {type: ALIAS, value: b.example.net.}\n"
    ),
    "class-not-in": _master("www CH A 192.0.2.1\n"),
    "expires-passed": FileExample("www: {type: A, value: 192.0.2.1, expires: 2026-11-20}\n"),
    "expires-removed": FileExample(
        "www: {type: A, value: 192.0.2.1, expires: {at: 2026-11-20, then: remove}}\n"
    ),
    "expires-soon": FileExample("www: {type: A, value: 192.0.2.1, expires: 2026-12-01}\n"),
    "expires-syntax": FileExample("www: {type: A, value: 192.0.2.1, expires: soon}\n"),
    "file-encoding": FileExample(b"www: {type: TXT, value: M\xfcnchen}\n", words="a file in Latin-1"),
    "generate-template": _master('$GENERATE 1-2 a$ TXT "one text"\n'),
    "key-repeated": FileExample("www: {type: A, type: AAAA, value: 192.0.2.1}\n"),
    "loc-rounded": _master("www LOC 52 0 0 N 4 0 0 E 0m 12m\n"),
    "merge-replaces": FileExample("www: {type: A, value: 192.0.2.1, ttl: 5, <<: {ttl: 6}}\n"),
    "masterfile-syntax": _master('www TXT "left open\n'),
    "octodns-block": _octodns("{cloud: {auto-ttl: true}}"),
    "octodns-config": FileExample("manager: {}\nproviders: {}\nzones: {}\n", "config.yaml"),
    "octodns-excluded": _octodns("{excluded: [cloud]}"),
    "octodns-ignored": _octodns("{ignored: true}"),
    "octodns-included": _octodns("{included: [cloud]}"),
    "owner-inherited": _master("www A 192.0.2.1\n$ORIGIN sub\n  A 192.0.2.2\n"),
    "owner-not-text": FileExample("3.10: {type: A, value: 192.0.2.1}\n"),
    "owner-repeated": FileExample("www: {type: A, value: 192.0.2.1}\nwww: {type: TXT, value: x}\n"),
    "owner-syntax": FileExample("a..b: {type: A, value: 192.0.2.1}\n"),
    "provider-feature": _octodns("{cloudflare: {proxied: true}}"),
    "provider-type-not-served": FileExample("www: {type: Cloud/REDIRECT, value: x}\n"),
    "rdata-syntax": FileExample("www: {type: A, value: 192.0.2.300}\n"),
    "owner-empty": FileExample("www: []\n"),
    "record-shape": FileExample("www: 192.0.2.1\n"),
    "rrset-repeated": FileExample("www:\n- {type: A, value: 192.0.2.1}\n- {type: A, value: 192.0.2.2}\n"),
    "rrset-ttl-mix": _master("www 300 A 192.0.2.1\nwww 600 A 192.0.2.2\n"),
    "signature-covers-nothing": _master(
        "www RRSIG TXT 13 3 3600 20300101000000 20200101000000 1 example.com. AAAA\n"
    ),
    "split-zone-part": FileExample(
        "www: {type: A, value: 192.0.2.1}\n",
        "$example.com.yaml",
        words="`$example.com.yaml` outside `example.com./`",
    ),
    "svcb-alias-parameters": _master("www HTTPS 0 web.example.net. alpn=h2\n"),
    "target-not-absolute": FileExample("www: {type: CNAME, value: mail.example.com}\n"),
    "target-one-label": FileExample("www: {type: CNAME, value: mail}\n"),
    "text-not-utf8": _master(b"www TXT M\xfcnchen\n", "a text in Latin-1"),
    "text-over-lines": _master('www TXT "one\ntwo"\n'),
    "ttl-missing": _master(f"@ {_SOA}www A 192.0.2.1\n"),
    "ttl-of-last": _master(f"@ 300 {_SOA}www A 192.0.2.1\n"),
    "ttl-syntax": FileExample("www: {type: A, value: 192.0.2.1, ttl: soon}\n"),
    "txt-control-character": FileExample('www: {type: TXT, value: "one\\ntwo"}\n'),
    "txt-escape-twice": FileExample("_dmarc: {type: TXT, value: 'v=DMARC1\\\\; p=none'}\n"),
    "txt-not-ascii": FileExample("www: {type: TXT, value: größe}\n"),
    "txt-string-split": _master(f'www TXT "{"x" * 256}"\n', 'www TXT "…" with 256 octets'),
    "type-made-here": FileExample("www: {type: NSEC, value: a.example.com. A}\n"),
    "type-missing": FileExample("www: {value: 192.0.2.1}\n"),
    "unknown-key": FileExample("www: {type: A, value: 192.0.2.1, tll: 60}\n"),
    "unknown-type": FileExample("www: {type: AAA, value: 192.0.2.1}\n"),
    "urlfwd-not-served": FileExample("www: {type: URLFWD, value: x}\n"),
    "value-and-values": FileExample("www: {type: A, value: 192.0.2.1, values: [192.0.2.2]}\n"),
    "value-missing": FileExample("www: {type: A}\n"),
    "yaml-alias": FileExample("www: *nothing\n"),
    "yaml-depth": FileExample("[" * 100, words="100 lists in one another"),
    "yaml-include": FileExample("www: !include ../secret.yaml\n"),
    "yaml-key": FileExample("{[a]: b}\n"),
    "yaml-syntax": FileExample("www: {type: A\n"),
    "yaml-tag": FileExample("www: !!python/object:os.system {type: A}\n"),
    "zone-empty": FileExample("", words="a file without a record"),
    "zone-file-ignored": FileExample("", "notes.yml", words="a file `notes.yml` in zones/"),
    "zone-file-name": FileExample("", "a..b.yaml", words="a file `a..b.yaml` in zones/"),
    "zone-shape": FileExample("- www\n"),
    "zone-twice": FileExample("", beside=(MASTER,), words="`example.com.yaml` beside `example.com.zone`"),
}

# Rules that need more than a zone file: what breaks them, and the test that shows it, below tests/
ELSEWHERE: Mapping[str, tuple[str, str]] = {
    "apex-from-localhost": (
        "`serve --zones` of a file without SOA, and without `defaults`",
        "load/test_zones.py::test_directory_without_settings_is_filled_from_localhost_with_a_warning",
    ),
    "file-too-large": (
        "a YAML file of more than 256 MiB",
        "load/test_zones.py::test_text_too_large_for_yaml_is_read_as_a_master_file",
    ),
    "file-unreadable": (
        "a link to a file that is not there",
        "load/test_zones.py::test_unreadable_file_is_a_finding",
    ),
    "zone-file-included": (
        "`mail.yaml` in zones/, and `!include mail.yaml` in another file",
        "load/test_zone_files.py::test_file_of_one_label_that_others_include_is_no_zone_of_its_own",
    ),
    "zone-files-empty": (
        "`zone-files: [zone]` in dnsctl.yaml, without such a directory",
        "load/test_zone_files.py::test_directory_of_zones_without_a_file_is_an_error_where_it_is_named",
    ),
    "zone-settings-unused": (
        "`zones: {exmple.com: {dnssec: none}}` in dnsctl.yaml",
        "load/test_zones.py::test_settings_for_a_zone_without_a_file_are_told",
    ),
    "zone-unknown": (
        "`dnsctl check exmple.com`",
        "load/test_zones.py::test_zones_asked_for_alone_are_read_and_an_unknown_one_is_told",
    ),
}
