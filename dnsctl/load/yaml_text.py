"""What YAML 1.1 makes of a scalar without quotes, and Python of that: how octoDNS reads a key."""

from __future__ import annotations

import re

import yaml

from dnsctl.load.yaml_nodes import Scalar

_WHOLE = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_NOT_TEXT = re.compile(
    r"[-+.]?[0-9][0-9A-Za-z_:.+-]*|[-+]?\.(?:inf|nan)|yes|no|on|off|true|false|null|~", re.IGNORECASE
)


def name_in_yaml(key: Scalar) -> str:
    """Return the text of a key as octoDNS has it: `3.10` is the number 3.1, and `on` is True."""
    if _WHOLE.fullmatch(key.text) or not _NOT_TEXT.fullmatch(key.text):
        return key.text
    try:
        value = yaml.safe_load(key.text)
    except (yaml.YAMLError, ValueError, OverflowError):
        return key.text
    return key.text if isinstance(value, str) else str(value).lower()
