"""How queries come and responses go: sockets, datagrams, streams, transfers, rate limits."""
