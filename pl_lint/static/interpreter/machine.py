"""The interpreter itself: binds arguments, keeps recursion and work within bounds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.origins import BatchValue, ListOfSteps
from pl_lint.facts.sites import StrayLog
from pl_lint.facts.values import UNKNOWN
from pl_lint.static.interpreter import handed_in, lookup
from pl_lint.static.interpreter.abstract import (
    NONE,
    NOTHING,
    Abstract,
    Const,
    Mapping,
    Opaque,
    Reference,
    Self,
    Sequence,
    join,
)
from pl_lint.static.interpreter.behaviour import note_end
from pl_lint.static.interpreter.context import Arguments, Context, Frame, Hook
from pl_lint.static.interpreter.expressions import evaluate
from pl_lint.static.interpreter.statements import block
from pl_lint.static.names import ClassInfo, FunctionNode, dotted
from pl_lint.static.naming import constant_defaults, defaults

MAX_CALLS = 8
"""Helpers that call helpers are followed so deep."""
FEW_CALLS = 1
"""So deep they are followed around the classes of a file that has already been half of the work
that it may be: tests that put one large helper through every case, most of all."""
BATCH_INDEX = ("batch_idx", "batch_nb", "batch_index")
"""Under these names Lightning tells a hook which batch of the epoch it is."""
GIVEN = re.compile(r"idx|index|hiddens|loader")
"""What Lightning may give a step after the batch and its number."""
OF_TRAINING = ("optimizer_idx", "opt_idx")
"""What Lightning 1 gave to ``training_step`` alone."""


class Machine(Context):
    """Runs hooks and scripts of one class or file."""

    def evaluate(self, node: ast.expr, frame: Frame) -> Abstract:
        return evaluate(self, node, frame)

    def block(self, body: list[ast.stmt], frame: Frame) -> bool:
        return block(self, body, frame)

    def run(
        self, node: FunctionNode, frame: Frame, arguments: Arguments, receiver: Abstract | None
    ) -> Abstract:
        """Execute a function with its arguments bound; what it returns, joined over its paths."""
        if frame.depth > self._deepest() or id(node) in self._running:
            self.cuts += 1
            return Opaque(
                self.origin(join(*arguments.all())) if arguments.all() else NOTHING.origin
            )
        frame.names.update(bind(self, node, frame, arguments, receiver))
        frame.code, frame.function = node, node.name
        self._running.append(id(node))
        around = self.guards, self.within, self.assigned, self.then, self.arms
        self.assigned, self.then = "", ()
        self.guards += tuple(decorator_names(node))
        try:
            falls_through = self.block(node.body, frame)
            left_under = self.guards
        except RecursionError:
            if not frame.depth:  # the hook itself is too deeply nested: the engine says so
                raise
            self.recorder.add(StrayLog(UNKNOWN, frame.module.source.location(node)))
            return NOTHING
        finally:
            self._running.pop()
            self.guards, self.within, self.assigned, self.then, self.arms = around
        if falls_through:
            note_end(self, node, left_under, frame)
        return join(*frame.returns, *([NONE] if falls_through else []))

    def _deepest(self) -> int:
        """How deep helpers are followed. In a class all the way: a key that is logged there must
        not be overlooked."""
        return FEW_CALLS if self.work.half_done and not self.owner else MAX_CALLS

    def fresh(self) -> Machine:
        """Another one of the same file, which knows nothing of what this one has run."""
        return Machine(self.project, self.recorder, self.work, self.ancestors, self.remembered)

    def enter(self, info: ClassInfo, node: FunctionNode, hook: Hook) -> Abstract:
        """Run a method as Lightning calls it: with a batch, with outputs, or with nothing known;
        ``__init__`` with the metrics that scripts hand to it."""
        self.hook, self.via, self.sampled = hook, (), 0
        self.guards, self.within, self.arms = (), (), ()
        lookup.recall(self)
        given = entry_arguments(node, hook)
        if hook.name == "__init__":
            given |= handed_in.metrics(self, node)
        names = [parameter.arg for parameter in node.args.args]
        self.batch_index = names[2] if hook.name.endswith("_step") and len(names) > 2 else ""
        return self.run(node, Frame(info.module, {}, info), Arguments((), given, False), Self())


def decorator_names(node: FunctionNode) -> Iterator[str]:
    """The last word of each decorator: ``rank_zero_only``, ``no_grad``."""
    for decorator in node.decorator_list:
        text = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if text is not None:
            yield text.rpartition(".")[2]


def bind(
    context: Context,
    node: FunctionNode,
    frame: Frame,
    arguments: Arguments,
    receiver: Abstract | None,
) -> dict[str, Abstract]:
    """The parameters of a function with what the call gives them."""
    parameters = [*node.args.posonlyargs, *node.args.args]
    values: dict[str, Abstract] = {}
    positional = (receiver, *arguments.positional) if receiver is not None else arguments.positional
    names, otherwise = [parameter.arg for parameter in parameters], defaults(node.args)
    values.update(zip(names, positional, strict=False))
    for name in [*names, *(parameter.arg for parameter in node.args.kwonlyargs)]:
        if name in arguments.keywords:
            values[name] = arguments.keywords[name]
        elif name not in values:
            default = otherwise.get(name)
            known = default is not None and arguments.complete
            unknown = join(*arguments.spread) if arguments.spread else NOTHING
            values[name] = context.evaluate(default, frame) if known and default else unknown
            frame.left_out |= {name} if known and frame.depth else set()
    return values | _rest(node, names, positional, arguments)


def _rest(
    node: FunctionNode, names: list[str], positional: tuple[Abstract, ...], arguments: Arguments
) -> dict[str, Abstract]:
    """What ``*args`` and ``**kwargs`` receive."""
    rest: dict[str, Abstract] = {}
    if node.args.vararg is not None:
        rest[node.args.vararg.arg] = Sequence(tuple(positional[len(names) :]), arguments.complete)
    if node.args.kwarg is not None:
        own = {*names, *(parameter.arg for parameter in node.args.kwonlyargs)}
        items = tuple((Const(k), v) for k, v in arguments.keywords.items() if k not in own)
        rest[node.args.kwarg.arg] = Mapping(items, arguments.complete)
    return rest


def entry_arguments(node: FunctionNode, hook: Hook) -> dict[str, Abstract]:
    """What Lightning passes: steps get the batch, old epoch ends the outputs of this process."""
    names = [parameter.arg for parameter in (*node.args.posonlyargs, *node.args.args)][1:]
    if not names or hook.stage is None:
        return {}
    index: dict[str, Abstract] = {
        one: Reference("batch_idx")
        for place, one in enumerate(names)
        if one in BATCH_INDEX or (place == 1 and hook.name in lightning.STEPS)
    }
    return _of_their_own(node, hook) | index | _batch(names, hook)


def _of_their_own(node: FunctionNode, hook: Hook) -> dict[str, Abstract]:
    """Parameters that Lightning never gives to a step keep their defaults: ``return_output=False``
    is for a caller in the project, ``optimizer_idx=0`` of a ``validation_step`` too."""
    positional = [*node.args.posonlyargs, *node.args.args]
    extra = {one.arg for one in (*positional[3:], *node.args.kwonlyargs)}
    return {
        name: Const(default)
        for name, default in constant_defaults(node.args).items()
        if hook.name in lightning.STEPS and name in extra
        if (isinstance(default, bool) and not GIVEN.search(name))
        or (name in OF_TRAINING and hook.name != "training_step")
    }


def _batch(names: list[str], hook: Hook) -> dict[str, Abstract]:
    if hook.name.endswith(("_step", "_step_end")) or "batch" in names[0]:
        return {names[0]: Opaque(BatchValue())}
    if "_batch_" in hook.name:
        return {name: Opaque(BatchValue()) for name in names if name in ("outputs", "batch")}
    if hook.name.endswith("_epoch_end"):
        of_callback = names[0] == "trainer"  # and the module: the outputs came behind them
        given = names[2:] if of_callback else names
        return {one: Opaque(ListOfSteps(one)) for one in given[:1]}
    return {}
