"""Names of zones in the image, and what is said of them (RFC 1034 §4.3.2 and its successors)."""
