r"""RFC 1035 §5.1 master files: logical lines with positions, read to the end whatever is wrong on the way.

`$ORIGIN`, `$TTL` (RFC 2308 §4), `$INCLUDE` inside the zone file's own directory, `$GENERATE` (as BIND has
it), blank owners, TTL and class in either order, parentheses, comments, quotes, `\DDD`, RFC 3597. A fault
becomes a finding and reading goes on with the next entry. RRSIG records become the signatures of the RRsets
they cover; NSEC, NSEC3, NSEC3PARAM and DNSKEY stay records. Limits below bound what a file may expand to.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from dnsctl.errors import NameSyntaxError, RevisionError
from dnsctl.load import generate, yaml_nodes
from dnsctl.load.draft import Draft, ZoneDefaults
from dnsctl.load.logical_lines import entries
from dnsctl.load.presentation import (
    MAX_STRING,
    TYPES,
    NameReader,
    RdataFault,
    character_strings,
    domain_name,
    ttl,
    type_advice,
    type_code,
)
from dnsctl.load.rdata_text import to_wire
from dnsctl.model.finding import Finding, Position, Severity
from dnsctl.model.name import Name
from dnsctl.model.rrset import Type, type_text
from dnsctl.model.zone import Zone

MAX_BYTES = 4 * 2**30  # of one file; a signed zone of a million names is 560 MB
MAX_INCLUDE_DEPTH = 8
MAX_INCLUDES = 1000
MAX_GENERATED = 1_000_000  # records out of $GENERATE, all in all
_CLASS = re.compile(r"CH|HS|CS|NONE|ANY|CLASS\d{1,5}", re.IGNORECASE | re.ASCII)


def parse(
    text: bytes,
    file: str,
    origin: Name,
    defaults: ZoneDefaults,
    include: Callable[[str], bytes] | None = None,
) -> tuple[Zone | None, tuple[Finding, ...]]:
    """Return the zone, as far as it can be read, and all findings; None where the file is no text.

    `include` reads a file that `$INCLUDE` names, by its path from the operations repo, or raises
    RevisionError.
    """
    draft = Draft(origin, file, defaults)
    parser = _Parser(draft, include)
    if not parser.read(text, file):
        return None, tuple(draft.findings)
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
        self.files: list[str] = []
        self.includes = 0
        self.generated = 0

    def find(self, rule: str, severity: Severity, line: int, column: int, message: str, advice: str) -> None:
        self.draft.find(rule, severity, Position(self.files[-1], line, column), message, advice)

    def read(self, text: bytes, file: str) -> bool:
        """Read one file; false where it is no text at all."""
        self.files.append(file)
        try:
            decoded = yaml_nodes.decode(text)
        except yaml_nodes.YamlFault as fault:
            self.find(fault.rule, Severity.ERROR, fault.line, fault.column, fault.message, fault.advice)
            return False
        else:
            for line, column, tokens, fault_text in entries(decoded):
                if fault_text:
                    advice = "close it, or quote the text; reading goes on at the next entry"
                    self.find("masterfile-syntax", Severity.ERROR, line, column, fault_text, advice)
                elif column == 1 and tokens[0][0] == "$":
                    self._directive(line, tokens)
                else:
                    self._entry(line, column, tokens)
            return True
        finally:
            self.files.pop()

    def _entry(self, line: int, column: int, tokens: list[str]) -> None:
        if column == 1:
            self.owner_known = True
            try:
                self.owner = domain_name(tokens[0], self.names.origin)
            except NameSyntaxError as error:
                self.owner = None
                message = f"owner {tokens[0][:80]!r}: {error.what}"
                self.find("owner-syntax", Severity.ERROR, line, column, message, error.advice or "shorten it")
        elif not self.owner_known:
            self.find(
                "masterfile-syntax",
                Severity.ERROR,
                line,
                column,
                "no owner before this record",
                "begin with a name",
            )
            return
        if self.owner is not None:
            self._record(self.owner, tokens, int(column == 1), line, column)

    def _record(self, owner: Name, tokens: list[str], at: int, line: int, column: int) -> None:
        """Read `[TTL] [class] type rdata` from token `at` on."""
        head = self._head(tokens, at, line, column)
        if head is None:
            return
        seconds, rdtype, at = head
        if seconds is None:
            seconds = self.default_ttl if self.default_ttl is not None else self.last_ttl
            seconds = self.draft.defaults.ttl if seconds is None else seconds
        else:
            self.last_ttl = seconds
        self._add(owner, rdtype, seconds, tokens[at:], line, column)

    def _head(self, tokens: list[str], at: int, line: int, column: int) -> tuple[int | None, int, int] | None:
        """Return the TTL if there is one, the type, and where rdata begins; None where there is no type."""
        seconds: int | None = None
        for place in range(at, len(tokens)):
            token = tokens[place]
            rdtype = TYPES.get(token)
            if rdtype is not None:
                return seconds, rdtype, place + 1
            if seconds is None and (seconds := ttl(token)) is not None:
                continue
            if token.upper() == "IN":
                continue
            rdtype = type_code(token)
            if rdtype is None:
                self._no_type(token, line, column)
                return None
            return seconds, rdtype, place + 1
        self.find("masterfile-syntax", Severity.ERROR, line, column, "no type", "write NAME TTL TYPE DATA")
        return None

    def _no_type(self, token: str, line: int, column: int) -> None:
        if _CLASS.fullmatch(token):
            message, advice = (
                f"class {token.upper()} is not served",
                "zones here are of class IN: remove the record",
            )
            self.find("class-not-in", Severity.ERROR, line, column, message, advice)
        elif token[0].isdigit():
            self.find(
                "ttl-syntax",
                Severity.ERROR,
                line,
                column,
                f"TTL {token[:40]!r}",
                "write up to 2147483647, or 1h30m",
            )
        else:
            message = f"there is no type {token[:60]!r}"
            self.find("unknown-type", Severity.ERROR, line, column, message, type_advice(token))

    def _add(self, owner: Name, rdtype: int, seconds: int, tokens: list[str], line: int, column: int) -> None:
        try:
            rdata = to_wire(rdtype, tokens, self.names)
        except RdataFault as fault:
            message = f"{type_text(rdtype)}: {fault.message}"
            self.find("rdata-syntax", Severity.ERROR, line, column, message, fault.advice)
        except NameSyntaxError as error:
            message = f"{type_text(rdtype)}: {error.what}"
            self.find("rdata-syntax", Severity.ERROR, line, column, message, error.advice or "correct it")
        else:
            if rdtype == Type.RRSIG:
                self.draft.sign(owner, rdata, Position(self.files[-1], line, column))
                return
            if rdtype == Type.TXT and len(rdata) > MAX_STRING:
                self._long_string(tokens, line, column)
            self.draft.add(owner, rdtype, seconds, rdata, self.files[-1], line, column)

    def _long_string(self, tokens: list[str], line: int, column: int) -> None:
        longest = max(map(len, character_strings(tokens)))
        if longest > MAX_STRING:
            message = f"a text of {longest} octets is served as strings of {MAX_STRING}"
            self.find(
                "txt-string-split",
                Severity.WARNING,
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
                Severity.ERROR,
                line,
                1,
                message,
                "known: $ORIGIN $TTL $INCLUDE $GENERATE",
            )
            return
        try:
            read(line, tokens)
        except RdataFault as fault:
            self.find(
                "masterfile-syntax", Severity.ERROR, line, 1, f"{tokens[0]}: {fault.message}", fault.advice
            )
        except NameSyntaxError as error:
            self.find(
                "masterfile-syntax", Severity.ERROR, line, 1, f"{tokens[0]}: {error.what}", error.advice
            )

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
        name = character_strings(tokens[1:2])[0].decode(errors="surrogateescape")
        base = posixpath.dirname(self.draft.file)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(self.files[-1]), name))
        inside = (
            not posixpath.isabs(name)
            and path.split("/")[0] != ".."
            and path.startswith(f"{base}/" if base else "")
        )
        if not inside or "\0" in path:
            raise RdataFault(
                f"{name[:80]!r} is outside {base or 'the directory'}/", "keep included files beside it"
            )
        if path in self.files:
            raise RdataFault(f"{path} includes itself", "break the circle")
        self.includes += 1
        if len(self.files) > MAX_INCLUDE_DEPTH or self.includes > MAX_INCLUDES:
            raise RdataFault(f"more than {MAX_INCLUDE_DEPTH} deep or {MAX_INCLUDES} files", "include less")
        if self.include is None:
            raise RdataFault("files cannot be included here", "write the records out")
        try:
            text = self.include(path)
        except RevisionError as error:
            raise RdataFault(f"{error.where or path}: {error.what}", error.advice) from None
        saved = self.names, self.owner, self.owner_known
        if len(tokens) == 3:
            self.names = NameReader(domain_name(tokens[2], self.names.origin))
        self.read(text, path)
        self.names, self.owner, self.owner_known = saved  # RFC 1035 §5.1: the file's own origin holds again

    def _generate(self, line: int, tokens: list[str]) -> None:
        if len(tokens) < 4:
            raise RdataFault(
                "range, owner, type and data are needed", "write $GENERATE 1-9 host-$ A 192.0.2.$"
            )
        steps = generate.steps(tokens[1])
        self.generated += len(steps)
        if self.generated > MAX_GENERATED:
            raise RdataFault(f"over {MAX_GENERATED} records", "generate fewer")
        known = len(self.draft.findings)
        for step in steps:
            made = [generate.substitute(token, step) for token in tokens[2:]]
            owner = domain_name(made[0], self.names.origin)
            self._record(owner, made, 1, line, 1)
            if len(self.draft.findings) > known:
                return  # what is wrong with one is wrong with all
