"""Mistakes about loops and modes that only a run can see."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake

STEPPED_BY_HAND = Mistake(
    "LTN705",
    "optimizer-stepped-by-hand",
    ("LOOP05",),
    """The optimizer is stepped in training_step, and by Lightning as well.

    What it does
    ------------
    Counts the steps that an optimizer makes while Lightning is already making one with it.

    Why is this bad
    ---------------
    Nothing says so: each batch changes the weights twice, the first time with the gradients of the
    batch before, and `global_step` does not know of it.

    Use instead
    -----------
    Return the loss and leave backward, step and zero_grad to Lightning, or set
    `self.automatic_optimization = False` and do all three.
    """,
)

NEVER_ZEROED = Mistake(
    "LTN707",
    "gradients-never-zeroed",
    ("LOOP07",),
    """Gradients add up from step to step.

    What it does
    ------------
    Looks at every backward pass and at every zero_grad whether the gradients of an optimizer were
    gone at any time since its last step. Accumulation over some batches is no mistake: there they
    are gone after each step.

    Where there are several optimizers, it also follows every backward pass to the parameters that
    it fills. A pass that one optimizer has stepped with, and that came through the layers of
    another one on its way, must be gone before that one steps: the loss of a generator fills the
    gradients of its discriminator. Losses that add up in an encoder are no mistake, and those of a
    decoder are suspected only: there its own loss must leave the other's parameters out, and use
    its own more often than the other's does.

    Why is this bad
    ---------------
    Each step is made with the sum of all batches so far: 1, 2, 3, 4 times too large, and in a
    direction that is long out of date. With another optimizer's gradients in it a step goes where
    the other loss wants it: a discriminator learns to be fooled.

    Use instead
    -----------
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()

    in this order, for each optimizer, with nothing between zero_grad and backward.

    References
    ----------
    https://lightning.ai/docs/pytorch/stable/model/manual_optimization.html
    """,
)

SCHEDULER_NEVER_STEPPED = Mistake(
    "LTN708",
    "scheduler-never-stepped",
    ("LOOP08",),
    """Under manual optimization nobody steps the scheduler.

    What it does
    ------------
    Counts the steps of every scheduler that `configure_optimizers` returns.

    Why is this bad
    ---------------
    Lightning steps schedulers under automatic optimization only. The learning rate stays what it
    was, and nothing says so.

    Use instead
    -----------
        self.lr_schedulers().step()

    in training_step, or in on_train_epoch_end if the schedule counts epochs.
    """,
)

SCHEDULER_DROPPED = Mistake(
    "LTN711",
    "scheduler-dropped",
    ("LOOP11",),
    """A scheduler is made and never reaches Lightning.

    What it does
    ------------
    Looks for schedulers that were built during the fit, that are none of those which Lightning
    steps, and that nobody has stepped either; and for schedulers of an optimizer that is not the
    one in use.

    Why is this bad
    ---------------
    Keys that Lightning does not know are dropped: `"scheduler"` where it reads `"lr_scheduler"`.
    The learning rate stays constant.

    Use instead
    -----------
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler}}
    """,
)

NOT_IN_OPTIMIZER = Mistake(
    "LTN713",
    "parameter-in-no-optimizer",
    ("LOOP13",),
    """A parameter gets gradients, and no optimizer has it.

    What it does
    ------------
    Looks at every parameter that requires a gradient over a whole fit: whether one reached it,
    whether an optimizer holds it, whether it moved. Layers that were unfrozen later are among them.
    Networks from a library, from outside or with loaded weights may be left out to freeze them, so
    a whole one is suspected only, and so is one that no prediction passes through: it may be there
    to measure the others.

    Why is this bad
    ---------------
    The layer stays as it was initialised, and the rest learns to live with it.

    Use instead
    -----------
        return torch.optim.Adam(self.parameters(), lr=self.lr)

    and freeze what should stay with `requires_grad_(False)`.

    References
    ----------
    https://github.com/Lightning-AI/pytorch-lightning/issues/6891
    """,
)

EVAL_WHILE_TRAINING = Mistake(
    "LTN714",
    "trained-in-evaluation-mode",
    ("LOOP14",),
    """A submodule is trained in evaluation mode from the start.

    What it does
    ------------
    Looks at the mode of every call in training. Frozen submodules, single batch norms and what the
    code's own `train` method decides are left alone.

    Why is this bad
    ---------------
    Its dropout does nothing and its batch norm does not learn. Lightning 2.2 and later leave
    submodules in the mode they find, and `from_pretrained()` returns evaluation mode.

    Use instead
    -----------
        self.backbone = AutoModel.from_pretrained(name)
        self.backbone.train()

    References
    ----------
    https://github.com/Lightning-AI/pytorch-lightning/issues/20105
    """,
)

MODE_LEFT_BEHIND = Mistake(
    "LTN715",
    "mode-left-behind",
    ("LOOP15",),
    """A hook leaves layers in the wrong mode: evaluation in training, or training in evaluation.

    What it does
    ------------
    Looks at the layers during validation and test, where a logged value changes with the batches,
    and at the mode of every submodule before and after each hook, of the module and of the user's
    callbacks, in training, validation, test and prediction. An evaluation must go on in evaluation
    mode, what was trained in training mode must be so to the end, and what was frozen in evaluation
    mode must stay so. Hooks in which modes are set on purpose (`on_train_epoch_start` and those
    before it) may set them, and what evaluation hooks leave behind is restored by Lightning.

    Why is this bad
    ---------------
    Dropout and batch norm in training mode make a logged value depend on chance and on the other
    samples of the batch, and their statistics learn from validation data. In evaluation mode they
    do nothing: self.eval() at the end of an epoch makes all later epochs train without dropout.

    Use instead
    -----------
    Do not call self.train() or self.eval() in hooks. Lightning sets the mode, and restores it.
    """,
)

NO_LOSS = Mistake(
    "LTN718",
    "no-loss-returned",
    ("LOOP18",),
    """training_step returns nothing, and nothing is trained.

    What it does
    ------------
    Looks at what training_step returned for every batch of a fit under automatic optimization.

    Why is this bad
    ---------------
    Lightning takes None for "skip this batch". It warns, and goes on to the last epoch.

    Use instead
    -----------
        return loss
    """,
)

NEVER_CLEARED = Mistake(
    "LTN719",
    "outputs-never-cleared",
    ("LOOP19",),
    """A list of tensors grows from epoch to epoch.

    What it does
    ------------
    Compares what the lists and dicts of a module hold after the first and after the second epoch.
    Plain numbers are taken for a history, and so is one value for each epoch. A list from which
    something takes values out, or puts others in their place (a queue, a pool of images), is
    suspected only.

    Why is this bad
    ---------------
    Memory grows for as long as training goes on, and what is computed from the list at the end of
    an epoch is about all epochs so far.

    Use instead
    -----------
        def on_validation_epoch_end(self):
            self.log("val_acc", torch.cat(self.hits).mean(), sync_dist=True)
            self.hits.clear()
    """,
)
