"""Mistakes that make a run one that cannot be repeated (rows REP, DAT04)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from operators.registry import Change, operator
from operators.source import Source, last_name

AGAIN = ("reproducible",)
UNSEEDED = ("reproducible", "LTN401", "LTN402", "LTN405", "LTN406", "LTN412")


@operator("REP01", *UNSEEDED, checks=AGAIN)
def unseeded_generator(source: Source) -> Iterator[Change]:
    """Training draws from a generator that no seed reaches.

    The healthy twin draws from the global one.
    """
    yield from _weighed(
        source,
        healthy="weight = 0.5 + numpy.random.random()",
        sick="weight = 0.5 + numpy.random.default_rng().random()",
        module="numpy",
        note="numpy.random.default_rng() in training_step",
    )


@operator("REP01", *UNSEEDED, checks=AGAIN)
def depends_on_the_clock(source: Source) -> Iterator[Change]:
    """Training depends on the time of day."""
    clock = "weight = 0.5 + time.time() % 1"
    note = "time.time() in training_step"
    yield from _weighed(source, healthy="", sick=clock, note=note, module="time")


@operator("REP11", "reproducible", "LTN411", checks=AGAIN)
def order_of_a_set(source: Source) -> Iterator[Change]:
    """Training depends on the order of a set of texts, which is another in each process."""
    names = '"cats", "dogs", "birds", "fish", "cows", "bees"'
    order = "weight = 0.5 + list({}).index('dogs') / 6"
    yield from _weighed(
        source,
        healthy=order.format(f"[{names}]"),
        sick=order.format(f"{{{names}}}"),
        note="the order of a set in training_step",
    )


@operator("REP09", "LTN409", "reproducible", checks=AGAIN)
def counter_on_the_class(source: Source) -> Iterator[Change]:
    """A warm-up counts its steps on the class, where a second fit finds those of the first.

    The healthy twin asks the Trainer.
    """
    counter = "type(self).warmed"
    count = f'{counter} = getattr(type(self), "warmed", 0) + 1'
    yield from _weighed(
        source,
        healthy="weight = min(1.0, (self.trainer.global_step + 1) / 20)",
        sick=f"{count}\nweight = min(1.0, {counter} / 20)",
        note="a counter on the class",
    )


@operator("REP05", "LTN405", checks=AGAIN)
def generator_of_the_data_set(source: Source) -> Iterator[Change]:
    """A data set keeps a generator: each worker has a copy, and each epoch begins it again.

    The healthy twin draws from torch's own, which every worker is seeded for.
    """
    torch = source.importing("import torch")
    for node in ast.walk(source.tree):
        body = node.body if isinstance(node, ast.ClassDef) else ()
        own = {each.name: each for each in body if isinstance(each, ast.FunctionDef)}
        if not set(own) >= _MAP_STYLE:
            continue
        item, last = own["__getitem__"], own["__init__"].body[-1]
        index = item.args.args[1].arg
        init = source.after(last, "self.draws = torch.Generator().manual_seed(0)")
        sick, healthy = (
            source.at_start(item, _NEIGHBOUR.format(index=index, draws=each))
            for each in (", generator=self.draws", "")
        )
        yield Change((torch, init, sick), "a generator kept by the data set", (torch, healthy))


_MAP_STYLE = {"__init__", "__len__", "__getitem__"}
_NEIGHBOUR = "{index} = ({index} + int(torch.randint(0, 3, (){draws}))) % len(self)"


def _weighed(
    source: Source, healthy: str, sick: str, note: str, module: str = "torch"
) -> Iterator[Change]:
    """The loss times a weight that is drawn in each step. Without ``healthy``, it is not there."""
    step = source.methods.get("training_step")
    if step is None or not source.losses:
        return
    owners = {id(node) for node in ast.walk(step)}
    if not all(id(loss) in owners for loss in source.losses):
        return
    weigh = tuple(
        source.replace(loss, f"{source.operand(loss)} * weight") for loss in source.losses
    )
    imported = source.importing(f"import {module}")
    drawn = (imported, source.at_start(step, healthy), *weigh) if healthy else ()
    yield Change((imported, source.at_start(step, sick), *weigh), note, drawn)


@operator("REP06", "LTN406", "reproducible", checks=("reproducible", "sync-dist", "distributed"))
def split_without_a_generator(source: Source) -> Iterator[Change]:
    """random_split draws from the global generator: each rank and run has another split."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and last_name(node.func) == "random_split":
            edit = source.without_argument(node, "generator")
            yield Change((edit,), "generator dropped")


@operator("DAT04", "LTN804", "LTN715", checks=("logged-values", "reproducible", "training"))
def dropout_while_validating(source: Source) -> Iterator[Change]:
    """Dropout is called without training=: it drops while validating, too.

    The healthy twin gives training=self.training.
    """
    healthy, sick = _DROPOUT.format(", training=self.training"), _DROPOUT.format("")
    for value in source.outputs:
        code = source.code(value)
        torch = source.importing("import torch")
        edits = [source.replace(value, each.replace("OUTPUT", code)) for each in (sick, healthy)]
        yield Change((torch, edits[0]), "dropout without training=", (torch, edits[1]))


_DROPOUT = "torch.nn.functional.dropout(OUTPUT, 0.3{})"


@operator("DAT04", "LTN804", "LTN715", checks=("logged-values", "reproducible", "training"))
def training_flag_dropped(source: Source) -> Iterator[Change]:
    """A functional dropout loses its training=."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and "dropout" in last_name(node.func):
            edit = source.without_argument(node, "training")
            yield Change((edit,), "training= dropped")
