"""Does what was saved come back: as a model, and as a training run that goes on?"""

from __future__ import annotations

from pl_lint.checks.checkpoint.loading import judge_loading
from pl_lint.checks.checkpoint.monitors import judge_monitors
from pl_lint.checks.checkpoint.resuming import judge_resuming
from pl_lint.checks.checkpoint.testing import judge_last_weights
from pl_lint.checks.registry import Gathering, Result, Runs, check


@check("checkpoint", place=70)
def checkpoint(runs: Runs) -> Result:
    """What is saved in a checkpoint is what comes back from it.

    What it promises:
    `load_from_checkpoint` rebuilds the module that was trained: the same arguments, the same
    weights, the same predictions. `fit(ckpt_path=...)` after one epoch ends with the same bits as
    the fit that was never interrupted.

    How it is judged:
    A two-epoch fit saves a checkpoint after each epoch. The last one is loaded; arguments that the
    module leaves out on purpose (`save_hyperparameters(ignore=...)`) are taken from the case. The
    first one is resumed, with the random generators of torch, numpy and Python restored by pl-lint,
    so that any difference left is state that the module forgot to save. Predictions are compared,
    or logged values where there are no predict data.

    What it finds:
    Arguments that come back as their defaults or not at all (LTN306), hyper-parameters that
    `weights_only` loading refuses (LTN309), counters, averages and tensors in plain attributes that
    a resumed run starts anew (LTN310), named with both values. Where a script tests the last
    weights beside a monitored checkpoint (LTN317), what the best and the last weights score.

    When it cannot say:
    A module that is not reproducible cannot be compared with itself: see `reproducible`.
    """
    case, gathering = runs.case(), Gathering()
    if "train" not in case.stages:
        return gathering.result("the module has no training to save a checkpoint of")
    judge_loading(runs.fit(), runs.reloaded(), case, gathering)
    judge_resuming(runs, case, gathering)
    judge_monitors(runs, case, gathering)
    judge_last_weights(runs, gathering)
    return gathering.result("the fit made no optimizer step")
