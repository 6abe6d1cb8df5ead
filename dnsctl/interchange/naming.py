r"""The name of a zone's file: the inverse of how `load.zone_files` reads it.

The apex without its final dot; `\DDD` for what a file's name cannot hold, or what would not be read as a
zone: a slash, a percent sign, a dot inside a label, `readme.example`, and a zone that is called `dnsctl`.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from dnsctl.load.zone_files import ROOT_STEM
from dnsctl.model.name import ROOT, Name, to_text
from dnsctl.model.repo import CONFIG

_ESCAPE = re.compile(r"\\(?:\d{3}|.)")


def file_stem(origin: Name) -> str:
    """Return the name without its suffix."""
    if origin == ROOT:
        return ROOT_STEM
    text = to_text(origin).removesuffix(".")
    if text.startswith("readme") or text == PurePath(CONFIG).stem:
        text = rf"\{ord(text[0]):03d}{text[1:]}"
    text = _ESCAPE.sub(lambda found: r"\046" if found[0] == r"\." else found[0], text)
    return text.replace("/", r"\047").replace("%", r"\037")
