"""A name-server node: supervisor and its worker processes."""
