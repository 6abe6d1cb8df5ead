"""A zone file of the size and with the quirks of a real one in octoDNS's format, made up from a seed.

Beside the YAML text stand the records it means, in master-file form, from the generator and not from our
loader: unquoted numeric keys, `\\;` in TXT, `value` and `values`, records with and without `ttl`, lists and
single records, provider-only `octodns:` blocks, keys in no order, no SOA and no apex NS.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

DEFAULT_TTL = 3600


@dataclass
class Generated:
    """`text` is the YAML file; `rrsets` maps (owner relative to the apex, type) to TTL and rdata texts."""

    text: str = ""
    rrsets: dict[tuple[str, str], tuple[int, set[str]]] = field(default_factory=dict)

    @property
    def records(self) -> int:
        return sum(len(texts) for _, texts in self.rrsets.values())


def generate(seed: int = 2026, hosts: int = 420) -> Generated:
    """Return a zone of more than 1,000 records for `hosts` hosts."""
    chance = random.Random(seed)
    made = Generated()
    blocks = [_apex(made), *_quirks(made)]
    for number in range(hosts):
        blocks.append(_host(made, chance, number))
        if number % 7 == 0:
            blocks.append(_service(made, number))
    chance.shuffle(blocks)
    made.text = "---\n" + "".join(blocks)
    return made


def _add(made: Generated, owner: str, rdtype: str, ttl: int | None, *texts: str) -> None:
    made.rrsets[owner, rdtype] = (DEFAULT_TTL if ttl is None else ttl, set(texts))


def _apex(made: Generated) -> str:
    _add(made, "", "A", 300, "192.0.2.1")
    _add(made, "", "MX", 600, "10 mail1.example.net.", "20 mail2.example.net.")
    _add(made, "", "TXT", None, '"v=spf1 include:_spf.example.net -all"', '"semi;colon and more"')
    _add(made, "", "CAA", 300, '0 issue "ca.example.net"', '0 iodef "mailto:security@example.com"')
    return r"""'':
  - octodns:
      provider:
        auto-ttl: true
    ttl: 300
    type: A
    value: 192.0.2.1
  - type: MX
    ttl: 600
    values:
      - {exchange: mail1.example.net., preference: 10}
      - {value: mail2.example.net., priority: 20}
  - type: TXT
    values:
      - v=spf1 include:_spf.example.net -all
      - semi\;colon and more
  - ttl: 300
    type: CAA
    values:
    - {flags: 0, tag: issue, value: ca.example.net}
    - {flags: 0, tag: iodef, value: "mailto:security@example.com"}
"""


def _quirks(made: Generated) -> list[str]:
    _add(made, "67", "A", 60, "192.0.2.67")
    _add(made, "44.74", "PTR", None, "host.example.net.")
    _add(made, "0x1f", "TXT", None, '"a key that looks like a number"')
    _add(made, "on", "A", None, "192.0.2.68")
    _add(made, "*.wild", "CNAME", 120, "target.example.net.")
    _add(made, "_dmarc", "TXT", None, '"v=DMARC1; p=none; rua=mailto:dmarc@example.com"')
    long = "k=rsa; p=" + "A" * 400
    _add(made, "sel._domainkey", "TXT", 60, f'"{long[:255]}" "{long[255:]}"')
    _add(made, "geo", "LOC", None, "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m")
    _add(made, "_sip._udp", "NAPTR", None, '100 10 "S" "SIP+D2U" "" sip.example.net.')
    _add(made, "_443._tcp.www", "TLSA", None, "3 1 1 " + "ab" * 32)
    _add(made, "ssh", "SSHFP", None, "4 2 " + "cd" * 32)
    _add(made, "svc", "HTTPS", None, '1 . alpn="h2,h3"')
    _add(made, "away", "NS", 900, "ns1.example.net.", "ns2.example.net.")
    _add(made, "away", "DS", 900, "12345 13 2 " + "EF" * 32)
    _add(made, "redirect", "DNAME", None, "elsewhere.example.net.")
    return [
        "67:\n  type: A\n  ttl: 60\n  value: 192.0.2.67\n",
        "44.74:\n  type: PTR\n  value: host.example.net.\n",
        "0x1f:\n  type: TXT\n  value: a key that looks like a number\n",
        "on:\n  type: A\n  value: 192.0.2.68\n",
        "'*.wild':\n  ttl: 120\n  type: CNAME\n  value: target.example.net.\n",
        "_dmarc:\n  type: TXT\n  value: v=DMARC1\\; p=none\\; rua=mailto:dmarc@example.com\n",
        f"sel._domainkey:\n  ttl: 60\n  type: TXT\n  value: {long.replace(';', chr(92) + ';')}\n",
        "geo:\n  type: LOC\n  value: {lat_degrees: 52, lat_minutes: 22, lat_seconds: 23.0, "
        "lat_direction: N, long_degrees: 4, long_minutes: 53, long_seconds: 32.0, long_direction: E, "
        "altitude: -2.0, size: 0.0, precision_horz: 10000, precision_vert: 10}\n",
        "_sip._udp:\n  type: NAPTR\n  value: {order: 100, preference: 10, flags: S, service: SIP+D2U, "
        "regexp: '', replacement: sip.example.net.}\n",
        "_443._tcp.www:\n  type: TLSA\n  value: {certificate_usage: 3, selector: 1, matching_type: 1, "
        f"certificate_association_data: {'ab' * 32}}}\n",
        f"ssh:\n  type: SSHFP\n  value: {{algorithm: 4, fingerprint_type: 2, fingerprint: {'cd' * 32}}}\n",
        "svc:\n  type: HTTPS\n  value: {svcpriority: 1, targetname: ., svcparams: {alpn: [h2, h3]}}\n",
        "away:\n- type: NS\n  ttl: 900\n  values: [ns1.example.net., ns2.example.net.]\n"
        "- type: DS\n  ttl: 900\n  value: {key_tag: 12345, algorithm: 13, digest_type: 2, digest: "
        f"{'EF' * 32}}}\n",
        "redirect:\n  type: DNAME\n  value: elsewhere.example.net.\n",
    ]


def _host(made: Generated, chance: random.Random, number: int) -> str:
    name = f"host{number}"
    addresses = sorted(f"198.51.100.{octet}" for octet in chance.sample(range(1, 255), chance.randint(1, 3)))
    wide = f"2001:db8::{number:x}"
    ttl = chance.choice([None, 30, 300, 86400])
    _add(made, name, "A", ttl, *addresses)
    _add(made, name, "AAAA", None, wide)
    told = f"  ttl: {ttl}\n" if ttl is not None else ""
    value = f"  value: {addresses[0]}\n" if len(addresses) == 1 else f"  values: [{', '.join(addresses)}]\n"
    return f"{name}:\n- type: A\n{told}{value}- type: AAAA\n  values:\n  - '{wide}'\n"


def _service(made: Generated, number: int) -> str:
    owner = f"_service{number}._tcp"
    _add(
        made,
        owner,
        "SRV",
        600,
        f"0 5 {1000 + number} host{number}.example.com.",
        "1 0 443 backup.example.net.",
    )
    _add(made, f"alias{number}", "CNAME", None, f"host{number}.example.com.")
    return (
        f"{owner}:\n  type: SRV\n  ttl: 600\n  values:\n"
        f"  - {{priority: 0, weight: 5, port: {1000 + number}, target: host{number}.example.com.}}\n"
        "  - {priority: 1, weight: 0, port: 443, target: backup.example.net.}\n"
        f"alias{number}:\n  type: CNAME\n  value: host{number}.example.com.\n"
    )
