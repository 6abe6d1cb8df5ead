"""Finished answers by question, in front of the image: bounded in number and octets, one process each.

The key is the whole query after its message id, in lower case: one C call, where parsing would cost more than
the rest of the answer. That is right only if it changes nothing except the name. So an answer is stored under
that key only if the query has no letter among the octets of its header, type, class and what follows; then no
other query has the same key. Queries with such letters (type HTTPS is 65, an `A`) are found by a second,
exact key on the slower path.

An answer is kept when it is asked for a second time: a doorkeeper remembers the hashes of keys that came
once, in one octet each. So a flood of names that are asked for once stores almost nothing. Denials (any
response code except NOERROR) have a small share of their own, because a flood of random names makes nothing
else: it never pushes out an answer. A share is two dicts: when the recent one is full it becomes the previous
one, and what is asked for again moves back. So a store is O(1), a popular answer stays, and a flood costs a
bounded amount of memory.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Protocol

from dnsctl.image.reader import Reader
from dnsctl.model.name import Name

MAX_ENTRIES: Final = 131_072
MAX_OCTETS: Final = 64 << 20
DENIAL_SHARE: Final = 8  # denials get one part in this many, of both bounds
ENTRY_OVERHEAD: Final = 288  # octets: tuple, three bytes objects, slot in the dict (measured: 270 to 300)

DOORS: Final = 1 << 17  # octets; hashes are keyed by the process, so nobody can aim at one
LAST_DOOR: Final = DOORS - 1
MAX_KNOCKS: Final = DOORS // 4  # then the doorkeeper forgets all

PATIENCE: Final = 1 << 16  # see `looked_up`
SKIPPED: Final = 8192  # batches, where the cache is of no use; then it is tried again
_FEW: Final = 32  # queries of a batch that say nothing of the others: those a flood leaves, say

_REFUSED: Final = 5
_ZONE: Final = 5  # its place in an entry

Key = bytes | tuple[bytes, bytes, bytes]


# An answer without what the query brings, its id (octets 0, 1) and its question (12 to `end`): header (octets
# 2 to 11), `end`, all behind the question, size of the whole, its class for `tally`, and the zone it is from
# (None: from no zone). A bare tuple: it is unpacked for every query.
Entry = tuple[bytes, int, bytes, int, int, Name | None]


def wire_of(entry: Entry, message: bytes) -> bytes:
    """Return the whole answer to `message`."""
    header, end, tail, _, _, _ = entry
    return b"".join((message[:2], header, message[12:end], tail))


class Response(Protocol):
    """What `dnsctl.serve.respond` makes of a query."""

    @property
    def wire(self) -> bytes: ...
    @property
    def question_end(self) -> int: ...
    @property
    def cacheable(self) -> bool: ...
    @property
    def beside(self) -> bool: ...


class Share:
    """Two generations of entries. `recent` is rebound when it fills: fetch it once a batch, not once."""

    def __init__(self, entries: int, octets: int) -> None:
        self.recent: dict[Key, Entry] = {}
        self._previous: dict[Key, Entry] = {}
        self.octets = 0  # of recent
        self._max_entries = entries // 2
        self._max_octets = octets // 2

    def __len__(self) -> int:
        return len(self.recent) + len(self._previous)

    def get(self, key: Key) -> Entry | None:
        """Return the entry of `key`; one from the previous generation moves to the recent one."""
        entry = self.recent.get(key)
        if entry is None:
            entry = self._previous.pop(key, None)
            if entry is not None:
                self.store(key, entry)
        return entry

    def store(self, key: Key, entry: Entry) -> None:
        """Keep an entry among the recent ones; when they fill up, they become the previous ones."""
        cost = _octets(key, entry)
        before = self.recent.get(key)
        if before is not None:
            self.octets -= _octets(key, before)
        if len(self.recent) >= self._max_entries or self.octets + cost > self._max_octets:
            self._previous, self.recent, self.octets = self.recent, {}, 0
        self.recent[key] = entry
        self.octets += cost

    def drop(self, zones: Collection[Name]) -> None:
        """Forget what came from `zones`, or from no zone at all."""
        self.recent, self._previous = (
            {
                key: entry
                for key, entry in kept.items()
                if entry[_ZONE] is not None and entry[_ZONE] not in zones
            }
            for kept in (self.recent, self._previous)
        )
        self.octets = sum(_octets(key, entry) for key, entry in self.recent.items())

    def clear(self) -> None:
        self.recent, self._previous, self.octets = {}, {}, 0


class AnswerCache:
    """Answers of one process. `renew` its reader through the cache."""

    def __init__(self, entries: int = MAX_ENTRIES, octets: int = MAX_OCTETS) -> None:
        self.answers = Share(entries - entries // DENIAL_SHARE, octets - octets // DENIAL_SHARE)
        self.denials = Share(entries // DENIAL_SHARE, octets // DENIAL_SHARE)
        self._headers: dict[bytes, bytes] = {}  # the few there are, shared between entries
        self.doors: Final = bytearray(DOORS)  # set by who asks for what is not here: see `knocked`
        self._knocks = 0
        self._useless = 0  # see `looked_up`
        self._skipped = 0  # batches that are yet to be

    def __len__(self) -> int:
        return len(self.answers) + len(self.denials)

    def find(self, key: bytes) -> Entry | None:
        """Return the entry of a folded key: `message[2:].lower()`."""
        return self.answers.get(key) or self.denials.get(key)

    def find_exact(self, message: bytes) -> Entry | None:
        """Return the entry of a message that no folded key may stand for."""
        exact = _exact_key(message)
        return None if exact is None else self.answers.get(exact) or self.denials.get(exact)

    def is_wanted(self, key: bytes) -> bool:
        """True if `key`, the folded one, has come before: its answer is worth storing."""
        door = hash(key) & LAST_DOOR
        if self.doors[door]:
            return True
        self.doors[door] = 1
        self._knocks += 1
        if self._knocks > MAX_KNOCKS:
            self._shut_doors()
        return False

    def knocked(self, count: int) -> None:
        """Note that `count` keys were not here; the caller has set `doors[hash(key) & LAST_DOOR]` for each.

        A door that was set before means that the key has come before: its answer is worth storing.
        """
        self._knocks += count
        if self._knocks > MAX_KNOCKS:
            self._shut_doors()

    def _shut_doors(self) -> None:
        self.doors[:] = bytes(DOORS)
        self._knocks = 0

    def looked_up(self, count: int, misses: int) -> None:
        """Note how many of the `count` keys of a batch were not here.

        While that is more than three of four, far more is asked for than is kept here. It takes
        65,000 queries or more to be sure: so long it is after a start, too.
        """
        self.knocked(misses)
        if count >= _FEW:
            self._useless = max(self._useless + 4 * misses - 3 * count, 0)
            if self._useless > PATIENCE:
                self._useless, self._skipped = 0, SKIPPED

    def is_skipped(self) -> bool:
        """True where a batch of queries is better answered without looking here. Ask once a batch."""
        if not self._skipped:
            return False
        self._skipped -= 1
        return True

    def keep(self, raw: bytes, key: bytes, entry: Entry) -> None:
        """Keep what the fast path found for a query behind its id, `raw`; `key` is the same folded."""
        header, end, _, _, _, _ = entry
        if not _has_letters(raw[:10] + raw[end - 6 :]):  # else the fast path is as good as another key
            share = self.denials if header[1] & 0x0F else self.answers
            share.store(key, entry)

    def store(self, message: bytes, response: Response, class_: int = 0, zone: Name | None = None) -> None:
        """Keep `response` to `message` where it may be given to every query with the same key."""
        wire, end = response.wire, response.question_end
        if not response.cacheable or wire[12:end] != message[12:end] or not _is_plain(message, end):
            return
        key: Key = message[2:].lower()
        if _has_letters(message[2:12] + message[end - 4 :]):
            key = _exact_key(message) or key  # never the latter: its letters stand behind the name
        header = self._header(wire[2:12])
        rcode = header[1] & 0x0F
        share = self.denials if rcode else self.answers
        if rcode == _REFUSED:
            zone = None  # there was none, whatever was looked in before
        if response.beside:
            zone = None  # to be forgotten with whichever zone changes
        share.store(key, (header, end, wire[end:], len(wire), class_, zone))

    def renew(self, reader: Reader) -> None:
        """Move `reader` to the newest generation, and forget the answers of zones that changed by that."""
        changes, apexes = reader.changes, reader.apexes_version
        reader.renew()
        self._useless = self._skipped = 0
        changed = reader.changed_since(changes)
        if changed is None or reader.apexes_version != apexes:
            self.clear()  # a zone that comes or goes changes what the zone above it answers for
        else:
            self.drop(changed)

    def drop(self, zones: Collection[Name]) -> None:
        """Forget the answers of `zones`, and those that no zone gave."""
        self.answers.drop(zones)
        self.denials.drop(zones)

    def clear(self) -> None:
        self.answers.clear()
        self.denials.clear()
        self._headers.clear()

    def _header(self, header: bytes) -> bytes:
        if len(self._headers) > 1024:  # never near it: flags, response code and four small counts
            self._headers.clear()
        return self._headers.setdefault(header, header)


def _octets(key: Key, entry: Entry) -> int:
    """Return how many octets of memory an entry takes."""
    _, _, tail, _, _, _ = entry
    return (sum(map(len, key)) if isinstance(key, tuple) else len(key)) + len(tail) + ENTRY_OVERHEAD


def _has_letters(octets: bytes) -> bool:
    return octets.lower() != octets.upper()


def _exact_key(message: bytes) -> Key | None:
    """Return a key that folds the name only, or None where the folded key says as much.

    The name ends at the first zero octet at the latest (a label may hold one); what stands behind it is
    compared as it is.
    """
    cut = message.find(0, 12) + 1
    if cut == 0 or not _has_letters(message[2:12] + message[cut:]):
        return None
    return message[2:12], message[12:cut].lower(), message[cut:]


def _is_plain(message: bytes, end: int) -> bool:
    """True where one uncompressed name, a type and a class stand from octet 12 to `end`."""
    at = 12
    last = min(end, len(message)) - 5  # where the root's octet of the name must be
    while at < last:
        length = message[at]
        if not 0 < length < 64:
            return False
        at += 1 + length
    return at == last and message[at] == 0
