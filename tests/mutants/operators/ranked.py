"""Mistakes that only several processes show (rows DDP)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from operators.logged import RANKS
from operators.registry import Change, operator
from operators.source import Source, last_name


@operator("DDP02", "LTN502", "distributed", "fast-dev-run", checks=(*RANKS, "fast-dev-run"))
def state_in_prepare_data(source: Source) -> Iterator[Change]:
    """What setup assigned is assigned in prepare_data, which rank zero alone runs."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            own = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
            setup = own.get("setup")
            if setup is not None and not any(_uses_stage(each, setup) for each in ast.walk(setup)):
                start = source.text.index("setup", source.start(setup))
                end = source.text.index(":\n", start)
                edit = type(source.replace(setup, ""))(start, end, "prepare_data(self)")
                yield Change((edit,), "setup is prepare_data")


def _uses_stage(node: ast.AST, setup: ast.FunctionDef) -> bool:
    names = {each.arg for each in setup.args.args[1:]}
    return isinstance(node, ast.Name) and node.id in names


@operator("DDP02", "LTN502", "distributed", checks=RANKS)
def scale_in_prepare_data(source: Source) -> Iterator[Change]:
    """A number that training needs is assigned in prepare_data.

    The healthy twin assigns it in setup.
    """
    if {"prepare_data", "setup"} & set(source.methods) or not source.losses:
        return
    init = source.in_init("self.loss_scale = None")
    weigh = tuple(
        source.replace(loss, f"{source.operand(loss)} * self.loss_scale") for loss in source.losses
    )
    healthy = source.new_method("def setup(self, stage):\n    self.loss_scale = 2.0")
    sick = source.new_method("def prepare_data(self):\n    self.loss_scale = 2.0")
    yield Change((init, *weigh, sick), "state in prepare_data", (init, *weigh, healthy))


@operator("DDP06", "LTN506", "LTN507", checks=("distributed", "sync-dist"))
def every_rank_reads_all(source: Source) -> Iterator[Change]:
    """An IterableDataset no longer takes this rank's share."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and last_name(node.func) == "islice" and len(node.args) == 4:
            rest = ", ".join(source.code(each) for each in node.args[:1])
            edit = source.replace(node, f"{source.code(node.func)}({rest}, 0, None, 1)")
            yield Change((edit,), "no sharding over ranks")


@operator("DDP08", "LTN508", "LTN211", "LTN106", "LTN107", checks=RANKS)
def running_mean_of_this_rank(source: Source) -> Iterator[Change]:
    """A running mean of the loss is this rank's.

    The healthy twin takes the mean over ranks of each loss first.
    """
    step = source.methods.get("training_step")
    if step is None or "on_train_epoch_end" in source.methods or source.manual:
        return
    torch = source.importing("import torch")
    init = source.in_init('self.register_buffer("running", torch.zeros(()))')
    hook = source.new_method(
        'def on_train_epoch_end(self):\n    self.log("train_running_loss", self.running)'
    )
    for loss in source.losses:
        statement = source.statement(loss)
        if isinstance(loss, ast.Name) and isinstance(statement, ast.Return):
            made = f"{loss.id}.detach()"
            healthy, sick = (
                source.before(statement, f"self.running = 0.9 * self.running + 0.1 * {value}")
                for value in (f"self.all_gather({made}).mean()", made)
            )
            note = "a running mean of this rank's losses"
            yield Change((torch, init, sick, hook), note, (torch, init, healthy, hook))


@operator("DDP11", "LTN511", "distributed", checks=("distributed", *RANKS))
def printed_by_every_rank(source: Source) -> Iterator[Change]:
    """Every rank prints, and writes the same file.

    The healthy twin prints on rank zero.
    """
    hook = "on_train_epoch_end"
    if hook not in source.methods:
        body = 'print("epoch done", file=open("epochs.txt", "a"))'
        healthy = source.new_method(
            f"def {hook}(self):\n    if self.trainer.is_global_zero:\n        {body}"
        )
        sick = source.new_method(f"def {hook}(self):\n    {body}")
        yield Change((sick,), "every rank writes a file", (healthy,))


@operator("DDP03", "LTN503", "distributed", checks=("distributed",))
def written_by_every_setup(source: Source) -> Iterator[Change]:
    """Every rank writes the same file in setup.

    The healthy twin writes it in prepare_data, which one process runs.
    """
    if {"prepare_data", "setup"} & set(source.methods):
        return
    path = 'f"{tempfile.gettempdir()}/prepared.txt"'
    body = f'import tempfile\n    with open({path}, "w") as file:\n        file.write("samples")'
    healthy = source.new_method(f"def prepare_data(self):\n    {body}")
    sick = source.new_method(f"def setup(self, stage):\n    {body}")
    yield Change((sick,), "a file is written in setup", (healthy,))


@operator("DDP05", "LTN505", *RANKS, checks=RANKS)
def skipped_on_one_rank(source: Source) -> Iterator[Change]:
    """A rank has no loss for its batch, and leaves the others waiting for its gradients."""
    step = source.methods.get("training_step")
    if step is not None and not source.manual and source.losses:
        code = "if self.global_rank == 1:\n    return None"
        yield Change((source.at_start(step, code),), "training_step returns None on a rank")


@operator("DDP07", "LTN507", checks=("distributed",))
def every_worker_reads_all(source: Source) -> Iterator[Change]:
    """An IterableDataset no longer asks which worker it is in."""
    for node in ast.walk(source.tree):
        asked = isinstance(node, ast.Call) and last_name(node.func) == "get_worker_info"
        if asked and isinstance(source.statement(node), ast.Assign):  # and asks whether it is None
            yield Change((source.replace(node, "None"),), "no sharding over workers")


@operator("DDP12", "LTN512", checks=("distributed",))
def settings_told_by_every_rank(source: Source) -> Iterator[Change]:
    """Every rank tells a tracker the settings of its run, which only rank zero has.

    The healthy twin does so on rank zero.
    """
    hook = "on_train_start"
    if hook not in source.methods:
        told = 'self.logger.experiment.config.update({"width": 4})'
        healthy = source.new_method(
            f"def {hook}(self):\n    if self.trainer.is_global_zero:\n        {told}"
        )
        sick = source.new_method(f"def {hook}(self):\n    {told}")
        yield Change((sick,), "experiment.config on every rank", (healthy,))
