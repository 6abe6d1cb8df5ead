r"""Master files (RFC 1035 §5.1): logical lines with positions, read to the end whatever faults there are.

`$ORIGIN`, `$TTL` (RFC 2308 §4), `$INCLUDE` inside the zone file's own directory, `$GENERATE` (as BIND has
it), blank owners, TTL and class in either order, parentheses, comments, quotes, `\DDD`, RFC 3597. Octets that
are not UTF-8 do no harm in comments, and stay as they are in texts. A fault becomes a finding and reading
goes on with the next entry. RRSIG records become the signatures of the RRsets they cover; NSEC, NSEC3,
NSEC3PARAM and DNSKEY stay records. Limits below bound what a file may expand to.
"""

from __future__ import annotations

import codecs
import posixpath
import re
from collections.abc import Callable

from dnsctl.errors import NameSyntaxError, RevisionError
from dnsctl.load import generate
from dnsctl.load.draft import Draft, ZoneDefaults
from dnsctl.load.inclusion import MAX_INCLUDE_DEPTH, MAX_INCLUDES, included_path
from dnsctl.load.logical_lines import entries
from dnsctl.load.presentation import (
    MAX_STRING,
    TYPES,
    NameReader,
    RdataFault,
    character_strings,
    domain_name,
    shown,
    stray_octets,
    ttl,
    type_code,
    unknown_type,
    unquoted,
)
from dnsctl.load.rdata_text import to_wire
from dnsctl.model.finding import Finding, Position, Severity
from dnsctl.model.name import Name, to_text
from dnsctl.model.rrset import CLASS_IN, Type, type_text
from dnsctl.model.soa import intervals_of
from dnsctl.model.zone import Zone

MAX_BYTES = 4 * 2**30  # of one file; a signed zone of a million names is 560 MB
_CLASS = re.compile(r"IN|CH|HS|CS|NONE|ANY|CLASS(\d{1,5})", re.IGNORECASE | re.ASCII)
_DIRECTIVES = frozenset(("$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE"))
_TEXTS = frozenset((int(Type.TXT), 99))  # and SPF, RFC 7208 §3.1
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def parse(
    text: bytes,
    file: str,
    origin: Name,
    defaults: ZoneDefaults,
    include: Callable[[str], bytes] | None = None,
) -> tuple[Zone | None, tuple[Finding, ...]]:
    """Return the zone, as far as it can be read, and all findings; None where the file is not text.

    `include` reads a file that `$INCLUDE` names, by its path from the operations repo, or raises
    RevisionError.
    """
    draft = Draft(origin, file, defaults)
    parser = _Parser(draft, include)
    if not parser.read(text, file):
        return None, tuple(draft.findings)
    parser.finish()
    return draft.zone(), tuple(draft.findings)


class _Parser:
    """State of RFC 1035's reading: origin, last owner, TTLs; and where we are."""

    def __init__(self, draft: Draft, include: Callable[[str], bytes] | None) -> None:
        self.draft = draft
        self.include = include
        self.names = NameReader(draft.origin)
        self.owner: Name | None = None
        # False: no owner yet. True with owner None: it was malformed, and its records are skipped.
        self.owner_known = False
        self.default_ttl: int | None = None
        self.last_ttl: int | None = None
        self.owner_names = self.names  # what completed the owner
        # The first record that took its TTL from the defaults, and from the record before.
        self.from_defaults: Position | None = None
        self.from_last: tuple[Position, int] | None = None
        self.files: list[str] = []
        self.wide = False  # whether a file holds more than ASCII
        self.includes = 0
        self.generated = 0
        self.exceeded: set[str] = set()  # limits that were told of

    def find(self, rule: str, line: int, column: int, message: str, advice: str) -> None:
        self.draft.find(rule, Position(self.files[-1], line, column), message, advice)

    def read(self, text: bytes, file: str) -> bool:
        """Read one file; false where it is not text at all."""
        self.files.append(file)
        try:
            if text.startswith(_WIDE):
                self.find("file-encoding", 1, 1, "the file is UTF-16", "save it as UTF-8")
                return False
            decoded = text.decode("utf-8-sig", "surrogateescape")
            self.wide = self.wide or not decoded.isascii()
            for line, column, tokens, fault, advice, quote, _ in entries(decoded):
                if fault:
                    self.find("masterfile-syntax", line, column, fault, advice)
                    continue
                if quote is not None:
                    self._long_quote(*quote)
                if column == 1 and tokens[0][0] == "$":
                    self._directive(line, tokens)
                else:
                    self._entry(line, column, tokens)
            return True
        finally:
            self.files.pop()

    def finish(self) -> None:
        """Say which TTL was taken where a file with a SOA, which others may read too, gives none."""
        soa = self.draft.first(self.draft.origin, Type.SOA)
        if soa is None:
            return
        find, nothing = self.draft.find, "no TTL here and no $TTL before it"
        advice = "write $TTL as the first line, or each TTL (RFC 2308 §4)"
        if self.from_defaults is not None:
            taken, minimum = self.draft.defaults.ttl, intervals_of(soa).minimum
            message = f"{nothing}: {taken} seconds are taken, the default here"
            if minimum != taken:
                message += f"; BIND takes the SOA minimum, {minimum}"
            find("ttl-missing", self.from_defaults, message, advice)
        if self.from_last is not None:
            position, taken = self.from_last
            message = f"{nothing}: {taken} seconds are taken, the last TTL that was written (RFC 1035 §5.1)"
            find("ttl-of-last", position, f"{message}; other servers may take 3600", advice)

    def _long_quote(self, line: int, column: int) -> None:
        message = "a quoted text goes on over the end of the line, and is served with the line break"
        advice = r"close the quote on its line, or write \010 for a line break that is meant"
        self.find("text-over-lines", line, column, message, advice)

    def _entry(self, line: int, column: int, tokens: list[str]) -> None:
        if column == 1:
            self.owner_known = True
            self.owner_names = self.names
            try:
                self.owner = domain_name(tokens[0], self.names.origin)
            except NameSyntaxError as error:
                self.owner = None
                message = f"owner '{shown(tokens[0][:80])}': {error.what}"
                self.find("owner-syntax", line, column, message, error.advice or "shorten it")
        elif not self.owner_known:
            self.find(
                "masterfile-syntax",
                line,
                column,
                "no owner before this record",
                "begin with a name",
            )
            return
        elif self.owner_names is not self.names and self.owner is not None:
            message = f"no owner: the record goes to {to_text(self.owner)}, written before the origin changed"
            self.find("owner-inherited", line, column, message, "write the owner out")
            self.owner_names = self.names  # reported once
        if self.owner is not None:
            self._record(self.owner, tokens, int(column == 1), line, column)

    def _record(self, owner: Name, tokens: list[str], at: int, line: int, column: int) -> None:
        """Read `[TTL] [class] type rdata` from token `at` on."""
        head = self._head(tokens, at, line, column)
        if head is None:
            return
        seconds, rdtype, at = head
        if seconds is None:
            seconds = self.default_ttl if self.default_ttl is not None else self._undefined_ttl(line, column)
        else:
            self.last_ttl = seconds
        self._add(owner, rdtype, seconds, tokens[at:], line, column)

    def _undefined_ttl(self, line: int, column: int) -> int:
        """Return the last TTL that was written (RFC 1035 §5.1), or the default; keep where that was first."""
        if self.last_ttl is not None:
            if self.from_last is None:
                self.from_last = Position(self.files[-1], line, column), self.last_ttl
            return self.last_ttl
        if self.from_defaults is None:
            self.from_defaults = Position(self.files[-1], line, column)
        return self.draft.defaults.ttl

    def _head(self, tokens: list[str], at: int, line: int, column: int) -> tuple[int | None, int, int] | None:
        """Return the TTL if there is one, the type, and where rdata begins; None where there is no type."""
        seconds: int | None = None
        has_class = False
        for place in range(at, len(tokens)):
            token = tokens[place]
            rdtype = TYPES.get(token)
            if rdtype is not None:
                return seconds, rdtype, place + 1
            if seconds is None and (seconds := ttl(token)) is not None:
                continue
            if not has_class and _is_class_in(token):
                has_class = True
                continue
            rdtype = type_code(token)
            if rdtype is None:
                self._no_type(token, seconds is not None, line, column)
                return None
            return seconds, rdtype, place + 1
        self.find("masterfile-syntax", line, column, "no type", "write NAME TTL TYPE DATA")
        return None

    def _no_type(self, token: str, has_ttl: bool, line: int, column: int) -> None:
        if _is_class_in(token):
            rule, message, advice = "masterfile-syntax", "a second class", "write IN once"
        elif _CLASS.fullmatch(token):
            rule, message = "class-not-in", f"class {token.upper()} is not served"
            advice = "zones here are of class IN: remove the record"
        elif token[0].isdigit() and has_ttl and ttl(token) is not None:
            rule, message, advice = (
                "masterfile-syntax",
                f"a second TTL, {token[:40]!r}",
                "write one, then the type",
            )
        elif token[0].isdigit():
            rule, message, advice = "ttl-syntax", f"TTL {token[:40]!r}", "write up to 2147483647, or 1h30m"
        elif token.upper() in _DIRECTIVES:
            rule, message = "masterfile-syntax", f"{token} with a blank before it"
            advice = "begin a directive in the first column"
        elif token[0] == "-" and ttl(token[1:]) is not None:
            rule, message, advice = "ttl-syntax", f"TTL {token[:40]!r}", "write 0 to 2147483647, or 1h30m"
        else:
            rule, (message, advice) = "unknown-type", unknown_type(token)
        self.find(rule, line, column, message, advice)

    def _add(self, owner: Name, rdtype: int, seconds: int, tokens: list[str], line: int, column: int) -> None:
        try:
            rdata = to_wire(rdtype, tokens, self.names)
        except RdataFault as fault:
            message = f"{type_text(rdtype)}: {fault.message}"
            self.find("rdata-syntax", line, column, message, fault.advice)
        except NameSyntaxError as error:
            message = f"{type_text(rdtype)}: {error.what}"
            self.find("rdata-syntax", line, column, message, error.advice or "correct it")
        else:
            if self.names.remarks:
                self._remarks(line, column)
            if rdtype == Type.RRSIG:
                self.draft.sign(owner, rdata, Position(self.files[-1], line, column))
                return
            if rdtype == Type.TXT and len(rdata) > MAX_STRING:
                self._long_string(tokens, line, column)
            if self.wide and stray_octets(tokens):
                message = "an octet that is not UTF-8 is served as it is"
                advice = "save the file as UTF-8, or write the octet as \\DDD"
                self.find("text-not-utf8", line, column, message, advice)
            self.draft.add(owner, rdtype, seconds, rdata, self.files[-1], line, column)

    def _remarks(self, line: int, column: int) -> None:
        for remark in self.names.remarks:
            self.find(remark.rule, line, column, remark.message, remark.advice)
        self.names.remarks.clear()

    def _long_string(self, tokens: list[str], line: int, column: int) -> None:
        longest = max(map(len, character_strings(tokens)))
        if longest > MAX_STRING:
            message = f"a text of {longest} octets is served as strings of {MAX_STRING}"
            self.find(
                "txt-string-split",
                line,
                column,
                message,
                'write it as "…" "…" (RFC 1035 §3.3)',
            )

    # ── directives ────────────────────────────────────────────────────────────────────────────────

    def _directive(self, line: int, tokens: list[str]) -> None:
        read = {
            "$ORIGIN": self._origin,
            "$TTL": self._default_ttl,
            "$INCLUDE": self._include,
            "$GENERATE": self._generate,
        }.get(tokens[0].upper())
        if read is None:
            message = f"there is no directive {tokens[0][:40]!r}"
            self.find(
                "masterfile-syntax",
                line,
                1,
                message,
                "known: $ORIGIN $TTL $INCLUDE $GENERATE",
            )
            return
        try:
            read(line, tokens)
        except RdataFault as fault:
            self.find("masterfile-syntax", line, 1, f"{tokens[0]}: {fault.message}", fault.advice)
        except NameSyntaxError as error:
            self.find("masterfile-syntax", line, 1, f"{tokens[0]}: {error.what}", error.advice)

    def _origin(self, line: int, tokens: list[str]) -> None:
        if len(tokens) != 2:
            raise RdataFault("one name is needed", "write $ORIGIN example.com.")
        self.names = NameReader(domain_name(tokens[1], self.names.origin))

    def _default_ttl(self, line: int, tokens: list[str]) -> None:
        seconds = ttl(tokens[1]) if len(tokens) == 2 else None
        if seconds is None:
            raise RdataFault("one time is needed", "write $TTL 3600, or $TTL 1h")
        self.default_ttl = seconds

    def _include(self, line: int, tokens: list[str]) -> None:
        if len(tokens) not in (2, 3):
            raise RdataFault("a file is needed", "write $INCLUDE FILE [ORIGIN]")
        name = self._file_name(tokens[1])
        base = posixpath.dirname(self.draft.file)
        path = included_path(name, self.files[-1], base)
        if path is None:
            raise RdataFault(
                f"{name[:80]!r} is outside {base or 'the directory'}/", "keep included files beside it"
            )
        if path in self.files:
            raise RdataFault(f"{path} includes itself", "break the circle")
        self.includes += 1
        if len(self.files) > MAX_INCLUDE_DEPTH or self.includes > MAX_INCLUDES:
            self._exceeded(f"more than {MAX_INCLUDE_DEPTH} deep or {MAX_INCLUDES} files", "include less")
            return
        if self.include is None:
            raise RdataFault("files cannot be included here", "write the records out")
        try:
            text = self.include(path)
        except RevisionError as error:
            raise RdataFault(f"{error.where or path}: {error.what}", error.advice) from None
        saved = self.names, self.owner, self.owner_known, self.owner_names
        if len(tokens) == 3:
            self.names = NameReader(domain_name(tokens[2], self.names.origin))
        self.read(text, path)
        # RFC 1035 §5.1: the file's own origin holds again.
        self.names, self.owner, self.owner_known, self.owner_names = saved

    def _exceeded(self, limit: str, advice: str) -> None:
        """Tell of a limit once: a thousand directives beyond it are one fault. Raises RdataFault."""
        if limit not in self.exceeded:
            self.exceeded.add(limit)
            raise RdataFault(limit, advice)

    def _file_name(self, token: str) -> str:
        try:
            return character_strings([token])[0].decode()
        except UnicodeDecodeError:
            raise RdataFault(f"{token[:80]!r} is not UTF-8", "rename the file") from None

    def _generate(self, line: int, tokens: list[str]) -> None:
        if len(tokens) < 4:
            raise RdataFault(
                "range, owner, type and data are needed", "write $GENERATE 1-9 host-$ A 192.0.2.$"
            )
        steps = generate.steps(tokens[1])
        self.generated += len(steps)
        if self.generated > generate.MAX_STEPS:
            self._exceeded(f"over {generate.MAX_STEPS} records of $GENERATE", "generate fewer")
            return
        right_side = _quoted_right_side(tokens)
        head = tokens[2:] if right_side is None else tokens[2:-1]
        self._check_templates(head, right_side, line)
        findings = self.draft.findings
        told: set[str] = set()
        for step in steps:
            made = [generate.substitute(token, step) for token in head]
            if right_side is not None:
                made += _fields(generate.substitute(right_side, step))
            known = len(findings)
            self._record(domain_name(made[0], self.names.origin), made, 1, line, 1)
            if len(findings) > known:
                new = findings[known:]
                findings[known:] = [each for each in new if each.rule not in told]
                told.update(each.rule for each in new)
                if any(each.severity is Severity.ERROR for each in new):
                    return  # what is wrong with one is wrong with all

    def _check_templates(self, head: list[str], right_side: str | None, line: int) -> None:
        """Report templates that BIND reads differently, or reads as hardly anybody means them."""
        if any(generate.reads_differently(each) for each in (*head, right_side or "")):
            message = (
                "BIND adds the offset of ${…} to every plain $ behind it in the same field; here it is not"
            )
            advice = "write ${0} for the number itself"
            self.find("generate-template", line, 1, message, advice)
        if right_side is None or type_code(head[-1]) not in _TEXTS:
            return
        if '"' not in right_side and len(right_side.split()) > 1:
            message = "what the quotes hold is read as fields: each word becomes a string, as in BIND"
            advice = r'write "\"one text\"" if one string is meant'
            self.find("generate-template", line, 1, message, advice)


def _is_class_in(token: str) -> bool:
    """True where `token` is IN or CLASS1 (RFC 3597 §5)."""
    found = _CLASS.fullmatch(token)
    if found is None:
        return False
    return int(found[1]) == CLASS_IN if found[1] else token.upper() == "IN"


def _quoted_right_side(tokens: list[str]) -> str | None:
    r"""Return what the quotes of `$GENERATE 1-9 a$ MX "10 b$"` hold; `\"` is a quote of that text."""
    last = tokens[-1]
    inner = unquoted(last)
    if len(tokens) < 5 or inner == last or type_code(tokens[-2]) is None:
        return None
    return _ESCAPED.sub(lambda found: '"' if found[1] == '"' else found.group(), inner)


def _fields(text: str) -> list[str]:
    """Return the tokens of one line of rdata. Raises RdataFault."""
    found = [*entries(f"- {text}")]
    if len(found) != 1 or found[0].fault:
        raise RdataFault(found[0].fault if found else "no data", "close what is open inside the quotes")
    return found[0].tokens[1:]
