"""Is a logged value the same on every rank, and that of all their samples together?"""

from __future__ import annotations

from pl_lint.checks.registry import Result, Runs, check
from pl_lint.checks.sync_dist.worlds import judge_worlds


@check("sync-dist", place=40)
def sync_dist(runs: Runs) -> Result:
    """Two processes, and three, log what one process logs on the same samples.

    What it promises:
    The epoch values of validation and test are the same on all ranks, and equal to those of one
    process that sees all samples; of a key that is logged with rank_zero_only=True, rank 0's value
    is. No key is averaged with another one.

    How it is judged:
    48 samples are evaluated with the same weights in one process, on two real gloo ranks, and on
    three, dealt out in turn as DistributedSampler does, so many that no rank is padded. The part of
    each of two ranks is also evaluated alone in one process: a rank that logs the value of its own
    part forgot to synchronise (LTN106 in a step, LTN211 for Python lists at the end of an epoch);
    ranks that agree on the mean of their parts' values averaged something that cannot be averaged
    (LTN109). Where ranks log different keys with sync_dist, a value that is the mean of two keys
    shows it (LTN110).

    What it sets aside:
    A value that moves with the batches in one process already is wrong for another reason, which
    `logged-values` reports; one that differs between two seeds is not decided, and one that the
    case declares to depend on the batches is not compared. Nor are ranks that were served other
    samples than one process, by place and content: a data set may draw for itself. Where the code
    itself refuses a number of ranks, on each of them and by a `raise` of its own, that is said and
    not judged. What Lightning does by itself is a note: its DistributedSampler counts samples twice
    (LTN501), and the mean of unequal weights is cut off (LTN514).

    When it passes:
    Only if one rank's part alone has another value than all samples; otherwise 'not triggered'.

    No script stands under:
    A rank that fails: what it raised, and where, is the whole of it.
    """
    return judge_worlds(runs, runs.case()).result(
        "the module has no validation or test to share between ranks"
    )
