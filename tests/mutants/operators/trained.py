"""Mistakes in training: parameters, optimizers, schedules, hooks, modes (rows LOOP, DEV05)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from operators.registry import Change, operator
from operators.source import Source, attribute, dotted, last_name

TRAINING = ("training",)


@operator("LOOP02", "LTN702", "training", checks=(*TRAINING, "logged-values"))
def misspelled_hook(source: Source) -> Iterator[Change]:
    """A hook is misspelled: Lightning never calls it, and never says so."""
    for name, function in source.methods.items():
        if name.startswith("on_") and name.endswith(("_start", "_end")) and _does(function):
            start = source.text.index(name, source.start(function))
            edit = source.replace(function, "")
            renamed = type(edit)(start, start + len(name), f"{name}s")
            yield Change((renamed,), f"{name} is misspelled")


def _does(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    trivial = (ast.Pass, ast.Constant)
    return not all(
        isinstance(each.value if isinstance(each, ast.Expr) else each, trivial)
        for each in function.body
    )


@operator("LOOP05", "LTN705", "training", checks=TRAINING)
def optimizer_stepped_by_hand(source: Source) -> Iterator[Change]:
    """The optimizer is stepped in training_step under automatic optimization: twice a batch."""
    step = source.methods.get("training_step")
    if step is not None and not source.manual:
        code = "self.optimizers().step()"
        yield Change((source.at_start(step, code),), f"{code} under automatic optimization")


def _returns(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.Return]:
    return [node for node in ast.walk(function) if isinstance(node, ast.Return)]


@operator("LOOP07", "LTN707", "training", checks=TRAINING)
def gradients_not_zeroed(source: Source) -> Iterator[Change]:
    """Manual optimization without zero_grad: gradients add up for ever."""
    calls = list(source.calls("zero_grad")) if source.manual else []
    if calls:
        edits = tuple(source.delete(source.statement(call)) for call in calls)
        yield Change(edits, "zero_grad dropped")


@operator("LOOP08", "LTN708", "LTN710", checks=("schedule", *TRAINING))
def scheduler_never_stepped(source: Source) -> Iterator[Change]:
    """Manual optimization whose scheduler nobody steps."""
    for call in source.calls("step") if source.manual else ():
        owner = last_name(call.func.value)  # type: ignore[attr-defined]
        if "sch" in owner:
            yield Change((source.delete(source.statement(call)),), f"{owner}.step() dropped")


@operator("LOOP10", "LTN710", checks=("schedule", *TRAINING))
def schedule_of_steps_per_epoch(source: Source) -> Iterator[Change]:
    """A schedule made for steps is stepped once an epoch."""
    for value in _intervals(source, "step"):
        yield Change((source.replace(value, '"epoch"'),), "interval is 'epoch'")


@operator("LOOP10", "LTN710", checks=("schedule", *TRAINING))
def schedule_of_epochs_per_step(source: Source) -> Iterator[Change]:
    """A schedule made for epochs is stepped after every batch."""
    functions = source.reached("configure_optimizers")
    horizon = any("max_epochs" in source.code(function) for function in functions)
    for value in _intervals(source, "epoch") if horizon else ():
        yield Change((source.replace(value, '"step"'),), "interval is 'step'")


@operator("LOOP10", "LTN710", checks=("schedule", *TRAINING))
def cosine_of_steps_per_epoch(source: Source) -> Iterator[Change]:
    """A cosine over the steps is returned without interval=.

    The healthy twin says interval='step'.
    """
    configure = source.methods.get("configure_optimizers")
    for statement in _returns(configure) if configure and not source.manual else ():
        if _is_optimizer(statement.value):
            value = source.code(statement.value)  # type: ignore[arg-type]
            made = f"optimizer = {value}\n" + _COSINE
            first, second = (
                source.replace(statement, _flow(made, interval, statement.col_offset))
                for interval in ("", ', "interval": "step"')
            )
            torch = source.importing("import torch")
            note = "a cosine over steps, stepped per epoch"
            yield Change((torch, first), note, (torch, second))


_COSINE = """\
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(
    optimizer, T_max=int(self.trainer.estimated_stepping_batches)
)
return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler<interval>}}"""


def _flow(code: str, interval: str, column: int) -> str:
    return code.replace("<interval>", interval).replace("\n", "\n" + " " * column)


def _is_optimizer(value: ast.expr | None) -> bool:
    optimizers = ("Adam", "AdamW", "SGD", "RMSprop", "NAdam", "Adagrad")
    return isinstance(value, ast.Call) and last_name(value.func) in optimizers


def _intervals(source: Source, unit: str) -> Iterator[ast.expr]:
    for node in source.walk(*source.reached("configure_optimizers")):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                names = isinstance(key, ast.Constant) and key.value == "interval"
                if names and isinstance(value, ast.Constant) and value.value == unit:
                    yield value


@operator("LOOP11", "LTN711", "LTN710", checks=("schedule", *TRAINING))
def scheduler_under_another_key(source: Source) -> Iterator[Change]:
    """The scheduler stands under a key that Lightning does not know, and is dropped."""
    for node in source.walk(*source.reached("configure_optimizers")):
        for key in node.keys if isinstance(node, ast.Dict) else ():
            if isinstance(key, ast.Constant) and key.value == "lr_scheduler":
                yield Change((source.replace(key, '"scheduler"'),), "'scheduler' for a key")


@operator("LOOP13", "LTN713", "training", checks=TRAINING)
def parameters_left_out(source: Source) -> Iterator[Change]:
    """The optimizer gets all parameters but one."""
    for call in source.calls("parameters", source.reached("configure_optimizers")):
        if dotted(call.func) != "?" and not call.args:
            edit = source.replace(call, f"list({source.code(call)})[1:]")
            yield Change((edit,), "a parameter is missing from the optimizer")


@operator("LOOP14", "LTN714", "training", checks=TRAINING)
def layer_left_in_eval_mode(source: Source) -> Iterator[Change]:
    """A layer is put into eval mode in __init__, and Lightning leaves it there."""
    given = ("net", "model", "backbone", "encoder")
    made = [name for name, statement in source.layers if _is_sequence(statement)]
    for name in [*made, *given]:
        calls = [use for use in source.uses(name) if _is_called(source, use)]
        if calls and f"self.{name} = " in source.code(source.methods["__init__"]):
            edit = source.in_init(f"self.{name}.eval()")
            yield Change((edit,), f"self.{name}.eval() in __init__")


def _is_sequence(statement: ast.Assign) -> bool:
    return isinstance(statement.value, ast.Call) and last_name(statement.value.func) == "Sequential"


@operator("LOOP15", "LTN715", "LTN714", "training", checks=(*TRAINING, "logged-values"))
def eval_mode_in_a_hook(source: Source) -> Iterator[Change]:
    """self.eval() at the end of a training epoch: the next one trains without dropout."""
    hook = source.methods.get("on_train_epoch_end")
    if hook is None:
        edit = source.new_method("def on_train_epoch_end(self):\n    self.eval()")
    else:
        edit = source.after(hook.body[-1], "self.eval()")
    yield Change((edit,), "self.eval() in on_train_epoch_end")


@operator("LOOP15", "LTN715", "training", checks=(*TRAINING, "logged-values"))
def training_mode_while_validating(source: Source) -> Iterator[Change]:
    """self.train() in validation_step: dropout drops and batch norm learns from validation."""
    step = source.methods.get("validation_step")
    if step is not None:
        yield Change((source.at_start(step, "self.train()"),), "self.train() in validation_step")


@operator("LOOP18", "LTN718", "training", checks=(*TRAINING, "fast-dev-run"))
def loss_not_returned(source: Source) -> Iterator[Change]:
    """training_step returns None: Lightning skips every step."""
    step = source.methods.get("training_step")
    if step is not None and not source.manual and source.losses:
        edits = tuple(
            source.replace(each, source.code(each.value) if each.value else "pass")
            for each in _returns(step)
        )
        yield Change(edits, "training_step returns nothing")


@operator("LOOP19", "LTN719", "LTN203", "LTN204", "training", checks=(*TRAINING, "logged-values"))
def outputs_never_cleared(source: Source) -> Iterator[Change]:
    """A list of outputs is never cleared: it carries the last epoch's into the next."""
    for call in source.calls("clear"):
        if isinstance(call.func, ast.Attribute) and attribute(call.func.value):
            name = dotted(call.func)
            yield Change((source.delete(source.statement(call)),), f"{name}() dropped")
    for name, function in source.methods.items():
        if name.endswith(("epoch_end", "epoch_start")):
            for node in ast.walk(function):
                empty = isinstance(node, ast.Assign) and isinstance(node.value, ast.List)
                if empty and not node.value.elts and attribute(node.targets[0]):  # type: ignore[attr-defined]
                    yield Change((source.delete(node),), "an empty list dropped")  # type: ignore[arg-type]


@operator("LOOP19", "LTN719", "LTN729", "LTN129", "training", checks=TRAINING)
def losses_kept_for_ever(source: Source) -> Iterator[Change]:
    """Losses are kept in a list that is never cleared.

    The healthy twin clears it at the end of the epoch.
    """
    step = source.methods.get("training_step")
    init = source.in_init("self.kept = []")
    if step is None or source.manual or "on_train_epoch_end" in source.methods:
        return
    for loss in source.losses:
        statement = source.statement(loss)
        if isinstance(loss, ast.Name) and statement in _returns(step):
            fed = source.before(statement, f"self.kept.append({loss.id}.detach())")
            clear = source.new_method("def on_train_epoch_end(self):\n    self.kept.clear()")
            yield Change((init, fed), "a list that is never cleared", (init, fed, clear))


@operator("LOG29", "LTN129", "LTN719", "training", checks=TRAINING)
def graphs_kept(source: Source) -> Iterator[Change]:
    """Losses are kept with the graph that made them.

    The healthy twin keeps the last one, detached.
    """
    step = source.methods.get("training_step")
    init = source.in_init("self.kept = []")
    if step is None or source.manual:
        return
    for loss in source.losses:
        statement = source.statement(loss)
        if isinstance(loss, ast.Name) and statement in _returns(step):
            healthy = source.before(statement, f"self.kept = [{loss.id}.detach()]")
            sick = source.before(statement, f"self.kept.append({loss.id})")
            yield Change((init, sick), "losses kept with their graphs", (init, healthy))


@operator("LOOP24", "LTN724", checks=("search",))
def divided_for_accumulation(source: Source) -> Iterator[Change]:
    """The loss is divided by the batches that are accumulated; Lightning divides it again."""
    step = source.methods.get("training_step")
    names = {loss.id for loss in source.losses if isinstance(loss, ast.Name)}
    logged = {log.value.id for log in source.values("training") if isinstance(log.value, ast.Name)}
    for node in ast.walk(step) if step is not None and not source.manual else ():
        targets = node.targets if isinstance(node, ast.Assign) else ()
        if any(isinstance(each, ast.Name) and each.id in names & logged for each in targets):
            value = source.operand(node.value)  # type: ignore[attr-defined]
            divided = f"{value} / self.trainer.accumulate_grad_batches"
            edit = source.replace(node.value, divided)  # type: ignore[attr-defined]
            yield Change((edit,), "the loss divided by accumulate_grad_batches")


@operator("DEV05", "LTN655", "LTN713", "training", checks=(*TRAINING, "checkpoint"))
def layer_in_a_list(source: Source) -> Iterator[Change]:
    """A layer is kept in a plain list: it is not trained and not saved."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and last_name(node.func) == "ModuleList" and node.args:
            edit = source.replace(node, f"list({source.code(node.args[0])})")
            yield Change((edit,), "a list for a ModuleList")
    others = {name for name, _ in source.layers}
    for name, statement in source.layers if len(others) > 1 else ():
        uses = source.uses(name)
        called = all(_is_called(source, use) for use in uses)
        if uses and called:
            made = source.replace(statement.value, f"[{source.code(statement.value)}]")
            edits = tuple(source.replace(use, f"self.{name}[0]") for use in uses)
            yield Change((made, *edits), f"self.{name} is in a list")


def _is_called(source: Source, node: ast.AST) -> bool:
    parent = source.parents.get(node)
    return isinstance(parent, ast.Call) and parent.func is node


@operator("DAT10", "training", "LTN100", "LTN810", checks=(*TRAINING, "logged-values"))
def samples_leak(source: Source) -> Iterator[Change]:
    """Outputs are centred over the batch: a sample's prediction depends on the others in it.

    No row of the catalogue is about this; the issue of the battery names it.
    """
    for value in source.outputs:
        code = source.code(value)
        if not isinstance(value, ast.Name):
            edit = source.replace(value, f"(lambda out: out - out.mean(0, keepdim=True))({code})")
        else:
            edit = source.replace(value, f"{code} - {code}.mean(0, keepdim=True)")
        yield Change((edit,), "outputs are centred over the batch")
