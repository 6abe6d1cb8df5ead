"""Zones on their way in from the files and servers of others, and out to them.

What is read becomes a `Zone`, as `load` reads it; what is written is read back the same. Nothing here is
served, judged or released, and nothing is written to zones/ but by `placing`.
"""
