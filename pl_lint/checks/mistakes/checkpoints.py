"""Mistakes about checkpoints and hyper-parameters that only a run can see."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake

LOST_STATE = Mistake(
    "LTN310",
    "state-not-in-checkpoint",
    ("CKP10",),
    """State that changes in training is not in the checkpoint.

    What it does
    ------------
    Resumes a fit from the checkpoint of its first epoch and from one inside the next, with all
    random generators restored, and compares it with the fit that was never interrupted, bit by bit;
    loads the trained module and compares what it says. Plain attributes that had another value are
    named, those with a leading underscore too, and so are layers in plain lists and dicts, buffers
    with `persistent=False`, state of helper objects and of your own optimizers.

    Why is this bad
    ---------------
    Counters, moving averages, queues and thresholds in plain attributes start anew: a resumed run
    trains another model, and nothing says so.

    Example
    -------
        self.ema = torch.zeros(8)

    Use instead
    -----------
        self.register_buffer("ema", torch.zeros(8))

        def on_save_checkpoint(self, checkpoint):
            checkpoint["steps_seen"] = self.steps_seen

        def on_load_checkpoint(self, checkpoint):
            self.steps_seen = checkpoint["steps_seen"]

    Layers belong in `nn.ModuleList` or `nn.ModuleDict`. A mode (`.eval()` on a frozen part) is in
    no checkpoint at all: set it in `on_train_epoch_start`, or override `train()`.
    """,
)

UNPAIRED_STATE = Mistake(
    "LTN311",
    "state-saved-or-loaded-only",
    ("CKP11",),
    """State is saved that nobody loads, or a callback saves none of what it counts.

    What it does
    ------------
    Resumes a fit after an epoch and inside one, and compares it with the fit that was never
    interrupted. Attributes of the user's own callbacks that had another value are named, and those
    of a module that has one of the two checkpoint hooks without the other.

    Why is this bad
    ---------------
    The counter that thaws a backbone, slows the learning rate or turns on a loss begins anew: the
    resumed run trains another model. The half that was written makes the checkpoint look complete.

    Example
    -------
        class Thawing(Callback):
            def on_train_epoch_start(self, trainer, pl_module):
                self.epochs += 1
                pl_module.backbone.requires_grad_(self.epochs > 5)

    Use instead
    -----------
        class Thawing(Callback):
            def on_train_epoch_start(self, trainer, pl_module):
                self.epochs += 1
                pl_module.backbone.requires_grad_(self.epochs > 5)

            def state_dict(self):
                return {"epochs": self.epochs}

            def load_state_dict(self, state):
                self.epochs = state["epochs"]

    References
    ----------
    Lightning-AI/pytorch-lightning issue 2631.
    """,
)
