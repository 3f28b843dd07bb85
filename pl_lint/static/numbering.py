"""Classes that are numbered in the order in which the file system lists their folders.

This is asked of the text of a file.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from pl_lint.facts.sites import NumberedSite
from pl_lint.facts.words import words_of
from pl_lint.static.names import FunctionNode, Module, Project, dotted
from pl_lint.static.naming import bindings, identifiers, named

LISTS = frozenset({"os.listdir", "os.scandir", "glob.glob", "glob.iglob"})
OF_PATHS = frozenset({"iterdir", "glob", "rglob"})
LISTING = re.compile(r"listdir\(|scandir\(|glob\(|iterdir\(")
SAME_ORDER = frozenset({"list", "tuple", "map", "filter", "reversed"})
"""What hands on the order of what it is given."""
LABELS = frozenset(
    "class classes cls label labels category categories cat speaker speakers species breed target "
    "targets identity identities emotion genre".split()
)
"""Words of what a network is to tell apart."""
FILES = frozenset("file files path paths image images img imgs mask masks".split())
"""Words of what holds samples, and is numbered to be found again."""
KEEPING = re.compile(r"(?:^|\.)(?:dump|dumps|save|savez|write|save_hyperparameters|to_csv)$")


def numbered(project: Project) -> Iterator[NumberedSite]:
    """Where each class gets its number, in an order that nobody has sorted."""
    for module in project.modules:
        if not LISTING.search(module.source.text):
            continue
        for part in module.source.parts(module.source.tree):
            for over, name in _numbering(part, module):
                words = words_of(name)
                of_classes = not LABELS.isdisjoint(words) and FILES.isdisjoint(words)
                if of_classes and _listed(over, module, project) and not _is_kept(name, module):
                    yield NumberedSite(module.source.location(part))


def _numbering(part: ast.AST, module: Module) -> Iterator[tuple[ast.expr, str]]:
    """What is numbered, and what it or the numbers are called: ``{name: i for i, name in
    enumerate(classes)}``, ``for label, folder in enumerate(folders)``."""
    match part:
        case ast.DictComp(
            generators=[
                ast.comprehension(ast.Tuple([_, _]), ast.Call(ast.Name("enumerate"), [over]))
            ]
        ):
            around = module.source.above.get(part)
            given = [named(target) for target, _ in bindings(around)] if around else []
            yield over, " ".join((*given[:1], *identifiers(part)))
        case ast.For(ast.Tuple([ast.Name(number), _]), ast.Call(ast.Name("enumerate"), [over, *_])):
            yield over, number


def _listed(node: ast.expr, module: Module, project: Project, depth: int = 4) -> bool:
    """Whether something is in the order of the file system, whatever was done with it."""
    match node:
        case (
            ast.ListComp(generators=[ast.comprehension(iter=over)])
            | ast.GeneratorExp(generators=[ast.comprehension(iter=over)])
        ):
            return _listed(over, module, project, depth)
        case ast.Call(ast.Name(function), [*_, over]) if function in SAME_ORDER:
            return _listed(over, module, project, depth)
        case ast.Call(ast.Attribute(_, method) as function):
            name = project.resolve(dotted(function) or "", module)
            return name in LISTS or (method in OF_PATHS and name not in LISTS)
        case ast.Call(ast.Name(function)):
            return project.resolve(function, module) in LISTS
        case ast.Name() | ast.Attribute() if depth:
            made = _made(node, module)
            return made is not None and _listed(made, module, project, depth - 1)
    return False


def _made(node: ast.expr, module: Module) -> ast.expr | None:
    """What a local name, or an attribute of the class, is given once and for all."""
    name, around = named(node), _home(node, module)
    parts = module.source.parts(around)
    given = [
        value
        for part in parts
        if not isinstance(part, (ast.For, ast.comprehension))
        for target, value in bindings(part)
        if named(target) == name
    ]
    taken = any(isinstance(part, ast.arg) and part.arg == name for part in parts)
    return given[0] if len(given) == 1 and not (taken or _is_changed(name, parts)) else None


def _home(node: ast.expr, module: Module) -> ast.AST:
    """The function around a local name, the class around an attribute; else the file."""
    above = module.source.above
    kind = ast.ClassDef if isinstance(node, ast.Attribute) else FunctionNode
    outer = above.get(node)
    while outer is not None and not isinstance(outer, kind):
        outer = above.get(outer)
    return outer if outer is not None else module.source.tree


def _is_changed(name: str, parts: Sequence[ast.AST]) -> bool:
    """Whether something is done with a list in place, as ``sort`` does."""
    return any(
        isinstance(part, ast.Call)
        and isinstance(part.func, ast.Attribute)
        and part.func.attr in CHANGING
        and named(part.func.value) == name
        for part in parts
    )


CHANGING = ("sort", "append", "extend", "insert")


def _is_kept(name: str, module: Module) -> bool:
    """Whether the numbers are written to a file, to be read again."""
    first = name.partition(" ")[0]
    return any(
        isinstance(part, ast.Call)
        and KEEPING.search(dotted(part.func) or "") is not None
        and any(named(one) == first for one in part.args)
        for part in module.source.parts(module.source.tree)
    )
