"""Mistakes with torchmetrics, and with what is added up by hand (rows MET, LOG35)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from operators.logged import RANKS, VALUES
from operators.registry import Change, operator
from operators.source import Source, attribute, dotted, last_name


@operator("MET01", "LTN201", checks=VALUES)
def shared_between_stages(source: Source) -> Iterator[Change]:
    """Validation, which runs inside the training epoch, counts in the metric of training."""
    trained = {name for _, name in source.objects("training")}
    for _, name in source.objects("validation"):
        twin = next((each for each in sorted(trained) if _same_kind(source, each, name)), None)
        if twin is None or name in trained:
            continue
        step = source.stage_functions("validation")
        uses = [node for node in source.walk(*step) if attribute(node) == name]
        edits = tuple(source.replace(node, f"self.{twin}") for node in uses)
        yield Change(edits, f"validation counts in self.{twin}")


def _same_kind(source: Source, one: str, other: str) -> bool:
    return ast.dump(source.metrics[one]) == ast.dump(source.metrics[other])


@operator("MET03", "LTN203", checks=VALUES)
def never_reset(source: Source) -> Iterator[Change]:
    """What is computed by hand is not reset by hand."""
    for name in source.metrics:
        functions = [f for key, f in source.methods.items() if key.endswith("epoch_end")]
        resets = [
            source.statement(call)
            for call in source.calls("reset", functions)
            if dotted(call.func) == f"self.{name}.reset"
        ]
        if resets:
            yield Change(tuple(map(source.delete, resets)), f"self.{name} is never reset")


@operator("MET03", "LTN203", "LTN101", checks=VALUES)
def computed_by_hand(source: Source) -> Iterator[Change]:
    """The object's value is computed and logged at the epoch's end, and nothing resets it.

    The healthy twin is the same with the reset.
    """
    for log, name in source.objects("validation", "test"):
        statement, hook = source.statement(log.call), f"on_{log.stage}_epoch_end"
        if not isinstance(statement, ast.Expr) or hook in source.methods:
            continue
        compute = f'self.log("{log.stage}_by_hand", self.{name}.compute())'
        method = f"def {hook}(self):\n    {compute}"
        moved = source.delete(statement)
        healthy = (moved, source.new_method(f"{method}\n    self.{name}.reset()"))
        sick = (moved, source.new_method(method))
        yield Change(sick, f"self.{name} is computed by hand, and not reset", healthy)


@operator("MET04", "LTN204", checks=VALUES)
def sanity_check_counted(source: Source) -> Iterator[Change]:
    """What on_train_start cleared away of the sanity check stays."""
    for hook in ("on_train_start", "on_fit_start", "on_sanity_check_end"):
        function = source.methods.get(hook)
        for call in source.calls("reset", [function] if function else []):
            if "best" in dotted(call.func):
                edit = source.delete(source.statement(call))
                yield Change((edit,), f"{dotted(call.func)}() dropped in {hook}")


@operator("MET04", "LTN204", checks=VALUES)
def lowest_of_the_sanity_check(source: Source) -> Iterator[Change]:
    """The lowest value so far is that of the untrained module.

    The healthy twin leaves the sanity check out.
    """
    for _, name in source.objects("validation"):
        if "on_validation_epoch_end" in source.methods:
            continue
        init = source.in_init('self.register_buffer("lowest", torch.tensor(float("inf")))')
        torch = source.importing("import torch")
        guards = ("if not self.trainer.sanity_checking", "if True")
        healthy, sick = (
            source.new_method(_LOWEST.format(name=name, guard=each)) for each in guards
        )
        note = f"the lowest of self.{name} counts the sanity check"
        yield Change((torch, init, sick), note, (torch, init, healthy))


_LOWEST = """\
def on_validation_epoch_end(self):
    {guard}:
        self.lowest = self.lowest.minimum(self.{name}.compute())
        self.log("val_lowest", self.lowest)
"""


@operator("MET05", "LTN205", checks=VALUES)
def raw_logits(source: Source) -> Iterator[Change]:
    """A metric of probabilities gets logits: torchmetrics takes the sigmoid of some batches."""
    for name in source.metrics:
        for call in source.feeds(name, source.stage_functions("validation")):
            first = call.args[0] if call.args else None
            if isinstance(first, ast.Call) and last_name(first.func) == "sigmoid":
                inner = first.args[0] if first.args else first.func.value  # type: ignore[attr-defined]
                edit = source.replace(first, source.code(inner))
                yield Change((edit,), f"self.{name} gets logits")


@operator("MET09", "LTN209", "LTN210", checks=("precision", *VALUES))
def half_precision_state(source: Source) -> Iterator[Change]:
    """A metric adds up in bfloat16, where 256 + 1 is 256."""
    for name, call in source.metrics.items():
        if last_name(call.func) in ("MeanMetric", "SumMetric", "MeanSquaredError"):
            code = source.code(call)
            edit = source.replace(call, f"{code}.set_dtype(torch.bfloat16)")
            torch = source.importing("import torch")
            yield Change((torch, edit), f"self.{name} adds up in bfloat16")


@operator("MET10", "LTN210", checks=("precision", *VALUES))
def half_precision_sum(source: Source) -> Iterator[Change]:
    """A sum by hand, of percents, is kept in bfloat16. The healthy twin keeps it in float32.

    Now and then all that is rounded off comes to nothing, and no run can see it.
    """
    hooks = {"on_validation_epoch_start", "on_validation_epoch_end"} & set(source.methods)
    step = source.methods.get("validation_step")
    torch = source.importing("import torch")
    for log in source.values("validation") if step is not None and not hooks else ():
        statement = source.statement(log.call)
        if isinstance(statement, ast.Expr) and not _shared(source, log):
            size = _size(source, step)  # type: ignore[arg-type]
            added = f"self.total += 100 * float({source.code(log.value)}) * {size}"
            fed = source.before(statement, f"{added}\nself.count += {size}")
            healthy, sick = (
                source.new_method(_SUM_BY_HAND.format(kind)) for kind in ("float32", "bfloat16")
            )
            yield Change((torch, fed, sick), "a sum in bfloat16", (torch, fed, healthy))


_SUM_BY_HAND = """\
def on_validation_epoch_start(self):
    self.total, self.count = torch.zeros((), dtype=torch.{}, device=self.device), 0

def on_validation_epoch_end(self):
    self.log("val_percent_by_hand", self.total / self.count)
"""


@operator("LOG35", "LTN135", checks=VALUES)
def given_each_batch_twice(source: Source) -> Iterator[Change]:
    """A sum is called with each batch, and updated with it once more.

    The healthy twin only calls it. Of a ratio, twice the same would be no mistake.
    """
    step = source.methods.get("validation_step")
    init = source.in_init("self.summed = torchmetrics.SumMetric()")
    made = (source.importing("import torch\nimport torchmetrics"), init)
    for log in source.values("validation") if step is not None else ():
        statement = source.statement(log.call)
        if isinstance(statement, ast.Expr) and not _shared(source, log):
            size = _size(source, step)  # type: ignore[arg-type]
            given = f"each = torch.as_tensor({source.code(log.value)}).expand({size})"
            called = f"{given}\nself.summed(each)"
            healthy, sick = (
                source.before(statement, f'{each}\nself.log("val_sum", self.summed)')
                for each in (called, f"{called}\nself.summed.update(each)")
            )
            yield Change((*made, sick), "a metric is given each batch twice", (*made, healthy))


@operator("MET11", "LTN211", checks=RANKS)
def gathered_no_more(source: Source) -> Iterator[Change]:
    """What was gathered over ranks before it was logged is this rank's only."""
    for node in source.walk(*source.methods.values()):
        if isinstance(node, ast.Call) and "all_gather" in last_name(node.func) and node.args:
            edit = source.replace(node, source.code(node.args[0]))
            yield Change((edit,), "all_gather dropped")


@operator("MET11", "LTN211", "LTN106", "LTN107", checks=RANKS)
def list_of_this_rank(source: Source) -> Iterator[Change]:
    """The epoch's value is made of a Python list, which holds this rank's samples.

    The healthy twin sums over ranks before it divides.
    """
    yield from _epoch_list(source, sum_over_ranks=_SUMMED, sick=_LOCAL, note="a list per rank")


@operator("MET18", "LTN218", checks=VALUES)
def mean_metric_without_weight(source: Source) -> Iterator[Change]:
    """A MeanMetric is given batch means without their weights."""
    for log in source.values("validation", "test"):
        statement = source.statement(log.call)
        init = source.in_init("self.batch_means = torchmetrics.MeanMetric()")
        metrics = source.importing("import torchmetrics")
        if isinstance(statement, ast.Expr):
            fed = source.before(statement, f"self.batch_means.update({source.code(log.value)})")
            value = source.replace(log.value, "self.batch_means")
            yield Change((metrics, init, fed, value), "a MeanMetric of batch means")


@operator("MET18", "LTN218", "LTN203", checks=VALUES)
def weight_dropped(source: Source) -> Iterator[Change]:
    """The weight that a MeanMetric was given is left out."""
    for name, made in source.metrics.items():
        if last_name(made.func) == "MeanMetric":
            for call in source.feeds(name, source.methods.values()):
                if len(call.args) == 2:
                    edit = source.replace(call.args[1], "1.0")
                    yield Change((edit,), f"self.{name} without weight")
                else:
                    edit = source.without_argument(call, "weight")
                    yield Change((edit,), f"self.{name} without weight")


@operator("MET18", "LTN218", checks=VALUES)
def mean_of_a_list(source: Source) -> Iterator[Change]:
    """The mean of a list of batch means: a short last batch counts as a full one.

    The healthy twin keeps sums and counts.
    """
    sick = "total, count = sum(mean for mean, _ in self.seen), len(self.seen)"
    yield from _epoch_list(
        source,
        sum_over_ranks=_SUMMED,
        sick=sick + "\n" + _SUM_RANKS,
        note="the mean of a list of batch means",
    )


@operator("MET13", "LTN213", checks=VALUES)
def forward_dict(source: Source) -> Iterator[Change]:
    """What a collection's forward returned for the batch is logged instead of the collection."""
    for function in source.stage_functions("validation"):
        for call in source.calls("log_dict", [function]):
            name = attribute(call.args[0]) if call.args else ""
            fed = list(source.feeds(name, [function])) if name in source.metrics else []
            statement = source.statement(fed[0]) if fed else None
            if isinstance(statement, ast.Expr):
                arguments = ", ".join(source.code(each) for each in fed[0].args)
                edits = (
                    source.replace(statement, f"batch_values = self.{name}({arguments})"),
                    source.replace(call.args[0], "batch_values"),
                )
                yield Change(edits, f"logs the forward dict of self.{name}")


@operator("MET12", "LTN212", "LTN201", checks=VALUES)
def collection_not_cloned(source: Source) -> Iterator[Change]:
    """Two stages share one collection's metrics, because clone() is left out."""
    clones = [
        node
        for node in source.walk(*source.methods.values())
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and last_name(node.value.func) == "clone"
        and attribute(node.targets[0])
    ]
    if len(clones) >= 2:
        first, second = clones[:2]
        edit = source.replace(second.value, f"self.{attribute(first.targets[0])}")
        yield Change((edit,), "two stages share a collection")


# --- a value of the epoch, made of a list ---------------------------------------------------------

_LOCAL = """\
total, count = sum(mean * size for mean, size in self.seen), sum(size for _, size in self.seen)
"""
_SUM_RANKS = """\
sums = self.all_gather(torch.tensor([float(total), float(count)], device=self.device))
total, count = sums.reshape(-1, 2).sum(0)
"""
_SUMMED = _LOCAL + _SUM_RANKS


def _epoch_list(source: Source, sum_over_ranks: str, sick: str, note: str) -> Iterator[Change]:
    """A healthy value is logged from a list at the epoch's end; ``sick`` is how it is made."""
    for log in source.values("validation"):
        step = source.methods.get("validation_step")
        statement = source.statement(log.call)
        hooks = {"on_validation_epoch_end", "on_validation_epoch_start"} & set(source.methods)
        if step is None or hooks or not isinstance(statement, ast.Expr) or _shared(source, log):
            continue
        size = _size(source, step)
        appended = f"self.seen.append((float({source.code(log.value)}), {size}))"
        init, fed = source.in_init("self.seen = []"), source.before(statement, appended)
        healthy, planted = (source.new_method(_hook(body)) for body in (sum_over_ranks, sick))
        yield Change((init, fed, planted), note, (init, fed, healthy))


def _hook(body: str) -> str:
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    return (
        "def on_validation_epoch_end(self):\n    import torch\n"
        f"{indented}\n"
        '    self.log("val_mean_of_list", float(total / count))\n    self.seen.clear()\n'
    )


def _shared(source: Source, log: object) -> bool:
    """Whether the value is logged in a helper that training calls as well."""
    trained = {id(node) for node in source.walk(*source.stage_functions("training"))}
    return id(log.call) in trained  # type: ignore[attr-defined]


def _size(source: Source, step: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """How many samples the batch of a step has, as an expression."""
    batch = step.args.args[1].arg
    return (
        f"len(next(iter({batch}.values())) if isinstance({batch}, dict) else "
        f"{batch}[0] if isinstance({batch}, (list, tuple)) else {batch})"
    )
