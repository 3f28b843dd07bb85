"""Mistakes about the samples of a batch that only a run can see."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake

PADDING_LEAK = Mistake(
    "LTN810",
    "padding-leak",
    (),
    """What comes out for a sample depends on how long the others of its batch are.

    What it does
    ------------
    Where samples have different lengths, it evaluates a batch of one short sample, repeated, and
    then the same batch with a longer one in the place of the first, both made by the loader's own
    `collate_fn`. What comes out for the others must not move: a result of a fixed shape as it is, a
    result for each position as far as the short sample goes.

    A convolution sees the padding next to a sample, and the usual text classifiers live with that,
    so where one is the first to be moved, the finding is suspected only.

    Why is this bad
    ---------------
    `o[:, -1]` of a recurrent layer is the state after the padding, not after the last word; a mean
    over all positions is the smaller the more padding there is; attention without a mask looks at
    it. The prediction of a sample then changes with its batch: validation moves with the batch
    size, and a service that is asked for one sample at a time answers differently.

    Example
    -------
        out, _ = self.lstm(x)
        return self.head(out[:, -1])

    Use instead
    -----------
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, (hidden, _) = self.lstm(packed)

    or the last valid step, `o[torch.arange(len(o)), lengths - 1]`; `src_key_padding_mask=` for
    attention; sums over a mask, divided by the lengths, for a mean.

    When to ignore
    --------------
    Where the samples of a batch are meant to meet, or are all of one length when it matters.

    References
    ----------
    https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html
    """,
)
