r"""BIND's `$GENERATE start-stop[/step]`: a range; `$`, `${offset,width,base}`, `$$`, `\$` in templates.

As BIND's manual has it, the right side is one token: several fields are quoted together, `MX "10 mail$"`.
"""

from __future__ import annotations

import re

from dnsctl.load.presentation import RdataFault

MAX_STEPS = 1_000_000  # of all directives of a zone
MAX_WIDTH = 255  # digits
_RANGE = re.compile(r"(\d{1,10})-(\d{1,10})(?:/(\d{1,10}))?", re.ASCII)
_TEMPLATE = re.compile(r"\\.|\$\$|\$\{([^{}]*)\}|\$\{?", re.DOTALL)
_MODIFIER = re.compile(r"([+-]?\d{1,10})(?:,(\d{1,3})(?:,([doxXnN]))?)?", re.ASCII)


def steps(text: str) -> range:
    """Return the numbers of `1-9` or `0-100/10`. Raises RdataFault."""
    found = _RANGE.fullmatch(text)
    if not found:
        raise RdataFault(f"{text[:40]!r} is not a range", "write 1-9, or 0-100/10")
    start, stop, step = int(found[1]), int(found[2]), int(found[3] or 1)
    if step == 0 or start > stop:
        raise RdataFault(f"{text} never ends or never begins", "write start-stop/step with start up to stop")
    numbers = range(start, stop + 1, step)
    if len(numbers) > MAX_STEPS:
        raise RdataFault(f"{text} makes {len(numbers)} records, at most {MAX_STEPS}", "generate fewer")
    return numbers


def substitute(template: str, number: int) -> str:
    r"""Return `template` with every `$…` replaced for this step; escapes stay, `\$` among them.

    Raises RdataFault.
    """
    if "$" not in template:
        return template
    return _TEMPLATE.sub(lambda found: _one(found, number), template)


def reads_differently(template: str) -> bool:
    """True where BIND reads `template` differently: it keeps an offset for plain `$` after it."""
    offset = 0
    for found in _TEMPLATE.finditer(template):
        if found.group() == "$" and offset:
            return True
        if found[1] is not None and (modifier := _MODIFIER.fullmatch(found[1])):
            offset = int(modifier[1])
    return False


def _one(found: re.Match[str], number: int) -> str:
    if found.group()[0] == "\\":
        return found.group()
    if found.group() == "$$":
        return "$"
    if found.group() == "$":
        return str(number)
    if found.group() == "${":
        raise RdataFault("${ is never closed", "write ${offset,width,base}, or \\${ for the characters")
    modifier = _MODIFIER.fullmatch(found[1])
    if not modifier or int(modifier[2] or 0) > MAX_WIDTH:
        raise RdataFault(
            f"{found.group()[:40]!r} is not a modifier", "write ${offset,width,base}, base d o x X n or N"
        )
    value = number + int(modifier[1])
    base, width = modifier[3] or "d", int(modifier[2] or 0)
    if value < 0 and base != "d":
        raise RdataFault(f"{found.group()} becomes negative", "raise the offset or the range")
    if base in "nN":
        return _nibbles(value, width, upper=base == "N")
    return format(value, f"0{width}{base}" if width else base)


def _nibbles(value: int, width: int, *, upper: bool) -> str:
    """Return hexadecimal digits from the last, dots between, as in ip6.arpa.

    `width` counts digits and dots, so that an even one ends in a dot.
    """
    digits = format(value, "X" if upper else "x")[::-1]
    text = ".".join(digits.ljust((width + 1) // 2, "0"))
    return text + "." if len(text) < width else text
