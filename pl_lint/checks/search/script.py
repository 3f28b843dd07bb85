"""The smallest run that lies as a script that runs by itself, with nothing but Lightning.

It imports the case, trains it as the search did, and prints what is logged and what is true. Every
line of it is there to be read: no option that does nothing, no helper that is not called.
"""

from __future__ import annotations

from collections.abc import Iterator
from pprint import pformat

from pl_lint.checks.scripts.parts import built, imported, own_arguments
from pl_lint.checks.values.numbers import shown
from pl_lint.facts.searches import ACCUMULATE, FIT, DrawnRun, Lie, Recipe, SmallestRun

BATCH_BY_BATCH = '''\
class HoldsWeights(L.Callback):
    """What is logged is then a property of the data, however often the optimizer steps."""

    def on_train_start(self, trainer, module):
        self.kept = [each.detach().clone() for each in module.parameters()]

    def on_train_batch_end(self, trainer, module, *args):
        for parameter, kept in zip(module.parameters(), self.kept):
            parameter.data.copy_(kept)


'''
LATE = '''\
class Loads(L.Callback):
    """The module has all its layers only once Lightning has set it up."""

    def __init__(self, weights):
        self.weights = weights

    def on_fit_start(self, trainer, module):
        if self.weights:
            module.load_state_dict(self.weights)
        self.weights = None

    on_validation_start = on_test_start = on_fit_start


'''
CUT = '''\
def cut(loader, count, size, shuffled=False):
    """Some samples of the data set in batches of a size."""
    taken = sorted(random.Random(0).sample(range(len(loader.dataset)), count))
    if shuffled:
        random.Random(1).shuffle(taken)
    return DataLoader(
        Subset(loader.dataset, taken),
        batch_size=size,
        collate_fn=loader.collate_fn,
        generator=torch.Generator(),
    )
'''


TRUE, WITHOUT = "true", "with that validation only"
"""What the second of two runs logs."""


def script(recipe: Recipe, smallest: SmallestRun, lie: Lie, other: str) -> str:
    """The whole text. It ends by printing ``KEY: logged NUMBER, true NUMBER``, or what else the
    ``other`` number is."""
    return "".join(
        [
            _head(recipe, lie, other),
            LATE if recipe.late else "",
            BATCH_BY_BATCH if smallest.run.program == ACCUMULATE else "",
            CUT,
            "\n\n",
            _run(recipe),
            "\n\n",
            "\n".join(_main(recipe, smallest, lie, other)),
            "\n",
        ]
    )


def _head(recipe: Recipe, lie: Lie, other: str) -> str:
    imports = "\n".join(imported(recipe))
    return f"""\
# {lie.key}: logged {shown(lie.logged)}, {other} {shown(lie.true)}
import random
import sys
import tempfile

import torch
import {recipe.namespace} as L
from torch.utils.data import DataLoader, Subset

{imports}


"""


def _run(recipe: Recipe) -> str:
    lines = [
        "def run(method, weights, cuts, **settings):",
        '    """One run of the case with its data cut anew: what it logged, and its weights."""',
        "    L.seed_everything(1, verbose=False)",
        f"    {built(recipe)}",
        *_data(recipe),
        *own_arguments(recipe),
        *_load(recipe),
        "    trainer = L.Trainer(",
        '        accelerator="cpu",',
        "        default_root_dir=tempfile.mkdtemp(),",
        "        enable_progress_bar=False,",
        "        enable_model_summary=False,",
        "        **settings,",
        "    )",
        "    L.seed_everything(1, verbose=False)",
        f"    getattr(trainer, method)(module{_given(recipe)})",
        "    return trainer.callback_metrics, module.state_dict()",
    ]
    return "\n".join(lines) + "\n"


def _load(recipe: Recipe) -> Iterator[str]:
    yield "    if weights:"
    if recipe.late:
        yield '        settings["callbacks"] = [*settings.get("callbacks", []), Loads(weights)]'
    else:
        yield "        module.load_state_dict(weights)"


def _data(recipe: Recipe) -> Iterator[str]:
    if recipe.owner in ("dict", "loader"):
        served = "data[name]" if recipe.owner == "dict" else "data"
        yield f"    loaders = [cut({served}, *how) for name, how in cuts.items()]"
        return
    owner = "data" if recipe.owner == "datamodule" else "module"
    yield "    for name, how in cuts.items():"
    yield f"        load = getattr({owner}, name)"
    yield f"        setattr({owner}, name, lambda load=load, how=how: cut(load(), *how))"


def _given(recipe: Recipe) -> str:
    given = {"dict": ", *loaders", "loader": ", *loaders", "datamodule": ", datamodule=data"}
    return given.get(recipe.owner, "")


def _main(recipe: Recipe, smallest: SmallestRun, lie: Lie, other: str) -> Iterator[str]:
    weights = "weights" if recipe.trained else "None"
    if recipe.trained:
        train = {recipe.names[stage]: (*how, True) for stage, how in recipe.trained.items()}
        if "validate" in recipe.trained:
            train[recipe.names["validate"]] = recipe.trained["validate"]
        yield _call("_, weights", "fit", "None", train, {"max_epochs": 2, **_NO_SANITY})
    run = smallest.run
    method = "fit" if run.program in (FIT, ACCUMULATE) else run.program
    for name, lying in (("logged", True), ("other", False)):
        cuts = dict(_cuts(recipe, smallest, lying))
        yield _call(f"{name}, _", method, weights, cuts, _settings(run, lying))
    yield f"key = {lie.key!r}"
    numbers = f"logged {{float(logged[key]):.6g}}, {other} {{float(other[key]):.6g}}"
    yield f'print(f"{{key}}: {numbers}")'


_NO_SANITY = {"num_sanity_val_steps": 0}


def _call(
    left: str,
    method: str,
    weights: str,
    cuts: dict[str, tuple[int, ...]],
    settings: dict[str, object],
) -> str:
    given = "".join(f", {name}={_literal(value)}" for name, value in settings.items())
    return f"{left} = run({method!r}, {weights}, {pformat(cuts, sort_dicts=False)}{given})"


def _literal(value: object) -> str:
    return "[HoldsWeights()]" if value is HoldsWeights else repr(value)


class HoldsWeights:
    """Stands for the callback of that name in the script."""


def _cuts(recipe: Recipe, smallest: SmallestRun, lying: bool) -> Iterator[tuple[str, tuple]]:
    run, counts = smallest.run, smallest.counts
    if run.program not in (FIT, ACCUMULATE):
        count = counts[run.program]
        how = (count, run.batch_size, run.shuffled) if lying else (count, count)
        yield recipe.names[run.program], how
        return
    yield recipe.names["train"], (counts["train"], run.batch_size)
    if "validate" in counts:
        size = run.batch_size if run.program == FIT else counts["validate"]
        yield recipe.names["validate"], (counts["validate"], size)


def _settings(run: DrawnRun, lying: bool) -> dict[str, object]:
    if run.program == ACCUMULATE:
        held = {"max_epochs": 1, **_NO_SANITY, "callbacks": HoldsWeights}
        return {**held, "accumulate_grad_batches": run.accumulate if lying else 1}
    if run.program != FIT:
        return {"max_epochs": 1}
    settings = {"max_epochs": run.epochs, "accumulate_grad_batches": run.accumulate}
    if not lying:
        return {**settings, "check_val_every_n_epoch": run.epochs, **_NO_SANITY}
    return {
        **settings,
        "val_check_interval": run.interval,
        "num_sanity_val_steps": run.sanity_steps,
    }
