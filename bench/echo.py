"""The limit of the way we read and send: every query comes back as it came, marked as a response."""

import socket
import sys

from dnsctl.serve.message.datagrams import Batch


def main() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        one.bind(("127.0.0.1", int(sys.argv[1])))
        batch = Batch(one)
        while True:
            count = batch.receive(wait=True)
            for index, (slot, length) in enumerate(zip(batch.slots, batch.lengths(count), strict=False)):
                slot[2] |= 0x80
                batch.sizes[index] = length
            batch.send(0, count)


if __name__ == "__main__":
    main()
