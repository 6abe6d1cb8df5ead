"""Which NSEC and NSEC3 RRsets an answer carries (RFC 4035 §3.1.3, RFC 5155 §7.2), each once."""

import dns.name
from dns.rdatatype import NSEC

STAR = dns.name.Name([b"*"])


class NoProof:
    """Of a zone that is not signed, or without DO."""

    def records(self):
        return []

    def no_data(self, name):
        """The name exists without the type."""

    def name_error(self, name):
        """Neither the name nor a wildcard for it exists."""

    def wildcard_answer(self, name, source):
        """The wildcard `source` is the closest match."""

    def wildcard_no_data(self, name, source):
        """So it is, and it has no such type."""

    def no_ds(self, cut):
        """The delegation is not signed."""


class NsecProof(NoProof):
    """RFC 4035 §3.1.3: every proof is the NSEC at or before some name in canonical order."""

    def __init__(self, zone):
        self._zone = zone
        self._used = {}

    def records(self):
        return [record for one in self._used.values() for record in one.records(signed=True)]

    def _at_or_before(self, name):
        owner = max(owner for owner, node in self._zone.nodes.items() if NSEC in node and owner <= name)
        self._used[owner] = self._zone.node(owner)[NSEC]

    def no_data(self, name):  # §3.1.3.1; of an empty non-terminal it is the one before
        self._at_or_before(name)

    def name_error(self, name):  # §3.1.3.2
        self._at_or_before(name)
        self._at_or_before(STAR + self._zone.closest_encloser(name))

    def wildcard_answer(self, name, source):  # §3.1.3.3
        self._at_or_before(name)

    def wildcard_no_data(self, name, source):  # §3.1.3.4
        self._at_or_before(name)
        self._at_or_before(source)

    def no_ds(self, cut):  # §3.1.4
        self._at_or_before(cut)


class Nsec3Proof(NoProof):
    """RFC 5155 §7.2: hashes that match, and hashes that cover."""

    def __init__(self, zone):
        self._zone = zone
        self._used = {}

    def records(self):
        return [record for one in self._used.values() for record in one.records(signed=True)]

    def _has(self, name):
        return self._zone.hash_of(name) in self._zone.hashes

    def _match(self, name):
        digest = self._zone.hash_of(name)
        self._used[digest] = self._zone.hashes[digest]

    def _cover(self, name):
        digest = self._zone.hash_of(name)
        before = [one for one in self._zone.hashes if one < digest]
        chosen = max(before or self._zone.hashes)  # the last one of the zone wraps (§3.1.7)
        self._used[chosen] = self._zone.hashes[chosen]

    def _closest_encloser(self, name):
        """§7.2.1, with the closest provable one in a zone with opt-out (§7.2.4); return it."""
        closer, encloser = name, name.parent()
        while not self._has(encloser):
            closer, encloser = encloser, encloser.parent()
        self._match(encloser)
        self._cover(closer)
        return encloser

    def no_data(self, name):  # §7.2.3 and, for a DS in an opt-out span, §7.2.4
        if self._has(name):
            self._match(name)
        else:
            self._closest_encloser(name)

    def name_error(self, name):  # §7.2.2
        encloser = self._closest_encloser(name)
        try:
            self._cover(STAR + encloser)
        except dns.name.NameTooLong:
            return  # no wildcard fits below it

    def wildcard_no_data(self, name, source):  # §7.2.5
        star = STAR + self._closest_encloser(name)
        if self._has(star):
            self._match(star)
        else:
            self._cover(star)

    def wildcard_answer(self, name, source):  # §7.2.6
        closer = name
        while closer.parent() != source.parent():
            closer = closer.parent()
        self._cover(closer)

    def no_ds(self, cut):  # §7.2.7
        self.no_data(cut)
