"""The rules of reading: what `dnsctl.load` finds in zone files, before there is a zone to judge.

The one table of their severities and meanings: `load` finds by it, `dnsctl check --rules` lists it. `checks`
of dnsctl.yaml may set the level of those that are not errors.
"""

from __future__ import annotations

from dnsctl.model.finding import Finding, Position, Severity
from dnsctl.model.name import Name

_NOTE, _WARNING, _ERROR = Severity.NOTE, Severity.WARNING, Severity.ERROR

# Rule id, severity, meaning
RULES: tuple[tuple[str, Severity, str], ...] = (
    ("alias-beside", _ERROR, "An ALIAS has an address, a CNAME or a zone cut beside it."),
    ("alias-several", _ERROR, "An owner has more than one ALIAS."),
    ("apex-from-localhost", _WARNING, "SOA or NS is missing, and names under localhost are served."),
    ("class-not-in", _ERROR, "A record is not of class IN."),
    ("expires-passed", _ERROR, "The date in a record's `expires` has passed."),
    ("expires-removed", _NOTE, "A record is not served, because its `expires` has passed."),
    ("expires-soon", _WARNING, "The date in a record's `expires` is near."),
    ("expires-syntax", _ERROR, "`expires` is neither a date nor {at: DATE, then: remove}."),
    ("file-encoding", _ERROR, "A file is not UTF-8."),
    ("file-too-large", _ERROR, "A file is too large to be read."),
    ("generate-template", _WARNING, "$GENERATE makes something other than in BIND, or than it seems to."),
    ("file-unreadable", _ERROR, "A file cannot be read, or is outside the repo."),
    ("key-repeated", _ERROR, "A key comes twice."),
    ("loc-rounded", _WARNING, "A size in LOC has more than one digit, zeros aside, and is rounded."),
    ("merge-replaces", _WARNING, "A merge key takes the place of what stands above it."),
    ("masterfile-syntax", _ERROR, "A master file has a syntax error (RFC 1035 §5.1)."),
    ("octodns-block", _NOTE, "Settings for other providers are ignored."),
    ("octodns-config", _WARNING, "octoDNS's configuration stands among the zones."),
    ("octodns-excluded", _WARNING, "A record is served, although it excludes some providers."),
    ("octodns-ignored", _NOTE, "A record is not served, because `octodns` says so."),
    ("octodns-included", _WARNING, "A record is not served, because `octodns` gives it to others."),
    ("owner-inherited", _WARNING, "A record after $ORIGIN or $INCLUDE has no owner of its own."),
    ("owner-not-text", _WARNING, "An owner without quotes is another name to octoDNS."),
    ("owner-repeated", _ERROR, "An owner comes twice."),
    ("owner-syntax", _ERROR, "An owner is not a valid name."),
    ("provider-feature", _WARNING, "A record needs a feature that only a provider has."),
    (
        "provider-type-not-served",
        _WARNING,
        "A record is of a type that exists only at a provider.",
    ),
    ("rdata-syntax", _ERROR, "A value does not have the form that its type needs."),
    ("owner-outside-zone", _ERROR, "An owner is not in the zone."),
    ("owner-empty", _WARNING, "An owner has no record."),
    ("record-shape", _ERROR, "A record is not a mapping of `type` and `value`."),
    ("rrset-repeated", _WARNING, "An owner has two records of one type, instead of one with `values`."),
    ("rrset-ttl-mix", _WARNING, "Records of an RRset have different TTLs."),
    ("signature-covers-nothing", _WARNING, "A signature covers an RRset that is not there."),
    ("split-zone-part", _NOTE, "A part of a split zone stands beside its directory."),
    ("svcb-alias-parameters", _WARNING, "SVCB or HTTPS of priority 0 has parameters (RFC 9460 §2.4.2)."),
    ("target-not-absolute", _WARNING, "A name in a value does not end in a dot."),
    ("target-one-label", _ERROR, "A name in a value has only one label."),
    ("text-not-utf8", _WARNING, "A text is not UTF-8."),
    ("text-over-lines", _WARNING, "A quoted text goes on beyond the end of its line."),
    ("ttl-missing", _WARNING, "A master file gives a record no TTL, and no $TTL (RFC 2308 §4)."),
    ("ttl-of-last", _NOTE, "A record without a TTL takes the last one that was written."),
    ("ttl-syntax", _ERROR, "A TTL is neither a duration nor a number of seconds."),
    ("txt-control-character", _WARNING, "A text holds a line break or another control character."),
    ("txt-escape-twice", _WARNING, "A semicolon in TXT has two backslashes before it."),
    ("txt-not-ascii", _WARNING, "A TXT is not ASCII."),
    ("txt-string-split", _WARNING, "A string is longer than 255 octets, and is split."),
    ("type-made-here", _ERROR, "A record is of a type that signing makes."),
    ("type-missing", _ERROR, "A record has no type."),
    ("unknown-key", _WARNING, "A record has an unknown key."),
    ("unknown-type", _ERROR, "A type is unknown."),
    ("urlfwd-not-served", _WARNING, "URLFWD is not a DNS type."),
    ("value-and-values", _WARNING, "A record has both `value` and `values`."),
    ("value-missing", _ERROR, "A record has no value."),
    ("yaml-alias", _ERROR, "A zone file has a YAML alias."),
    ("yaml-depth", _ERROR, "A zone file is nested too deeply."),
    ("yaml-include", _ERROR, "`!include` names a file that it may not, or too many."),
    ("yaml-key", _ERROR, "A key is not plain text."),
    ("yaml-syntax", _ERROR, "A zone file is not YAML."),
    ("yaml-tag", _ERROR, "A zone file has a YAML tag."),
    ("zone-file-ignored", _WARNING, "A file or directory among the zones is not read."),
    ("zone-file-included", _NOTE, "A file that others include could be a zone of one label."),
    ("zone-file-name", _ERROR, "A file's name is not the apex of a zone."),
    ("zone-files-empty", _ERROR, "`zone-files` names a directory without a file."),
    ("zone-settings-unused", _WARNING, "Settings name a zone that does not exist."),
    ("zone-shape", _ERROR, "A zone file does not map owners to records."),
    ("zone-twice", _ERROR, "A zone has two files."),
    ("zone-unknown", _ERROR, "A zone that is asked for has no file."),
)
SEVERITIES = {name: severity for name, severity, _ in RULES}
MEANINGS = {name: meaning for name, _, meaning in RULES}


def finding(
    rule: str, position: Position, message: str, advice: str = "", zone: Name | None = None
) -> Finding:
    """Return a finding of one of these rules, with the rule's severity."""
    return Finding(rule, SEVERITIES[rule], position, message, advice, zone)
