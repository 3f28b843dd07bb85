"""What an object of a class of the project holds, by the text of its ``__init__``.

Objects other than the one that is interpreted have no state here. What ``__init__`` gives an
attribute once, and nothing else of the class does, it holds all the same.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterable, Sequence

from pl_lint.static.interpreter.abstract import Instance
from pl_lint.static.names import ClassInfo, FunctionNode
from pl_lint.static.naming import defaults, givers
from pl_lint.static.sources import SourceFile

PLAIN = (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.UnaryOp)


def held(made: Instance, line: Sequence[ClassInfo], attribute: str) -> ast.expr | None:
    """The expression for an attribute: a call that makes it, or plain values, also where they are
    the default of a parameter that the object was made without. ``line``: its class, and those that
    this inherits from."""
    info = line[0]
    init = info.methods.get("__init__")
    given = _only_given(line, attribute) if init is not None else None
    if isinstance(given, ast.Name) and init is not None:
        changed = info.module.source.once(givers, init)
        given = _by_default(made, init, given.id, changed)
    if isinstance(given, ast.Call):
        return given
    return given if given is not None and _is_plain(given) else None


def changed_outside(attribute: str, sources: Iterable[SourceFile]) -> bool:
    """Whether some code gives an attribute of that name to an object that is not its own."""
    given = re.compile(rf"(?<!\bself)\.{attribute}\s*(?:[-+*/|&]|//|\*\*)?=(?!=)")
    return any(f".{attribute}" in one.text and one.found(given) for one in sources)


def _only_given(line: Sequence[ClassInfo], attribute: str) -> ast.expr | None:
    """What the class gives an attribute, if that happens once, and in ``__init__``."""
    name = f"self.{attribute}"
    given = (one.module.source.once(givers, one.node).get(name, ()) for one in line)
    if sum(map(len, given)) != 1:
        return None
    first = line[0].module.source.once(givers, line[0].methods["__init__"])
    return first.get(name, [(None, None)])[0][1]


def _by_default(
    made: Instance, init: FunctionNode, name: str, changed: Container[str]
) -> ast.expr | None:
    """The default of a parameter that an object was made without."""
    taken = [one.arg for one in (*init.args.posonlyargs, *init.args.args)][1:]
    said = {one for one, _ in made.arguments}
    place = str(taken.index(name)) if name in taken else name
    if not made.complete or said & {name, place} or name in changed:
        return None
    return defaults(init.args).get(name)


def _is_plain(value: ast.expr) -> bool:
    """Whether it is made of constants alone."""
    allowed = (*PLAIN, ast.expr_context, ast.unaryop)
    return all(isinstance(one, allowed) for one in ast.walk(value))
