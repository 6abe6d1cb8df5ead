r"""The name of a zone's file in zones/: the inverse of how `load.zone_files` reads it.

The apex without its final dot; `\DDD` for what a file's name cannot hold, or what would not be read as a
zone: a slash, a percent sign, `readme.example`, and a zone that is called `dnsctl`.
"""

from __future__ import annotations

from pathlib import PurePath

from dnsctl.load.zone_files import ROOT_STEM
from dnsctl.model.name import ROOT, Name, to_text
from dnsctl.model.repo import CONFIG


def file_stem(origin: Name) -> str:
    """Return the name without its suffix."""
    if origin == ROOT:
        return ROOT_STEM
    text = to_text(origin).removesuffix(".")
    if text.startswith("readme") or text == PurePath(CONFIG).stem:
        text = rf"\{ord(text[0]):03d}{text[1:]}"
    return text.replace("/", r"\047").replace("%", r"\037")
