"""Mail: null MX, SPF, DMARC, MTA-STS."""

from tests.validate.scenes import errors, only, rules

SPF = '@ TXT "v=spf1 {}"\n'


def test_null_mx_alone_is_fine():
    assert rules("@ MX 0 .\n") == set()


def test_null_mx_beside_an_exchange_is_refused():
    assert errors("@ MX 0 .\n@ MX 10 ns1\n") == {"mx-null"}


def test_two_spf_records_are_warned_of():
    assert rules(SPF.format("-all") + SPF.format("mx -all")) == {"spf-several"}


def test_other_text_beside_spf_is_fine():
    assert rules(SPF.format("-all") + '@ TXT "v=spf10 is other than SPF"\n@ TXT "hello"\n') == set()


def test_long_spf_over_several_strings_is_warned_of():
    half = " ".join(f"ip4:192.0.2.{n}" for n in range(16))
    assert rules(f'@ TXT "v=spf1 {half}" " {half} -all"\n') == {"spf-long"}


def test_eleven_lookups_are_warned_of_and_ten_are_not():
    ten = " ".join(f"include:_{n}.example.net" for n in range(8)) + " a mx:example.net"
    assert rules(SPF.format(ten + " ip4:192.0.2.0/24 ip6:2001:db8::/32 -all")) == set()
    assert only(SPF.format(ten + " redirect=_spf.example.net"), "spf-lookups").severity.name == "WARNING"


def test_two_dmarc_records_are_warned_of():
    assert rules('_dmarc TXT "v=DMARC1; p=none"\n_dmarc TXT "v=DMARC1; p=reject"\n') == {"policy-several"}
    assert rules('_dmarc TXT "v=DMARC1; p=none"\n_dmarc TXT "other"\n') == set()
