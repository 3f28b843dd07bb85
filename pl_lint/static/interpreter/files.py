"""Interprets what stands around the Lightning classes: scripts, functions, other classes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.facts.sites import CaseSite
from pl_lint.static.interpreter.abstract import Opaque
from pl_lint.static.interpreter.context import Arguments, Frame
from pl_lint.static.interpreter.machine import BUDGET, Machine
from pl_lint.static.interpreter.recorder import Recorder
from pl_lint.static.names import ClassInfo, FunctionNode, Module, Project, dotted

CASE = "pl_lint.case"
TELLING = re.compile(
    r"Trainer|Checkpoint|EarlyStopping|seed_everything|split|KFold|\.log|callback_metrics|"
    r"\.fit\(|\bcase\b|\bmonitor\b|\bcallbacks\b"
)
"""A function whose text holds none of these leaves no site, and is not run."""


def interpret_file(
    module: Module, project: Project, recorder: Recorder, skip: frozenset[ClassInfo]
) -> None:
    """Run the top level of a file and every function in it, with nothing known of its arguments.

    ``skip``: the classes that are interpreted as what they are.
    """
    machine = Machine(project, recorder)
    machine.budget = BUDGET
    machine.block(module.source.tree.body, Frame(module))
    for node, owner in _functions(module, skip):
        if _tells(node, module):
            _run_alone(module, project, recorder, node, owner)


def _tells(node: FunctionNode, module: Module) -> bool:
    """Whether running a function can leave a site."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return TELLING.search("\n".join(module.source.lines[first - 1 : node.end_lineno])) is not None


def _functions(
    module: Module, skip: frozenset[ClassInfo]
) -> Iterator[tuple[FunctionNode, ClassInfo | None]]:
    for function in module.functions.values():
        yield function, None
    for info in module.classes.values():
        if info not in skip:
            for method in info.methods.values():
                yield method, info


def _run_alone(
    module: Module,
    project: Project,
    recorder: Recorder,
    node: FunctionNode,
    owner: ClassInfo | None,
) -> None:
    machine = Machine(project, recorder)
    machine.budget = BUDGET
    receiver = Opaque() if owner is not None else None
    machine.run(node, Frame(module, {}, owner), Arguments((), {}, False), receiver)
    if any(_is_case(decorator, module, project) for decorator in node.decorator_list):
        where = module.source.location(node)
        built = tuple(dict.fromkeys(machine.built))
        recorder.add(CaseSite(module.path, node.name, where, built))


def _is_case(decorator: ast.expr, module: Module, project: Project) -> bool:
    """``@pl_lint.case``, ``@case`` imported from it, and both with arguments."""
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    text = dotted(node)
    return text is not None and project.resolve(text, module) == CASE
