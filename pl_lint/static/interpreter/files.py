"""Interprets what stands around the Lightning classes: scripts, functions, other classes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pl_lint.facts import removed
from pl_lint.facts.sites import CaseSite, ImportSite, ListedSite, RemovedNameSite
from pl_lint.static.interpreter import slices
from pl_lint.static.interpreter.abstract import Holder
from pl_lint.static.interpreter.context import Arguments, Frame
from pl_lint.static.interpreter.machine import Machine
from pl_lint.static.interpreter.members import ASKS
from pl_lint.static.interpreter.recorder import Recorder
from pl_lint.static.interpreter.work import Work
from pl_lint.static.names import ClassInfo, FunctionNode, Module, Project, dotted, statements
from pl_lint.static.naming import identifiers
from pl_lint.static.trees import walk

CASE = "pl_lint.case"
PACKAGES = ("lightning", "pytorch_lightning")
TELLING = re.compile(
    r"Trainer|Checkpoint|EarlyStopping|seed_everything|_split|Split|KFold|"
    r"\.log(?:_dict)?\b|callback_metrics|"
    r"\.(?:fit|test|validate)\(|listdir|scandir|iterdir|glob\(|@(?:\w+\.)?case\b|"
    r"\bmonitor\b|\bcallbacks\b|\btrainer_defaults\b"
)
"""A function whose text holds none of these leaves no site, and is not run."""


def _tells(node: FunctionNode, module: Module, words: Sequence[str]) -> bool:
    """Whether running a function can leave a site; ``words`` begin the calls that do."""
    text = "\n".join(_code(node, module))
    return TELLING.search(text) is not None or any(word in text for word in words)


def _code(node: FunctionNode, module: Module) -> Sequence[str]:
    """The lines of a function, but for its docstring: what examples call is not called. The last
    line of the docstring stays, since code may follow there."""
    lines = module.source.lines
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    body = node.body[0]
    if ast.get_docstring(node, clean=False) is None or body.end_lineno is None:
        return lines[first - 1 : node.end_lineno]
    return (*lines[first - 1 : body.lineno - 1], *lines[body.end_lineno - 1 : node.end_lineno])


def interpret_file(
    module: Module,
    project: Project,
    recorder: Recorder,
    work: Work,
    skip: frozenset[ClassInfo],
) -> None:
    """Run the top level of a file and every function in it, with nothing known of its arguments.

    ``skip``: the classes that are interpreted as what they are.
    """
    imports = tuple(_imports(module))
    recorder.extend(imports)
    recorder.extend(_removed_names(module, imports))
    machine = Machine(project, recorder, work)
    machine.block(module.source.tree.body, Frame(module))
    words = [word for word in recorder.watched.texts if word in module.source.text]
    telling = [node for node in module.functions.values() if _tells(node, module, words)]
    for node in telling:
        _run_alone(module, node, machine)
    for info in module.classes.values():
        if info not in skip:
            _run_class(info, machine, words, [node.name for node in telling])


def _imports(module: Module) -> Iterator[ImportSite]:
    """What the file takes from Lightning, by the name that the import spells."""
    body, text = module.source.tree.body, module.source.text
    lines = dict(_last_imports(body))
    for node in statements(body):
        where = module.source.location(node)
        origin = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        for name, alias in _imported(node):
            if name.startswith(PACKAGES):
                # The name first: what begins with a literal is found several times as fast.
                word = re.escape(alias)
                used = re.findall(rf"{word}(?<![\w.]{word})\.(\w[\w.]*)", text)
                uses = tuple(dict.fromkeys(used))
                optional = node not in body
                replaced = _is_replaced(alias, node.lineno, lines, module)
                yield ImportSite(name, where, optional, uses, alias, origin, replaced)


def _last_imports(body: Iterable[ast.stmt]) -> Iterator[tuple[str, int]]:
    """The names that a file surely imports, with the line of their last import."""
    for node in body:
        yield from ((alias, node.lineno) for _, alias in _imported(node))


def _is_replaced(alias: str, line: int, lines: Mapping[str, int], module: Module) -> bool:
    """Whether a name is imported again below, and nothing mentions it before."""
    last = lines.get(alias, line)
    used = module.source.mentions.get(alias, ()) if last > line else ()
    return last > line and not any(line < one.lineno <= last for one in used)


def _removed_names(module: Module, imports: Iterable[ImportSite]) -> Iterator[RemovedNameSite]:
    """What the file reads through an imported package and some version no longer has.

    The text tells whether there is anything to look for; most files are not walked.
    """
    wanted = {
        f"{site.alias}.{use}": site
        for site in imports
        for use in site.uses
        if not removed.name(site.name) and removed.name(f"{site.name}.{use}")
    }
    tree = module.source.tree
    asked = {*_asked_for_a_version(tree), *_never_evaluated(tree)} if wanted else set()
    for node in walk(module.source.tree) if wanted else ():
        if node in asked:
            continue
        text = dotted(node) if isinstance(node, ast.Attribute) else None
        site = wanted.get(text or "")
        if site is not None and text is not None:
            name = site.name + text[len(site.alias) :]
            yield RemovedNameSite(name, module.source.location(node), site.name, site.alias)


def _never_evaluated(tree: ast.Module) -> Iterator[ast.AST]:
    """Annotations of local variables, and all where the file says ``from __future__ import
    annotations``."""
    future = [one for one in tree.body if isinstance(one, ast.ImportFrom)]
    if any(one.module == "__future__" and one.names[0].name == "annotations" for one in future):
        functions: list[ast.AST] = [tree]
    else:
        functions = [one for one in walk(tree) if isinstance(one, ast.FunctionDef)]
    for function in functions:
        for node in walk(function):
            local = isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            if local or function is tree:
                for given in (getattr(node, "annotation", None), getattr(node, "returns", None)):
                    yield from walk(given) if given is not None else ()


def _asked_for_a_version(tree: ast.Module) -> Iterator[ast.AST]:
    """What stands in a branch that asks for a version, or for what there is."""
    for node in walk(tree):
        if isinstance(node, (ast.If, ast.IfExp)) and ASKS.search(ast.unparse(node.test)):
            yield from walk(node)


def _imported(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """What an import names, and by which name the file has it."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, alias.asname or alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        for alias in node.names:
            yield f"{node.module}.{alias.name}", alias.asname or alias.name


def _run_class(
    info: ClassInfo, around: Machine, words: Sequence[str], beside: Sequence[str]
) -> None:
    """Each method of a class that Lightning does not call, after its ``__init__``: what that makes
    (a Trainer, callbacks) the others use. ``beside``: the functions of the file that tell."""
    telling = [node for node in info.methods.values() if _tells(node, info.module, words)]
    telling += _asking(info, (*beside, *(node.name for node in telling)), telling, around)
    if not telling:
        return
    machine = around.fresh()
    found = machine.project.method(info, "__init__")
    if found is not None:
        _run_method(machine, *found, Holder(info))
        machine.recorder.extend(_kept_as_listed(info, machine))
    for node in telling:
        if node.name != "__init__":
            machine.items_of = info.qualified if node.name == ITEMS else ""
            _run_method(machine, info, node, Holder(info))


ITEMS = "__getitem__"


def _asking(
    info: ClassInfo, names: Sequence[str], telling: Sequence[FunctionNode], around: Machine
) -> list[FunctionNode]:
    """``__getitem__`` and ``__call__``, where they call what tells something: there it is
    seen under which conditions that runs."""
    nodes = (info.methods.get(name) for name in (ITEMS, "__call__"))
    return [
        node
        for node in nodes
        if node is not None
        and node not in telling
        and (not set(names).isdisjoint(identifiers(node)) or _asks_elsewhere(node, info, around))
    ]


def _asks_elsewhere(node: FunctionNode, info: ClassInfo, around: Machine) -> bool:
    """Whether a method calls a function of another file, in which something tells."""
    for call in (one for one in info.module.source.parts(node) if isinstance(one, ast.Call)):
        name = dotted(call.func)
        found = around.project.resolve(name, info.module) if name is not None else None
        home = around.project.home(found) if isinstance(found, FunctionNode) else None
        texts = around.recorder.watched.texts if home is not None else ()
        if home is not None and any(word in home.source.text for word in texts):
            return True
    return False


def _kept_as_listed(info: ClassInfo, machine: Machine) -> Iterator[ListedSite]:
    """The files that ``__init__`` listed and nobody has sorted, and that items are made of."""
    found = machine.project.method(info, "__getitem__")
    read = frozenset(identifiers(found[1])) if found is not None else frozenset()
    for name, value in machine.attributes.items():
        if name in read and slices.lists_files(machine, value):
            yield ListedSite(info.qualified, name, info.module.source.location(info.node))


def _run_method(machine: Machine, owner: ClassInfo, node: FunctionNode, held: Holder) -> None:
    machine.run(node, Frame(owner.module, {}, owner), Arguments((), {}, False), held)


def _run_alone(module: Module, node: FunctionNode, around: Machine) -> None:
    machine = around.fresh()
    machine.run(node, Frame(module), Arguments((), {}, False), None)
    if any(_is_case(decorator, module, machine.project) for decorator in node.decorator_list):
        where = module.source.location(node)
        built = tuple(dict.fromkeys(machine.built))
        machine.recorder.add(CaseSite(module.path, node.name, where, built))


def _is_case(decorator: ast.expr, module: Module, project: Project) -> bool:
    """``@pl_lint.case``, ``@case`` imported from it, and both with arguments."""
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    text = dotted(node)
    return text is not None and project.resolve(text, module) == CASE
