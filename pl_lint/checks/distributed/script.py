"""What each rank has at the end of a fit, in a script that runs by itself.

Some findings have none. A rank that fails or hangs has a message of its own, or its stacks; files
are opened by one rank or two, which only one who watches can tell; a stream is read by ranks and
workers that a script would have to follow; and a metric that is averaged over the ranks is the same
on each of them: its truth takes the inputs of all, which pl-lint gathers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pl_lint.checks.scripts.forked import AS_RANKS, IMPORTS, TORCH, gathered
from pl_lint.checks.scripts.parts import head, run, script
from pl_lint.facts.building import Building

Script = Callable[[Building, str, int], str]
"""Makes a script, of how the case is built, what the finding says, and how many ranks there are."""

_MAIN = """\
def fit():
    settings = {{"devices": {ranks}, "strategy": "ddp_find_unused_parameters_true"}}
    trainer, module = run("fit", **settings)
{gathered}

as_ranks({ranks}, fit)
"""
_RAISES = """\
def fit():
    outcome = "an end"
    try:
        run("fit", devices={ranks}, strategy="ddp")
    except RuntimeError as error:
        outcome = str(error).splitlines()[0]
    if os.environ["LOCAL_RANK"] == "0":
        print(f"a fit with plain DDP: expected an end, got {{outcome}}")


as_ranks({ranks}, fit)
"""


def logged(key: str) -> Script:
    """A key of which each rank has its own value."""
    return partial(_each, key, f'float(trainer.callback_metrics.get({key!r}, "nan"))')


def held(name: str, among: str = "module.state_dict()") -> Script:
    """A parameter or buffer that differs between ranks."""
    return partial(_each, f"norm of {name}", f"{among}[{name!r}].double().norm().item()")


BUFFERS = "dict(module.named_buffers())"
"""Also those that no checkpoint has."""


def assigned(name: str) -> Script:
    """An attribute that ``prepare_data`` sets on rank zero only."""
    owner = "trainer.datamodule or module"
    return partial(_each, name, f"repr(getattr({owner}, {name!r}, 'nothing'))")


def split() -> Script:
    """Samples of a split, as their numbers in the data set."""
    numbers = 'sorted(getattr(trainer.train_dataloader.dataset, "indices", ()))[:8]'
    return partial(_each, "first training samples", numbers)


def raises() -> Script:
    """Layers that DDP waits for in vain."""
    return _plain


def _plain(building: Building, said: str, ranks: int) -> str:
    main = _RAISES.format(ranks=ranks)
    return script(head(building, said, IMPORTS, TORCH), run(building), AS_RANKS, main)


def _each(what: str, value: str, building: Building, said: str, ranks: int) -> str:
    told = gathered(ranks, value, f"{what}: {{said}}")
    main = _MAIN.format(gathered=told, ranks=ranks)
    return script(head(building, said, IMPORTS, TORCH), run(building), AS_RANKS, main)
