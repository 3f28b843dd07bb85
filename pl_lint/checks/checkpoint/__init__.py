"""Does what was saved come back: as a model, and as a training run that goes on?"""

from __future__ import annotations

from pl_lint.checks.checkpoint.loading import judge_loading
from pl_lint.checks.checkpoint.monitors import judge_monitors
from pl_lint.checks.checkpoint.resuming import judge_resuming
from pl_lint.checks.checkpoint.testing import judge_last_weights, judge_untrained
from pl_lint.checks.registry import Gathering, Result, Runs, check


@check("checkpoint", place=70)
def checkpoint(runs: Runs) -> Result:
    """What is saved in a checkpoint is what comes back from it, and the best one is the best.

    What it promises:
    `load_from_checkpoint` rebuilds the module that was trained: the same arguments, the same
    weights, the same predictions. `fit(ckpt_path=...)` after one epoch, and inside one, ends with
    the same bits as the fit that was never interrupted. What watches a key finds it, and keeps what
    is best by it.

    How it is judged:
    A two-epoch fit saves a checkpoint after each epoch, and one between two batches. The last one
    is loaded; arguments that the module leaves out on purpose (`save_hyperparameters(ignore=...)`)
    are taken from the case. Two are resumed, with the random generators of torch, numpy and Python
    restored by pl-lint, the place in the data, which Lightning does not keep for a plain
    DataLoader inside an epoch, and the gradients that a module which optimizes by hand has not
    zeroed yet: any difference left is state that the code forgot to save, or to clear (a list that
    grows from epoch to epoch is not to be saved). What is drawn between the checkpoint and the next
    epoch (`configure_optimizers`, `on_fit_start`, `on_train_start`) is drawn as the whole fit had
    drawn it before its first step.
    Predictions are compared, or logged values where there are no predict data. The checkpoint
    callbacks of the case then save a puppet that logs the same keys in the same hooks, with planted
    scores, and `test(ckpt_path="best")` is called on it; early stopping and schedulers on a plateau
    are handed scores that rise, and such that fall. The first epoch's checkpoint is loaded and
    validated again: one is enough, since weights that are validated and others that are saved
    differ from the first epoch on, and what a module remembers of earlier epochs (a best score) is
    rightly in the values of later ones. An average that begins only later is not seen. Where
    validation has several loaders, the puppet has as many, and each key its own. A fit that raises
    only where it is resumed inside an epoch fails the check if a callback of the case saves there,
    by steps, by time, or after one of several validations; if none does, it is a suspicion.

    What it finds:
    Arguments that come back as their defaults or not at all, as those that are taken out of a dict
    before it is saved (LTN306), hyper-parameters, rates and other state that `weights_only` loading
    refuses (LTN309, with the entry of the checkpoint that it is in; everything else is judged
    without it), counters, averages, tensors and buffers that are not in the checkpoint (LTN310),
    under private names and in helper objects too, layers in plain lists, modes that only the first
    epoch sets or that a hook leaves behind, the state of callbacks (LTN311), named with both values
    and their line; lost to no effect here, they are a note. Of several that are lost, runs in which
    all but one are put back tell which of them decide; where those cannot, all are named, as "one
    of these, or several". What a value holds by mistake, because an earlier epoch or the sanity
    check left it there (LTN203, LTN204), is told by `logged-values`: that it is lost is a note. The
    wrong mode (LTN301), a key that is never logged (LTN302; the fit goes on without it), folders
    (LTN303) and zeros (LTN304) in file names, scores that belong to earlier weights (LTN305), a
    best file that another callback overwrites, a score that the saved weights do not have, because
    others were validated, or because validation by itself is given other data than that of a fit.
    Where a script tests the last weights beside a monitored checkpoint (LTN317), what the best and
    the last weights score, on equal data and seeded alike; a key that moves where the last weights
    are tested again proves nothing. Where one tests a module as it was built (LTN318), what these
    weights score, what those of another seed do, and trained ones.

    When it cannot say:
    A module that is not reproducible cannot be compared with itself: see `reproducible`. A key that
    no metric object logs has a direction by its name only: a suspicion. A key that the code logs at
    a line that two short epochs never came to may be logged later. Data that cannot be cut, and
    those of several training loaders, are not interrupted inside an epoch. Fits are made without
    loader workers: where the training loader has some, samples that are other after resuming are
    left undecided, for workers begin each epoch with copies of the data set. A module whose weights
    are the same under another seed may have them from elsewhere: whether a script that tests it as
    it was built has forgotten to train it (LTN318), no run can tell. Test data that are drawn anew
    for each test, whatever the seed, say nothing about the weights (LTN317).

    No script stands under:
    What differs only after an interruption inside an epoch: Lightning does not keep the place in a
    DataLoader, and a plain script would read other data. Batches that hold other data after an
    epoch (LTN310): a script would have to keep the random generators, which no checkpoint has. What
    callbacks make of planted scores: the key, the mode or the file name is the mistake. Scores of
    other weights than those that were saved, last weights and untrained ones (LTN317, LTN318): the
    numbers are beside each other. A resume that raises, where the error and its line are the whole
    of it, and weights that loading loses (LTN310), which are named.
    """
    case, gathering = runs.case(), Gathering()
    if "train" not in case.stages:
        return gathering.result("the module has no training to save a checkpoint of")
    judge_loading(runs, case, gathering)
    judge_resuming(runs, case, gathering)
    judge_monitors(runs, case, gathering)
    judge_last_weights(runs, gathering)
    judge_untrained(runs, case, gathering)
    return gathering.result("the fit made no optimizer step")
