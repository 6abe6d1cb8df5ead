"""The guards by name, with the change that each of them refuses: see `publish.guards`."""

from __future__ import annotations

from typing import Final

HISTORY: Final = "history"
BRANCH: Final = "branch"
SIGNATURE: Final = "signature"
APPROVAL: Final = "approval"
DS_CHANGE: Final = "ds-change"
DS_SEEN: Final = "ds-seen"
OLD_CACHES: Final = "old-caches"
KEYS_MISSING: Final = "keys-missing"  # and the name of an event, as the next
DS_MISMATCH: Final = "ds-mismatch"

GUARDS: Final[dict[str, str]] = {
    HISTORY: "the last release is not part of what is pushed, and would be undone",
    BRANCH: "the commit is not on the branch that dnsctl.yaml names",
    SIGNATURE: "nobody whom the last release names has signed the commit",
    APPROVAL: "no second person has approved the commit, where the last release wants that",
    KEYS_MISSING: "a zone is served signed by keys that are not in keys/: other keys would replace them",
    "deletes": "a large share of a zone's RRsets would be deleted",
    "updates": "a large share of a zone's RRsets would change",
    "emptied-zone": "nothing but the apex's SOA and NS would be left",
    "emptied-owner": "a name that the zone file still has would lose all its records",
    "removed-zone": "a zone would no longer be served",
    "apex-ns": "the name servers of a zone would change; the parent's NS must follow",
    DS_CHANGE: "signing would end, or start with CDS, or the keys that a DS points to would change",
    DS_MISMATCH: "the DS that one of our zones holds for another would lead to none of its keys",
    DS_SEEN: "a DS that the parent was seen to have, or a cache may hold, would lead to no key of the zone",
    OLD_CACHES: "keys would change so that a resolver which holds an answer of before could not validate",
    "serial-jump": "a serial would not go forward, or go so far that secondaries could lose track",
    "ttl-jump": "a TTL would grow so much that a mistake would stay in caches for long",
}
