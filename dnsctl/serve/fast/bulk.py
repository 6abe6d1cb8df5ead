"""The short way for whole batches: where most ask in one way, that is worked out for all of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from dnsctl.image.reader import Reader
from dnsctl.serve.fast.columns import Asked, Keys
from dnsctl.serve.fast.existing import Direct
from dnsctl.serve.fast.nsec_parts import INDEX_END, OCTETS
from dnsctl.serve.fast.template import LONG, AskedZone, Form
from dnsctl.serve.message.datagrams import BATCH, Batch
from dnsctl.serve.metrics.failures import FailureLog
from dnsctl.serve.metrics.tally import Tally
from dnsctl.serve.zone.names import Zones

_CHOOSE_EVERY: Final = 16  # batches of other queries until another way is the usual one


class _Usual(NamedTuple):
    """How most queries are asked now."""

    keys: Keys
    zone: AskedZone
    form: Form


# Index, key of the name (None: see `Keys`), octets, and how many of these are the query's
_Queries = Iterable[tuple[int, bytes | None, memoryview, int]]


class Batchwise(Direct):
    """The short way, also for batches. Call `renew` as there."""

    def __init__(self, reader: Reader, zones: Zones, tally: Tally | None = None) -> None:
        super().__init__(reader, zones, tally)
        self._usual: _Usual | None = None
        self._chosen = 0

    def answer(
        self, batch: Batch, indexes: Sequence[int], counts: list[int], failed: FailureLog
    ) -> Sequence[int]:
        """Write answers over those queries of a batch, and count them; return the indexes that are left."""
        others, left, raw = indexes, list[int](), b""
        usual = self._usual
        if usual is not None and self._known.get(usual.zone.origin) is not usual.zone:
            usual = self._usual = None  # it has changed, or was forgotten
        if usual is not None:
            others = self._answer_usual(usual, batch, indexes, counts, failed)
        lengths = batch.lengths(BATCH)
        for index in others:
            slot = batch.slots[index]
            raw = slot[2 : lengths[index]].tobytes()
            try:
                entry = self.find(raw, raw.lower())
            except Exception:  # noqa: BLE001 - the long way may know better, and says SERVFAIL if not
                failed.note("a query failed on the short way", raw)
                entry = None
            if entry is None:
                left.append(index)
                continue
            header, end, tail, size, kind, _ = entry
            counts[kind] += 1
            slot[2:12] = header
            slot[end:size] = tail
            batch.sizes[index] = size
        if 2 * len(others) > len(indexes):
            self._choose(raw)
        return left

    def _answer_usual(
        self, usual: _Usual, batch: Batch, indexes: Sequence[int], counts: list[int], failed: FailureLog
    ) -> list[int]:
        """Do so for those that ask as most do now.

        What `_present` does for data is done here in place: a call costs as much as a step of it.
        """
        nodes, slots, lengths = usual.keys.read(self.gaps.view(batch)), batch.slots, batch.lengths(BATCH)
        if not isinstance(indexes, range):
            nodes, slots = [nodes[index] for index in indexes], tuple(slots[index] for index in indexes)
            lengths = [lengths[index] for index in indexes]
        zone, form, owner, sizes = usual.zone, usual.form, self._owner, batch.sizes
        plans, opt, limit, behind = form.plans.get, form.opt, form.limit, len(form.told) - 8
        left: list[int] = []
        asked: _Queries = zip(indexes, nodes, slots, lengths, strict=False)
        if self._missed and form.signed and not zone.is_hashed and not zone.is_small:
            asked = self._deny(usual, asked, counts, sizes, failed)
        for index, node, slot, length in asked:
            if node is None:
                left.append(index)
                continue
            at = length - behind
            try:
                value = None if self._missed else owner(node)
                if value is not None:
                    plan = plans(value[: INDEX_END[value[3]]]) or LONG
                    rdata, times, signature, before, between, signer, header, kind, size, _ = plan
                    size += at
                    if size <= limit:
                        counts[kind] += 1
                        slot[2:12] = header
                        slot[at + 6 : size] = b"".join(
                            (before, value[rdata], between, value[times], signer, value[signature], opt)
                        )
                        sizes[index] = size
                        continue
                key = slot[2:length].tobytes().lower()
                if value is not None:
                    entry = self._present(zone, form, key, at, value)
                else:
                    entry = self._missing(zone, form, key, at, node)
            except Exception:  # noqa: BLE001 - as in `answer`
                failed.note("a query failed on the short way", slot[2:length].tobytes())
                entry = None
            if entry is None:
                left.append(index)
                continue
            header, end, tail, size, kind, _ = entry
            counts[kind] += 1
            slot[2:12] = header
            slot[end:size] = tail
            sizes[index] = size
        return left

    def _deny(
        self, usual: _Usual, asked: _Queries, counts: list[int], sizes: memoryview, failed: FailureLog
    ) -> _Queries:
        """Deny the names of large zones by NSEC, up to one that is there; yield the queries that are left.

        What `_missing` does is done here in place, as above.
        """
        _, zone, form = usual
        cursor, start, opt, limit = self._cursor, len(zone.prefix), form.opt, form.limit
        seek, here, back, item = cursor.set_range, cursor.key, cursor.prev, cursor.item
        behind, errors_of, spans_of = len(form.told) - 8, form.errors.get, zone.known_spans
        for query in asked:
            index, node, slot, length = query
            try:
                if node is None or not seek(node):
                    yield query
                    continue
                if here().startswith(node):
                    yield query
                    break
                back()
                before, value = item()
                at = length - behind
                errors, spans, label = errors_of(at), spans_of(value[: INDEX_END[value[3]]]), before[start:]
                if not (errors and spans and label) or 1 in label or label.find(0) != len(label) - 1:
                    yield query
                    continue
                odd, _, (sections, apex, own, beside, _, (header, kind)) = errors
                rdata, times, signature, first, between, signer = spans
                tail = b"".join(
                    (
                        sections,
                        OCTETS[len(label) - 1],
                        label[:-1],
                        apex,
                        first,
                        value[rdata],
                        own,
                        between,
                        value[times],
                        signer,
                        value[signature],
                        opt,
                    )
                )
                size = at + 6 + len(tail)
                if size > limit or before in beside or odd:
                    yield query
                    continue
                counts[kind] += 1
                slot[2:12] = header
                slot[at + 6 : size] = tail
                sizes[index] = size
            except Exception:  # noqa: BLE001 - as in `answer`
                failed.note("a query failed on the short way", slot[2:length].tobytes())
                yield query
        yield from asked

    def _choose(self, raw: bytes) -> None:
        """Take it that most ask now as the query `raw` does, if it is for a name right below an apex."""
        self._chosen = (self._chosen + 1) % _CHOOSE_EVERY
        key = raw.lower()
        at = key.find(0, 10) + 1
        if self._chosen or not at:
            return
        zone = self._known.get(key[11 + key[10] : at])
        form = None if zone is None else zone.forms.get(raw[:10] + raw[at:])
        if zone is not None and form is not None and zone.stop:
            self._usual = _Usual(Keys(Asked(zone.view, form.told, key, at)), zone, form)
