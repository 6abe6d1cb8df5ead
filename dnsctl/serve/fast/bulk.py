"""The fast path for whole batches: if most queries have one pattern, all are answered at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Final

from dnsctl.serve.fast.columns import Asked, Keys
from dnsctl.serve.fast.existing import existing
from dnsctl.serve.fast.find import find
from dnsctl.serve.fast.known import Known, Usual
from dnsctl.serve.fast.missing import missing
from dnsctl.serve.fast.nsec_parts import INDEX_END, OCTETS
from dnsctl.serve.fast.template import FULL_PATH
from dnsctl.serve.message.datagrams import BATCH, Batch
from dnsctl.serve.metrics.failures import FailureLog

_CHOOSE_EVERY: Final = 16  # batches of other queries until another pattern is the usual one

# Index, key of the name (None: see `Keys`), octets, and how many of these are the query's
_Queries = Iterable[tuple[int, bytes | None, memoryview, int]]


def answer_batch(
    known: Known, batch: Batch, indexes: Sequence[int], counts: list[int], failed: FailureLog
) -> list[int]:
    """Write answers over those queries of a batch, and count them; return the indexes that are left."""
    usual = known.usual
    if usual is not None and known.asked.get(usual.zone.origin) is not usual.zone:
        usual = known.usual = None  # it has changed, or was forgotten
    asked, sizes, left = _asked(known, usual, batch, indexes), batch.sizes, list[int]()
    others, raw, owner, classes = 0, b"", known.owner, batch.classes
    if usual is not None:
        _, zone, form = usual
        plans, opt, limit, behind = form.plans.get, form.opt, form.limit, len(form.frame) - 8
        if known.missed and form.dnssec and not zone.is_hashed and not zone.is_small:
            asked = _deny(known, usual, asked, batch, counts, failed)
    for index, node, slot, length in asked:
        try:
            if node is None:  # not a usual query
                others += 1
                raw = slot[2:length].tobytes()
                entry = find(known, raw, raw.lower())
            else:
                at = length - behind
                value = None if known.missed else owner(node)
                if value is not None:  # as `existing` does it, in place: a call costs as much as a step of it
                    plan = plans(value[: INDEX_END[value[3]]]) or FULL_PATH
                    rdata, times, signature, before, between, signer, header, class_, size, _ = plan
                    size += at
                    if size <= limit:
                        counts[class_] += 1
                        if classes is not None:
                            classes[index] = class_
                        slot[2:12] = header
                        slot[at + 6 : size] = b"".join(
                            (before, value[rdata], between, value[times], signer, value[signature], opt)
                        )
                        sizes[index] = size
                        continue
                key = slot[2:length].tobytes().lower()
                if value is None:
                    entry = missing(known, zone, form, key, at, node)
                else:
                    entry = existing(known, zone, form, key, at, value)
        except Exception:  # noqa: BLE001 - the full path may know better, and says SERVFAIL if not
            failed.note("a query failed on the fast path", slot[2:length].tobytes())
            entry = None
        if entry is None:
            left.append(index)
            continue
        header, end, tail, size, class_, _ = entry
        counts[class_] += 1
        if classes is not None:
            classes[index] = class_
        slot[2:12] = header
        slot[end:size] = tail
        sizes[index] = size
    if 2 * others > len(indexes):
        _choose(known, raw)
    return left


def _asked(known: Known, usual: Usual | None, batch: Batch, indexes: Sequence[int]) -> _Queries:
    """Return the queries of a batch; the usual ones with the keys of their names."""
    slots, lengths = batch.slots, batch.lengths(BATCH)
    nodes = None if usual is None else usual.keys.read(known.intervals.view(batch))
    if not isinstance(indexes, range):
        slots, lengths = tuple(slots[index] for index in indexes), [lengths[index] for index in indexes]
        nodes = nodes and [nodes[index] for index in indexes]
    return zip(indexes, nodes or repeat(None), slots, lengths, strict=False)


def _deny(
    known: Known, usual: Usual, asked: _Queries, batch: Batch, counts: list[int], failed: FailureLog
) -> _Queries:
    """Deny the names of large zones by NSEC, up to one that is there; yield the queries that are left.

    What `missing` does is done here in place, as above.
    """
    _, zone, form = usual
    sizes, classes = batch.sizes, batch.classes
    cursor, start, opt, limit = known.cursor, len(zone.prefix), form.opt, form.limit
    seek, here, back, item = cursor.set_range, cursor.key, cursor.prev, cursor.item
    behind, errors_of, spans_of = len(form.frame) - 8, form.errors.get, zone.known_spans
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
            odd, _, (sections, apex, own, beside, _, (header, class_)) = errors
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
            counts[class_] += 1
            if classes is not None:
                classes[index] = class_
            slot[2:12] = header
            slot[at + 6 : size] = tail
            sizes[index] = size
        except Exception:  # noqa: BLE001 - as in `answer_batch`
            failed.note("a query failed on the fast path", slot[2:length].tobytes())
            yield query
    yield from asked


def _choose(known: Known, raw: bytes) -> None:
    """Take the query `raw` for the usual one, if it is for a name right below an apex."""
    known.batches = (known.batches + 1) % _CHOOSE_EVERY
    key = raw.lower()
    at = key.find(0, 10) + 1
    if known.batches or not at:
        return
    zone = known.asked.get(key[11 + key[10] : at])
    form = None if zone is None else zone.forms.get(raw[:10] + raw[at:])
    if zone is not None and form is not None and zone.stop:
        known.usual = Usual(Keys(Asked(zone.view, form.frame, key, at)), zone, form)
