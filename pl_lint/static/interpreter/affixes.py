"""Collections that are given a prefix or a postfix after they were made."""

from __future__ import annotations

from pl_lint.plain import replace
from pl_lint.static.interpreter.abstract import (
    Abstract,
    Choice,
    Collection,
    Mapping,
    Sequence,
    join,
    options,
    to_value,
)
from pl_lint.static.interpreter.context import Context, Frame

AFFIXES = ("prefix", "postfix")


def give(context: Context, held: Abstract, attr: str, value: Abstract, frame: Frame) -> None:
    """``collection.prefix = f"{stage}_"``: whatever name or container holds the collection, here
    and in the functions that led here, holds it with the affix from now on."""
    if attr not in AFFIXES:
        return
    for one in options(held):
        if isinstance(one, Collection):
            after = replace(one, **{attr: to_value(value)})
            now = join(one, after) if isinstance(held, Choice) else after
            _put(context, one.identity, now, frame)


def _put(context: Context, identity: int, now: Abstract, frame: Frame) -> None:
    around: Frame | None = frame
    while around is not None:
        for name, held in around.names.items():
            around.names[name] = _with(held, identity, now)
        around = around.caller[1] if around.caller is not None else None
    for name, held in context.attributes.items():
        context.attributes[name] = _with(held, identity, now)


def _with(held: Abstract, identity: int, now: Abstract) -> Abstract:
    """A value with another one in the place of the collection of this number; the very same where
    that is not in it."""
    match held:
        case Collection(number) if number == identity:
            return now
        case Choice(choices):
            new = [_with(one, identity, now) for one in choices]
            return held if _are(new, choices) else join(*new)
        case Sequence(items):
            new = [_with(one, identity, now) for one in items]
            return held if _are(new, items) else replace(held, items=tuple(new))
        case Mapping(pairs):
            new = [_with(one, identity, now) for _, one in pairs]
            same = _are(new, [one for _, one in pairs])
            keys = (key for key, _ in pairs)
            return held if same else replace(held, items=tuple(zip(keys, new, strict=True)))
    return held


def _are(new: list[Abstract], old: tuple[Abstract, ...] | list[Abstract]) -> bool:
    return all(one is other for one, other in zip(new, old, strict=True))
