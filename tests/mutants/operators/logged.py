"""Mistakes in what is logged (rows LOG, LOOP28, LGR08)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from operators.registry import Change, operator
from operators.source import Source, keyword, last_name
from pl_lint.facts.torchmetrics import bind, is_aggregator, is_linear

VALUES = ("logged-values",)
RANKS = ("sync-dist", "distributed")


@operator("LOG01", "LTN101", checks=VALUES)
def compute_in_step(source: Source) -> Iterator[Change]:
    """The running value is logged after each batch, and Lightning takes the mean of these."""
    for log, name in source.objects():
        edit = source.replace(log.value, f"{source.code(log.value)}.compute()")
        yield Change((edit,), f"logs self.{name}.compute() in {log.stage}_step")


@operator("LOG02", "LTN102", checks=VALUES)
def forward_value(source: Source) -> Iterator[Change]:
    """What forward returned for the batch is logged instead of the object.

    A metric whose mean over batches is right is made a macro average first, where that is one word.
    """
    for log, name in source.objects("validation", "training"):
        calls = list(source.feeds(name, source.stage_functions(log.stage)))
        for call in calls[:1]:
            statement = source.statement(call)
            if not isinstance(statement, ast.Expr):
                continue
            given = ", ".join(source.code(each) for each in [*call.args, *call.keywords])
            sick = (
                source.replace(statement, f"batch_value = self.{name}({given})"),
                source.replace(log.value, "batch_value"),
            )
            macro = _macro(source, name)
            if macro is not None:
                yield Change((*sick, *macro), f"logs the forward value of self.{name}", macro)


def _macro(source: Source, name: str) -> tuple | None:
    """What makes a metric one whose batch means are wrong; None where that is not known."""
    call = source.metrics[name]
    kind = last_name(call.func)
    constants = {
        each.arg: each.value.value if isinstance(each.value, ast.Constant) else None
        for each in call.keywords
        if each.arg
    }
    if is_aggregator(kind):
        return None
    if is_linear(kind, bind(kind, (), constants)) is False:
        return ()
    if kind == "Accuracy" and constants.get("task") == "multiclass":
        return (source.with_argument(call, 'average="macro"'),)
    return None


@operator("LOG03", "LTN103", checks=VALUES)
def root_per_step(source: Source) -> Iterator[Change]:
    """A root of each batch's mean is logged: the mean of roots is not the root of the mean."""
    for log in source.values("validation", "test"):
        edit = source.replace(log.value, f"{source.operand(log.value)} ** 0.5")
        yield Change((edit,), f"logs a root per batch in {log.stage}_step")


@operator("LOG04", "LTN104", checks=VALUES)
def wrong_batch_size(source: Source) -> Iterator[Change]:
    """Each batch weighs the same, because batch_size says so."""
    for log in source.values():
        edit = source.with_argument(log.call, "batch_size=1")
        yield Change((edit,), f"batch_size=1 in {log.stage}_step")


@operator("LOG06", "LTN106", "LTN107", checks=RANKS)
def sync_dist_dropped(source: Source) -> Iterator[Change]:
    """The value that was gathered over ranks is only this rank's."""
    for log in source.values("validation", "test"):
        if log.is_on("sync_dist", False):
            edit = source.without_argument(log.call, "sync_dist")
            yield Change((edit,), f"sync_dist dropped in {log.stage}_step")


@operator("LOG09", "LTN109", "LTN103", "LTN102", checks=(*RANKS, *VALUES))
def synced_root(source: Source) -> Iterator[Change]:
    """sync_dist averages over ranks what cannot be averaged."""
    for log in source.values("validation", "test"):
        value = source.replace(log.value, f"{source.operand(log.value)} ** 0.5")
        yield Change((value, source.with_argument(log.call, "sync_dist=True")), "a synced root")


@operator("LOG10", "LTN110", *RANKS, checks=RANKS)
def key_of_the_rank(source: Source) -> Iterator[Change]:
    """The key holds the rank: collectives pair by order, so different keys are averaged."""
    for log in source.values("validation", "test"):
        key = source.replace(log.key, f"{source.operand(log.key)} + str(self.global_rank)")
        edits = (key, source.with_argument(log.call, "sync_dist=True"))
        yield Change(edits, "a key with the rank in it")


@operator("LOG11", "LTN111", "LTN110", *RANKS, checks=RANKS)
def logged_by_one_rank(source: Source) -> Iterator[Change]:
    """Only rank zero comes to a synchronisation that all ranks must come to."""
    for log in source.values("validation"):
        statement = source.statement(log.call)
        if isinstance(statement, ast.Expr) and "\n" not in source.code(statement):
            call = source.with_argument(log.call, "sync_dist=True")
            guard = source.replace(statement, "")
            text = source.text[guard.start : call.start] + call.text
            text += source.text[call.end : guard.end]
            guarded = source.replace(statement, f"if self.trainer.is_global_zero: {text}")
            yield Change((guarded,), "sync_dist under is_global_zero")


@operator("LOG13", "LTN113", checks=VALUES)
def one_key_for_two_stages(source: Source) -> Iterator[Change]:
    """Validation logs under the key of training."""
    trained = [log for log in source.values("training") if isinstance(log.key, ast.Constant)]
    for log in source.values("validation"):
        for other in trained[:1]:
            if isinstance(log.key, ast.Constant) and log.call is not other.call:
                edit = source.replace(log.key, source.code(other.key))
                yield Change((edit,), f"validation logs {source.code(other.key)}")


@operator("LOG14", "LTN114", checks=VALUES)
def logged_twice(source: Source) -> Iterator[Change]:
    """A key is logged twice in a step: Lightning takes the mean of both."""
    for log in source.values("validation"):
        statement = source.statement(log.call)
        if isinstance(statement, ast.Expr):
            again = f"2 * {source.operand(log.value)}"
            start, end = source.start(statement), source.end(statement)
            value = source.replace(log.value, again)
            text = source.text[start : value.start] + again + source.text[value.end : end]
            yield Change((source.after(statement, _flat(text)),), "a second value for a key")


def _flat(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines())


@operator("LOG16", "LTN116", checks=VALUES)
def one_metric_for_all_loaders(source: Source) -> Iterator[Change]:
    """The metric of the first loader counts the batches of all of them."""
    nodes = [
        node
        for node in source.walk(*source.stage_functions("validation"))
        if isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Name)
        and node.slice.id == "dataloader_idx"
    ]
    if nodes:
        edits = tuple(source.replace(node.slice, "0") for node in nodes)
        yield Change(edits, "self.metrics[0] for every dataloader")


@operator("LOG19", "LTN119", "LTN908", checks=(*VALUES, "event-file"))
def key_called_step(source: Source) -> Iterator[Change]:
    """Lightning takes what is logged as 'step' for the x-axis of everything logged with it."""
    for log in source.logs("training"):
        if isinstance(log.key, ast.Constant) and not log.on_epoch:
            yield Change((source.replace(log.key, '"step"'),), 'logs the key "step"')


@operator("LOG21", "LTN121", checks=VALUES)
def largest_of_means(source: Source) -> Iterator[Change]:
    """reduce_fx takes the largest of the batches' means."""
    for log in source.values("validation", "test"):
        for how in ("max", "sum"):
            edit = source.with_argument(log.call, f'reduce_fx="{how}"')
            yield Change((edit,), f"reduce_fx={how} in {log.stage}_step")


@operator("LOG33", "LTN133", checks=VALUES)
def never_updated(source: Source) -> Iterator[Change]:
    """A metric is logged that was never given a batch."""
    for log, name in source.objects():
        calls = list(source.feeds(name, source.stage_functions(log.stage)))
        statements = [source.statement(call) for call in calls]
        if statements and all(isinstance(each, ast.Expr) for each in statements):
            yield Change(tuple(map(source.delete, statements)), f"self.{name} is never updated")


@operator("LOG34", "LTN134", "LTN203", checks=VALUES)
def reset_before_lightning_computes(source: Source) -> Iterator[Change]:
    """Lightning computes a training metric after on_train_epoch_end, where it is reset by hand."""
    for _, name in source.objects("training"):
        hook = source.methods.get("on_train_epoch_end")
        reset = f"self.{name}.reset()"
        if hook is None:
            edit = source.new_method(f"def on_train_epoch_end(self):\n    {reset}")
        else:
            edit = source.after(hook.body[-1], reset)
        yield Change((edit,), f"{reset} in on_train_epoch_end")


@operator("LOG12", "LTN112", checks=VALUES)
def watched_on_step_only(source: Source) -> Iterator[Change]:
    """The key that a scheduler or callback watches holds the last batch's value only."""
    watched = _watched(source)
    for log in source.logs("training"):
        if isinstance(log.key, ast.Constant) and log.key.value in watched and log.on_epoch:
            edits = [source.with_argument(log.call, "on_epoch=False")]
            if log.flag("on_step") is not None:
                edits.append(source.with_argument(log.call, "on_step=True"))
            yield Change(tuple(edits), f"{log.key.value!r} is watched and logged on_step only")


def _watched(source: Source) -> set[object]:
    found: set[object] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            found |= {
                value.value
                for key, value in pairs
                if isinstance(key, ast.Constant)
                and key.value == "monitor"
                and isinstance(value, ast.Constant)
            }
        elif isinstance(node, ast.Call):
            value = keyword(node, "monitor")
            found |= {value.value} if isinstance(value, ast.Constant) else set()
    return found


@operator("LOOP28", "LTN728", "logged-values", checks=VALUES)
def divided_by_zero(source: Source) -> Iterator[Change]:
    """An infinite value is logged, and nobody says so."""
    for log in source.values("validation", "training"):
        value = source.operand(log.value)
        edit = source.replace(log.value, f"{value} / (0 * {value})")
        if ".item()" not in value:
            yield Change((edit,), f"an infinite value in {log.stage}_step")


@operator("LGR08", "LTN908", checks=("event-file",))
def drawn_over_the_batches(source: Source) -> Iterator[Change]:
    """A curve is written by hand over the batch's index, which begins again with each epoch.

    The healthy twin writes it over the Trainer's step.
    """
    if "on_train_batch_end" in source.methods:
        return
    sick, healthy = (source.new_method(_BY_HAND.format(axis)) for axis in _AXES)
    yield Change((sick,), "a curve over batch_idx", (healthy,))


_AXES = ("batch_idx", "self.global_step")
_BY_HAND = """\
def on_train_batch_end(self, outputs, batch, batch_idx):
    rate = self.trainer.optimizers[0].param_groups[0]["lr"]
    self.logger.experiment.add_scalar("rate_by_hand", rate, {})
"""
