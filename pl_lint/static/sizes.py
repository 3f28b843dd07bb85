"""Batch sizes that only settings know: YAML, the defaults of a class of settings or of a data
module, and what code writes under the name of the setting."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from pl_lint.facts.sites import ABSENT, LoaderSite
from pl_lint.facts.values import Known
from pl_lint.plain import replace
from pl_lint.static.configs.files import ConfigFile, walk
from pl_lint.static.configs.tree import Leaf
from pl_lint.static.names import ClassInfo, Project, dotted
from pl_lint.static.naming import bindings, constant_defaults, named
from pl_lint.static.trees import walk as nodes

LOGGING = ("log", "log_dict")
"""Methods that take a batch size of another kind: how many samples a value is of."""
OTHER = object()
"""Something else than a number that is written out."""


def sized(
    loaders: Iterable[LoaderSite], project: Project, configs: Sequence[ConfigFile]
) -> Iterator[LoaderSite]:
    """The loaders, with whether all that is written of the setting that sizes them says 1, and
    whether code gives that setting another value. A script that asks a data module for its loader
    has the one that the data module makes."""
    settings, known = _Settings(project, configs), tuple(loaders)
    ones = {loader.location for loader in known if settings.say_one(loader)}
    for loader in known:
        one, changed = loader.location in ones, settings.change(loader)
        yield replace(loader, one_by_setting=one, changed=changed) if one or changed else loader


class _Settings:
    """What is written of settings, each name looked for once."""

    def __init__(self, project: Project, configs: Sequence[ConfigFile]) -> None:
        self._project = project
        self._configs = configs
        self._said: dict[str, list[object]] = {}
        self._in_code: dict[str, list[object]] = {}

    @cached_property
    def _classes(self) -> Mapping[str, ClassInfo]:
        modules = self._project.modules
        return {info.qualified: info for one in modules for info in one.classes.values()}

    def say_one(self, loader: LoaderSite) -> bool:
        name = loader.sized_by
        if not name:
            return False
        if name not in self._said:
            found = (*_of_yaml(name, self._configs), *_of_classes(name, self._project))
            self._said[name] = list(found)
        said = [*self._said[name], *self._by_default(loader)]
        return _are_one(said) and not self.change(loader)

    def change(self, loader: LoaderSite) -> bool:
        """Whether code gives the setting of a loader another value."""
        name = loader.sized_by
        return bool(name) and not all(one == 1 for one in self._written(name))

    def _by_default(self, loader: LoaderSite) -> Iterator[object]:
        """What the loader is given without a setting: by ``get``, by ``__init__`` of its class."""
        if isinstance(loader.otherwise, Known) and loader.otherwise != ABSENT:
            yield loader.otherwise.value
        owner = self._classes.get(loader.owner)
        found = self._project.method(owner, "__init__") if owner is not None else None
        if found is not None:
            given = constant_defaults(found[1].args)
            yield from (value for name, value in given.items() if name == loader.sized_by)

    def _written(self, name: str) -> list[object]:
        """What code says of a setting of that name, where it does not hand it on."""
        if name not in self._in_code:
            sources = (one.source for one in self._project.modules)
            trees = (one.tree for one in sources if name in one.text)
            self._in_code[name] = [
                one.value if isinstance(one, ast.Constant) else OTHER
                for tree in trees
                for part in nodes(tree)
                for one in _said_of(part, name)
                if not _hands_on(one, name)
            ]
        return self._in_code[name]


def _are_one(values: Sequence[object]) -> bool:
    return bool(values) and all(one == 1 for one in values)


def _of_yaml(name: str, configs: Sequence[ConfigFile]) -> Iterator[object]:
    for file in configs:
        for _, table in walk(file.tree):
            node = table.get(name)
            if node is not None:
                yield node.value if isinstance(node, Leaf) else node


def _of_classes(name: str, project: Project) -> Iterator[object]:
    """What stands in the bodies of classes, those in other classes included: ``batch_size = 1``."""
    sources = (one.source for one in project.modules)
    for tree in (one.tree for one in sources if name in one.text):
        for node in nodes(tree):
            for part in node.body if isinstance(node, ast.ClassDef) else ():
                for target, value in bindings(part):
                    if value is not None and named(target) == name:
                        yield value.value if isinstance(value, ast.Constant) else value


def _said_of(part: ast.AST, name: str) -> Iterator[ast.expr]:
    """What a piece of code gives to a setting: as an argument of anything but a loader, as an item,
    as an attribute, as the default of the command line."""
    match part:
        case ast.Call(function, arguments, keywords):
            called = (dotted(function) or "").rpartition(".")[2]
            options = [one.value for one in arguments if isinstance(one, ast.Constant)]
            is_option = called == "add_argument" and _is_option(options, name)
            wanted = "default" if is_option else name
            if not called.endswith("Loader") and called not in LOGGING:
                yield from (one.value for one in keywords if one.arg == wanted)
        case ast.Dict(keys, values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and key.value == name:
                    yield value
        case ast.Assign() | ast.AnnAssign():
            for target, value in bindings(part):
                kept = isinstance(target, ast.Attribute) and target.attr == name
                if value is not None and (kept or _is_item(target, name)):
                    yield value


def _is_option(options: Sequence[object], name: str) -> bool:
    """``--batch-size`` fills ``args.batch_size``."""
    texts = (one for one in options if isinstance(one, str))
    return any(re.sub("-", "_", one.lstrip("-")) == name for one in texts)


def _is_item(target: ast.expr, name: str) -> bool:
    match target:
        case ast.Subscript(_, ast.Constant(value)):
            return bool(value == name)
    return False


def _hands_on(value: ast.expr, name: str) -> bool:
    """Whether a value is what is called so elsewhere: ``batch_size=args.batch_size``."""
    match value:
        case ast.Name(last) | ast.Attribute(attr=last):
            return last == name
        case ast.Subscript(_, ast.Constant(last)):
            return bool(last == name)
        case ast.Call(ast.Attribute(attr="get"), [ast.Constant(last), *_]):
            return bool(last == name)
        case ast.Call(ast.Name("int"), [inner]):
            return _hands_on(inner, name)
    return False
