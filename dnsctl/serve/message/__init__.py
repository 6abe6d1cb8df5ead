"""The octets of DNS messages: queries read, responses put together, and what stands in both."""
