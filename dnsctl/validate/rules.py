"""Every rule there is, in one table. An ERROR is what must not be served; see each module for why.

A zone that other servers accept and resolvers can use passes without an error; what probably is a mistake,
but harms no one else, is a WARNING; a NOTE may well be meant. `checks` in dnsctl.yaml changes severities a
zone, but not of a fixed rule: signing, compiling and answering rely on those.
"""

from __future__ import annotations

from dnsctl.model.finding import Severity
from dnsctl.validate import apex, cname, delegation, dnssec, mail, names, target, ttl
from dnsctl.validate.rule import Rule

_NOTE, _WARNING, _ERROR = Severity.NOTE, Severity.WARNING, Severity.ERROR

# fmt: off
RULES: tuple[Rule, ...] = (
    Rule("soa-missing", _ERROR, apex.soa_missing, "The apex has a SOA.", fixed=True),
    Rule("soa-several", _ERROR, apex.soa_several, "The apex has one SOA only.", fixed=True),
    Rule("soa-below-apex", _ERROR, apex.soa_below_apex, "No SOA stands below the apex.", fixed=True),
    Rule("soa-timers", _WARNING, apex.soa_timers, "SOA refresh, retry, expire and minimum work together."),
    Rule("soa-rname", _WARNING, apex.soa_rname, "SOA rname is a mailbox written with dots."),
    Rule("apex-ns-missing", _ERROR, apex.apex_ns_missing, "The apex has NS.", fixed=True),
    Rule("ns-single", _WARNING, apex.ns_single, "The zone has two name servers or more."),
    Rule("owner-outside", _ERROR, apex.owner_outside, "Every owner is in the zone.", fixed=True),
    Rule("origin-repeated", _ERROR, names.origin_repeated, "No name ends in the origin twice."),
    Rule("hostname-syntax", _WARNING, names.hostname_syntax, "Hosts are letters, digits and hyphens."),
    Rule("wildcard-inner", _WARNING, names.wildcard_inner, "An asterisk is the first label only."),
    Rule("cname-other-data", _ERROR, cname.cname_other_data, "A CNAME stands alone.", fixed=True),
    Rule("cname-several", _ERROR, cname.cname_several, "A name has one CNAME only.", fixed=True),
    Rule("cname-loop", _ERROR, cname.cname_loop, "Aliases do not lead in a circle."),
    Rule("cname-chain", _WARNING, cname.cname_chain, f"At most {cname.MAX_CHAIN} aliases are followed."),
    Rule("cname-target-resolves", _WARNING, cname.cname_target_resolves, "An alias's target exists."),
    Rule("dname-several", _ERROR, cname.dname_several, "A name has one DNAME only.", fixed=True),
    Rule("dname-below", _ERROR, cname.dname_below, "Nothing stands below a DNAME."),
    Rule("occluded-data", _ERROR, delegation.occluded_data, "Below a zone cut there is only glue."),
    Rule("orphan-glue", _WARNING, delegation.orphan_glue, "Addresses below a zone cut are somebody's glue."),
    Rule("glue-missing", _ERROR, delegation.glue_missing, "Name servers inside what they serve have glue."),
    Rule("sibling-glue-missing", _WARNING, delegation.sibling_glue_missing, "So do those below other cuts."),
    Rule("ds-without-ns", _ERROR, delegation.ds_without_ns, "DS stands at a delegation.", fixed=True),
    Rule("ds-at-apex", _ERROR, delegation.ds_at_apex, "The apex holds no DS.", fixed=True),
    Rule("ds-digest", _WARNING, delegation.ds_digest, "DS is not SHA-1 alone."),
    Rule("wildcard-delegation", _WARNING, delegation.wildcard_delegation, "No wildcard has NS, DS or DNAME."),
    Rule("delegation-missing", _WARNING, delegation.delegation_missing, "Our parent zone delegates this."),
    Rule("delegation-differs", _WARNING, delegation.delegation_differs, "Parent and child name the same NS."),
    Rule("ns-target-resolves", _ERROR, target.ns_target_resolves, "A name server has an address."),
    Rule("ns-target-is-alias", _ERROR, target.ns_target_is_alias, "A name server is no alias."),
    Rule("mx-target-resolves", _ERROR, target.mx_target_resolves, "A mail exchange has an address."),
    Rule("mx-target-is-alias", _WARNING, target.mx_target_is_alias, "A mail exchange is no alias."),
    Rule("mx-null", _ERROR, mail.mx_null, "A null MX stands alone."),
    Rule("srv-target-resolves", _ERROR, target.srv_target_resolves, "A service host has an address."),
    Rule("srv-target-is-alias", _WARNING, target.srv_target_is_alias, "A service host is no alias."),
    Rule("svcb-target-resolves", _WARNING, target.svcb_target_resolves, "SVCB and HTTPS lead to addresses."),
    Rule("ptr-target-resolves", _WARNING, target.ptr_target_resolves, "PTR leads to a name that exists."),
    Rule("target-is-address", _WARNING, target.target_is_address, "No address stands where a name belongs."),
    Rule("ttl-zero", _NOTE, ttl.ttl_zero, "TTLs are above zero."),
    Rule("ttl-long", _WARNING, ttl.ttl_long, "TTLs are a week at most."),
    Rule("rrset-too-large", _ERROR, ttl.rrset_too_large, "An RRset fits in a message.", fixed=True),
    Rule("rrset-large", _NOTE, ttl.rrset_large, "An RRset fits in a UDP answer."),
    Rule("spf-several", _WARNING, mail.spf_several, "A name has one SPF record only."),
    Rule("spf-long", _WARNING, mail.spf_long, "An SPF record fits in any answer."),
    Rule("spf-lookups", _WARNING, mail.spf_lookups, "An SPF record needs ten lookups at most."),
    Rule("policy-several", _WARNING, mail.policy_several, "There is one DMARC and one MTA-STS record."),
    Rule("dnssec-by-hand", _ERROR, dnssec.dnssec_by_hand, "Zones signed here hold no DNSSEC.", fixed=True),
    Rule("zonemd-by-hand", _WARNING, dnssec.zonemd_by_hand, "ZONEMD is not written by hand."),
)
# fmt: on
RULE_NAMES = frozenset(rule.name for rule in RULES)
