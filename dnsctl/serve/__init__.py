"""Answers over UDP and TCP from an image, and zone transfers."""
