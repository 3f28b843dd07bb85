"""Has anything but a Trainer had a module since it was built?

What else is handed a module may load weights into it, whatever it is called: a helper of the
project, a method of the module's own, a library. So may its constructor, from what it is given.
This is asked of the text, around one call: values do not say who held them.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping

from pl_lint.plain import frozen
from pl_lint.static.names import dotted
from pl_lint.static.sources import SourceFile

RUNNING = frozenset(["fit", "validate", "test", "predict"])
HARMLESS = frozenset(["eval", "train", "to", "cuda", "cpu", "float", "double", "half", "freeze"])
"""Methods of a module that bring it no weights."""
HELD = re.compile(r"\.lightning_module\b|[Tt]rainer\w*\.model\b")
"""The module that a Trainer holds."""
READING = frozenset(["print", "len", "type", "isinstance", "repr", "ModelSummary", "summary"])
PLAIN_CALLS = frozenset(["len", "int", "float", "str", "bool", "tuple", "list", "dict", "range"])
_BRINGS_WEIGHTS = re.compile(
    r"weights|ckpt|checkpoint|pretrain|resume|restore|load|path|file|dir|state|net$|model|backbone|"
    r"encoder|decoder|module|cfg|config|conf$|hparams|params$|^h$|args|opts?$|options|settings|name",
    re.IGNORECASE,
)
"""What an argument may be called that holds weights, or says where they are."""
_PLACE = re.compile(r"[/\\]|\.(pt|pth|ckpt|bin|safetensors|pkl)$")


def as_built(call: ast.Call, source: SourceFile) -> bool:
    """Whether the module that a Trainer's method is given here is as its constructor left it, and
    the constructor was given nothing that looks like weights. A module that came into a function
    from outside is not."""
    model = model_of(call)
    if isinstance(model, ast.Call):
        return _is_plain_construction(model)
    scope = Scope.around(call, source)
    if not isinstance(model, ast.Name) or scope is None:
        return False
    made = list(scope.assigned(model.id))
    return (
        bool(made)
        and all(map(_is_plain_construction, made))
        and scope.leaves(model.id, call)
        and not scope.fits_in_turns(model.id, call)
    )


def model_of(call: ast.Call) -> ast.expr | None:
    named = (keyword.value for keyword in call.keywords if keyword.arg == "model")
    return call.args[0] if call.args else next(named, None)


@frozen
class Scope:
    """A function, or a file outside of its functions."""

    node: ast.AST
    source: SourceFile

    @property
    def above(self) -> Mapping[ast.AST, ast.AST]:
        """The parent of each node."""
        return self.source.above

    @classmethod
    def around(cls, part: ast.AST, source: SourceFile) -> Scope | None:
        """None for a piece of code that stands in another file."""
        above = source.above
        node: ast.AST | None = part
        while not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module)):
            if node is None:
                return None
            node = above.get(node)
        return cls(node, source)

    def assigned(self, name: str) -> Iterator[ast.expr | None]:
        """What the name is made to stand for; None for what cannot be told."""
        for node in self._mentions(name):
            if isinstance(node.ctx, ast.Load):
                continue
            parent = self.above[node]
            if isinstance(parent, ast.Tuple):
                yield _beside(node, parent, self.above[parent])
            else:
                is_plain = isinstance(parent, ast.Assign) and node in parent.targets
                yield parent.value if is_plain and isinstance(parent, ast.Assign) else None

    def leaves(self, name: str, until: ast.Call) -> bool:
        """Whether nobody but a Trainer was given the object before this call."""
        before = (node for node in self._mentions(name) if node.lineno <= until.lineno)
        return all(self._leaves(node) for node in before if isinstance(node.ctx, ast.Load))

    def handled(self, name: str) -> Iterator[tuple[int, ast.AST]]:
        """Where the name gets another object, or anybody but a Trainer is given the one that it
        has: the line, and the call or the name that does it."""
        for node in (*self._mentions(name), *self._at_work(name.partition(".")[0])):
            if isinstance(node.ctx, ast.Load) and self._leaves(node):
                continue
            above = self.above[node]
            if isinstance(above, (ast.keyword, ast.Tuple)):
                above = self.above[above]
            if isinstance(above, ast.Return):  # its caller had it before
                continue
            doer = above if isinstance(above, ast.Call) else node
            yield doer.lineno, doer

    def out_of_trainer(self) -> Iterator[ast.Attribute]:
        """Where anybody but a Trainer is given the module that a Trainer holds."""
        for node in self.source.parts(self.node) if self.source.found(HELD) else ():
            if isinstance(node, ast.Attribute) and _is_held(node) and not self._leaves(node):
                yield node

    def fits_in_turns(self, name: str, test: ast.Call) -> bool:
        """Whether one turn of a loop around the call may train the object that the next one tests:
        ``for phase in ("fit", "test")``."""
        loop: ast.AST | None = test
        while loop is not self.node and not isinstance(loop, (ast.For, ast.While)):
            loop = self.above[loop] if loop is not None else None
        around = [node for node in self._mentions(name) if loop in self._loops(node)]
        renewed = any(isinstance(node.ctx, ast.Store) for node in around)
        return not renewed and any(self._is_fitted(node) for node in around)

    def _loops(self, node: ast.AST) -> Iterator[ast.AST]:
        """The loops of this function that a node stands in."""
        while node is not self.node:
            node = self.above[node]
            if isinstance(node, (ast.For, ast.While)):
                yield node

    def _is_fitted(self, node: ast.expr) -> bool:
        call = self.above[node]
        call = self.above[call] if isinstance(call, ast.keyword) else call
        return isinstance(call, ast.Call) and _last(call.func) == "fit"

    def _at_work(self, owner: str) -> Iterator[ast.Attribute]:
        """The methods of an object that are called, for whatever they do."""
        for node in self.source.parts(self.node) if owner == "self" else ():
            match node:
                case ast.Call(ast.Attribute(ast.Name("self")) as method):
                    yield method

    def _mentions(self, name: str) -> Iterator[ast.Name | ast.Attribute]:
        """A local name, or an attribute: ``self.model``."""
        for node in self.source.parts(self.node) if "." in name else ():
            if isinstance(node, ast.Attribute) and dotted(node) == name:
                yield node
        first, last = _lines(self.node)
        for node in self.source.mentions.get(name, ()):
            if first <= node.lineno <= last:
                yield node

    def _leaves(self, node: ast.expr) -> bool:
        parent = self.above[node]
        if isinstance(parent, ast.Attribute):
            return parent.attr in HARMLESS and isinstance(parent.ctx, ast.Load)
        if isinstance(parent, ast.keyword):
            parent = self.above[parent]
        if not isinstance(parent, ast.Call):
            return False
        called = _last(parent.func)
        on_object = isinstance(parent.func, ast.Attribute)
        return called in (RUNNING if on_object else READING)


def _lines(scope: ast.AST) -> tuple[float, float]:
    """The first and the last line of a function; of a file, all there are."""
    if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return scope.lineno, scope.end_lineno or math.inf
    return 0, math.inf


def _is_held(node: ast.Attribute) -> bool:
    """``trainer.lightning_module``, ``self.trainer.model``"""
    held = node.attr == "model" and "trainer" in _last(node.value).lower()
    return held or node.attr == "lightning_module"


def _beside(name: ast.Name, names: ast.Tuple, around: ast.AST) -> ast.expr | None:
    """What one of several names gets by ``net, data = Net(), Data()``."""
    values = around.value if isinstance(around, ast.Assign) else None
    if not isinstance(values, ast.Tuple) or len(values.elts) != len(names.elts):
        return None
    return values.elts[names.elts.index(name)]


def _is_plain_construction(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Call) and all(map(_is_plain, _given(node)))


def _given(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    yield from (("", value) for value in call.args)
    yield from ((keyword.arg or "**kwargs", keyword.value) for keyword in call.keywords)


def _is_plain(given: tuple[str, ast.expr]) -> bool:
    name, value = given
    if isinstance(value, ast.Starred) or _BRINGS_WEIGHTS.search(name):
        return False
    if isinstance(value, ast.Constant):
        return not (isinstance(value.value, str) and _PLACE.search(value.value))
    if isinstance(value, ast.Call):
        called = _last(value.func)
        is_known = called in PLAIN_CALLS or called[:1].isupper()
        return is_known and all(map(_is_plain, _given(value)))
    if isinstance(value, (ast.Tuple, ast.List)):
        return all(_is_plain((name, one)) for one in value.elts)
    if isinstance(value, (ast.UnaryOp, ast.BinOp)):
        return True
    last = _last(value)
    return bool(last) and not _BRINGS_WEIGHTS.search(last)


def _last(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
