"""What stands for a cell that is no Python: everything that it names is unknown behind it.

Nobody can say what a half-written cell does. So each name that it seems to bind or to change
becomes unknown, what it seems to call is called with unknown arguments, and whatever else it names
is handed to something unknown: no rule then takes for missing what may stand there.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import takewhile

UNKNOWN = "__cell_that_cannot_be_read__"
"""A name that nothing defines."""
NAME = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
NAMES = rf"{NAME}(?:[\s()\[\]]*,[\s()\[\]]*{NAME}){{0,20}}"
NAMED = re.compile(rf"(?<![\w.]){NAME}(?P<called>\()?")
OWN = re.compile(r"(?<![\w.])self\.")
"""A class that cannot be read may be any module: what it logs is logged by one."""
DECLARED = re.compile(
    rf"(?<![\w.])(?:for|def|class|import|as|global|nonlocal|del)\s+[(\[]*({NAMES})"
)
STAR = re.compile(r"(?<![\w.])import\s+\*")
"""May bind anything."""
MODULES = re.compile(r"^[ \t]*import\s+([^\n]*)", re.MULTILINE)
DEFINED = re.compile(r"^(?:def|class)\s+(\w+)", re.MULTILINE)
HEADER = re.compile(
    r"^([ \t]*(?:if|elif|else|for|while|with|try|except|finally)\b[^\n]*?):(?=[ \t])", re.MULTILINE
)
PARTS = re.compile(
    rf"(?P<name>(?<![\w.]){NAME})|(?P<ends>(?<![,(\[{{\\])\n(?![ \t]*[\])}}])|;)|"
    r"(?P<inner>(?<=[\w\])])[(\[])|(?P<opens>[(\[])|(?P<closes>[)\]])|(?P<of>:(?!=))|"
    r"(?P<is>(?<![=!<>])=(?!=))"
)
"""``inner``: brackets of a call or of an item; ``of``: behind it stands a type."""


def stand_ins(cells: Iterable[tuple[str, bool]]) -> Iterator[str]:
    """The cells, with Python for those that are none (``True``)."""
    above: set[str] = set()
    modules: set[str] = set()
    for source, broken in cells:
        modules.update(_modules(source))
        yield stand_in(source, above, modules) if broken else source
        above.update(_targets(source, modules), DEFINED.findall(source))


def stand_in(
    source: str, above: AbstractSet[str] = frozenset(), modules: AbstractSet[str] = frozenset()
) -> str:
    """Python for a cell that is none, with as many lines. ``above``: what the cells before it bind;
    ``modules``: what is imported as a whole, which stays what it is when an attribute changes."""
    text = OWN.sub("pl_module.", source)
    bound = {*_declared(text), *_targets(text, modules), *(above if STAR.search(text) else ())}
    found = [match for match in NAMED.finditer(text) if _is_name(match[0])]
    named = {match[0].rstrip("(") for match in found}
    called = {match[0].rstrip("(") for match in found if match["called"]} - bound
    statements = [
        *(f"{name}(*{UNKNOWN}, **{UNKNOWN})" for name in sorted(called)),
        f"{UNKNOWN}({', '.join(sorted(named))})",
        *(f"{name} = {UNKNOWN}({name})" for name in sorted(bound, reverse=True)),
    ]
    return "; ".join(statements) + "\n" * source.count("\n")


def _declared(text: str) -> Iterator[str]:
    for match in DECLARED.finditer(text):
        yield from filter(_is_name, re.findall(NAME, match[1]))


def _modules(text: str) -> Iterator[str]:
    for names in MODULES.findall(text):
        yield from re.findall(r"\w+", names)


def _targets(text: str, modules: AbstractSet[str]) -> Iterator[str]:
    """What stands left of an ``=``, and what that is an attribute of, which changes with it.

    In the brackets of a call these are the names of its arguments, unless the bracket was never
    closed: who knows? Only the last name before the ``=`` may then be of something else.
    """
    names: list[list[str]] = [[]]
    for part in PARTS.finditer(HEADER.sub(r"\1;", text)):
        if part["name"]:
            names[-1] += [part["name"]] if _is_name(part["name"]) else []
        elif part["of"]:
            names[-1].append(":")
        elif part["inner"] or part["opens"]:
            names.append([] if part["inner"] else names[-1])
        elif part["closes"]:
            names = names[:-1] or [[]]
        elif part["ends"]:
            names = [[]]
        else:
            targets = list(takewhile(":".__ne__, names[-1]))
            changed = {one.partition(".")[0] for one in targets[-1 if names[1:] else 0 :]}
            yield from (*targets, *(changed - modules))
            names[-1].clear()


def _is_name(text: str) -> bool:
    return not any(map(keyword.iskeyword, text.rstrip("(").split(".")))
