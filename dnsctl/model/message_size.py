"""How large a DNS message may be, and how far a pointer in it reaches (RFC 1035 §4, RFC 6891 §6.2)."""

MAX_MESSAGE = 65535  # octets over a stream, RFC 1035 §4.2.2
MAX_UDP_PAYLOAD = 1232  # octets, DNS Flag Day 2020: fits IPv6's minimum MTU
MIN_UDP_PAYLOAD = 512  # octets, RFC 1035 §4.2.1 and RFC 6891 §6.2.3
MAX_OFFSET = 0x3FFF  # of a compression pointer, which has 14 bits (RFC 1035 §4.1.4)
