"""Files that nothing of their project reaches: old copies, sketches, parts of another program.

How the project is run is no evidence about the classes in them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence, Set
from pathlib import PurePath

from pl_lint.static.configs.files import ConfigFile
from pl_lint.static.names import Module, Project, dotted

BY_TEXT = re.compile(
    r"import_module|__import__|pkgutil|run_path|instantiate_class|get_class\b|walk_packages"
)
"""What imports files by names that it puts together: it may mean any."""
FROM = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import|import[ \t]+([\w.]+))", re.MULTILINE)
QUIET = ("warnings.", "logging.", "torch.", "np.", "numpy.", "sys.", "os.", "matplotlib.", "plt.")
"""Whose calls make no program of a file."""


def orphans(project: Project, configs: Sequence[ConfigFile], paths: Set[str]) -> Iterator[str]:
    """Those of these files that start nothing themselves and that no other file that is read names
    where it imports, in a text, as a part of a name or with its suffix."""
    found = {one.path: one for one in project.modules if one.path in paths and _is_quiet(one)}
    texts = [(one.path, one.source.text) for one in project.modules]
    texts += [(one.path, one.text) for one in configs]
    if not found or len(texts) < 2 or any(BY_TEXT.search(text) for _, text in texts):
        return
    stems = {PurePath(path).stem for path in found}
    names = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(stems)))})\b")
    named: dict[str, set[str]] = {stem: set() for stem in stems}
    for path, text in texts:
        for match in names.finditer(text):
            known = named[match[0]]
            if path not in known and _names(_line_around(match, text), match[0]):
                known.add(path)
    alone = [path for path in found if named[PurePath(path).stem] <= {path}]
    handed_on = {package for _, text in texts for package in _packages(text)} if alone else set()
    yield from (path for path in alone if PurePath(path).parent.name not in handed_on)


def _packages(text: str) -> Iterator[str]:
    """The last names of what a file imports from: if it is a package, that hands on what stands in
    its files."""
    for match in FROM.finditer(text):
        yield (match[1] or match[2]).rpartition(".")[2]


def _line_around(match: re.Match[str], text: str) -> str:
    end = text.find("\n", match.end())
    return text[text.rfind("\n", 0, match.start()) + 1 : end if end >= 0 else len(text)]


def _names(line: str, stem: str) -> bool:
    """Whether a line may mean the file: an import, or one of the lines of a longer one, a part of a
    dotted name, a text, in YAML without quotes (``_target_: nets.Net``)."""
    name = re.escape(stem)
    return bool(
        re.search(rf"\b(?:import|from)\b.*\b{name}\b|\.{name}\b|\b{name}\.py\b", line)
        or re.search(rf"[\"'/]{name}[\"'/.]|:\s+{name}\.", line)
        or re.fullmatch(rf"[\s(]*{name}(?:\s+as\s+\w+)?[\s,)]*", line)
    )


def _is_quiet(module: Module) -> bool:
    """Whether a file only defines things, and is none that is reached by its folder's name."""
    if module.is_package or module.path.endswith(".ipynb"):
        return False
    return not any(map(_starts, module.source.tree.body))


def _runs(function: ast.expr) -> bool:
    """``status = main()``, ``cli = LightningCLI(Net)``; a constant is made of other calls."""
    return (dotted(function) or "").rpartition(".")[2] in ("main", "run", "LightningCLI")


def _starts(node: ast.stmt) -> bool:
    match node:
        case ast.Assign(_, ast.Call(function)) if _runs(function):
            return True
        case ast.Expr(ast.Call(function)):
            return not (dotted(function) or "").startswith(QUIET)
        case ast.If() | ast.For() | ast.While() | ast.With() | ast.Try():
            return True
    return False
