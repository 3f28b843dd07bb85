"""Does training train: everything that ought to learn, with gradients of its own, in one mode?"""

from __future__ import annotations

from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.checks.training.batch import judge_one_batch, judge_samples
from pl_lint.checks.training.hooks import judge_hooks
from pl_lint.checks.training.keeping import judge_kept
from pl_lint.checks.training.modes import judge_modes
from pl_lint.checks.training.reach import judge_parameters
from pl_lint.checks.training.sharing import judge_sharing
from pl_lint.checks.training.steps import judge_steps
from pl_lint.checks.training.validating import judge_validating
from pl_lint.checks.training.view import View
from pl_lint.facts.events import Note


@check("training", place=80)
def training(runs: Runs) -> Result:
    """What ought to learn learns, and nothing else gets into it.

    What it promises:
    Gradients reach every trainable parameter, it is in an optimizer, and it moves; no two
    optimizers move it in the same batch. The optimizer makes one step for a batch, on gradients
    that were zeroed since its last step, and that are those of its own loss. Layers are trained in
    training mode, from the first epoch to the last. No list, tensor or array of the module, and no
    list of a callback, grows from batch to batch with nobody to shorten it. The prediction of a
    sample does not depend on the other samples of its batch. The loss of one batch falls when it is
    trained on again and again. A method that looks like a hook is called. Validation leaves the
    weights alone that an optimizer holds, or puts them back before training goes on.

    How it is judged:
    A two-epoch fit is watched where all training passes through, whoever calls it: every backward,
    every step of an optimizer, every call of a submodule, every hook. A fresh module is then
    trained for 20 steps on one batch, with the same dropout masks each time. One batch of seven
    samples is evaluated twice, the second time with another first sample: the others must stay what
    they were, in every submodule that they pass through. Where samples have different lengths, a
    longer one among short ones must not change them either. Two batches of test and of prediction
    show what their hooks leave behind.

    What it finds:
    Parameters that no optimizer has (LTN713), layers in a plain list (LTN655), a second step for
    each batch (LTN705), gradients that are never zeroed, or that the loss of another optimizer left
    behind (LTN707), steps without a loss (LTN718), layers trained in evaluation mode (LTN714,
    LTN736), modes that a hook leaves behind (LTN715), lists and tensors that grow (LTN719), graphs
    kept alive (LTN129), hooks that nobody calls (LTN702), padding that gets into the samples
    (LTN810).
    What has no code of its own carries the name of this check: gradients that are cut off,
    parameters that two optimizers move, weights that validation changes, samples that see each
    other, a loss that is the negative of an error, an optimizer that goes uphill.

    What it sets aside:
    Frozen layers, backbones from a library or with loaded weights that are left out on purpose,
    target and teacher networks, layers that only evaluation uses, batch norm that is kept in
    evaluation mode and parts that a hook puts there before an epoch begins are notes at most. That
    the whole module is put there is nobody's choice, whichever hook does it. Two optimizers may
    take turns at a parameter; that both move it in a batch fails where one of them holds
    everything, else it is suspected. A loss that does not fall is a note unless it is known why: a
    small learning rate is no mistake. In manual optimization it is the loss that is gone backward
    from, where one optimizer does so once for a batch; the losses of several are not decided. A
    history of numbers, or of a value for each epoch, may grow; what may be kept below a bound is
    suspected.

    Samples that see each other are proved where a layer of torch takes the batch for a sequence, or
    where the code normalises, averages or makes a softmax over dimension 0 and no other; experts
    with room for few, optimal transport and episodes are suspected. So is the negative of an error
    whose target is not of the batch: two outputs may be meant to be pushed apart. What the module's
    own code calls is no hook that was missed.

    No script stands under:
    Modes that a hook leaves behind, weights that validation changes and parameters that optimizers
    share, which the message names in full; gradients that are not zeroed where there are several
    optimizers, since those of one loss may be left over in another's network on purpose; padding
    that gets into the samples (LTN810), which takes samples of different lengths.
    """
    case, into = runs.case(), Gathering()
    if "train" not in case.stages:
        return into.result("the module has no training")
    view = View(case, runs.fit(), runs.trained(), runs.suspected("LTN736"))
    for judge in (
        judge_parameters,
        judge_steps,
        judge_sharing,
        judge_modes,
        judge_validating,
        judge_kept,
        judge_one_batch,
        judge_samples,
        judge_hooks,
    ):
        judge(view, into)
    if not into.passed and not any(part.sensitive for part in view.story.parts):
        into.untriggered.append(Note("modes", "no layer of the module depends on them"))
    return into.result("training made no step")
