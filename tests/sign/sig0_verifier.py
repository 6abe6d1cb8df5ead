"""A second opinion on SIG(0): Net::DNS::SEC, which shares no code with us."""

from __future__ import annotations

import os
import subprocess

import pytest

from dnsctl.sign.sig0 import Sig0Key
from dnsctl.sign.sig0_keys import key_record
from tests.peers import need

_SCRIPT = """
use strict; use warnings; use Net::DNS; use Net::DNS::SEC;
binmode STDIN;
my $octets = do { local $/; <STDIN> };
my $packet = Net::DNS::Packet->decode(\\$octets) or die "not a message";
my $sig = $packet->sigrr or do { print "no SIG\\n"; exit };
my $key = Net::DNS::RR->new($ARGV[0]);
print $sig->verify($packet, $key) ? "valid\\n" : $sig->vrfyerrstr . "\\n";
"""


def need_verifier() -> None:
    """Skip the test where Net::DNS::SEC is not installed, or fail it in CI."""
    if subprocess.run([need("perl"), "-MNet::DNS::SEC", "-e1"], capture_output=True, check=False).returncode:
        message = "Net::DNS::SEC is not installed: apt-get install libnet-dns-sec-perl"
        if os.environ.get("DNSCTL_REQUIRE_PEERS") == "1":
            pytest.fail(message)
        pytest.skip(message)


def verdict(message: bytes, key: Sig0Key) -> str:
    """Return `valid`, or what is wrong with the SIG(0) of a message."""
    command = [need("perl"), "-e", _SCRIPT, key_record(key.public)]
    done = subprocess.run(command, input=message, capture_output=True, check=True, timeout=60)
    return done.stdout.decode().strip()
