"""Does a fit on several ranks stay one fit?"""

from __future__ import annotations

from pl_lint.checks.distributed.data import judge_data
from pl_lint.checks.distributed.effects import judge_effects
from pl_lint.checks.distributed.endings import ended_early
from pl_lint.checks.distributed.fits import Fits
from pl_lint.checks.distributed.state import judge_state
from pl_lint.checks.distributed.values import judge_values
from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.checks.sync_dist.crashed_ranks import in_words
from pl_lint.checks.sync_dist.sharing import WORLDS
from pl_lint.facts.events import CaseFacts, sentence

NCCL = 2
"""As many ranks, with a GPU each."""


@check("distributed", place=50)
def distributed(runs: Runs) -> Result:
    """A fit on several ranks is one fit: they agree, and none does what rank zero alone should.

    What it promises:
    The fit ends on all ranks. They log the same keys, those that are reduced in the same order, and
    values of an epoch's end are the same on each of them; a metric object logs what it says of all
    ranks' inputs. They agree on the best checkpoint, on the parameters after each step, and on the
    buffers of the module's own classes. They split the data alike, and see different samples of a
    stream, together all that one process sees. What prepare_data assigned, no other rank needs. No
    file is written by two ranks.

    How it is judged:
    Two epochs of a few batches on two real gloo ranks (and, with `--pl-gpus 2`, on two GPUs over
    NCCL) that were seeded alike, the training samples
    dealt out in turn; then one epoch with as many samples on three, which shows what holds for two
    ranks only. What both show is said once, and a fit that fails on two is not made on three. Each
    rank writes down what it logged and by which line, its parameters and buffers as fingerprints,
    its best checkpoints, which samples its loaders have, which files it opened for writing, and
    which parameters got a gradient (judged on two ranks only). Of a stream, the first 64 samples
    are listed by content, or 512 where a seed decides their order: what two readers have in common
    is read twice if no seed changes which samples they read. Samples that are drawn as they are
    asked for are not decided, and neither are workers that share an order out that each of them
    draws from a seed of its own. Whether any is lost is known only where a stream ended before on
    every rank, gives the same samples from every seed, and lacks more than a rest that makes the
    parts equal. The inputs of metric objects are gathered and given once to a fresh one. Where
    ranks wait for each other in vain, the finding has the module's own lines on each of them, and
    the call that waits.

    What it sets aside:
    Running statistics of norm layers, which DDP sends from rank zero; parts of the training data
    that have nothing in common, and data that are not the same when asked twice; files with the
    rank in their name; parameters that some steps do not need; buffers of `persistent=False`
    without which a resumed fit goes on as it should (room for the results of one step). Plain
    attributes that differ, and training means without sync_dist are notes: the last are rank zero's
    part of a curve, unless something monitors them. Lightning's own defects are said to be
    Lightning's.

    A key that a rank lacks:
    It fails where a checkpoint, early stopping or a scheduler asks every rank for it (LTN111): the
    rank without it raises, or keeps, stops and slows down nothing, while the others wait for it or
    go another way. It fails where a reduction then meets another key's (LTN110), and so do reduced
    keys in another order, whatever their values: the next number is wrong. Otherwise it is a note,
    for `rank_zero_only=True` behind a guard is how one rank logs what it alone knows, and nothing
    else reads it.

    What one rank should do alone:
    A path that two ranks write by the same line fails: one overwrites the other, or reads half of
    it. So does a writer of TensorBoard's that is no logger's and adds points to one folder on
    several ranks: each point stands there several times. A file that is added to while data are set
    up, or made after asking whether there is one, is a note: nothing is lost, or only by chance.
    `logger.experiment` off rank zero does nothing, and fails only where that nothing is used as
    something else. Prints are notes: they cost a line of the screen and change no number. A rank
    other than zero that writes alone is not told of, and what `os.rename`, `os.remove` or native
    code does to files is not seen. Runs of W&B or MLflow that each rank begins are not looked at:
    in a group, they are meant.

    When it passes:
    Only if something could have come apart and did not: ranks that trained on different samples
    have the same parameters, a `random_split` with a generator or a seed of the user's own or a
    stream was asked on each of them, a metric or a monitored key whose value on each rank's own
    samples differs is the same on all. A `random_split` that draws from the global generator, which
    nothing but pl-lint has seeded, shows nothing and is a note: launched ranks split otherwise.

    No script stands under:
    Ranks that fail or wait, which have their own traces; files, which only one who watches can tell
    apart; streams; and metrics that are averaged over ranks, whose truth takes the inputs of all.
    """
    case, gathering = runs.case(), Gathering()
    if "train" not in case.stages:
        return gathering.result("the module has no training to share between ranks")
    for ranks in WORLDS:
        records = runs.fit_on_ranks(ranks)
        fits = [record.fit for record in records if record.fit is not None]
        if len(fits) < len(records):
            failing = f"evaluation fails on {in_words(ranks)} ranks already, as sync-dist says"
            gathering.undecided.append(sentence(failing))
            break
        seen = Gathering()
        ended = _judge_world(Fits(fits, case, runs, f"{ranks} gloo ranks, CPU, fp32"), seen)
        _add(seen, gathering)
        if not ended:
            break  # more ranks would wait for each other once more
    else:
        _judge_gpus(runs, case, gathering)
    return gathering.result("the ranks saw nothing that could differ")


def _judge_world(fits: Fits, into: Gathering) -> bool:
    """Judge the fit on so many ranks; whether it ended on all of them."""
    judge_data(fits, into)
    judge_effects(fits, into)
    if ended_early(fits, into):
        return False
    judge_values(fits, into)
    judge_state(fits, into)
    return True


def _judge_gpus(runs: Runs, case: CaseFacts, into: Gathering) -> None:
    """Where there are two, the same fit over NCCL, which takes no tensor of a CPU."""
    if len(runs.gpus().names) < NCCL:
        return
    fits = [record.fit for record in runs.fit_on_gpus() if record.fit is not None]
    seen = Gathering()
    _judge_world(Fits(fits, case, runs, "2 nccl ranks, CUDA, fp32"), seen)
    _add(seen, into)


def _add(seen: Gathering, into: Gathering) -> None:
    """What another number of ranks shows as well is said once, as the first world says it: the
    same mistake at the same line, a note of the same subject. What its shorter fit
    was too short for says nothing where the longer one was enough."""
    told = {(finding.code, finding.location) for finding in into.findings}
    into.findings += [one for one in seen.findings if (one.code, one.location) not in told]
    if into.passed:
        seen.untriggered.clear()
    for mine, others in (
        (into.notes, seen.notes),
        (into.undecided, seen.undecided),
        (into.untriggered, seen.untriggered),
    ):
        known = {note.subject for note in mine}
        mine += [note for note in others if note.subject not in known]
    into.passed += seen.passed
