"""An example for each section of dnsctl.yaml, for docs/configuration.md and dnsctl.yaml(5).

One after the other they make a file that loads and has every setting: a name that one section gives, such as
of a policy, is used in others.
"""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, str] = {
    "version": "version: 1",
    "sites": """\
sites:
  dc1:
    nodes:
      ns1:
        listen: ["192.0.2.53:53", "[2001:db8:1::53]:53"]
        control: https://192.0.2.53:8300
        metrics: 192.0.2.53:9153
        workers: 4
  dc2:
    nodes:
      ns2: {listen: ["198.51.100.53:53"], control: "https://198.51.100.53:8300"}""",
    "branch": "branch: main",
    "commits": """\
commits:
  allowed-signers: people/allowed-signers
  openpgp-keys: people/keys.asc
  approval: {zones: [example.com, "*.example.net"], guards: [removed-zone, ds-change]}""",
    "release": """\
release:
  keys: [keys/release.pub, keys/second.pub]
  threshold: 2""",
    "defaults": """\
defaults:
  ttl: 1h
  soa:
    mname: ns1.example.net.
    rname: hostmaster@example.net
    refresh: 2h
    retry: 30m
    expire: 14d
    minimum: 5m
  ns: [ns1.example.net., ns2.example.net.]
  dnssec: standard
  parent: registry""",
    "policies": """\
policies:
  hashed:
    algorithm: ED25519
    beside: ECDSAP256SHA256
    keys: ksk+zsk
    denial: nsec3
    opt-out: false
    lifetimes: {ksk: unlimited, zsk: 90d}
    standby: true
    signatures: {lifetime: 14d, refresh: 7d, inception-offset: 1h, jitter: 12h, interval: 1d}
    dnskey-ttl: 1h
    serial: dateserial
    foreign-keys: refuse
    cds: publish
    zonemd: publish
  plain:
    lifetimes: {csk: 365d}""",
    "resolvers": "resolvers: [192.0.2.1, '[2001:db8::1]:53']",
    "alias": """\
alias:
  resolvers: [127.0.0.1]
  floor: 1m
  trust-ad: on""",
    "parents": """\
parents:
  registry:
    ours: follow
    watch: on
    ds: cds
    notify: 192.0.2.10
  partner:
    ds: update
    server: 203.0.113.53
    key: {name: updates.example.net, algorithm: hmac-sha256, secret: "file:keys/tsig/updates"}
    ttl: 1h
  other-partner:
    ds: update
    server: 203.0.113.54
    servers: [203.0.113.54]
    sig0: {name: updates.example.net, tag: 12345}
  registrar:
    ds: hook
    command: [hooks/registrar, --quiet]
    timeout: 1m""",
    "zone-files": "zone-files: [zones, customers/zones]",
    "zones": """\
zones:
  "*": {}
  example.org:
    dnssec: hashed
    parent: registrar
    checks: {mx-target-resolves: off, ttl-long: error}
    certificates: {'': ca.example.net, shop: [ca.example.net, ca.example.org]}
  "*.example.net": {dnssec: none}""",
    "guards": "guards: {deletes: 30%, updates: 30%, minimum: 10}",
    "keystore": "keystore: {passphrase: 'file:keys/passphrase'}",
    "control": """\
control:
  metrics: 127.0.0.1:9154
  nightly: 02:30
  evidence: 90d""",
    "transfers": """\
transfers:
  allow: [192.0.2.0/24, "2001:db8::/32"]
  keys:
    xfr.example.net: {algorithm: hmac-sha256, secret: "file:keys/tsig/xfr", allow: [203.0.113.7]}
  notify:
    - 203.0.113.6
    - {address: "203.0.113.7:53", key: xfr.example.net, zones: [example.com, "*.example.net"]}""",
    "serve": """\
serve:
  identity: "{node}.{site}"
  version: dnsctl
  chaos: on
  cookies: on
  cookie-secret: keys/cookie.secret
  rate-limit:
    rate: 200
    slip: 1
    ipv4-prefix-length: 24
    ipv6-prefix-length: 56
    table-size: 393241
    whitelist: [192.0.2.0/24]
  zone-metrics: off""",
}
