"""Services, certificates, host keys, delegations and names of several zones."""

from collections.abc import Mapping

from dnsctl.model.key import PublicKey
from dnsctl.model.name import from_text
from dnsctl.model.rrset import Type, rdata_text
from dnsctl.validate.takeover import CLAIMABLE
from tests.validate.examples.example import Example

_HASH = "AB" * 32
_DELEGATED = "sub NS ns1\nsub DS 1 "
SERVICES: Mapping[str, Example] = {
    "caa-none-beside-others": Example(
        '@ CAA 0 issue ";"\n@ CAA 0 issue ca.example.net\n',
        '@ CAA 0 issuewild ";"\n@ CAA 0 issue ca.example.net\n',
    ),
    "caa-authority": Example(
        "@ CAA 0 issue ca.example.org\n",
        '@ CAA 0 issue "CA.example.net; validationmethods=dns-01"\nsub CAA 0 iodef mailto:a@example.org\n',
        certificates=(("", "ca.example.net"),),
        words="`@ CAA 0 issue ca.example.org`, and `certificates: {'': ca.example.net}` in dnsctl.yaml",
    ),
    "caa-issuewild-missing": Example(
        "@ CAA 0 issue ca.example.net\n",
        "@ CAA 0 issue ca.example.net\n@ CAA 0 issuewild ca.example.net\n",
    ),
    "tlsa-owner": Example(
        f"tcp TLSA 3 1 1 {_HASH}\n",
        f"_443._tcp TLSA 3 1 1 {_HASH}\n_25._tcp CNAME mx\nmx TLSA 3 1 1 {_HASH}\n",
    ),
    "tlsa-usage": Example(f"_25._tcp TLSA 1 1 1 {_HASH}\n", f"_443._tcp TLSA 1 1 1 {_HASH}\n"),
    "tlsa-full": Example("_25._tcp TLSA 3 1 0 ABAB\n", f"_25._tcp TLSA 3 1 2 {_HASH * 2}\n"),
    "sshfp-sha1": Example(f"a SSHFP 4 1 {'AB' * 20}\n", f"a SSHFP 4 1 {'AB' * 20}\na SSHFP 4 2 {_HASH}\n"),
    "srv-owner": Example("imap SRV 0 1 143 ns1\n", "_imap._tcp SRV 0 1 143 ns1\n*._udp SRV 0 0 0 .\n"),
    "svcb-loop": Example(
        "a HTTPS 0 b.example.com.\nb HTTPS 0 a.example.com.\n",
        "a HTTPS 0 b.example.com.\nb HTTPS 1 ns1.example.com.\n",
    ),
    "svcb-hint-differs": Example(
        "www HTTPS 1 . ipv4hint=192.0.2.1,192.0.2.9\nwww A 192.0.2.1\n",
        "www HTTPS 1 . ipv4hint=192.0.2.1\nwww A 192.0.2.1\nwww A 192.0.2.2\n",
    ),
    "ds-algorithm": Example(
        f"{_DELEGATED}5 2 {_HASH}\n", f"{_DELEGATED}5 2 {_HASH}\nsub DS 1 13 2 {_HASH}\n"
    ),
}

_REVERSE = ("2.0.192.in-addr.arpa.", "53 PTR ns1.example.com.\n")
_KEY = b"\1\1\3\x0f" + bytes(32)
_SIGNED = (
    f"@ DNSKEY {rdata_text(Type.DNSKEY, _KEY)}\n"
    "@ RRSIG DNSKEY 15 3 3600 20300101000000 20200101000000 1 sub.example.com. AAAA\n"
)
_DS = rdata_text(Type.DS, PublicKey.of(from_text("sub.example.com."), _KEY).ds())
_CLOUD = next(iter(CLAIMABLE))
NAMES: Mapping[str, Example] = {
    "ptr-address-differs": Example(
        "8 PTR ns1.example.com.\n",
        "53 PTR ns1.example.com.\n8 PTR ns1.example.net.\n",
        (("example.com.", ""),),
        origin=_REVERSE[0],
    ),
    "ptr-missing": Example("www A 192.0.2.80\n", "www A 198.51.100.80\n", (_REVERSE,)),
    "alias-claimable": Example(f"www CNAME gone.{_CLOUD}\n", f"www CNAME {_CLOUD}\n"),
    "ds-without-key": Example(
        f"sub NS ns1\nsub DS 1 15 2 {_HASH}\n",
        f"sub NS ns1\nsub DS {_DS}\n",
        (("sub.example.com.", _SIGNED),),
    ),
    "name-lookalike": Example(
        "web-1 A 192.0.2.1\nweb1 A 192.0.2.2\n",
        "web-1 A 192.0.2.1\nweb1 CNAME web-1\na-b A 192.0.2.1\nab A 192.0.2.1\n_x TXT x\nx TXT y\n",
    ),
}
