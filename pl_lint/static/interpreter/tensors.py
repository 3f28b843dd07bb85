"""Is what ``__init__`` keeps surely a tensor, and does anything move it? Asked of the text of one
method, and of how the others use the attribute."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Protocol

from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.names import ClassInfo, FunctionNode, Project, dotted
from pl_lint.static.naming import bindings, givers, identifiers, named, own
from pl_lint.static.trees import walk

CPU, EARLY, NUMBER, UNSURE = "cpu", "self.device", "number", ""
"""Where a tensor is: on the CPU, or on the device that a module says it has before Lightning moves
it; a number, be it a tensor, is good on any device."""
SIZED = frozenset("zeros ones randn rand eye linspace logspace full empty normal arange".split())
"""Functions of torch that make a tensor of a size."""
FILLED = frozenset({"tensor", "as_tensor", "FloatTensor", "LongTensor", "Tensor", "from_numpy"})
"""Functions of torch that make a tensor of what they are given."""
LISTED = re.compile(r"list|tuple|sequence|iterable|ndarray|array", re.IGNORECASE)
"""Words of an annotation that is of no single number."""
SAME = frozenset(
    (
        "sqrt rsqrt exp log log2 log1p pow clamp clip abs sin cos tanh sigmoid square reciprocal "
        "cumsum cumprod softmax log_softmax flip roll float double half long int clone detach "
        "reshape view flatten unsqueeze repeat transpose permute contiguous triu tril diff "
        "normalize"
    ).split()
)
"""Functions and methods of tensors whose result is one of the same kind."""
REDUCED = frozenset("sum mean prod max min std var norm median numel".split())
"""Those that may leave one number."""
MOVING = frozenset("to cuda cpu type_as device new_tensor item tolist numpy as_tensor".split())
"""Words for bringing a tensor elsewhere, or for asking for its numbers."""
LANDED = frozenset({"cpu", "item", "tolist", "numpy"})
"""Those that bring it to the CPU."""
MAX_DEPTH = 12


def left(context: Context, target: ast.expr, written: ast.expr, frame: Frame) -> str:
    """Where a tensor stays that ``__init__`` keeps under ``self.<name>`` and works out from others:
    nothing moves it, and other methods compute with it."""
    name = own(target)
    made_here = name is not None and context.hook.name == "__init__"
    return stays(context, name, written, frame) if name and made_here else UNSURE


class Asked(Protocol):
    """What has to be known of the program."""

    @property
    def project(self) -> Project: ...

    @property
    def given_by(self) -> dict[FunctionNode, Given]: ...


def stays(context: Asked, name: str, written: ast.expr, frame: Frame) -> str:
    """The same of one attribute of a class, which may be any network."""
    place = Placing(context, frame).of(written) if frame.defining is not None else UNSURE
    if place not in (CPU, EARLY) or frame.defining is None:
        return UNSURE
    building = ("__init__", frame.function)
    others = [one for key, one in frame.defining.methods.items() if key not in building]
    uses = {
        _used(use, one, context, frame) for one in others for use in _mentions(name, one, frame)
    }
    return place if "computed" in uses and "unsure" not in uses else UNSURE


class Placing:
    """Follows the names of one method back to what they are made of."""

    def __init__(self, context: Asked, frame: Frame) -> None:
        self.context, self.frame, self.depth = context, frame, 0

    def of(self, node: ast.expr) -> str:
        if self.depth >= MAX_DEPTH:
            return UNSURE
        self.depth += 1
        place = self._of(node)
        self.depth -= 1
        return place

    def _of(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(int() | float()):
                return NUMBER
            case ast.UnaryOp(ast.USub(), inner) | ast.Attribute(inner, "T" | "mT" | "data"):
                return self.of(inner)
            case ast.BinOp(one, operator, other) if not isinstance(operator, ast.MatMult):
                return _together(self.of(one), self.of(other))
            case ast.Subscript(whole, ast.Slice()):
                return self.of(whole)
            case ast.Call():
                return self._of_call(node)
            case ast.Name() | ast.Attribute(ast.Name("self")):
                return self._of_name(node)
        return UNSURE

    def _of_name(self, node: ast.expr) -> str:
        """What a name was given last, where each of its values stands in no branch, or in the
        same."""
        given = _given(self.context, self.frame).get(dotted(node) or "", [])
        above = self.frame.module.source.above
        blocks = {above.get(part) for part, _ in given}
        before = [value for part, value in given if _end(part) < node.lineno and value is not None]
        known = len(given) == 1 or blocks == {self.frame.code}
        return self.of(before[-1]) if known and before else UNSURE

    def _of_call(self, node: ast.Call) -> str:
        name = self.context.project.resolve(dotted(node.func) or "", self.frame.module)
        owner, _, last = name.rpartition(".") if isinstance(name, str) else ("", "", "")
        if owner in ("torch", "torch.nn.functional"):
            return self._made_by(last, node)
        if not isinstance(node.func, ast.Attribute):
            return UNSURE
        return self._by_method(node.func.attr, self.of(node.func.value), node)

    def _made_by(self, name: str, node: ast.Call) -> str:
        first = node.args[0] if node.args else None
        device = next((one.value for one in node.keywords if one.arg == "device"), None)
        if name in SIZED or name in FILLED:
            made = CPU if name in SIZED or self._is_listed(name, first) else UNSURE
            number = isinstance(first, ast.Constant) and name in ("tensor", "as_tensor")
            place = NUMBER if number or _is_empty(first) else made
            return place if device is None or place != CPU else _told(device)
        if isinstance(first, (ast.List, ast.Tuple)) and name in ("cat", "stack", "concat"):
            return _together(*map(self.of, first.elts)) if first.elts else UNSURE
        return self._by_method(name, self.of(first), node) if first is not None else UNSURE

    def _by_method(self, name: str, place: str, node: ast.Call) -> str:
        if name in SAME:
            return place
        if name in REDUCED and place:
            return NUMBER
        keywords = {one.arg: one.value for one in node.keywords}
        given = [*node.args[:1], *(keywords[one] for one in ("device",) if one in keywords)]
        if name == "to" and place == CPU and len(given) == 1:
            text = dotted(given[0]) or ""
            return EARLY if text == EARLY else place if text.startswith("torch.") else UNSURE
        return UNSURE

    def _is_listed(self, name: str, given: ast.expr | None) -> bool:
        """Whether a tensor is surely made of more than one number."""
        match given:
            case ast.List(items) | ast.Tuple(items):
                return bool(items)
            case ast.ListComp() | ast.Subscript(_, ast.Slice()):
                return True
            case ast.Name(text):
                code = self.frame.code
                return name in ("FloatTensor", "LongTensor", "Tensor", "from_numpy") or (
                    code is not None and any(_is_list(one) for one in _parameters(text, code))
                )
        return name == "from_numpy"


def _told(device: ast.expr) -> str:
    """Where a tensor is made that is told its device."""
    if isinstance(device, ast.Constant) and device.value == "cpu":
        return CPU
    return EARLY if dotted(device) == EARLY else UNSURE


Given = dict[str, list[tuple[ast.AST, ast.expr | None]]]
"""What each name of a method is given, and in which statements."""


def _given(context: Asked, frame: Frame) -> Given:
    code = frame.code
    if code is None:
        return {}
    if code not in context.given_by:
        found: Given = {}
        for part in frame.parts:
            for target, value in bindings(part):
                found.setdefault(named(target), []).append((part, value))
        context.given_by[code] = found
    return context.given_by[code]


def _together(*places: str) -> str:
    """Where the result of an operation is."""
    for place in (EARLY, CPU):
        if place in places:
            return place
    return UNSURE if UNSURE in places else NUMBER


def _is_empty(first: ast.expr | None) -> bool:
    return isinstance(first, (ast.Tuple, ast.List)) and not first.elts


def _end(part: ast.AST) -> int:
    return getattr(part, "end_lineno", None) or 0


def _parameters(name: str, code: FunctionNode) -> Iterator[ast.arg]:
    every = (*code.args.posonlyargs, *code.args.args, *code.args.kwonlyargs)
    return (one for one in every if one.arg == name)


def _is_list(parameter: ast.arg) -> bool:
    note = parameter.annotation
    return note is not None and LISTED.search(ast.unparse(note)) is not None


# --- how it is used -------------------------------------------------------------------------------


ASKING = frozenset({"shape", "size", "dim", "ndim", "dtype", "numel"})
"""What says something of a tensor that has nothing to do with where it is."""


WHOLE = (ast.Return, ast.Assign, ast.AugAssign, ast.If, ast.While)
"""Statements at which what was said of a tensor is all that there is to say."""


def _mentions(name: str, code: FunctionNode, frame: Frame) -> Iterator[ast.expr]:
    for part in frame.module.source.parts(code):
        if isinstance(part, ast.Attribute) and own(part) == name:
            yield part


def _used(mention: ast.expr, code: FunctionNode, context: Asked, frame: Frame) -> str:
    """The same as ``_use``; of a method that speaks of the CPU it is not known what is there."""
    use = _use(mention, context, frame)
    return "unsure" if use == "computed" and "cpu" in identifiers(code) else use


def _use(mention: ast.expr, context: Asked, frame: Frame) -> str:
    """Whether a tensor is ``computed`` with where it is, only ``asked`` of its shape, or whether
    that is ``unsure``: it is moved, gets a name, or is handed to code that may move it."""
    above = frame.module.source.above
    inner: ast.AST = mention
    met = "unsure"
    while inner in above:
        outer = above[inner]
        answer = _answer(outer, inner, met, context, frame)
        if answer is not None:
            return answer
        met = "computed" if _meets(outer, inner, frame) else met
        inner = outer
    return "unsure"


def _answer(outer: ast.AST, inner: ast.AST, met: str, context: Asked, frame: Frame) -> str | None:
    """What the code around a tensor says of its use; None where what is around that decides."""
    match outer:
        case ast.Attribute(_, name):
            return "asked" if name in ASKING else "unsure" if name in MOVING else None
        case ast.Subscript(value, index, store) if value is inner:
            picked = met != "computed" and _is_number(index, frame)
            return "asked" if isinstance(store, ast.Store) or picked else None  # nothing is moved
        case ast.Assign(targets) if inner in targets:
            return "asked"
        case ast.AugAssign(target, _, value) if target is inner:
            return "computed" if _is_given(value) else "asked"
        case ast.Call(function) if function is not inner:
            return _answer_of_call(function, frame.module.source.above.get(outer), context, frame)
        case ast.BinOp() | ast.Compare(_, _, [_]) | ast.UnaryOp() | ast.Call():
            return None
        case ast.List() | ast.Tuple() | ast.keyword():
            return None
    return met if isinstance(outer, WHOLE) else "unsure"


def _answer_of_call(
    function: ast.expr, around: ast.AST | None, context: Asked, frame: Frame
) -> str | None:
    """The same of a call that is given the tensor."""
    if isinstance(function, ast.Name) and function.id == "len":
        return "asked"
    if _is_class(function, context, frame):
        return _registered(around)
    return None if _computes(function, context, frame) else "unsure"


def _meets(outer: ast.AST, inner: ast.AST, frame: Frame) -> bool:
    """Whether a tensor meets another one in an operation, in a call, or in a list for one."""
    match outer:
        case ast.BinOp(one, _, other) | ast.Compare(one, _, [other]):
            return _is_given(other if one is inner else one)
        case ast.Call(function, arguments, keywords) if function is not inner:
            return any(one is not inner and _is_given(one) for one in (*arguments, *keywords))
        case ast.List(items) | ast.Tuple(items):
            called = isinstance(frame.module.source.above.get(outer), ast.Call)
            return called and any(one is not inner and _is_given(one) for one in items)
    return False


def _is_number(index: ast.expr, frame: Frame) -> bool:
    """Whether an index is one number, as it is written or as a loop counts: what it picks of a list
    of numbers is one as well, and good on any device."""
    if isinstance(index, ast.Name):
        loop = _looped_over(index.id, frame)
        return isinstance(loop, ast.Call) and dotted(loop.func) == "range"
    try:
        return isinstance(ast.literal_eval(index), int)
    except ValueError:
        return False


def _is_class(function: ast.expr, context: Asked, frame: Frame) -> bool:
    """Whether a call makes a layer or a loss of torch, as ``CrossEntropyLoss(weight=...)``."""
    name = context.project.resolve(dotted(function) or "", frame.module)
    of_torch = isinstance(name, str) and name.startswith("torch.nn.")
    return of_torch and name.rpartition(".")[2][:1].isupper()


def _registered(around: ast.AST | None) -> str:
    """A loss that the module keeps holds its weights as a buffer, and goes where the module goes;
    one that a step makes and uses stays where it is."""
    if isinstance(around, ast.Assign) and any(own(target) for target in around.targets):
        return "asked"
    return "unsure" if isinstance(around, ast.Return) else "computed"


def _is_given(node: ast.AST) -> bool:
    """Whether an expression is made of something that a method has, and not of its object only; and
    stays where that is."""
    found = (one.id for one in walk(node) if isinstance(one, ast.Name))
    known = any(name not in ("self", "torch", "math", "np", "len") for name in found)
    return known and LANDED.isdisjoint(identifiers(node))


def _computes(function: ast.expr, context: Asked, frame: Frame) -> bool:
    """Whether a function takes its arguments where they are: one of torch, or one of the project
    that speaks of no device, or a layer whose classes do not."""
    name = context.project.resolve(dotted(function) or "", frame.module)
    if isinstance(name, str) and name.startswith("torch."):
        return MOVING.isdisjoint(name.split("."))
    methods = frame.defining.methods if frame.defining is not None else {}
    match function:
        case ast.Name(text) if text in frame.module.functions:
            return MOVING.isdisjoint(identifiers(frame.module.functions[text]))
        case ast.Attribute(ast.Name("self"), text) if text in methods:
            return MOVING.isdisjoint(identifiers(methods[text]))
        case ast.Name(text):
            return _is_layer(_looped_over(text, frame), context, frame)
        case ast.Attribute(ast.Name("self")):
            return _is_layer(function, context, frame)
    return False


def _looped_over(name: str, frame: Frame) -> ast.expr | None:
    """What every loop with this name goes over: ``self.blocks``."""
    if frame.defining is None:
        return None
    given = frame.module.source.once(givers, frame.defining.node).get(name, ())
    loops = [one.iter for one, _ in given if isinstance(one, ast.For) and named(one.target) == name]
    same = len(loops) == len(given) and len({dotted(one) for one in loops}) == 1
    return loops[0] if same else None


def _is_layer(node: ast.expr | None, context: Asked, frame: Frame) -> bool:
    """Whether an attribute, or what is in it, is of classes of torch, or of the project that speak
    of no device."""
    name = own(node) if node is not None else None
    init = frame.defining.methods.get("__init__") if frame.defining is not None else None
    if name is None or init is None:
        return False
    pairs = [pair for part in frame.module.source.parts(init) for pair in bindings(part)]
    values = [value for target, value in pairs if own(target) == name]
    made = [
        one.func for value in values if value for one in walk(value) if isinstance(one, ast.Call)
    ]
    names = [dotted(one) or "" for one in made if dotted(one) != "range"]
    classes = [context.project.resolve(one, frame.module) for one in names]
    return bool(classes) and len(values) == 1 and all(_is_still(one, context) for one in classes)


def _is_still(found: object, context: Asked) -> bool:
    """Whether a class of layers, and those that it is made of, leave tensors where they are."""
    classes = [found]
    for one in classes:  # which grows on the way
        if isinstance(one, str) and not one.startswith("torch.nn."):
            return False
        node = one.node if isinstance(one, ClassInfo) else one
        if isinstance(node, ast.AST) and not MOVING.isdisjoint(identifiers(node)):
            return False
        if isinstance(one, ClassInfo):
            parts = [*_made_in(one, context), *context.project.ancestors(one)]
            classes += [part for part in parts if part not in classes]
    return True


PLAIN = ("torch.", "math.", "numpy.")


def _made_in(info: ClassInfo, context: Asked) -> Iterator[object]:
    """What a class calls that is of the project, or of a library that may move tensors."""
    calls = (part.func for part in walk(info.node) if isinstance(part, ast.Call))
    for name in {dotted(function) or "" for function in calls}:
        found = context.project.resolve(name, info.module)
        imported = name.partition(".")[0] in info.module.imports
        if not isinstance(found, str) or (imported and not found.startswith(PLAIN)):
            yield found
