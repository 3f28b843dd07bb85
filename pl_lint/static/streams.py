"""The data sets of a project: streams, which have no length, those of one item, those of pairs, and
those that are told something between epochs."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator

from pl_lint.facts.sites import LengthSite, StreamSite, ToldSite
from pl_lint.findings import Location
from pl_lint.static.names import ClassInfo, FunctionNode, Project, dotted
from pl_lint.static.naming import bindings, gives, identifiers, named, named_by
from pl_lint.static.trees import walk

BASES = frozenset(
    [
        "torch.utils.data.IterableDataset",
        "torch.utils.data.dataset.IterableDataset",
    ]
)

GENERATORS = ("random.Random", "numpy.random.default_rng", "numpy.random.RandomState")
NUMBERS = frozenset(
    "random integers randint randrange uniform normal gauss rand randn standard_normal".split()
)
"""Methods of a generator that draw a number."""
DRAWS = NUMBERS | {"shuffle", "permutation", "choice", "choices", "sample"}
SEEDING = frozenset({"manual_seed", "seed", "default_rng", "RandomState", "Random"})
BUILT = frozenset({"__init__", "__len__"})
"""Methods that decide which items there are, and not what is made of them."""
ORDERS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
LAZY = ("iter", "map", "filter", "zip", "enumerate", "islice", "chain")
"""Functions that go over what they are given."""


def streams(project: Project) -> Iterator[StreamSite]:
    """Every IterableDataset that a class of the project is."""
    for module in project.modules:
        for info in module.classes.values():
            ancestors = project.ancestors(info)
            if not _is_stream(info, project):
                continue
            found = project.method(info, "__iter__")
            if found is not None:
                home, node = found
                where = home.module.source.location(node)
                words, over = _words(ancestors), tuple(_gone_over(node))
                loops = _loops(node) or any(map(_loops, _handed_to(node, info, project)))
                yield StreamSite(
                    info.qualified,
                    words,
                    loops,
                    where,
                    over,
                    called=frozenset(_called(ancestors)),
                    asked=frozenset(_asked(ancestors)),
                    compared=frozenset(_compared(ancestors)),
                    idle=_idle(ancestors) | _built(ancestors),
                    got=frozenset(_got(node)),
                    by_worker=frozenset(_by_worker(ancestors)),
                    drawn=tuple(_drawn(node, info, project)) if home is info else (),
                )


def _is_stream(info: ClassInfo, project: Project) -> bool:
    return any(base in BASES for base in project.ancestors(info) if isinstance(base, str))


def classes_of_one_item(project: Project) -> Iterator[str]:
    """The classes whose objects hold one item, by the ``__len__`` that counts for them."""
    classes = [info for module in project.modules for info in module.classes.values()]
    if not any(_says_one(info) for info in classes):
        return
    for info in classes:
        found = project.method(info, "__len__")
        if found is not None and _says_one(found[0]):
            yield info.qualified


def classes_of_pairs(project: Project) -> Iterator[str]:
    """The classes each of whose items is a tuple of several things, by every ``return`` of the
    ``__getitem__`` that counts for them."""
    for module in project.modules:
        for info in module.classes.values():
            found = project.method(info, "__getitem__")
            if found is not None and _returns_tuples(found[1]):
                yield info.qualified


def _returns_tuples(node: FunctionNode) -> bool:
    inside = list(walk(node))
    own = not any(isinstance(one, FUNCTIONS) for one in inside if one is not node)
    given = [one.value for one in inside if isinstance(one, ast.Return)]
    return own and bool(given) and all(map(_is_of_several, given))


def _is_of_several(value: ast.expr | None) -> bool:
    items = value.elts if isinstance(value, ast.Tuple) else []
    return len(items) > 1 and not any(isinstance(one, ast.Starred) for one in items)


def inherited_items(project: Project) -> Iterator[tuple[str, str]]:
    """The classes whose items another class of the project makes, by the ``__getitem__`` that they
    inherit, and that class: those that change nothing of it, but how they are built."""
    for module in project.modules:
        for info in module.classes.values():
            found = project.method(info, "__getitem__") if info.methods.keys() <= BUILT else None
            if found is None:
                continue
            line = project.ancestors(info)
            if all(map(_changes_nothing, line[: line.index(found[0])])):
                yield info.qualified, found[0].qualified


def _changes_nothing(ancestor: ClassInfo | str) -> bool:
    """Whether a class only says how its objects are built, and how many items they have."""
    if not isinstance(ancestor, ClassInfo):
        return False
    return not ancestor.constants and ancestor.methods.keys() <= BUILT


def told_their_length(project: Project) -> Iterator[LengthSite]:
    """The classes whose objects hold as many items as ``__init__`` was told: ``__len__`` returns an
    attribute that nothing else gives a value."""
    for module in project.modules:
        for info in module.classes.values():
            kept, init = _kept_length(info), info.methods.get("__init__")
            given = _only_given(info, kept) if kept and init is not None else None
            if init is None or not isinstance(given, ast.Name):
                continue
            names = [one.arg for one in (*init.args.posonlyargs, *init.args.args)]
            if given.id in names and not any(gives(part, given.id) for part in walk(init)):
                yield LengthSite(info.qualified, given.id, names.index(given.id) - 1)


def _kept_length(info: ClassInfo) -> str:
    """The attribute that ``__len__`` returns, and does nothing else."""
    node = info.methods.get("__len__")
    body = node.body if node is not None else []
    said = [one for one in body if not isinstance(one, ast.Expr)]  # its docstring aside
    match said:
        case [ast.Return(ast.Attribute(ast.Name("self"), name))]:
            return name
    return ""


def _only_given(info: ClassInfo, attribute: str) -> ast.expr | None:
    """What an attribute is given, where that happens once in a class."""
    given = [
        value
        for node in info.methods.values()
        for part in walk(node)
        for target, value in bindings(part)
        if named(target) == f"self.{attribute}"
    ]
    return given[0] if len(given) == 1 else None


def told_from_outside(project: Project) -> Iterator[ToldSite]:
    """The methods of data sets that keep what they are told for ``__getitem__``, and of streams
    for ``__iter__``. A sampler, which has one as well, stays in the main process."""
    for module in project.modules:
        for info in module.classes.values():
            found = project.method(info, "__iter__" if _is_stream(info, project) else "__getitem__")
            read = set(_own_attributes(found[1], ast.Load)) if found is not None else set()
            for name, node in info.methods.items() if read else ():
                kept = read & set(_own_attributes(node, ast.Store))
                if name.startswith("set_"):
                    yield ToldSite(info.qualified, name, tuple(sorted(kept)))


def _own_attributes(node: ast.AST, how: type[ast.expr_context]) -> Iterator[str]:
    """The attributes of ``self`` that are read, or put anew."""
    for part in walk(node):
        match part:
            case ast.Attribute(ast.Name("self"), name, context) if isinstance(context, how):
                yield name


def _says_one(info: ClassInfo) -> bool:
    """Whether a class has a ``__len__`` that only returns 1."""
    node = info.methods.get("__len__")
    returned = [one.value for one in walk(node) if isinstance(one, ast.Return)] if node else []
    return bool(returned) and all(
        isinstance(one, ast.Constant) and one.value == 1 for one in returned
    )


def _handed_to(node: ast.AST, info: ClassInfo, project: Project) -> Iterator[ast.AST]:
    """The methods of the class whose result ``__iter__`` returns: ``return self.lines()``."""
    for part in walk(node):
        match part:
            case ast.Return(ast.Call(ast.Attribute(ast.Name("self"), name))):
                found = project.method(info, name)
                if found is not None and found[1] is not node:
                    yield found[1]


def _loops(node: ast.AST) -> bool:
    """Whether ``__iter__`` goes over something itself, and does not only ask another object."""
    parts = tuple(walk(node))
    asks = any(isinstance(part, ast.Name) and part.id in LAZY for part in parts)
    return asks or any(isinstance(part, (ast.For, ast.Yield, ast.YieldFrom)) for part in parts)


def _gone_over(node: ast.AST) -> Iterator[str]:
    """The attributes that ``for ... in self.<attribute>``, ``yield from`` and ``map`` name."""
    for part in walk(node):
        for source in _sources(part):
            if isinstance(source, ast.Attribute) and isinstance(source.value, ast.Name):
                yield source.attr


def _got(node: ast.AST) -> Iterator[str]:
    """The attributes of ``for ... in self.<attribute>.get()``."""
    for source in (one for part in walk(node) for one in _sources(part)):
        match source:
            case ast.Call(ast.Attribute(ast.Attribute(ast.Name("self"), name), "get")):
                yield name


def _drawn(node: ast.AST, info: ClassInfo, project: Project) -> Iterator[Location]:
    """Where ``__iter__``, or a method that it calls, draws numbers from a generator of the class.
    An order is not asked for: all workers have to agree on it before each takes its part."""
    called = {dotted(one.func) for one in walk(node) if isinstance(one, ast.Call)}
    inner = [one for name, one in info.methods.items() if f"self.{name}" in called]
    for part in (part for one in (node, *inner) for part in walk(one)):
        match part:
            case ast.Call(ast.Attribute(ast.Attribute(ast.Name("self"), name), draw)):
                if draw in NUMBERS and _is_left_alone(name, info, project):
                    yield info.module.source.location(part)


def _is_left_alone(generator: str, info: ClassInfo, project: Project) -> bool:
    """Whether an attribute is a generator that is made once, by ``__init__``, and that nothing in
    the file does anything with but draw."""
    init = info.methods.get("__init__")
    made = _only_given(info, generator) if init is not None else None
    named = dotted(made.func) if isinstance(made, ast.Call) else None
    kind = project.resolve(named, info.module) if named is not None else None
    parts = info.module.source.parts(info.module.source.tree)
    mentions = [one for one in parts if isinstance(one, ast.Attribute) and one.attr == generator]
    draws = [one.value for one in parts if isinstance(one, ast.Attribute) and one.attr in DRAWS]
    here = init is not None and made in walk(init)
    return (
        here and kind in GENERATORS and len(mentions) == 1 + sum(one in draws for one in mentions)
    )


def _sources(part: ast.AST) -> list[ast.expr]:
    """What a piece of code goes over."""
    match part:
        case ast.For() | ast.AsyncFor() | ast.comprehension():
            return [part.iter]
        case ast.YieldFrom():
            return [part.value]
        case ast.Call(ast.Name(name), arguments) if name in LAZY:
            return arguments[name in ("map", "filter") :]
    return []


def _words(ancestors: tuple[ClassInfo | str, ...]) -> frozenset[str]:
    """What the code of a stream talks about, with the functions of its file that it names."""
    words: set[str] = set()
    for info in ancestors:
        if isinstance(info, ClassInfo):
            own = set(identifiers(info.node))
            words |= own
            for name in own & info.module.functions.keys():
                words.update(identifiers(info.module.functions[name]))
            words.update(info.module.imports.get(name, "") for name in own)
            words |= _of_workers(info.module.functions.values())
        else:
            words.add(info)
    return frozenset(word for text in words for word in text.split(".") if word)


def _called(ancestors: tuple[ClassInfo | str, ...]) -> Iterator[str]:
    """What the code of a stream calls, by the last part of its name."""
    for info in ancestors:
        for part in info.module.source.parts(info.node) if isinstance(info, ClassInfo) else ():
            match part:
                case ast.Call(ast.Name(name)) | ast.Call(ast.Attribute(attr=name)):
                    yield name


def _idle(ancestors: tuple[ClassInfo | str, ...]) -> frozenset[str]:
    """The parameters that the code of a stream takes, and keeps at most (``self.x = x``): no part
    of what it does."""
    taken: set[str] = set()
    mentions: Counter[str] = Counter()
    for info in ancestors:
        for part in info.module.source.parts(info.node) if isinstance(info, ClassInfo) else ():
            mentions.update(named_by(part))
            match part:
                case ast.arg(name):
                    taken.add(name)
                    mentions[name] -= 1
                case ast.Assign(
                    [ast.Attribute(ast.Name("self"), name)], ast.Name(value)
                ) | ast.AnnAssign(ast.Attribute(ast.Name("self"), name), _, ast.Name(value)):
                    mentions[name] -= 2 * (name == value)
    return frozenset(name for name in taken if mentions[name] <= 0)


def _built(ancestors: tuple[ClassInfo | str, ...]) -> frozenset[str]:
    """The names that stand in an ``__init__`` alone, and in one that seeds what it draws from: the
    data are made up there, once and the same in each process."""
    everywhere: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    for info in ancestors:
        if isinstance(info, ClassInfo):
            everywhere.update(_mentions(info.node, info))
            init = info.methods.get("__init__")
            if init is not None and any(map(_seeds, info.module.source.parts(init))):
                inside.update(_mentions(init, info))
    return frozenset(name for name in inside if inside[name] == everywhere[name])


def _mentions(node: ast.AST, info: ClassInfo) -> Iterator[str]:
    return (name for part in info.module.source.parts(node) for name in named_by(part))


def _seeds(part: ast.AST) -> bool:
    """``torch.Generator().manual_seed(0)``, ``np.random.default_rng(seed)``."""
    match part:
        case ast.Call(ast.Attribute(attr=name) | ast.Name(name), [_, *_]):
            return name in SEEDING
    return False


def _asked(ancestors: tuple[ClassInfo | str, ...]) -> Iterator[str]:
    """The methods of a stream that its loops give what they go over: ``self.get(path)``."""
    classes = [info for info in ancestors if isinstance(info, ClassInfo)]
    methods = {name for info in classes for name in info.methods}
    for info in classes:
        parts = info.module.source.parts(info.node)
        gone_over = {named(target) for part in parts for target in _turns(part)}
        for part in parts:
            match part:
                case ast.Call(ast.Attribute(ast.Name("self"), name), [ast.Name(given)], []):
                    yield from [name] if given in gone_over and name in methods else []


def _by_worker(ancestors: tuple[ClassInfo | str, ...]) -> Iterator[str]:
    """The methods of a stream that ask torch for the worker: what they share out is seen there."""
    for info in ancestors:
        for name, node in info.methods.items() if isinstance(info, ClassInfo) else ():
            if "get_worker_info" in identifiers(node):
                yield name


def _turns(part: ast.AST) -> list[ast.expr]:
    """What a loop gives its turns to."""
    is_loop = isinstance(part, (ast.For, ast.AsyncFor, ast.comprehension))
    return [target for target, _ in bindings(part)] if is_loop else []


def _compared(ancestors: tuple[ClassInfo | str, ...]) -> Iterator[str]:
    """The names that numbers are compared with, and the bounds and steps of slices."""
    for info in ancestors:
        for part in info.module.source.parts(info.node) if isinstance(info, ClassInfo) else ():
            for one in _numbers(part):
                yield from identifiers(one) if not isinstance(one, ast.Call) else ()


def _numbers(part: ast.AST) -> list[ast.expr]:
    match part:
        case ast.Compare(left, operators, right) if all(
            isinstance(one, ORDERS) for one in operators
        ):
            sides = [left, *right]
            texts = (isinstance(one, ast.Constant) and isinstance(one.value, str) for one in sides)
            return [] if any(texts) else sides
        case ast.Slice(lower, upper, step):
            return [one for one in (lower, upper, step) if one is not None]
        case ast.Call(ast.Name("islice") | ast.Attribute(attr="islice"), [_, *bounds]):
            return bounds
    return []


def _of_workers(functions: Iterable[ast.AST]) -> set[str]:
    """What functions say that each worker runs for itself (``worker_init_fn``): they reach into the
    worker's own copy of the data set."""
    said = (set(identifiers(one)) for one in functions)
    return {word for words in said if {"get_worker_info", "dataset"} <= words for word in words}
