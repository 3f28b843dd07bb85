"""What stands for a cell that is no Python: everything that it names is unknown behind it.

Nobody can say what a half-written cell does. So each name that it seems to bind becomes unknown,
what it seems to call is called with unknown arguments, and whatever else it names is handed to
something unknown: no rule then takes for missing what may stand there.
"""

from __future__ import annotations

import keyword
import re

UNKNOWN = "__cell_that_cannot_be_read__"
"""A name that nothing defines."""
NAME = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
NAMES = rf"{NAME}(?:\s*,\s*{NAME}){{0,20}}"
NAMED = re.compile(rf"(?<![\w.]){NAME}(?P<called>\()?")
OWN = re.compile(r"(?<![\w.])self\.")
"""A class that cannot be read may be any module: what it logs is logged by one."""
BOUND = re.compile(
    rf"(?<![\w.])(?:({NAMES})\s*(?::[^=\n]{{0,80}})?(?:[-+*/|&@%^]|//|\*\*)?=(?!=)|"
    rf"(?:for|def|class|import|as|global|del)\s+({NAMES}))"
)


def stand_in(source: str) -> str:
    """Python for a cell that is none, with as many lines."""
    text = OWN.sub("pl_module.", source)
    bound = {name for match in BOUND.finditer(text) for name in _names(match[1] or match[2])}
    found = [match for match in NAMED.finditer(text) if _is_name(match[0])]
    named = {match[0].rstrip("(") for match in found}
    called = {match[0].rstrip("(") for match in found if match["called"]} - bound
    statements = [
        *(f"{name}(*{UNKNOWN}, **{UNKNOWN})" for name in sorted(called)),
        f"{UNKNOWN}({', '.join(sorted(named))})",
        *(f"{name} = {UNKNOWN}({name})" for name in sorted(bound)),
    ]
    return "; ".join(statements) + "\n" * source.count("\n")


def _names(text: str) -> list[str]:
    return [name for name in re.split(r"\s*,\s*", text) if _is_name(name)]


def _is_name(text: str) -> bool:
    return not any(map(keyword.iskeyword, text.rstrip("(").split(".")))
