"""What `dnsctl init` writes into a new operations repo, besides keys and the example."""

from __future__ import annotations

from dnsctl.setup.hooks import PRE_COMMIT, script

GITIGNORE = (
    b"# what dnsctl keeps on this host, and secrets",
    b"/state/",
    b"/keys/*",
    b"!/keys/README.md",
    b"*.pem",
    b".writing-*",
)

HOOK = script(PRE_COMMIT, '"$(dirname "$0")/.."')

_CONFIG = b"""\
# The fleet and its zones. Unknown keys are errors; `dnsctl schema` prints the JSON Schema for editors.
# Durations: 90s 30m 2h 14d. Write no secret here, but where it is: env:NAME, file:PATH or credential:NAME.
version: 1

# Two sites, so that you can lose one. `listen`: DNS over UDP and TCP; `control`: the agent, over mutual TLS.
# These addresses run the whole fleet on this machine; replace them with those of your hosts.
sites:
  dc1:
    nodes:
      ns1: {listen: ["127.0.0.1:5301"], control: "https://127.0.0.1:8301"}
  dc2:
    nodes:
      ns2: {listen: ["127.0.0.1:5302"], control: "https://127.0.0.1:8302"}

# Nodes accept a release only if this many of these keys have signed it.
release: {keys: [keys/release.pub], threshold: 1}

# What a zone gets if its file does not say otherwise.
defaults:
  ttl: 1h
  soa:
    mname: ns1.example.net.
    rname: hostmaster.example.net.   # hostmaster@example.net
    refresh: 2h
    retry: 30m
    expire: 14d
    minimum: 5m
  ns: [ns1.example.net., ns2.example.net.]
  dnssec: standard   # or `none`

policies:
  standard:
    algorithm: ECDSAP256SHA256   # or ECDSAP384SHA384, ED25519, ED448, RSASHA256
    # beside: MLDSA44            # a second one that signs as well; this one is experimental
    keys: csk                    # or ksk+zsk
    denial: nsec                 # or nsec3
    signatures: {lifetime: 14d, refresh: 7d, inception-offset: 1h, jitter: 12h}
    foreign-keys: refuse         # or allow: DNSKEY, CDS and CDNSKEY of zone files are published

# Every file in zones/ is a zone; `zone-files: DIRECTORY` names another place. Settings of a zone go here.
zones:
  "*": {}
  # example.org: {dnssec: none, checks: {mx-target-resolves: off}}

# A push that deletes or updates more of a zone than this is refused: override it with --allow and --reason.
guards: {deletes: 30%, updates: 30%, minimum: 10}

keystore: {passphrase: "file:keys/passphrase"}

# Who may transfer zones (AXFR), by address or by TSIG key; nobody else may.
# `keys: {NAME: {algorithm: hmac-sha256, secret: "file:keys/tsig/NAME"}}`
transfers: {allow: []}

# What nodes say about themselves (NSID, id.server, version.server): {node}, {site}, text, or "" for nothing.
serve: {identity: "{node}", version: ""}
"""

_ZONES = b"""\
# Zones

One file for each zone. Its name is the apex: `example.com.yaml`, or `example.com.zone` for a master file.
Write a slash in a name as `\\047`: `0\\04725.2.0.192.in-addr.arpa.yaml`. The root zone's file is `..yaml`
or `..zone`.

```yaml
'':                       # the apex; SOA and NS come from `defaults` in dnsctl.yaml unless they are here
  - {type: A, value: 192.0.2.80}
  - {type: MX, values: [{preference: 10, exchange: mail.example.com.}]}
  - {type: TXT, value: v=spf1 mx -all}
mail: {type: A, ttl: 300, values: [192.0.2.25, 192.0.2.26]}
www: {type: CNAME, value: example.com.}
```

Names in values end in a dot. octoDNS files load unchanged. `dnsctl check` says what is wrong, and where.
"""


def template_files() -> dict[str, bytes]:
    """Return path to content of what a new repo starts with."""
    return {"dnsctl.yaml": _CONFIG, "zones/README.md": _ZONES}
