"""One of several ranks, or one process to hold them against: evaluations, then a short fit.

Joining a process group costs more than a Trainer, so everything that is to be seen of a world is
done in one child for each of its ranks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pl_lint.facts.codec import to_json
from pl_lint.facts.events import Batching, CaseFacts, EvaluationPass, RunError
from pl_lint.facts.ranks import SharedPass
from pl_lint.facts.records import RanksRecord
from pl_lint.runtime.isolation.wire import write_atomically
from pl_lint.runtime.programs.common import Subject, caught, fresh, make_trainer, seed_all
from pl_lint.runtime.programs.evaluate import weights_loader
from pl_lint.runtime.programs.ranked.rank_fit import fit_on_ranks
from pl_lint.runtime.programs.ranked.sharing import Dealing, Share, deal_evaluation, join_ranks
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.logged.metrics import MetricTap, OriginTap
from pl_lint.runtime.watching.logged.recorder import Recorder
from pl_lint.runtime.watching.logged.served import in_one_word
from pl_lint.runtime.watching.watcher import watcher
from pl_lint.runtime.worlds import EVALUATED


def run(spec: RunSpec, directory: Path, rank: int) -> RanksRecord:
    """``options``: ``passes``, each a dict of ``stage``, ``label``, and, where they are not the
    usual, ``whole``, ``seed`` and ``shard``; ``fit``, the options of a fit to make afterwards, if
    one is wanted. ``inputs``: ``weights``, a state dict, if there is one.

    A rank that failed does no more: it and the others would no longer talk of the same thing.
    """
    passes: list[SharedPass] = []
    facts: CaseFacts | None = None
    for order in spec.options["passes"]:
        with OriginTap().installed() as tap:
            subject = fresh(spec)
            facts = facts or subject.facts()
            join_ranks(spec)
            seed_all(order.get("seed", spec.seed))
            passes.append(_evaluate(subject, tap, order, directory, rank))
        if passes[-1].done.error is not None:
            return RanksRecord(rank=rank, case=facts, passes=tuple(passes))
    record = RanksRecord(rank=rank, case=facts, passes=tuple(passes))
    if "fit" not in spec.options:
        return record
    # A fit that hangs for good must not take the evaluations with it.
    write_atomically(directory / EVALUATED.format(rank=rank), to_json(record))
    fit = fit_on_ranks(spec, directory, rank)
    return RanksRecord(rank=rank, case=facts, passes=tuple(passes), fit=fit)


def _evaluate(
    subject: Subject, tap: MetricTap, order: Mapping[str, Any], directory: Path, rank: int
) -> SharedPass:
    stage, ranks = order["stage"], subject.spec.world.ranks
    share = Share(rank, ranks) if ranks > 1 else Share(*order.get("shard", (0, 1)))
    dealing, errors = Dealing(), []
    recorder = Recorder(subject.namespace, tap, {stage: dealing.sizes})
    with caught(errors, stage):
        deal_evaluation(subject, stage, share, order.get("whole", False), dealing)
        _validate(subject, stage, recorder, directory)
    return SharedPass(
        _pass(stage, order["label"], dealing, recorder, errors),
        served=dealing.contents,
        placed=dealing.placed,
        population=dealing.population,
    )


def _pass(
    stage: str, label: str, dealing: Dealing, recorder: Recorder, errors: list[RunError]
) -> EvaluationPass:
    return EvaluationPass(
        stage=stage,
        batching=Batching(label, dealing.sizes[0] if dealing.sizes else ()),
        values=recorder.epochs[-1].values if recorder.epochs and not errors else {},
        events=tuple(recorder.events),
        error=errors[0] if errors else None,
        seen=in_one_word(dealing.contents),
    )


def _validate(subject: Subject, stage: str, recorder: Recorder, directory: Path) -> None:
    callbacks = [watcher(subject.namespace, recorder, lambda module: {}, [])]
    weights = subject.spec.inputs.get("weights")
    if weights:
        callbacks.append(weights_loader(subject.namespace, weights))
    trainer = make_trainer(subject, directory, callbacks, max_epochs=1)
    with recorder.watching():
        getattr(trainer, stage)(subject.module, **subject.supply.arguments(stage), verbose=False)
