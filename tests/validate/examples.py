"""A zone that breaks each rule, and one that just does not. Tests run both.

Lines are as in `scenes`: records of example.com., below its usual apex. `others` are zones of ours beside it.
"""

from collections.abc import Mapping
from typing import NamedTuple

from dnsctl.model.key import PublicKey
from dnsctl.model.name import from_text
from dnsctl.model.rrset import Type, rdata_text
from dnsctl.validate.takeover import CLAIMABLE

_RSA_512 = (
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAOg6fyMUtzWhWgxFDaX9BLJ/GTrjGv57nN2jmmi+MOdwV6V/zQTCDPN5iNw8wcty"
    "FHbfRw5iEwCFdOyI8C8CuEUCAwEAAQ=="
)
_RSA_1024 = (
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC4l2uozxc3dS++OeKKeHQzlJJHoa3mcBoJ84AGF0D/hykfUoCCLMAs+ER4"
    "merL+8aw6VTGya+O/3ZLzrUsewlRRxhLE2Bm6xsvDhZN48u+q+ri+4uDjlPl1YXfHY3+RZdvhkwM7fIhQp1+/VNe1PMxiSWt"
    "zgtmZnDAdgw8FKwjswIDAQAB"
)
_RSA_2048 = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtgjVVGVpqEuIGRtcDCSmBkpGOdX8lLuvP0JeJB2eX6hSaYMhI7S+"
    'HP4DKRaAFVnbzqdlnWLdK8d0Go04Qiuh8SVVPVNZcCXQz7VNyFvy/icY8HTCPautn4hagCzHHlTjxzjNBGEGngn6" '
    '"+yRsf884ZPMjr7q26lPVNAG3fkPrOiz2e0sPkwYKlbWr+4antX2r3IHFOX7CN2j7K++5hX+NXzQdOHb78hbegzrQ84vcYRFe'
    "WYiPJNHZZ7YftiHyKUggsBjBMpfcm+UfwQ2F2NU3fWd+jAts/WmwnoZ16TcVzZeZLQyGcGczsMT12K/3hS5HuwCaFJrx3mTL"
    "Ape9I/93RQIDAQAB"
)
_ED25519 = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


class Example(NamedTuple):
    """Records that break a rule, records that just do not, and zones of ours beside: (origin, records)."""

    breaks: str
    fine: str
    others: tuple[tuple[str, str], ...] = ()


def _spf(terms: str, at: str = "@") -> str:
    return f'{at} TXT "v=spf1 {terms}"\n'


def _dkim(text: str) -> str:
    return f's1._domainkey TXT "{text}"\n'


def _elsewhere(count: int) -> str:
    return " ".join(f"include:_{number}.example.net" for number in range(count))


MAIL: Mapping[str, Example] = {
    "mx-null": Example("@ MX 0 .\n@ MX 10 ns1\n", "@ MX 0 .\n"),
    "spf-several": Example(_spf("-all") + _spf("mx -all"), _spf("-all") + '@ TXT "v=spf10 is not SPF"\n'),
    "spf-syntax": Example(
        _spf("ip4:192.0.2.0/33 -all"),
        _spf("a:%{d2}.example.net/24//64 ip4:192.0.2.1 ip6:2001:db8::/32 x-made-up=1 ?all"),
    ),
    "spf-long": Example(
        _spf('{0}" " {0} -all'.format(" ".join(f"ip4:192.0.2.{number}" for number in range(16)))),
        _spf(" ".join(f"ip4:192.0.2.{number}" for number in range(9)) + " -all"),
    ),
    "spf-lookups": Example(
        _spf(_elsewhere(6) + " include:_mail.example.com -all")
        + _spf("a:ns1.example.com exists:%{i}.example.net mx:example.net a:example.net -all", "_mail"),
        _spf(_elsewhere(6) + " include:_mail.example.com -all")
        + _spf("a:ns1.example.com exists:%{i}.example.net mx:example.net -all", "_mail"),
    ),
    "spf-void-lookups": Example(
        _spf("a:old.example.com mx:older.example.com exists:oldest.example.com -all"),
        _spf("a:old.example.com mx:older.example.com a:ns1.example.com -all"),
    ),
    "spf-include-missing": Example(
        _spf("include:_spf.example.org -all"),
        _spf("include:_other.example.org include:_spf.example.net -all"),
        (("example.org.", _spf("-all", "_other")),),
    ),
    "spf-pass-all": Example(_spf("mx +all") + "@ MX 10 ns1\n", _spf("mx ?all") + "@ MX 10 ns1\n"),
    "spf-ptr": Example(_spf("ptr -all"), _spf("a:ptr.example.net -all")),
    "spf-unreachable": Example(
        _spf("-all ip4:192.0.2.0/24"), _spf("ip4:192.0.2.0/24 -all exp=_why.example.net")
    ),
    "spf-type": Example('a SPF "v=spf1 -all"\n', 'a SPF "v=spf1 -all"\na TXT "v=spf1 -all"\n'),
    "dkim-syntax": Example(
        _dkim(f"v=DKIM1; k=ed448; p={_ED25519}"), _dkim(f"v=DKIM1; h=sha1:sha256; k=ed25519; p={_ED25519};")
    ),
    "dkim-key-invalid": Example(
        _dkim("v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4G"),
        _dkim(f"k=ed25519; p={_ED25519[:20]} {_ED25519[20:]}"),
    ),
    "dkim-key-weak": Example(_dkim(f"v=DKIM1; p={_RSA_512}"), _dkim(f"v=DKIM1; p={_RSA_1024}")),
    "dkim-key-short": Example(_dkim(f"v=DKIM1; p={_RSA_1024}"), _dkim(f"v=DKIM1; p={_RSA_2048}")),
    "dkim-revoked": Example(_dkim("v=DKIM1; p="), '*._domainkey TXT "v=DKIM1; p="\n'),
    "dmarc-syntax": Example(
        '_dmarc TXT "v=DMARC1; p=reject; rua=dmarc@example.com"\n',
        '_dmarc TXT "v=DMARC1; p=none; sp=reject; pct=5; fo=1:d; rua=mailto:a@example.com!10m"\n',
    ),
    "mta-sts-syntax": Example(
        '_mta-sts TXT "v=STSv1; id=2030-12-31;"\nmta-sts A 192.0.2.1\n',
        '_mta-sts TXT "v=STSv1; id=20301231T120000;"\nmta-sts A 192.0.2.1\n',
    ),
    "mta-sts-host-missing": Example(
        '_mta-sts TXT "v=STSv1; id=1"\n',
        '_mta-sts TXT "v=STSv1; id=1"\nmta-sts CNAME sts.example.net.\n',
    ),
    "tls-rpt-syntax": Example(
        '_smtp._tls TXT "v=TLSRPTv1; rua=tls@example.com"\n',
        '_smtp._tls TXT "v=TLSRPTv1;rua=mailto:tls@example.com,https://example.com/tls"\n',
    ),
    "bimi-syntax": Example(
        'default._bimi TXT "v=BIMI1; l=http://example.com/logo.svg"\n',
        'default._bimi TXT "v=BIMI1; l=https://example.com/a.svg; a="\nnone._bimi TXT "v=BIMI1; l=; a=;"\n',
    ),
    "policy-several": Example(
        '_dmarc TXT "v=DMARC1; p=none"\n_dmarc TXT "v=DMARC1; p=reject"\n',
        '_dmarc TXT "v=DMARC1; p=none"\n_dmarc TXT "other"\n',
    ),
    "policy-misplaced": Example(
        '@ TXT "v=DMARC1; p=reject"\n', 'a._report._dmarc TXT "v=DMARC1"\nb TXT "v=DMARC1; p=reject"\n'
    ),
}

_HASH = "AB" * 32
_DELEGATED = "sub NS ns1\nsub DS 1 "
SERVICES: Mapping[str, Example] = {
    "caa-none-beside-others": Example(
        '@ CAA 0 issue ";"\n@ CAA 0 issue ca.example.net\n',
        '@ CAA 0 issuewild ";"\n@ CAA 0 issue ca.example.net\n',
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

EXAMPLES: Mapping[str, Example] = {**MAIL, **SERVICES, **NAMES}
