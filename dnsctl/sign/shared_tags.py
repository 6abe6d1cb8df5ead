"""Keys of one zone that a key tag does not tell apart: a fault of the keystore, whatever put them there.

A signature names its key by algorithm and tag only (RFC 4034 §3.1.6). Where keys/ has two keys of one tag, or
one with the tag of a key that is served and not in keys/, signatures of one would pass for those of the
other. Keys that dnsctl makes or imports never share a tag (see `keystore`); files that a person copies may.
Pure: reads neither disk nor image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnsctl.errors import KeystoreError
from dnsctl.model.key import key_tag
from dnsctl.sign.keyfile import KeyState, file_stem, taken_tags
from dnsctl.sign.keystore import StoredKey

_CONFUSED = "validators take one for the other"


def shared_tags(stored: Iterable[StoredKey], served: Iterable[bytes] = ()) -> Iterator[KeystoreError]:
    """Yield what is wrong with the keys of a zone, each at the file that is to be moved away.

    `served`: rdatas of the DNSKEY RRset that the zone is served with, if it is. The tag that a key has once
    it is revoked counts as well (RFC 5011 §3).
    """
    keys, published = tuple(stored), frozenset(served)
    if len(keys) > 1:
        yield from _beside(keys, published)
    lost = {(rdata[3], key_tag(rdata)) for rdata in published.difference(one.public.rdata for one in keys)}
    for one in keys if lost else ():
        works = one.state is not KeyState.REMOVED and not one.roll.ended
        if works and one.public.rdata not in published and (one.public.algorithm, one.public.tag) in lost:
            yield KeystoreError(
                f"its key tag {one.public.tag} is that of another key, which the zone is served with and "
                f"which is not in keys/: {_CONFUSED}",
                where=str(one.path),
                advice=f"move {_files(one)} out of keys/; restore the key that is served from its backup,"
                " unless it is another signer's",
            )


def refuse_shared_tags(stored: Iterable[StoredKey], served: Iterable[bytes] = ()) -> None:
    """Raise the first of `shared_tags`."""
    for error in shared_tags(stored, served):
        raise error


def _beside(keys: tuple[StoredKey, ...], published: frozenset[bytes]) -> Iterator[KeystoreError]:
    """Yield keys that share a tag with one that has a better right to it."""
    taken: dict[int, StoredKey] = {}
    for one in sorted(keys, key=lambda one: _standing(one, published)):
        tags = taken_tags(one.public)
        first = next((taken[tag] for tag in sorted(tags) if tag in taken), None)
        if first is not None and not _both_served(one, first, published):
            yield _shared(one, first, is_sure=first.public.rdata in published or _is_past(first))
        for tag in tags:
            taken.setdefault(tag, one)


def _standing(one: StoredKey, published: frozenset[bytes]) -> tuple[bool, ...]:
    """Order keys by their right to a tag: served, used before, in use, named as its files should be."""
    return (
        one.public.rdata not in published,
        not _is_past(one),
        one.state is KeyState.GENERATED,
        one.path.name != file_stem(one.public) + ".key",
    )


def _is_past(one: StoredKey) -> bool:
    return one.state is KeyState.REMOVED


def _both_served(one: StoredKey, other: StoredKey, published: frozenset[bytes]) -> bool:
    """True for two keys in use, such as of two algorithms: only a roll takes one of them out."""
    return one.public != other.public and {one.public.rdata, other.public.rdata} <= published


def _shared(one: StoredKey, first: StoredKey, *, is_sure: bool) -> KeystoreError:
    if one.public == first.public:
        what = f"it is the key of {first.path.name} once more"
    elif one.public.tag == first.public.tag:
        what = f"its key tag {one.public.tag} is that of {first.path.name}, another key: {_CONFUSED}"
    else:
        what = (
            f"its key tag {one.public.tag} is, once a key is revoked, that of {first.path.name}, another key:"
            f" {_CONFUSED}"
        )
    away = f"move {_files(one)} out of keys/"
    if not is_sure and one.public != first.public:
        away += f", or {_files(first)} if that is the one that is not the zone's"
    return KeystoreError(what, where=str(one.path), advice=away)


def _files(one: StoredKey) -> str:
    return one.path.name.removesuffix(".key") + ".*"
