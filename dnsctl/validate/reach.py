"""How far each rule looks: what has to be judged again where a few owners of a zone change.

A rule that is in none of these sets may look at anything: with it, a zone is judged as a whole.
"""

from __future__ import annotations

from typing import Final

# Look at an RRset, at its owner, and at names that its rdata leads to or that are made of its owner
OWNER: Final = frozenset(
    [
        "soa-below-apex",
        "owner-outside-zone",
        "origin-repeated",
        "hostname-syntax",
        "name-lookalike",
        "owner-whitespace",
        "target-syntax",
        "wildcard-inner",
        "cname-other-data",
        "cname-several",
        "cname-chain",
        "cname-target-resolves",
        "dname-several",
        "dname-below",
        "occluded-data",
        "orphan-glue",
        "glue-missing",
        "sibling-glue-missing",
        "ds-without-ns",
        "ds-without-key",
        "ds-algorithm",
        "ds-digest",
        "wildcard-delegation",
        "delegation-differs",
        "ns-target-resolves",
        "ns-target-is-alias",
        "mx-target-resolves",
        "mx-target-is-alias",
        "mx-null",
        "srv-target-resolves",
        "srv-target-is-alias",
        "svcb-target-resolves",
        "ptr-target-resolves",
        "ptr-address-differs",
        "ptr-missing",
        "target-is-address",
        "value-invalid",
        "value-unusual",
        "rrset-too-large",
        "rrset-unsignable",
        "rrset-large",
        "record-tsig-room",
        "rrset-many",
        "spf-several",
        "spf-syntax",
        "spf-long",
        "spf-lookups",
        "spf-void-lookups",
        "spf-include-missing",
        "spf-pass-all",
        "spf-ptr",
        "spf-unreachable",
        "spf-type",
        "dkim-syntax",
        "dkim-key-invalid",
        "dkim-key-weak",
        "dkim-key-short",
        "dkim-revoked",
        "dmarc-syntax",
        "dmarc-report-refused",
        "dmarc-report-elsewhere",
        "mta-sts-syntax",
        "mta-sts-host-missing",
        "tls-rpt-syntax",
        "bimi-syntax",
        "policy-several",
        "policy-misplaced",
        "caa-none-beside-others",
        "caa-issuewild-missing",
        "tlsa-owner",
        "tlsa-usage",
        "tlsa-full",
        "sshfp-sha1",
        "srv-owner",
        "svcb-loop",
        "svcb-hint-differs",
        "cds-below-apex",
    ]
)
# Look at the apex, at the policy, and at zones above
APEX: Final = frozenset(
    [
        "soa-missing",
        "soa-several",
        "soa-timers",
        "soa-rname",
        "apex-ns-missing",
        "ns-single",
        "apex-wildcard",
        "ds-at-apex",
        "delegation-missing",
        "apex-too-long",
        "dnskey-tag-shared",
        "algorithm-experimental",
        "cds-delete",
        "cds-mismatch",
        "cds-orphan",
        "cds-standby",
        "zonemd-by-hand",
    ]
)
# Say something once of all RRsets at which they find it: nothing, where they find it at none
SUMMED: Final = frozenset(
    ["alias-claimable", "caa-authority", "cname-loop", "dnssec-by-hand", "ttl-long", "ttl-zero"]
)
# Find nothing new where the largest TTL stays, and most of the owners
OF_ZONE: Final = frozenset(["ttl-signatures", "zone-empty"])
