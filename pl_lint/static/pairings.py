"""Data sets that put files of two listings together by their number."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.facts.sites import PairingSite
from pl_lint.static.names import ClassInfo, Module, Project, dotted
from pl_lint.static.naming import bindings, identifiers, own
from pl_lint.static.trees import walk

LISTINGS = frozenset({"os.listdir", "glob.glob", "glob.iglob", "os.scandir"})
OF_PATHS = frozenset({"glob", "rglob", "iterdir"})
HOLDERS = frozenset({"list", "tuple"})
LOOSE = re.compile("sort|unpaired|unaligned|shuffle|permut|perm$")
"""Words of a class that puts files in order, or for which no file belongs to another one."""


def pairings(project: Project) -> Iterator[PairingSite]:
    """Each data set whose ``__init__`` keeps two listings, of two folders, as the file system gave
    them, and whose ``__getitem__`` takes from both by one name."""
    for module in project.modules:
        for info in module.classes.values():
            node = info.methods.get("__getitem__")
            kept = dict(_listed(info, module)) if node is not None else {}
            if node is None or len(kept) < 2 or _is_loose(info):
                continue
            taken = dict[str, list[str]]()
            for attribute, index in _taken(node):
                taken.setdefault(index, []).append(attribute)
            for index in _only_given(node):
                found = [one for one in dict.fromkeys(taken.get(index, ())) if one in kept]
                texts = {ast.unparse(_listing(kept[one], module) or node) for one in found}
                if len(found) > 1 and len(texts) == len(found):
                    where = module.source.location(kept[found[1]])
                    yield PairingSite(info.qualified, tuple(found), where)


def _is_loose(info: ClassInfo) -> bool:
    words = (word.lower() for word in (info.name, *identifiers(info.node)))
    return any(map(LOOSE.search, words))


def _listed(info: ClassInfo, module: Module) -> Iterator[tuple[str, ast.expr]]:
    """The attributes that the class gives one value, a listing, in ``__init__``."""
    init = info.methods.get("__init__")
    given: dict[str, list[ast.expr | None]] = {}
    for part in walk(info.node):
        for target, value in bindings(part):
            given.setdefault(own(target) or "", []).append(value)
    for part in walk(init) if init is not None else ():
        for target, value in bindings(part):
            name = own(target) or ""
            once = value is not None and len(given.get(name, ())) == 1
            if value is not None and once and _listing(value, module) is not None:
                yield name, value


def _listing(node: ast.expr, module: Module) -> ast.expr | None:
    """What asks the file system in ``os.listdir(folder)``, ``list(folder.glob("*"))``, ``[folder /
    one for one in os.listdir(folder)]``."""
    match node:
        case ast.Call(ast.Name(name), [inner]) if name in HOLDERS:
            return _listing(inner, module)
        case ast.ListComp(_, [one]) if not one.ifs:
            return _listing(one.iter, module)
        case ast.Call(ast.Attribute(attr=attr) | ast.Name(attr)):
            text = dotted(node.func) or ""
            head, _, rest = text.partition(".")
            found = module.imports.get(head, head) + (f".{rest}" if rest else "")
            of_path = isinstance(node.func, ast.Attribute) and attr in OF_PATHS
            return node if found in LISTINGS or of_path else None
    return None


def _taken(node: ast.AST) -> Iterator[tuple[str, str]]:
    """``self.files[index]``"""
    for part in walk(node):
        match part:
            case ast.Subscript(ast.Attribute(ast.Name("self"), name), ast.Name(index)):
                yield name, index


def _only_given(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """The number that ``__getitem__`` is asked for, where it makes no other of it."""
    names = [one.arg for one in node.args.args[1:2]]
    changed = {getattr(target, "id", "") for part in walk(node) for target, _ in bindings(part)}
    yield from (name for name in names if name not in changed)
