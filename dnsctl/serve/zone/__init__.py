"""Names of zones in the image, and the answers to them (RFC 1034 §4.3.2 and its successors)."""
