"""Datagrams of one socket by the batch: recvmmsg(2) and sendmmsg(2) through ctypes.

Buffers, iovecs, addresses and message headers are set up once. An answer is written over its query, so that
the message id and the question (in its own case) need no copy: datagram `i` stands in `slots[i]`, and its
answer leaves from the same place with the length in `sizes[i]`, to where it came from.
On a socket bound to a wildcard address it also leaves *from* the address that was asked: the control
message with which the kernel names that address (IP_PKTINFO, RFC 3542 §6.1) is sent back.

x86-64 and aarch64 Linux only: the layout of `struct msghdr` is that of 64-bit Linux.
"""

from __future__ import annotations

import ctypes
import errno
import ipaddress
import socket
import sys
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

BATCH: Final = (
    128  # datagrams a system call; what is done once a batch is worth it, more gains nothing measurable
)
DATAGRAM: Final = 4096  # octets; longer queries are cut, longer answers never made
SLOT: Final = DATAGRAM + 64  # off a power of two, so that slots do not compete for the same cache lines
_PEER: Final = 32  # octets kept for a source address; sockaddr_in6 has 28
_CONTROL: Final = 64  # octets kept for control messages: one in_pktinfo (32) or in6_pktinfo (40)
_MSG_WAITFORONE: Final = 0x10000
_MSG_DONTWAIT: Final = 0x40

_Kind = TypeVar("_Kind", bound=np.generic)

# Word positions (8 octets each) in struct mmsghdr, and of the interface index in a control message (4 each)
_WORDS: Final = 8
_CONTROL_LENGTH_WORD: Final = 5
_LENGTH_HALF: Final = 14
_IOVLEN_WORD: Final = 3
_INTERFACE_QUAD: Final = {socket.AF_INET: 4, socket.AF_INET6: 8}


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Msghdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Mmsghdr(ctypes.Structure):
    _fields_ = (("header", _Msghdr), ("length", ctypes.c_uint32))


_LIBC = ctypes.CDLL(None, use_errno=True)
_recvmmsg = _LIBC.recvmmsg
_recvmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
_sendmmsg = _LIBC.sendmmsg
_sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)


class Batch:
    """The datagrams one socket received last. One thread only; the socket must outlive it.

    `keep_classes`: `class_of` an answer will be asked, as rate limits do.
    """

    def __init__(self, one: socket.socket, *, keep_classes: bool = False) -> None:
        if ctypes.sizeof(_Mmsghdr) != _WORDS * 8 or sys.byteorder != "little":
            raise OSError(errno.ENOSYS, "this platform lays out struct mmsghdr in another way")
        self.socket = one
        self.is_ipv6: Final = one.family == socket.AF_INET6
        octets = bytearray(BATCH * SLOT)
        # Memory views: what is assigned to a slice of a bytearray is copied twice, in twice the time.
        self.slots: Final = tuple(memoryview(octets)[i * SLOT : i * SLOT + DATAGRAM] for i in range(BATCH))
        self._peers = ctypes.create_string_buffer(BATCH * _PEER)
        self._control = ctypes.create_string_buffer(BATCH * _CONTROL)
        self._peer_octets = memoryview(self._peers).cast("B")
        # The first 4 octets of an IPv4 address, 8 of an IPv6 address: in sockaddr_in and sockaddr_in6
        octets_of = self._peer_octets
        self._sources = octets_of.cast("Q")[1::4] if self.is_ipv6 else octets_of.cast("I")[1::8]
        self._base = (ctypes.c_char * len(octets)).from_buffer(octets)
        self._incoming, in_iovecs = self._table(one, 1)
        self._outgoing, out_iovecs = self._table(one, 2)
        self._iovecs = (in_iovecs, out_iovecs)  # kept alive: the kernel reads them
        self.sizes: Final = memoryview(out_iovecs).cast("B").cast("Q")[1::4]
        self._set_up_arrays(octets, out_iovecs)
        self.classes: Final = [0] * BATCH if keep_classes else None  # of answers in one part
        self._lengths = memoryview(self._incoming).cast("B").cast("I")[_LENGTH_HALF :: _WORDS * 2]
        self._set_up_control(one)

    def _table(self, one: socket.socket, parts: int) -> tuple[ctypes.Array[_Mmsghdr], ctypes.Array[_Iovec]]:
        messages, iovecs = (_Mmsghdr * BATCH)(), (_Iovec * (BATCH * parts))()
        for i in range(BATCH):
            iovecs[i * parts].base = ctypes.addressof(self._base) + i * SLOT
            iovecs[i * parts].length = DATAGRAM
            header = messages[i].header
            header.name = ctypes.addressof(self._peers) + i * _PEER
            header.namelen = 28 if one.family == socket.AF_INET6 else 16  # sockaddr_in6, sockaddr_in
            header.iov, header.iovlen = ctypes.addressof(iovecs[i * parts]), 1
        return messages, iovecs

    def _set_up_arrays(self, octets: bytearray, out_iovecs: ctypes.Array[_Iovec]) -> None:
        """See the same memory as arrays."""
        self._octets = octets
        # The word that begins at each octet, little-endian
        self.words: NDArray[np.uint64] = np.ndarray((BATCH * SLOT - 7,), np.uint64, octets, 0, (1,))
        self.received = np.frombuffer(_octets(self._incoming), np.uint32)[_LENGTH_HALF :: _WORDS * 2]
        parts = np.frombuffer(_octets(out_iovecs), np.uint64)
        self.heads = parts[1::4]  # `sizes` as an array
        self.tails = parts[2::4]  # addresses
        self.tail_sizes = parts[3::4]
        self._counts = np.frombuffer(_octets(self._outgoing), np.uint64)[_IOVLEN_WORD::_WORDS]
        self._tail_classes: list[tuple[NDArray[np.int64], NDArray[np.uint64]]] = []  # of answers in two parts

    def column(self, octet: int, kind: type[_Kind]) -> NDArray[_Kind]:
        """Return what stands at `octet` of each slot."""
        return np.ndarray((BATCH,), kind, self._octets, octet, (SLOT,))

    def columns(self, octet: int, words: int) -> NDArray[np.uint64]:
        """Return the words from `octet` of each slot on, a row for each."""
        return np.ndarray((words, BATCH), np.uint64, self._octets, octet, (8, SLOT))

    def add_tails(self, chosen: NDArray[np.int64], classes: NDArray[np.uint64]) -> None:
        """Let some answers leave in two parts: `heads` octets of the slot, and `tail_sizes` from `tails`.

        What stands there must stay until they are sent. `chosen` is ascending; `classes`: see `class_of`.
        """
        self._tail_classes.append((chosen, classes))
        self._counts[chosen] = 2

    def forget_tails(self) -> None:
        """Let every answer leave from its slot alone again."""
        if self._tail_classes:
            self._counts[:] = 1
            self._tail_classes.clear()

    def answer(self, index: int) -> bytes:
        """Return an answer as it will leave."""
        head = self.slots[index][: self.sizes[index]].tobytes()
        if not self.has_tail(index):
            return head
        return head + ctypes.string_at(int(self.tails[index]), int(self.tail_sizes[index]))

    def class_of(self, index: int) -> int:
        """Return the class (see `tally`) of an answer that was written. Raises TypeError without classes."""
        for chosen, classes in self._tail_classes:
            at = chosen.searchsorted(index)
            if at < len(chosen) and chosen[at] == index:
                return int(classes[at])
        if self.classes is None:
            raise TypeError("a batch that keeps no classes")
        return self.classes[index]

    def has_tail(self, index: int) -> bool:
        """True where an answer leaves in two parts."""
        return bool(self._counts[index] == 2)

    def replace(self, index: int, answer: bytes) -> None:
        """Let another answer leave."""
        self.slots[index][: len(answer)] = answer
        self.sizes[index] = len(answer)
        self._counts[index] = 1

    def _set_up_control(self, one: socket.socket) -> None:
        self._wildcard = is_wildcard(one)
        if not self._wildcard:
            return
        for table in (self._incoming, self._outgoing):
            for i in range(BATCH):
                table[i].header.control = ctypes.addressof(self._control) + i * _CONTROL
        words = [
            memoryview(table).cast("B").cast("Q")[_CONTROL_LENGTH_WORD::_WORDS]
            for table in (self._incoming, self._outgoing)
        ]
        self._in_control, self._out_control = words
        self._full = memoryview((ctypes.c_uint64 * BATCH)(*[_CONTROL] * BATCH)).cast("B").cast("Q")
        self._control_octets = memoryview(self._control).cast("B")
        quads = self._control_octets.cast("I")
        self._interfaces = quads[_INTERFACE_QUAD[one.family] :: _CONTROL // 4]
        self._none = memoryview(bytes(4 * BATCH)).cast("I")

    def receive(self, *, wait: bool) -> int:
        """Fill the batch; return how many came. With `wait`, block for the first up to the socket's timeout.

        Returns 0 where nothing came, or a signal did. Raises OSError where the socket itself is broken.
        """
        self.forget_tails()
        if self._wildcard:
            self._in_control[:] = self._full
        flags = _MSG_WAITFORONE if wait else _MSG_DONTWAIT
        count: int = _recvmmsg(self.socket.fileno(), ctypes.addressof(self._incoming), BATCH, flags, None)
        if count < 0:
            fault = ctypes.get_errno()
            if fault in (
                errno.EAGAIN,
                errno.EINTR,
                errno.ECONNREFUSED,
                errno.EHOSTUNREACH,
                errno.ENETUNREACH,
            ):
                return 0
            raise OSError(fault, "recvmmsg failed")
        if self._wildcard:
            self._return_control(count)
        return count

    def lengths(self, count: int) -> list[int]:
        """Return the lengths of the first `count` datagrams."""
        return self._lengths[:count].tolist()

    def sources(self, count: int) -> list[int]:
        """Return where the first `count` came from: an IPv4 address, or an IPv6 address' first 8 octets.

        As little-endian numbers: the first octet of the address is the least significant.
        """
        return self._sources[:count].tolist()

    def source(self, index: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        """Return the address that datagram `index` came from."""
        at = index * _PEER
        if self.is_ipv6:
            return ipaddress.IPv6Address(self._peer_octets[at + 8 : at + 24].tobytes())
        return ipaddress.IPv4Address(self._peer_octets[at + 4 : at + 8].tobytes())

    def client(self, index: int) -> bytes:
        """Return the octets of the address that datagram `index` came from, 4 or 16."""
        at = index * _PEER
        first, last = (at + 8, at + 24) if self.is_ipv6 else (at + 4, at + 8)
        return self._peer_octets[first:last].tobytes()

    def send(self, first: int, last: int) -> int:
        """Send answers `first` to `last` - 1; return how many the kernel refused.

        sendmmsg(2) stops at the first datagram it cannot send (unreachable, filtered, source port 0): that
        one is left out and the rest goes on. A full device queue drops the rest: it would be full for all.
        """
        refused = 0
        table = ctypes.addressof(self._outgoing)
        while first < last:
            sent: int = _sendmmsg(self.socket.fileno(), table + first * _WORDS * 8, last - first, 0)
            if sent > 0:
                first += sent
                continue
            fault = ctypes.get_errno()
            if fault in (errno.EAGAIN, errno.ENOBUFS, errno.EBADF):
                return refused + last - first
            if fault != errno.EINTR:
                refused += 1
                first += 1
        return refused

    def _return_control(self, count: int) -> None:
        """Make the control messages received fit for sending: same source address, route left to the kernel.

        A link-local IPv6 address means something on its interface only, so there the index stays.
        """
        self._out_control[:] = self._in_control
        if self.socket.family == socket.AF_INET:
            self._interfaces[:] = self._none
            return
        octets = self._control_octets
        for i in range(count):
            at = i * _CONTROL + 16  # behind struct cmsghdr
            if octets[at] != 0xFE or octets[at + 1] & 0xC0 != 0x80:  # fe80::/10
                self._interfaces[i] = 0


def is_wildcard(one: socket.socket) -> bool:
    """True where `one` is bound to no address of its own: answers must name the address they come from."""
    return ipaddress.ip_address(one.getsockname()[0].partition("%")[0]).is_unspecified


def _octets(table: ctypes.Array[_Iovec] | ctypes.Array[_Mmsghdr]) -> memoryview[int]:
    return memoryview(table).cast("B")
