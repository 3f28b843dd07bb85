"""One YAML document as a tree that remembers where everything stands.

Made from the parser's events, with a stack of our own: composing nodes the usual way recurses, in C
without a limit. Whatever a file holds, reading it ends in a tree, in nothing, or in ``Broken``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pl_lint.places import Location
from pl_lint.plain import field, frozen, mutable

DEEPEST = 100
"""Levels of nesting; what people write has ten."""
LARGEST = 100_000
"""Nodes with every alias written out: a few lines of aliases to aliases are billions."""
MERGE = "<<"
FLOAT = re.compile(r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)[eE][-+]?\d+")
"""``1e-3``, which YAML 1.1 takes for a string; OmegaConf and jsonargparse do not."""
TRUE, FALSE = ("yes", "true", "on"), ("no", "false", "off")
TAGS = "tag:yaml.org,2002:"


class Broken(Exception):
    """A text that is no YAML."""

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(problem)
        self.line, self.column = line, column


class Opaque:
    """The value of a scalar that means something that YAML alone does not say (``!env HOME``)."""


OPAQUE = Opaque()


@frozen(eq=False)
class Leaf:
    """A scalar: a Python constant, or OPAQUE."""

    value: object
    place: Location

    size = 1


@frozen(eq=False)
class Listing:
    """A sequence."""

    items: tuple[Node, ...]
    place: Location
    size: int = 1


@frozen(eq=False)
class Table:
    """A mapping. ``keys`` says where each key stands; ``open``: it holds more than is seen."""

    entries: Mapping[str, Node]
    place: Location
    keys: Mapping[str, Location] = field(default_factory=dict)
    open: bool = False
    size: int = 1

    def get(self, key: str) -> Node | None:
        return self.entries.get(key)

    def table(self, key: str) -> Table | None:
        found = self.entries.get(key)
        return found if isinstance(found, Table) else None

    def text(self, key: str) -> str | None:
        """The string under a key."""
        found = self.entries.get(key)
        is_text = isinstance(found, Leaf) and isinstance(found.value, str)
        return found.value if is_text else None  # type: ignore[return-value,union-attr]


Node = Leaf | Listing | Table


def parse(text: str, path: str) -> Table | None:
    """The mapping that a file holds, an empty one for nothing; None where it holds something else,
    or several documents.

    Raises:
        Broken: It is no YAML.
    """
    import yaml  # only for projects that have such files

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Builder(path).tree(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = _tab(text, line) or str(error.problem or error.context)
        raise Broken(problem, line, column) from error
    except yaml.YAMLError as error:
        raise Broken(str(error).split("\n")[0], 1, 1) from error
    except ValueError as error:  # a character that the C parser cannot encode
        raise Broken(str(error).split("\n")[0], 1, 1) from error


def _tab(text: str, line: int) -> str:
    """What to say where the parser stumbled over a tab, which it calls a character."""
    lines = text.split("\n")
    indented = re.match(r" *\t", lines[line - 1]) if line <= len(lines) else None
    return "this line is indented with a tab, and YAML takes spaces only" if indented else ""


@mutable
class _Open:
    """A collection whose end has not come yet; ``anchor`` names it."""

    start: Any
    anchor: str | None
    children: list[Node] = field(default_factory=list)


class _Builder:
    """Turns events into a tree."""

    def __init__(self, path: str) -> None:
        from yaml.resolver import Resolver

        self._path = path
        self._resolver = Resolver()
        self._anchors: dict[str, Node] = {}

    def tree(self, events: Iterator[Any]) -> Table | None:
        import yaml

        stack: list[_Open] = []
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                return None
            if isinstance(event, yaml.CollectionStartEvent):
                stack.append(_Open(event, event.anchor))
            node = self._finished(event, stack)
            if len(stack) > DEEPEST or (node is not None and node.size > LARGEST):
                return None
            if node is not None and stack:
                stack[-1].children.append(node)
            elif node is not None:
                root = node
        if root is None or (isinstance(root, Leaf) and root.value is None):
            return Table({}, Location(self._path, 1))
        return root if isinstance(root, Table) else None

    def _finished(self, event: Any, stack: list[_Open]) -> Node | None:
        """The node that ends with an event."""
        import yaml

        match event:
            case yaml.CollectionEndEvent():
                opened = stack.pop()
                return self._named(opened.anchor, self._collection(opened, event))
            case yaml.ScalarEvent():
                leaf = Leaf(self._constant(event), self._place(event, event))
                return self._named(event.anchor, leaf)
            case yaml.AliasEvent():  # of itself, too: then it has no value yet
                unknown = Leaf(OPAQUE, self._place(event, event))
                return self._anchors.get(event.anchor, unknown)
        return None

    def _named(self, anchor: str | None, node: Node) -> Node:
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _collection(self, opened: _Open, end: Any) -> Node:
        import yaml

        place = self._place(opened.start, end)
        size = 1 + sum(child.size for child in opened.children)
        if isinstance(opened.start, yaml.SequenceStartEvent):
            return Listing(tuple(opened.children), place, size)
        pairs = list(zip(opened.children[::2], opened.children[1::2], strict=True))
        return _table(pairs, place, size)

    def _constant(self, event: Any) -> object:
        import yaml

        tag = event.tag
        if tag is None or tag == "!":
            tag = self._resolver.resolve(yaml.ScalarNode, event.value, event.implicit)
        elif not tag.startswith(TAGS):
            return OPAQUE
        return _constant(tag.removeprefix(TAGS), event.value, plain=event.implicit[0])

    def _place(self, start: Any, end: Any) -> Location:
        first, last = start.start_mark, end.end_mark
        return Location(
            self._path, first.line + 1, first.column + 1, last.line + 1, last.column + 1
        )


def _constant(kind: str, text: str, plain: bool) -> object:
    """The value of a scalar whose tag is resolved."""
    match kind:
        case "null":
            return None
        case "bool":
            return text.lower() in TRUE
        case "int":
            return _number(int, text)
        case "float":
            return _number(float, text)
        case "str" if plain and FLOAT.fullmatch(text):
            return _number(float, text)
        case "str" | "timestamp" | "merge" | "value":
            return text
    return OPAQUE


def _number(kind: type[int] | type[float], text: str) -> object:
    plain = text.replace("_", "")
    try:
        if kind is float:
            return float(re.sub(r"\.(inf|nan)", r"\1", plain.lower()))
        return int(plain, 8 if re.fullmatch(r"[-+]?0[0-7]+", plain) else 0)
    except ValueError:  # 1:30 is ninety in YAML 1.1; too many digits
        return OPAQUE


def _table(pairs: list[tuple[Node, Node]], place: Location, size: int) -> Table:
    """A mapping; of keys that stand twice the last one counts, merged ones count least."""
    own: dict[str, Node] = {}
    keys: dict[str, Location] = {}
    merged: dict[str, Node] = {}
    incomplete = False
    for key, value in pairs:
        if not isinstance(key, Leaf) or isinstance(key.value, Opaque):
            incomplete = True
        elif key.value == MERGE:
            for source in value.items if isinstance(value, Listing) else (value,):
                if isinstance(source, Table):
                    merged = {**source.entries, **merged}
                    keys = {**source.keys, **keys}
                incomplete = incomplete or not isinstance(source, Table) or source.open
        else:
            own[str(key.value)] = value
            keys[str(key.value)] = key.place
    return Table({**merged, **own}, place, keys, incomplete, size)
