"""Records about mail."""

from collections.abc import Mapping

from tests.validate.examples.example import Example

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
    "dmarc-report-refused": Example(
        '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:a@example.org"\n',
        '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:a@example.net!10m; ruf=mailto:a@mail.example.com"\n',
        (("example.org.", ""), ("example.net.", 'example.com._report._dmarc TXT "v=DMARC1;"\n')),
    ),
    "dmarc-report-elsewhere": Example(
        '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:a@example.net"\n',
        '_dmarc.sub TXT "v=DMARC1; p=reject; rua=mailto:a@example.org,mailto:a@other.example.com"\n',
        (("example.org.", '*._report._dmarc TXT "v=DMARC1"\n'),),
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
