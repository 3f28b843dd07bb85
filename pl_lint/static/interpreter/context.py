"""What the parts of the interpreter share: the state of one interpretation and its frames."""

from __future__ import annotations

import ast
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from pl_lint.facts import lightning
from pl_lint.facts.branches import Arms
from pl_lint.facts.origins import Origin
from pl_lint.facts.stages import Stage
from pl_lint.findings import Location
from pl_lint.plain import field, frozen, mutable
from pl_lint.static.interpreter.abstract import (
    NOTHING,
    Abstract,
    Collection,
    Instance,
    Metric,
    PathOf,
    options,
    to_origin,
)
from pl_lint.static.interpreter.derivation import either
from pl_lint.static.interpreter.recorder import Recorder
from pl_lint.static.interpreter.work import PER_UNIT, Work
from pl_lint.static.names import ClassInfo, FunctionNode, Module, Project

MAX_CONSTANTS = 16
"""Constants that are made of constants are followed so far."""
PLAIN_BASES = frozenset(
    [
        "builtins.object",
        "object",
        "abc.ABC",
        "ABC",
        "typing.Generic",
        "Generic",
        "typing.Protocol",
        "torch.nn.Module",
        "torch.nn.modules.module.Module",
        "nn.Module",
    ]
)
"""Bases outside the project that define no hook of Lightning."""
CLASSES = re.compile("class|n_?cls|categor")
"""What a loop goes over that has a turn for each class."""


@frozen
class Hook:
    """The method through which Lightning enters the code; empty for code it does not call."""

    name: str = ""
    stage: Stage | None = None


@frozen
class Arguments:
    """The evaluated arguments of a call; not ``complete`` where ``*`` or ``**`` hides some.
    ``spread``: an item of each batch that hides them so (``*batch``)."""

    positional: tuple[Abstract, ...] = ()
    keywords: dict[str, Abstract] = field(default_factory=dict)
    complete: bool = True
    spread: tuple[Abstract, ...] = ()

    def get(self, index: int, name: str) -> Abstract | None:
        if name in self.keywords:
            return self.keywords[name]
        return self.positional[index] if 0 <= index < len(self.positional) else None

    def all(self) -> tuple[Abstract, ...]:
        return (*self.positional, *self.keywords.values(), *self.spread)


@mutable
class Frame:
    """One function in execution, whose ``code`` is None outside of functions. ``defining`` is the
    class whose body holds the method, or a method that has called the function; ``written``
    is what local names were made of, as it is written: ``self.logger.experiment`` of ``board``;
    ``asked``: the names in the condition that a local name is, ``rank`` of ``main = rank == 0``;
    ``caller``: the call that a function was entered by, and where that stands; ``asker``: the
    same of a method of an object that Lightning does not know; ``left_out``: the parameters that
    are at their defaults, because that call says nothing of them; ``cut``: those that it gives what
    has no graph; ``caught``: what it raises while a module is built is caught further out, and the
    module is built all the same.
    """

    module: Module
    names: dict[str, Abstract] = field(default_factory=dict)
    defining: ClassInfo | None = None
    function: str = ""
    depth: int = 0
    returns: list[Abstract] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)
    asked: dict[str, tuple[str, ...]] = field(default_factory=dict)
    caller: tuple[ast.Call, Frame] | None = None
    asker: tuple[ast.Call, Frame] | None = None
    left_out: set[str] = field(default_factory=set)
    cut: frozenset[str] = frozenset()
    caught: bool = False
    code: FunctionNode | None = None

    @property
    def entry(self) -> tuple[ast.Call, Frame] | None:
        """The call that it was entered by, where that is known."""
        return self.caller or self.asker

    def forget(self, name: str) -> None:
        """A name stands for something else from now on, or for what somebody has made of it."""
        self.written.pop(name, None)
        self.asked.pop(name, None)
        self.left_out.discard(name)

    @property
    def parts(self) -> tuple[ast.AST, ...]:
        """All nodes of it."""
        return self.module.source.parts(self.code) if self.code is not None else ()

    @property
    def assignments(self) -> list[ast.Assign]:
        return [one for one in self.parts if isinstance(one, ast.Assign)]

    def meant(self, text: str) -> str:
        """A dotted name, its first part as what it was made of."""
        head, dot, rest = text.partition(".")
        return f"{self.written[head]}{dot}{rest}" if head in self.written else text


@frozen
class Snapshot:
    """What stands in a frame and in the attributes before a branch, or after one."""

    names: dict[str, Abstract]
    attributes: dict[str, Abstract]
    written: dict[str, str]
    asked: dict[str, tuple[str, ...]]


@mutable
class Remembered:
    """What functions around the classes of a file gave back for constants and for what nothing is
    known of, where running them left no other trace: helpers of helpers are called like that again
    and again. No other values are compared: two Trainers that are equal are two. And how often in a
    row a function has found nothing new."""

    results: dict[tuple[object, ...], Abstract] = field(default_factory=dict)
    idle: Counter[FunctionNode] = field(default_factory=Counter)
    formulas: dict[tuple[ClassInfo, FunctionNode], bool] = field(default_factory=dict)


State = tuple[tuple[str, Abstract], ...]
"""The attributes of a class, and what they hold."""


class Context(ABC):
    """The state of interpreting one class or one script."""

    def __init__(
        self,
        project: Project,
        recorder: Recorder,
        work: Work,
        ancestors: tuple[ClassInfo | str, ...] = (),
        remembered: Remembered | None = None,
    ) -> None:
        self.project = project
        self.recorder = recorder
        self.work = work
        self.ancestors = ancestors
        self.remembered = Remembered() if remembered is None else remembered
        self.properties: dict[tuple[object, ...], tuple[State, Abstract]] = {}
        self.cuts = 0
        self.attributes: dict[str, Abstract] = {}
        self.said: dict[str, list[Abstract]] = {}
        self.step_lists: set[str] = set()
        self.brought_together: set[tuple[str, str]] = set()
        self.path_of = PathOf()
        self.made: dict[int, tuple[Metric | Collection, Location, str]] = {}
        self.hook = Hook()
        self.via: tuple[str, ...] = ()
        self.sampled = 0
        self.guards: tuple[str, ...] = ()
        self.within: tuple[str, ...] = ()
        self.arms: Arms = ()
        self.assigned = ""
        self.then: tuple[str, ...] = ()
        self.dropped: ast.expr | None = None
        self.logged = 0
        self.passed_on: tuple[ast.Call, Frame] | None = None
        self.batch_index = ""
        self.uncertain = 0
        self.turns = 1
        self.loops = 0
        self.class_loops = 0
        self.sample_loops = 0
        self.built: list[str] = []
        self.items_of = ""
        self.read_by: dict[ast.expr, tuple[str, ...]] = {}
        self.kept_by: dict[FunctionNode, dict[str, str]] = {}
        self.given_by: dict[FunctionNode, dict[str, list[tuple[ast.AST, ast.expr | None]]]] = {}
        self._identities = 0
        self._running: list[int] = []
        self._constants: set[tuple[str, str]] = set()

    @abstractmethod
    def evaluate(self, node: ast.expr, frame: Frame) -> Abstract: ...

    @abstractmethod
    def block(self, body: list[ast.stmt], frame: Frame) -> bool: ...

    @abstractmethod
    def run(
        self, node: FunctionNode, frame: Frame, arguments: Arguments, receiver: Abstract | None
    ) -> Abstract: ...

    @cached_property
    def owner(self) -> str:
        """The class that is interpreted; empty in a script."""
        first = self.ancestors[0] if self.ancestors else ""
        return first.qualified if isinstance(first, ClassInfo) else ""

    @cached_property
    def is_whole_module(self) -> bool:
        """Whether a LightningModule is interpreted, and nothing that it inherits is unknown."""
        outside = [base for base in self.ancestors if isinstance(base, str)]
        kinds = {lightning.kind_of(base) for base in outside if base not in PLAIN_BASES}
        return kinds == {"LightningModule"}

    def identity(self) -> int:
        """A fresh number for an object with a state of its own."""
        self._identities += 1
        return self._identities

    def traces(self) -> tuple[int, ...]:
        """What grows where something is seen or made, or a call is not followed: as long as it is
        the same, a run has left nothing and is whole."""
        return (self.recorder.seen, len(self.built), self._identities, self.cuts)

    def around_now(self) -> tuple[int, ...]:
        """What is known of the loops around, on which values may depend."""
        loops = (self.loops, self.class_loops, self.sample_loops)
        return (*loops, self.turns, self.uncertain)

    def origin(self, value: Abstract | None) -> Origin:
        return to_origin(NOTHING if value is None else value, self.path_of)

    def held(self, arguments: Arguments) -> Origin:
        """What an object gives items of, if it is a data set: what its first argument was made of.
        A part of a split behind it may be what items are compared with, or counted by."""
        return self.made_of(next(iter(arguments.all()), NOTHING))

    def made_of(self, value: Abstract) -> Origin:
        """As ``origin``, and of an object what it holds."""
        return either(
            one.holds if isinstance(one, Instance) else self.origin(one) for one in options(value)
        )

    def location(self, node: ast.expr | ast.stmt, frame: Frame) -> Location:
        return frame.module.source.location(node)

    def find_method(self, name: str) -> tuple[ClassInfo, FunctionNode] | None:
        """A method of the interpreted class or of what it inherits from the files read."""
        return next(self.methods(name), None)

    def methods(self, name: str) -> Iterator[tuple[ClassInfo, FunctionNode]]:
        for info in self.ancestors:
            if isinstance(info, ClassInfo) and name in info.methods:
                yield info, info.methods[name]

    def snapshot(self, frame: Frame) -> Snapshot:
        self.work.spend((len(frame.names) + len(self.attributes)) // PER_UNIT)
        return Snapshot(
            dict(frame.names), dict(self.attributes), dict(frame.written), dict(frame.asked)
        )

    def restore(self, frame: Frame, snapshot: Snapshot) -> None:
        frame.names, self.attributes = dict(snapshot.names), dict(snapshot.attributes)
        frame.written, frame.asked = dict(snapshot.written), dict(snapshot.asked)

    @contextmanager
    def may_be_another(self) -> Iterator[None]:
        """While it is not sure which of several objects something is done to."""
        self.uncertain += 1
        try:
            yield
        finally:
            self.uncertain -= 1

    @contextmanager
    def turning(self, times: int) -> Iterator[None]:
        """While something is done so many times."""
        outer = self.turns
        self.turns *= max(times, 1)
        try:
            yield
        finally:
            self.turns = outer

    @contextmanager
    def looping(self, over: ast.expr, known: bool, of_samples: bool) -> Iterator[None]:
        """Within a loop: over the classes of a data set, or over what may be a batch's samples, and
        is seen to be (``of_samples``)."""
        of_classes = bool(CLASSES.search(ast.unparse(over).lower()))
        sampled = not known and not of_classes
        self.loops += sampled
        self.class_loops += of_classes
        self.sample_loops += of_samples
        try:
            yield
        finally:
            self.loops -= sampled
            self.class_loops -= of_classes
            self.sample_loops -= of_samples

    @contextmanager
    def constant_lookup(self, module: Module, name: str) -> Iterator[bool]:
        """Whether a constant may be evaluated now: not while it is being evaluated already, nor
        at the end of a long chain of them."""
        key = (module.path, name)
        if key in self._constants or len(self._constants) >= MAX_CONSTANTS:
            yield False
            return
        self._constants.add(key)
        try:
            yield True
        finally:
            self._constants.discard(key)
