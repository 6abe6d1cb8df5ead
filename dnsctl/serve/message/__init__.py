"""The octets of DNS messages: parts of queries and responses."""
