"""Every rule there is, in one table. An ERROR is what must not be served; see each module for why.

A zone that other servers accept and resolvers can use passes without an error; what probably is a mistake,
but harms no one else, is a WARNING; a NOTE may well be meant. `checks` in dnsctl.yaml changes severities a
zone, but not of a fixed rule: signing, compiling and answering rely on those.
"""

from __future__ import annotations

from dnsctl.model.finding import Severity
from dnsctl.validate import apex, cname, delegation, dnssec, mail, names, size, target, ttl, values
from dnsctl.validate.rule import Rule

_NOTE, _WARNING, _ERROR = Severity.NOTE, Severity.WARNING, Severity.ERROR

# fmt: off
RULES: tuple[Rule, ...] = (
    Rule("soa-missing", _ERROR, apex.soa_missing, "The apex has a SOA.", fixed=True, whole=True),
    Rule("soa-several", _ERROR, apex.soa_several, "The apex has one SOA only.", fixed=True),
    Rule("soa-below-apex", _ERROR, apex.soa_below_apex, "No SOA stands below the apex.", fixed=True),
    Rule("soa-timers", _WARNING, apex.soa_timers, "SOA refresh, retry, expire and minimum work together."),
    Rule("soa-rname", _WARNING, apex.soa_rname, "SOA rname is a mailbox written with dots."),
    Rule("apex-ns-missing", _ERROR, apex.apex_ns_missing, "The apex has NS.", fixed=True, whole=True),
    Rule("ns-single", _WARNING, apex.ns_single, "The zone has two name servers or more.", whole=True),
    Rule("owner-outside-zone", _ERROR, apex.owner_outside, "Every owner is in the zone.", fixed=True),
    Rule("origin-repeated", _WARNING, names.origin_repeated, "No name ends in the origin twice."),
    Rule("hostname-syntax", _WARNING, names.hostname_syntax, "Hosts are letters, digits and hyphens."),
    Rule("owner-whitespace", _WARNING, names.owner_whitespace, "Owners have no stray white space."),
    Rule("target-syntax", _WARNING, names.target_syntax, "A target is a name, not a URL or an address."),
    Rule("apex-wildcard", _WARNING, names.apex_wildcard, "The apex is not an asterisk."),
    Rule("wildcard-inner", _WARNING, names.wildcard_inner, "An asterisk is the first label only."),
    Rule("cname-other-data", _ERROR, cname.cname_other_data, "A CNAME stands alone.", fixed=True),
    Rule("zone-empty", _WARNING, apex.zone_empty, "A zone file has records.", whole=True),
    Rule("cname-several", _ERROR, cname.cname_several, "A name has one CNAME only.", fixed=True),
    Rule("cname-loop", _ERROR, cname.cname_loop, "Aliases do not lead in a circle."),
    Rule("cname-chain", _WARNING, cname.cname_chain, f"At most {cname.MAX_CHAIN} aliases are followed."),
    Rule("cname-target-resolves", _WARNING, cname.cname_target_resolves, "An alias's target exists."),
    Rule("dname-several", _ERROR, cname.dname_several, "A name has one DNAME only.", fixed=True),
    Rule("dname-below", _ERROR, cname.dname_below, "Nothing stands below a DNAME."),
    Rule("occluded-data", _WARNING, delegation.occluded_data, "Below a zone cut there is only glue."),
    Rule("orphan-glue", _WARNING, delegation.orphan_glue, "Addresses below a cut are glue.", whole=True),
    Rule("glue-missing", _ERROR, delegation.glue_missing, "Delegations have glue.", whole=True),
    Rule("sibling-glue-missing", _WARNING, delegation.sibling_glue_missing, "So do siblings.", whole=True),
    Rule("ds-without-ns", _ERROR, delegation.ds_without_ns, "DS is at a delegation.", fixed=True, whole=True),
    Rule("ds-at-apex", _ERROR, delegation.ds_at_apex, "The apex holds no DS.", fixed=True),
    Rule("ds-digest", _WARNING, delegation.ds_digest, "DS is not SHA-1 alone."),
    Rule("wildcard-delegation", _ERROR, delegation.wildcard_delegation, "No wildcard has NS, DS or DNAME."),
    Rule("delegation-missing", _WARNING, delegation.delegation_missing, "Our parent has it.", whole=True),
    Rule("delegation-differs", _WARNING, delegation.delegation_differs, "NS are the child's.", whole=True),
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
    Rule("value-invalid", _ERROR, values.value_invalid, "A value is one that the RFC of its type allows."),
    Rule("value-unusual", _WARNING, values.value_unusual, "Code points in values are assigned."),
    Rule("ttl-zero", _NOTE, ttl.ttl_zero, "TTLs are above zero."),
    Rule("ttl-long", _WARNING, ttl.ttl_long, "TTLs are a week at most."),
    Rule("rrset-too-large", _ERROR, size.rrset_too_large, "An RRset fits in a message.", fixed=True),
    Rule("rrset-unsignable", _ERROR, size.rrset_unsignable, "Validators can check an RRset.", fixed=True),
    Rule("rrset-large", _NOTE, size.rrset_large, "An RRset fits in a UDP answer."),
    Rule("rrset-many", _WARNING, size.rrset_many, "BIND's limits of records and types are kept."),
    Rule("apex-too-long", _ERROR, size.apex_too_long, "NSEC3 owners fit below the apex.", fixed=True),
    Rule("spf-several", _WARNING, mail.spf_several, "A name has one SPF record only."),
    Rule("spf-long", _WARNING, mail.spf_long, "An SPF record fits in any answer."),
    Rule("spf-lookups", _WARNING, mail.spf_lookups, "An SPF record needs ten lookups at most."),
    Rule("policy-several", _WARNING, mail.policy_several, "There is one DMARC and one MTA-STS record."),
    Rule("dnssec-by-hand", _ERROR, dnssec.dnssec_by_hand, "Zones signed here hold no DNSSEC.", fixed=True),
    Rule("zonemd-by-hand", _WARNING, dnssec.zonemd_by_hand, "ZONEMD is not written by hand."),
)
# fmt: on

# What `dnsctl.load` finds while it reads, so that no zone is needed to tell: (rule id, severity, meaning).
# `checks` may set the level of those that are no errors.
READING: tuple[tuple[str, Severity, str], ...] = (
    ("alias-not-served", _WARNING, "No ALIAS, which is no DNS type."),
    ("apex-from-localhost", _WARNING, "SOA and NS are given, by the file or by defaults."),
    ("class-not-in", _ERROR, "Records are of class IN."),
    ("expires-passed", _ERROR, "A record's `expires` is ahead."),
    ("expires-soon", _WARNING, "A record's `expires` is not near."),
    ("expires-syntax", _ERROR, "`expires` is a date."),
    ("file-encoding", _ERROR, "Files are UTF-8."),
    ("file-too-large", _ERROR, "A file is of a size that can be read."),
    ("file-unreadable", _ERROR, "A file can be read, and is inside the repo."),
    ("key-repeated", _ERROR, "A key comes once."),
    ("masterfile-syntax", _ERROR, "A master file is one (RFC 1035 §5.1)."),
    ("octodns-block", _NOTE, "Settings for other providers are not for here."),
    ("owner-repeated", _ERROR, "An owner comes once."),
    ("owner-syntax", _ERROR, "An owner is a name, its labels and itself not too long."),
    ("provider-feature", _WARNING, "A record needs nothing that one provider has."),
    (
        "provider-type-not-served",
        _WARNING,
        "A record is of a type that is served, not made up by a provider.",
    ),
    ("rdata-syntax", _ERROR, "Values are what their type says: addresses, names, strings, numbers."),
    ("owner-outside-zone", _ERROR, "An owner is in the zone."),
    ("record-shape", _ERROR, "A record maps `type` and `value`."),
    ("rrset-repeated", _WARNING, "An owner has one record of a type."),
    ("rrset-ttl-mix", _WARNING, "Records of an RRset have one TTL."),
    ("signature-covers-nothing", _WARNING, "A signature has something to cover."),
    ("target-not-absolute", _WARNING, "Names in values end in a dot."),
    ("ttl-syntax", _ERROR, "A TTL is a duration or seconds."),
    ("txt-not-ascii", _WARNING, "TXT is ASCII."),
    ("txt-string-split", _WARNING, "Strings are of 255 octets at most."),
    ("type-made-here", _ERROR, "Types that signing makes are not written."),
    ("type-missing", _ERROR, "A record has a type."),
    ("unknown-key", _WARNING, "Keys of a record are known."),
    ("unknown-type", _ERROR, "A type is known, or written as TYPE65400."),
    ("urlfwd-not-served", _WARNING, "No URLFWD, which is no DNS type."),
    ("value-and-values", _WARNING, "A record has one of `value` and `values`."),
    ("value-missing", _ERROR, "A record has a value."),
    ("yaml-alias", _ERROR, "A zone file has no YAML aliases."),
    ("yaml-depth", _ERROR, "A zone file is not nested deeply."),
    ("yaml-key", _ERROR, "Keys are plain text."),
    ("yaml-syntax", _ERROR, "A zone file is YAML."),
    ("yaml-tag", _ERROR, "A zone file has no YAML tags."),
    ("zone-file-ignored", _WARNING, "Files in zones/ end in .yaml or .zone."),
    ("zone-file-name", _ERROR, "A file is named by the zone's apex."),
    ("zone-settings-unused", _WARNING, "Settings are for zones that exist."),
    ("zone-shape", _ERROR, "A zone file maps owners to records."),
    ("zone-twice", _ERROR, "A zone has one file."),
    ("zone-unknown", _ERROR, "A zone that is asked for has a file."),
)
# Told beside the table: of `checks` itself, and of zones that came signed.
BESIDE: tuple[tuple[str, Severity, str], ...] = (
    ("checks-fixed", _WARNING, "`checks` does not lower what serving relies on."),
    ("checks-unknown", _WARNING, "`checks` names rules that exist."),
    ("presigned-incomplete", _ERROR, "A zone that came signed is signed completely, and still valid."),
)
RULE_NAMES = frozenset((*(rule.name for rule in RULES), *(name for name, _, _ in (*READING, *BESIDE))))
