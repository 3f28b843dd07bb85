"""Interprets one Lightning class: its construction, then each of its hooks, as ClassFacts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

from pl_lint.facts import lightning
from pl_lint.facts.sites import (
    AssignmentSite,
    ClassFacts,
    DeviceSite,
    GivenReadSite,
    HeldSite,
    HyperparameterSite,
    ItemSite,
    ListSite,
    LoggedReadSite,
    LogSite,
    MemberReadSite,
    MeterUse,
    MethodSite,
    MetricItemSite,
    MetricUse,
    ReadSite,
    ReturnSite,
    SchedulerSite,
)
from pl_lint.facts.stages import Stage
from pl_lint.findings import Location
from pl_lint.plain import frozen, replace
from pl_lint.static.interpreter import (
    behaviour,
    handing,
    hidden,
    loaders,
    members,
    metrics,
    parameters,
    repeats,
    saving,
    schedulers,
)
from pl_lint.static.interpreter.abstract import NOTHING, Const
from pl_lint.static.interpreter.context import PLAIN_BASES, Hook
from pl_lint.static.interpreter.machine import Machine
from pl_lint.static.interpreter.recorder import Recorder
from pl_lint.static.interpreter.work import Work
from pl_lint.static.names import ClassInfo, FunctionNode, Project, dotted
from pl_lint.static.naming import bindings, identifiers, own
from pl_lint.static.sources import SourceFile

COUNTED = re.compile(r"\bself\.(\w+)\s*(?:[-+*%]|//?)=(?!=)")
"""What is counted up or down in place."""
BUILDERS = ("__init__", "setup", "configure_model")
"""Where attributes are made; ``setup`` runs before every other hook."""
LOGGING = ("log", "log_dict")
"""Calls that Lightning reduces; what is given to a logger itself is as it is."""
KINDS = {
    "LightningModule": "module",
    "LightningDataModule": "datamodule",
    "Callback": "callback",
}
FAMILIES = {kind: family for family, kind in KINDS.items()}


@frozen
class LightningClass:
    """A class that Lightning calls, with its ancestors in lookup order."""

    info: ClassInfo
    kind: str
    ancestors: tuple[ClassInfo | str, ...]

    @property
    def open(self) -> bool:
        """Whether it inherits from something that was not read and is not known."""
        outside = [base for base in self.ancestors if isinstance(base, str)]
        return any(lightning.kind_of(base) is None and base not in PLAIN_BASES for base in outside)

    def methods(self) -> dict[str, tuple[ClassInfo, FunctionNode]]:
        """Every method by name, the nearest definition first."""
        found: dict[str, tuple[ClassInfo, FunctionNode]] = {}
        for info in self.ancestors:
            if isinstance(info, ClassInfo):
                for name, node in info.methods.items():
                    found.setdefault(name, (info, node))
        for name, other in _bound(found.get("__init__")):
            if other in found:
                found.setdefault(name, found[other])
        return found


def _bound(init: tuple[ClassInfo, FunctionNode] | None) -> Iterator[tuple[str, str]]:
    """Loaders under another name: ``self.val_dataloader = self._val_dataloader``, also by
    ``partial``."""
    for node in init[0].module.source.parts(init[1]) if init is not None else ():
        for target, value in bindings(node) if isinstance(node, ast.Assign) else ():
            name = own(target) or ""
            given = value.args[0] if isinstance(value, ast.Call) and value.args else value
            if name.endswith("_dataloader") and given is not None and (other := own(given)):
                yield name, other


def classify(info: ClassInfo, project: Project) -> LightningClass | None:
    """What a class is to Lightning; None for classes that it does not call.

    A class whose bases are not all known is a module where it defines one of the steps.
    """
    ancestors = project.ancestors(info)
    for base in ancestors:
        family = lightning.kind_of(base) if isinstance(base, str) else None
        if family in KINDS:
            return LightningClass(info, KINDS[family], ancestors)
    unknown = [base for base in ancestors if isinstance(base, str) and base not in PLAIN_BASES]
    if unknown and any(step in info.methods for step in lightning.STEPS) and _takes_batch(info):
        return LightningClass(info, "module", ancestors)
    return None


def _takes_batch(info: ClassInfo) -> bool:
    """Whether the class logs or configures as only a LightningModule does."""
    return any(
        isinstance(node, ast.Attribute) and node.attr in ("log", "log_dict")
        for step in lightning.STEPS
        if step in info.methods
        for node in info.module.source.parts(info.methods[step])
    )


def stage_of(hook: str) -> Stage | None:
    """The part of a run that a hook belongs to."""
    words = hook.split("_")
    if "train" in words or "training" in words:
        return "train"
    if "validation" in words or "val" in words or "validate" in words:
        return "validate"
    if "test" in words:
        return "test"
    if "predict" in words:
        return "predict"
    training = ("optimizer", "backward", "gradient", "grad")
    return "train" if any(word in words for word in training) else None


# --- interpretation -------------------------------------------------------------------------------


def interpret(found: LightningClass, project: Project, recorder: Recorder, work: Work) -> Machine:
    """Run a class through its construction and its hooks; the sites are in ``recorder``."""
    machine = Machine(project, recorder, work, found.ancestors)
    methods = found.methods()
    for name in BUILDERS:
        if name in methods:
            machine.enter(*methods[name], Hook("__init__" if name == "__init__" else name))
    _forget_counters(machine, methods)
    _forget_switches(machine, methods)
    for name in _roots(found, methods):
        returned = machine.enter(*methods[name], Hook(name, stage_of(name)))
        loaders.of_hook(machine, name, returned)
        if name == "configure_optimizers":
            schedulers.record(machine, returned)
    for name in _unreached(found, methods, recorder):
        machine.enter(*methods[name], Hook())
    return machine


def _forget_counters(machine: Machine, methods: dict[str, tuple[ClassInfo, FunctionNode]]) -> None:
    """A number that some method counts up is another one whenever a hook reads it."""
    sources = {info.module.path: info.module.source for info, _ in methods.values()}
    for source in sources.values():
        for attribute in source.found(COUNTED):
            value = machine.attributes.get(attribute)
            if isinstance(value, Const) and type(value.value) in (int, float):
                machine.attributes[attribute] = NOTHING


def _forget_switches(machine: Machine, methods: dict[str, tuple[ClassInfo, FunctionNode]]) -> None:
    """A switch that some method turns is on at times and off at others: hooks are interpreted once,
    and some of them before the step that turns it."""
    for name, (info, node) in methods.items():
        for part in info.module.source.parts(node) if name not in BUILDERS else ():
            for target, value in bindings(part) if isinstance(part, ast.Assign) else ():
                held = machine.attributes.get(own(target) or "")
                if isinstance(held, Const) and isinstance(held.value, bool):
                    same = isinstance(value, ast.Constant) and value.value is held.value
                    machine.attributes[own(target) or ""] = held if same else NOTHING


def _roots(found: LightningClass, methods: dict[str, tuple[ClassInfo, FunctionNode]]) -> list[str]:
    """The hooks that the class has, as a run comes to them: what starts prepares, what steps
    collect later hooks use."""
    hooks = [name for name in methods if name not in BUILDERS and _is_hook(found.kind, name)]
    return sorted(hooks, key=_turn)


def _turn(name: str) -> int:
    if name.endswith("_start"):
        return 0
    if name.endswith("_step"):
        return 1
    return 2 if "batch_end" in name else 3


def _is_hook(kind: str, name: str) -> bool:
    """Whether some version of Lightning calls it; ``forward`` is called by the class itself."""
    if name in ("forward", "__init__"):
        return False
    family = FAMILIES[kind]
    return lightning.hook_exists(family, name) or lightning.removed_hook(family, name) is not None


def _unreached(
    found: LightningClass,
    methods: dict[str, tuple[ClassInfo, FunctionNode]],
    recorder: Recorder,
) -> Iterator[str]:
    """Methods that no hook was seen to call: someone outside may, so their sites count too."""
    for name in methods:
        known = name in BUILDERS or _is_hook(found.kind, name)
        if not known and name not in recorder.called_methods:
            yield name


# --- facts ----------------------------------------------------------------------------------------


def facts_of(
    found: LightningClass, project: Project, recorder: Recorder, work: Work, newest: str
) -> ClassFacts:
    """Everything that reading knows of a class."""
    machine = interpret(found, project, recorder, work)
    logs = tuple(one for one in recorder.all(LogSite) if one.call in LOGGING)
    return ClassFacts(
        name=found.info.qualified,
        kind=found.kind,  # type: ignore[arg-type]
        location=found.info.module.source.location(found.info.node),
        ancestors=tuple(
            base if isinstance(base, str) else base.qualified for base in found.ancestors[1:]
        ),
        open=found.open,
        lightning=newest,
        own_methods=tuple(_method_sites(found, project, recorder)),
        logs=tuple(repeats.marked(logs, _sources(found))),
        written=tuple(one for one in recorder.all(LogSite) if one.call not in LOGGING),
        metrics=tuple(metrics.sites(machine)),
        uses=recorder.all(MetricUse),
        lists=recorder.all(ListSite),
        held=recorder.all(HeldSite),
        meters=recorder.all(MeterUse),
        assignments=tuple(members.with_unread(recorder.all(AssignmentSite), _read_bases(found))),
        items=recorder.all(ItemSite),
        devices=recorder.all(DeviceSite),
        checkpoint_keys=(
            *saving.checkpoint_keys(found.methods()),
            *saving.state_keys(found.methods()),
        ),
        schedulers=recorder.all(SchedulerSite),
        hyperparameters=_hyperparameters(found, project, recorder),
        optimization=behaviour.optimization(machine, found.open),
        returns=recorder.all(ReturnSite),
        containers=tuple(hidden.containers(machine)),
        reads=recorder.all(ReadSite),
        logged_reads=recorder.all(LoggedReadSite),
        given_reads=recorder.all(GivenReadSite),
        metric_items=recorder.all(MetricItemSite),
        member_reads=tuple(_member_reads(found)),
        handed=frozenset(handing.handed(_read_bases(found))),
        given=frozenset(name for one in _read_bases(found) for name in one.constants),
    )


def _sources(found: LightningClass) -> Iterator[SourceFile]:
    """The files that the class and those that it inherits from stand in."""
    return (one.module.source for one in found.ancestors if isinstance(one, ClassInfo))


def _member_reads(found: LightningClass) -> Iterator[MemberReadSite]:
    """What a class reads of its Trainer, and of itself, that Lightning no longer has."""
    yield from members.of_trainer(found.info, found.kind, found.methods())
    if found.kind == "module" and not found.open:
        yield from members.of_module(found.info, _read_bases(found))


def _read_bases(found: LightningClass) -> list[ClassInfo]:
    """The class and what it inherits from the files read."""
    return [info for info in found.ancestors if isinstance(info, ClassInfo)]


def _method_sites(
    found: LightningClass, project: Project, recorder: Recorder
) -> Iterator[MethodSite]:
    """The methods of the class body and of its mixins; those that it inherits from another class
    of Lightning are reported there."""
    for name, (info, node) in found.methods().items():
        if info is not found.info and classify(info, project) is not None:
            continue
        yield method_site(name, info, node, called=name in recorder.called_methods)


def method_site(
    name: str, info: ClassInfo, node: FunctionNode, *, called: bool = False
) -> MethodSite:
    """A method as it is written, under the name that the class has it by."""
    positional = [*node.args.posonlyargs, *node.args.args]
    count = len(positional) - len(node.args.defaults)
    given = tuple(parameter.arg for parameter in positional[1:])
    words = _words(node.body)
    signature = (node.args, *node.decorator_list, *filter(None, (node.returns,)))
    return MethodSite(
        name=name,
        parameters=given,
        required=tuple(parameter.arg for parameter in positional[1:count]),
        star_arguments=node.args.vararg is not None,
        location=_signature(info, node),
        called=called,
        decorators=tuple(map(_decorator, node.decorator_list)),
        keywords=node.args.kwarg is not None,
        words=words | _words(signature),
        unused=tuple(parameter for parameter in given if parameter not in words),
        picked=_picked(info.module.source.parts(node)),
        refuses=_refuses(node),
        hands_up=_hands_up(node),
    )


def _refuses(method: FunctionNode) -> bool:
    """Whether a method only raises, its docstring aside, and is not there for others to write."""
    written_by_others = any("abstract" in _decorator(one) for one in method.decorator_list)
    said = [one for one in method.body if not isinstance(one, ast.Expr)]
    return not written_by_others and [type(one) for one in said] == [ast.Raise]


def _hands_up(method: FunctionNode) -> bool:
    """Whether a method only returns what its super method does, also by way of a local name."""
    said = [one for one in method.body if not _is_text(one)]
    *kept, last = said or [ast.Pass()]
    match kept, last:
        case [], ast.Return(ast.Call() as call):
            return _is_super_method(call, method.name)
        case [ast.Assign([ast.Name(name)], ast.Call() as call)], ast.Return(ast.Name(returned)):
            return name == returned and _is_super_method(call, method.name)
    return False


def _is_text(statement: ast.stmt) -> bool:
    """A docstring, or ``...``."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_super_method(call: ast.Call, name: str) -> bool:
    match call.func:
        case ast.Attribute(ast.Call(ast.Name("super")), called):
            return called == name
    return False


def _picked(nodes: Sequence[ast.AST]) -> frozenset[str]:
    """The attributes of which single items are taken by a whole number, and nothing else."""
    items = (node for node in nodes if isinstance(node, ast.Subscript) and _is_number(node.slice))
    taken = {node.value for node in items}
    whole = {one.attr for one in nodes if isinstance(one, ast.Attribute) and one not in taken}
    return frozenset(one.attr for one in taken if isinstance(one, ast.Attribute)) - whole


def _is_number(index: ast.expr) -> bool:
    negative = isinstance(index, ast.UnaryOp) and isinstance(index.op, ast.USub)
    number = index.operand if negative and isinstance(index, ast.UnaryOp) else index
    return isinstance(number, ast.Constant) and type(number.value) is int


def _words(nodes: Iterable[ast.AST]) -> frozenset[str]:
    return frozenset(word for node in nodes for word in identifiers(node))


def _decorator(node: ast.expr) -> str:
    """The name of a decorator, with or without arguments."""
    return dotted(node.func if isinstance(node, ast.Call) else node) or "?"


def _signature(info: ClassInfo, node: FunctionNode) -> Location:
    """The line with ``def``, not the whole body."""
    where = info.module.source.location(node)
    width = len(f"{'async ' if isinstance(node, ast.AsyncFunctionDef) else ''}def {node.name}")
    return replace(where, end_line=where.line, end_column=where.column + width)


def _hyperparameters(
    found: LightningClass, project: Project, recorder: Recorder
) -> HyperparameterSite | None:
    node = found.info.methods.get("__init__")
    if node is None:
        return None
    names = [p.arg for p in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)][1:]
    methods = found.methods()
    called = set(parameters.called(methods.values()))
    details = parameters.of_method(node, found.info.module, project)
    used = [replace(one, used=tuple(parameters.using(one, methods))) for one in details]
    return HyperparameterSite(
        tuple(names),
        recorder.saves_hyperparameters,
        _signature(found.info, node),
        tuple(
            parameters.as_called(one) if one.required and one.name in called else one
            for one in used
        ),
    )
