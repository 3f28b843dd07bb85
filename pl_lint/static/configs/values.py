"""What reading can know of a setting: constants, references within the same config, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.origins import UNPACKED, Pairs
from pl_lint.facts.values import UNKNOWN, Known, Made, Pattern, Several, Value
from pl_lint.facts.values import Table as KnownTable
from pl_lint.places import Location
from pl_lint.plain import replace
from pl_lint.static.configs.hydra import MISSING
from pl_lint.static.configs.tree import OPAQUE, Leaf, Listing, Node, Table

REFERENCE = re.compile(r"\$\{\s*(\.*)([\w-]+(?:[.][\w-]+|\[\d+\])*)\s*\}")
"""``${model.lr}``; what a resolver gives (``${now:%H}``) only a run can know."""
HOPS = 8
"""References to references; also ends circles."""
META = ("_target_", "_partial_", "_convert_", "_recursive_", "_args_", "class_path", "init_args")
META += ("dict_kwargs",)
BARE = {
    "callbacks": "lightning.pytorch.callbacks.",
    "logger": "lightning.pytorch.loggers.",
    "profiler": "lightning.pytorch.profilers.",
    "strategy": "lightning.pytorch.strategies.",
}
"""Where the classes stand that LightningCLI knows by their bare names under these keys."""
DEBUGGING = "debug"
"""In the name of a file: it is odd on purpose, so that only its names of arguments are judged."""


class Reader:
    """Values within one config; ``root`` is what references are looked up in."""

    def __init__(self, root: Table) -> None:
        self._root = root

    def value(self, node: Node, within: tuple[str, ...] = (), hops: int = HOPS) -> Value:
        """What a node is when everything is composed. ``within``: the keys that lead to it."""
        match node:
            case Leaf(value):
                return self._scalar(value, within, hops)
            case Listing(items):
                values = [self.value(one, (*within, str(i)), hops) for i, one in enumerate(items)]
                if all(isinstance(one, Known) for one in values):
                    return Known(tuple(one.value for one in values if isinstance(one, Known)))
                return Several(tuple(values))
        if target_of(node) is not None:
            return self.made(node, within, hops)
        if node.open:
            return UNKNOWN
        return KnownTable(
            tuple(
                (Known(name), self.value(one, (*within, name), hops))
                for name, one in node.entries.items()
            )
        )

    def made(self, node: Table, within: tuple[str, ...] = (), hops: int = HOPS) -> Value:
        """The object that a table with ``_target_`` or ``class_path`` builds."""
        target = self.target(node, within)
        if target is None:
            return UNKNOWN
        return Made(lightning.canonical(target) or target, self.pairs(node, within, False, hops))

    def target(self, node: Table, within: tuple[str, ...] = ()) -> str | None:
        """The class that a table names; None where a reference hides it."""
        given = target_of(node)
        found = self._scalar(given, within, HOPS) if given is not None else UNKNOWN
        if not isinstance(found, Known) or not isinstance(found.value, str):
            return None
        by_path = node.get("_target_") is None  # Hydra knows no bare names
        return _spelled_out(found.value, within) if by_path else found.value

    def pairs(self, node: Table, within: tuple[str, ...], hidden: bool, hops: int = HOPS) -> Pairs:
        """The arguments that a table gives; ``hidden``: there may be more."""
        named = tuple(
            (name, self.value(one, (*within, *above, name), hops))
            for above, name, one in arguments(node)
        )
        first = node.get("_args_")
        positional = first.items if isinstance(first, Listing) else ()
        placed = tuple(
            (str(index), self.value(one, within, hops)) for index, one in enumerate(positional)
        )
        more = hidden or node.open or (first is not None and not isinstance(first, Listing))
        return (*placed, *named, *(((UNPACKED, UNKNOWN),) if more else ()))

    def _scalar(self, value: object, within: tuple[str, ...], hops: int) -> Value:
        if value is OPAQUE or value == MISSING:
            return UNKNOWN
        if not isinstance(value, str) or "${" not in value:
            return Known(value)
        whole = REFERENCE.fullmatch(value)
        if whole is not None:
            return self._referred(whole, within, hops)
        return _text([self._piece(piece, within, hops) for piece in _pieces(value)])

    def _piece(self, piece: str, within: tuple[str, ...], hops: int) -> str | None:
        """A part of a text; None where it is not known."""
        found = REFERENCE.fullmatch(piece)
        if found is None:
            return None if piece.startswith("${") else piece
        value = self._referred(found, within, hops)
        plain = isinstance(value, Known) and isinstance(value.value, (str, int))
        return str(value.value) if plain else None  # type: ignore[union-attr]

    def _referred(self, match: re.Match[str], within: tuple[str, ...], hops: int) -> Value:
        dots, path = match.groups()
        keys = tuple(re.findall(r"[\w-]+", path))
        base = within[: max(len(within) - len(dots), 0)] if dots else ()
        node: Node | None = self._root
        for key in (*base, *keys):
            if isinstance(node, Listing) and key.isdigit() and int(key) < len(node.items):
                node = node.items[int(key)]
            else:
                node = node.get(key) if isinstance(node, Table) else None
        if node is None or hops == 0:
            return UNKNOWN
        return self.value(node, (*base, *keys), hops - 1)


def _spelled_out(name: str, path: tuple[str, ...]) -> str:
    """LightningCLI knows subclasses of what a key takes by their bare names
    (``resolve_class_path_by_name`` of jsonargparse)."""
    homes = (BARE[key] for key in path if key in BARE) if "." not in name else ()
    return next((f"{home}{name}" for home in homes if lightning.canonical(f"{home}{name}")), name)


def target_of(node: Node) -> str | None:
    """What a table builds, as it is written; None where it is a plain table."""
    if not isinstance(node, Table):
        return None
    return node.text("_target_") or node.text("class_path") or _named_by_type(node)


def _named_by_type(node: Table) -> str | None:
    """``type: pytorch_lightning.Trainer``, as functions that build objects of dicts have it. What
    else stands there may be anything."""
    name = node.text("type")
    return name if name and lightning.canonical(name) == lightning.TRAINER else None


def target_place(node: Table) -> Location:
    """Where a table says what it builds."""
    given = node.get("_target_") or node.get("class_path")
    if given is None and _named_by_type(node):
        given = node.get("type")
    return given.place if given is not None else node.place


def arguments(node: Table) -> Iterator[tuple[tuple[str, ...], str, Node]]:
    """The named arguments of an object, with the keys between it and them."""
    if node.get("_target_") is not None or node.get("class_path") is None:
        no_names = (*META, "type") if _named_by_type(node) else META
        named = {name: one for name, one in node.entries.items() if name not in no_names}
        old = node.table("params")
        if old is not None and len(named) == 1:  # as the first Hydra wrote it
            yield from ((("params",), name, one) for name, one in old.entries.items())
        else:
            yield from (((), name, one) for name, one in named.items())
        return
    for group in ("init_args", "dict_kwargs"):
        given = node.table(group)
        for name, one in given.entries.items() if given is not None else ():
            yield (group,), name, one


def places(table: Table) -> tuple[tuple[str, Location], ...]:
    """Where the arguments of an object stand."""
    return tuple((name, _line_of(node)) for _, name, node in arguments(table))


def odd_on_purpose(table: Table) -> dict[str, Value]:
    """Arguments that come from a config for debugging, as if they were not known."""
    return {name: UNKNOWN for name, at in places(table) if DEBUGGING in at.path.lower()}


def _line_of(node: Node) -> Location:
    """Where a value begins: a table or a list may go on for pages."""
    at = node.place
    if isinstance(node, Leaf):
        return at
    return replace(at, end_line=at.line, end_column=at.column + 1)


def _pieces(text: str) -> list[str]:
    """A text cut at its references; braces may be nested."""
    return [piece for piece in re.split(r"(\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})", text) if piece]


def _text(pieces: list[str | None]) -> Value:
    """A text of known and unknown parts."""
    if all(piece is not None for piece in pieces):
        return Known("".join(filter(None, pieces)))
    return Pattern(tuple(pieces)) if any(pieces) else UNKNOWN
