"""Every rule in one table; its text names the fault. An ERROR must not be served; see each module for why.

A zone that other servers accept and resolvers can use passes without an error; what probably is a mistake,
but harms no one else, is a WARNING; a NOTE may well be meant. `checks` in dnsctl.yaml changes severities a
zone, but not of a fixed rule: signing, compiling and answering rely on those.
"""

from __future__ import annotations

from dnsctl.model import presigned, reading
from dnsctl.model.finding import Severity
from dnsctl.validate import apex, cds, cname, delegation, dnssec, mail, names, size, target, ttl, values
from dnsctl.validate.rule import Rule

_NOTE, _WARNING, _ERROR = Severity.NOTE, Severity.WARNING, Severity.ERROR
_OUTSIDE = "owner-outside-zone"  # found while reading, and in a zone that was made otherwise

# fmt: off
RULES: tuple[Rule, ...] = (
    Rule("soa-missing", _ERROR, apex.soa_missing, "The apex has no SOA.", fixed=True, whole=True),
    Rule("soa-several", _ERROR, apex.soa_several, "The apex has more than one SOA.", fixed=True),
    Rule("soa-below-apex", _ERROR, apex.soa_below_apex, "An SOA stands below the apex.", fixed=True),
    Rule("soa-timers", _WARNING, apex.soa_timers,
         "SOA timers contradict each other, or minimum is over a day."),
    Rule("soa-rname", _WARNING, apex.soa_rname, "SOA rname is written with an @."),
    Rule("apex-ns-missing", _ERROR, apex.apex_ns_missing, "The apex has no NS.", fixed=True, whole=True),
    Rule("ns-single", _WARNING, apex.ns_single, "The zone has only one name server.", whole=True),
    Rule(_OUTSIDE, reading.SEVERITIES[_OUTSIDE], apex.owner_outside, reading.MEANINGS[_OUTSIDE], fixed=True),
    Rule("origin-repeated", _WARNING, names.origin_repeated, "A name ends in the origin twice."),
    Rule("hostname-syntax", _WARNING, names.hostname_syntax,
         "A host name is not letters, digits and hyphens."),
    Rule("owner-whitespace", _WARNING, names.owner_whitespace, "An owner has stray white space."),
    Rule("target-syntax", _WARNING, names.target_syntax,
         "A target is a URL, an address or a list, not a name."),
    Rule("apex-wildcard", _WARNING, names.apex_wildcard, "The apex is a wildcard."),
    Rule("wildcard-inner", _WARNING, names.wildcard_inner, "A label other than the first is an asterisk."),
    Rule("cname-other-data", _ERROR, cname.cname_other_data,
         "A CNAME has other records beside it.", fixed=True),
    Rule("zone-empty", _WARNING, apex.zone_empty, "A zone file has no records.", whole=True),
    Rule("cname-several", _ERROR, cname.cname_several, "A name has more than one CNAME.", fixed=True),
    Rule("cname-loop", _ERROR, cname.cname_loop, "Aliases form a loop."),
    Rule("cname-chain", _WARNING, cname.cname_chain, f"A chain has more than {cname.MAX_CHAIN} aliases."),
    Rule("cname-target-resolves", _WARNING, cname.cname_target_resolves,
         "The target of an alias does not exist."),
    Rule("dname-several", _ERROR, cname.dname_several, "A name has more than one DNAME.", fixed=True),
    Rule("dname-below", _ERROR, cname.dname_below, "A record stands below a DNAME."),
    Rule("occluded-data", _WARNING, delegation.occluded_data, "A zone cut hides a record that is not glue."),
    Rule("orphan-glue", _WARNING, delegation.orphan_glue,
         "An address below a zone cut is not glue.", whole=True),
    Rule("glue-missing", _ERROR, delegation.glue_missing, "A delegation lacks glue.", whole=True),
    Rule("sibling-glue-missing", _WARNING, delegation.sibling_glue_missing,
         "A delegation lacks sibling glue.", whole=True),
    Rule("ds-without-ns", _ERROR, delegation.ds_without_ns,
         "A DS is not at a delegation.", fixed=True, whole=True),
    Rule("ds-at-apex", _ERROR, delegation.ds_at_apex, "A DS is at the apex.", fixed=True),
    Rule("ds-digest", _WARNING, delegation.ds_digest, "A DS has only SHA-1 digests."),
    Rule("wildcard-delegation", _ERROR, delegation.wildcard_delegation, "A wildcard has NS, DS or DNAME."),
    Rule("delegation-missing", _WARNING, delegation.delegation_missing,
         "The parent zone lacks a delegation for this zone.", whole=True),
    Rule("delegation-differs", _WARNING, delegation.delegation_differs,
         "NS differ between a delegation and its child zone.", whole=True),
    Rule("ns-target-resolves", _ERROR, target.ns_target_resolves, "A name server has no address."),
    Rule("ns-target-is-alias", _ERROR, target.ns_target_is_alias, "A name server is an alias."),
    Rule("mx-target-resolves", _ERROR, target.mx_target_resolves, "A mail exchange has no address."),
    Rule("mx-target-is-alias", _WARNING, target.mx_target_is_alias, "A mail exchange is an alias."),
    Rule("mx-null", _ERROR, mail.mx_null, "A null MX has other MX records beside it."),
    Rule("srv-target-resolves", _ERROR, target.srv_target_resolves, "A service host has no address."),
    Rule("srv-target-is-alias", _WARNING, target.srv_target_is_alias, "A service host is an alias."),
    Rule("svcb-target-resolves", _WARNING, target.svcb_target_resolves,
         "The target of SVCB or HTTPS has no address."),
    Rule("ptr-target-resolves", _WARNING, target.ptr_target_resolves, "The target of a PTR does not exist."),
    Rule("target-is-address", _WARNING, target.target_is_address, "An address stands where a name belongs."),
    Rule("value-invalid", _ERROR, values.value_invalid,
         "A value is not one that the RFC of its type allows."),
    Rule("value-unusual", _WARNING, values.value_unusual, "A value has unassigned or contradictory fields."),
    Rule("ttl-zero", _NOTE, ttl.ttl_zero, "A TTL is zero."),
    Rule("ttl-long", _WARNING, ttl.ttl_long, "A TTL is longer than a week."),
    Rule("ttl-signatures", _WARNING, ttl.ttl_signatures,
         "Signatures may expire before a TTL or SOA expire is over."),
    Rule("rrset-too-large", _ERROR, size.rrset_too_large, "An RRset does not fit in a message.", fixed=True),
    Rule("rrset-unsignable", _ERROR, size.rrset_unsignable,
         "An RRset is too large for validators.", fixed=True),
    Rule("rrset-large", _NOTE, size.rrset_large, "An RRset does not fit in a UDP answer."),
    Rule("record-tsig-room", _WARNING, size.record_without_tsig_room, "A record leaves no room for a TSIG."),
    Rule("rrset-many", _WARNING, size.rrset_many, "BIND refuses that many records or types at a name."),
    Rule("apex-too-long", _ERROR, size.apex_too_long, "The apex is too long for NSEC3 owners.", fixed=True),
    Rule("spf-several", _WARNING, mail.spf_several, "A name has more than one SPF record."),
    Rule("spf-long", _WARNING, mail.spf_long, f"An SPF record is longer than {mail.MAX_SPF} octets."),
    Rule("spf-lookups", _WARNING, mail.spf_lookups,
         f"An SPF record needs more than {mail.MAX_SPF_LOOKUPS} lookups."),
    Rule("policy-several", _WARNING, mail.policy_several,
         "A name has more than one DMARC or MTA-STS record."),
    Rule("dnssec-by-hand", _ERROR, dnssec.dnssec_by_hand,
         "A zone that is signed here holds DNSSEC records.", fixed=True),
    Rule(dnssec.TAG_SHARED, _ERROR, dnssec.dnskey_tag_shared,
         "A DNSKEY has the algorithm and key tag of another.", fixed=True),
    Rule("algorithm-experimental", _WARNING, dnssec.algorithm_experimental,
         "The zone is signed with an algorithm that few validators know."),
    Rule("cds-below-apex", _WARNING, cds.cds_below_apex, "A CDS or CDNSKEY is not at the apex."),
    Rule("cds-delete", _ERROR, cds.cds_delete,
         "A CDS or CDNSKEY that withdraws the DS is malformed, or not alone."),
    Rule("cds-mismatch", _ERROR, cds.cds_mismatch, "CDS and CDNSKEY disagree."),
    Rule("cds-orphan", _ERROR, cds.cds_orphan,
         "All CDS or all CDNSKEY are for keys that the zone does not publish."),
    Rule("cds-standby", _WARNING, cds.cds_standby,
         "Some CDS or CDNSKEY are for a key that the zone does not publish."),
    Rule("zonemd-by-hand", _WARNING, dnssec.zonemd_by_hand, "A ZONEMD is written by hand."),
)
# fmt: on

# Found elsewhere: about `checks` itself, and about pre-signed zones.
FIXED, UNKNOWN = "checks-fixed", "checks-unknown"
BESIDE: tuple[tuple[str, Severity, str], ...] = (
    (FIXED, _WARNING, "`checks` lowers a rule that serving relies on."),
    (UNKNOWN, _WARNING, "`checks` names a rule that does not exist."),
    *((name, severity, meaning) for name, severity, meaning, _ in presigned.RULES),
)
SEVERITIES = {name: severity for name, severity, _ in BESIDE}
RULE_NAMES = frozenset((*(rule.name for rule in RULES), *(name for name, _, _ in (*reading.RULES, *BESIDE))))
