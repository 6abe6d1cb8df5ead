"""The terms of an SPF record (RFC 7208 §4.6, §12)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

from dnsctl.errors import NameSyntaxError
from dnsctl.model.name import Name, from_text
from dnsctl.validate.tag_list import shown

_TERM = re.compile(rb"([+?~-]?)([a-z][a-z0-9._-]*)(.*)", re.IGNORECASE | re.DOTALL)
_PREFIXES = re.compile(rb"(?::(.+?))?(?:/(\d{1,3}))?(?://(\d{1,3}))?", re.DOTALL)
_MACRO = rb"%(?:\{[slodiphcrtv]\d*r?[.+,/_=-]*\}|[%_-])"  # §7.1
_TEXT = re.compile(rb"(?:[!-$&-~]|" + _MACRO + rb")*", re.IGNORECASE)
_END = re.compile(  # a macro, or a label that is not a number
    rb".*(?:%(?:\{[^}]*\}|[%_-])|\.(?=[0-9-]*[a-z-])[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.?)",
    re.IGNORECASE | re.DOTALL,
)
_ODD = "it has a `%` that begins no macro, or a character that is not ASCII"
_JOINED = re.compile(rb"[+?~-]all$", re.IGNORECASE)  # where two strings met without a space
_NETWORK = re.compile(rb":([0-9a-f.:]+)(?:/(\d{1,3}))?", re.IGNORECASE)


class Term(NamedTuple):
    """`name` in lower case; `domain`: what stands behind `:` or `=`, empty where nothing does, and `target`
    the same as a name, None where that depends on the mail; `fault`: what is not as RFC 7208 has it."""

    qualifier: bytes
    name: str
    domain: bytes
    is_modifier: bool
    fault: str
    text: str
    target: Name | None = None

    @property
    def asks(self) -> bool:
        """True where receivers look something up (§4.6.4)."""
        return self.name in _ASKING and self.is_modifier == (self.name == "redirect")

    @property
    def passes_all(self) -> bool:
        return self.qualifier in (b"", b"+") and (
            (self.name == "all" and not self.is_modifier)
            or (self.name in ("ip4", "ip6") and self.domain.endswith(b"/0"))
        )


_ASKING = frozenset(("include", "a", "mx", "ptr", "exists", "redirect"))


@lru_cache(2048)
def terms_of(record: bytes) -> tuple[Term, ...]:
    """Return the terms of `record`, which begins with `v=spf1`."""
    terms = [_term(word) for word in record[6:].split(b" ") if word]
    return tuple(each._replace(target=_target(each)) if each.asks else each for each in terms)


def _target(term: Term) -> Name | None:
    if not term.domain or b"%" in term.domain:
        return None
    try:
        return Name(from_text(term.domain.decode("ascii").rstrip(".") + ".").lower())
    except (NameSyntaxError, UnicodeDecodeError):
        return None


def _term(word: bytes) -> Term:
    text = shown(word)
    found = _TERM.fullmatch(word)
    if found is None:
        return Term(b"", "", b"", False, f"{text} is neither a mechanism nor a modifier", text)
    qualifier, name, rest = found[1], found[2].decode("ascii").lower(), found[3]
    if rest[:1] == b"=":
        return Term(qualifier, name, rest[1:], True, _modifier_fault(qualifier, name, rest[1:], text), text)
    look = _MECHANISMS.get(name)
    if look is None:
        return Term(qualifier, name, b"", False, f"{text} is not a mechanism of SPF", text)
    domain, fault = look(rest)
    return Term(qualifier, name, domain, False, f"{text}: {fault}" if fault else "", text)


def _modifier_fault(qualifier: bytes, name: str, value: bytes, text: str) -> str:
    if name in _MECHANISMS:
        return f"{text}: write `:` instead of `=`"
    if qualifier:
        return f"{text}: a modifier has no qualifier"
    if name in ("redirect", "exp") and (fault := _domain_fault(value)):
        return f"{text}: {fault}"
    if name == "v":
        return f"{text} stands inside the record"
    return "" if _TEXT.fullmatch(value) else f"{text}: {_ODD}"


def _domain_fault(domain: bytes) -> str:
    if not domain:
        return "it names no domain"
    if not _TEXT.fullmatch(domain):
        return _ODD
    if b":" in domain or _JOINED.search(domain):
        return "a space seems to be missing in it"
    if not _END.fullmatch(domain):
        return "it is not a whole domain name"
    return ""


def _nothing(rest: bytes) -> tuple[bytes, str]:
    return b"", "nothing may follow" if rest else ""


def _domain(rest: bytes) -> tuple[bytes, str]:
    return (rest[1:], _domain_fault(rest[1:])) if rest[:1] == b":" else (b"", "it needs `:` and a domain")


def _domain_maybe(rest: bytes) -> tuple[bytes, str]:
    return _domain(rest) if rest else (b"", "")


def _domain_and_prefixes(rest: bytes) -> tuple[bytes, str]:
    found = _PREFIXES.fullmatch(rest)
    if found is None:
        return b"", "it is not `:domain/prefix`"
    domain, four, six = found[1] or b"", found[2], found[3]
    if (four and int(four) > 32) or (six and int(six) > 128):
        return domain, "its prefix is too long"
    return domain, _domain_fault(domain) if domain else ""


def _network(kind: type[IPv4Address] | type[IPv6Address], bits: int) -> Callable[[bytes], tuple[bytes, str]]:
    def look(rest: bytes) -> tuple[bytes, str]:
        found = _NETWORK.fullmatch(rest)
        try:
            if found is None:
                raise AddressValueError
            kind(found[1].decode("ascii"))
        except AddressValueError:
            return rest[1:], f"it needs `:` and an IPv{4 if bits == 32 else 6} address"
        return rest[1:], f"its prefix is longer than {bits}" if found[2] and int(found[2]) > bits else ""

    return look


_MECHANISMS: Mapping[str, Callable[[bytes], tuple[bytes, str]]] = {
    "all": _nothing,
    "include": _domain,
    "a": _domain_and_prefixes,
    "mx": _domain_and_prefixes,
    "ptr": _domain_maybe,
    "ip4": _network(IPv4Address, 32),
    "ip6": _network(IPv6Address, 128),
    "exists": _domain,
}
