"""One question to one name server of somebody else: UDP, then TCP, in bounded time, whatever comes back.

An answer from another address, with another id or question, or that is not DNS, is not an answer (RFC 5452
§4): it is waited on. What a server does wrong is `ExchangeError`, in a few words that name it.
"""

from __future__ import annotations

import errno

import dns.exception
import dns.flags
import dns.message
import dns.query

from dnsctl.model.fleet import Endpoint

UDP_PAYLOAD = 1232  # DNS Flag Day 2020
UDP_PATIENCE = 1.5  # seconds
TCP_PATIENCE = 4.0  # seconds for all of it: a server may send an octet a second
_TRIES = 2  # over UDP: a datagram may be lost
SILENT = "does not answer"
NO_WAY = frozenset((errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL))


class ExchangeError(Exception):
    """No usable answer, and why. `no_route`: this host has no way to that kind of address."""

    def __init__(self, reason: str, *, no_route: bool = False) -> None:
        super().__init__(reason)
        self.no_route = no_route


def exchange(query: dns.message.Message, server: Endpoint) -> dns.message.Message:
    """Send `query`, signed or not, and return the answer to it. Raises ExchangeError."""
    for _ in range(_TRIES):
        try:
            answer = dns.query.udp(
                query,
                server.address,
                timeout=UDP_PATIENCE,
                port=server.port,
                ignore_unexpected=True,
                ignore_errors=True,
            )
        except dns.exception.Timeout:
            continue
        except OSError as error:
            if error.errno in NO_WAY:
                raise ExchangeError(error.strerror or "no route", no_route=True) from None
            continue  # nothing listens there for datagrams
        except (dns.exception.DNSException, ValueError) as error:
            raise ExchangeError(f"malformed answer: {type(error).__name__}") from None
        if answer.flags & dns.flags.TC:
            break
        return answer
    return over_tcp(query, server)


def over_tcp(query: dns.message.Message, server: Endpoint) -> dns.message.Message:
    """As `exchange`, over TCP at once: where an answer that does not verify must be told, not waited past."""
    try:
        answer = dns.query.tcp(query, server.address, timeout=TCP_PATIENCE, port=server.port)
    except dns.exception.Timeout:
        raise ExchangeError(SILENT) from None
    except EOFError:
        raise ExchangeError("closes the connection without an answer") from None
    except OSError as error:
        raise ExchangeError(f"{SILENT}: {error.strerror or type(error).__name__}") from None
    except (dns.exception.DNSException, ValueError) as error:
        raise ExchangeError(f"malformed answer: {type(error).__name__}") from None
    if answer.flags & dns.flags.TC:
        raise ExchangeError("truncates its answer over TCP")
    return answer
