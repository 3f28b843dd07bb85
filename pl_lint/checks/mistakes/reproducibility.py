"""Mistakes about chance and repetition that only a run can see."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake

UNSEEDED = Mistake(
    "LTN401",
    "drawn-without-a-seed",
    ("REP01",),
    """What training depends on is drawn from something that no seed governs.

    What it does
    ------------
    Fits the module twice with the same seed, in two processes. Where they differ, every call of a
    clock, of the system's entropy or of a generator made without a seed is noted, and the two fits
    are made again with one such call held still. The call that makes them equal is the one.

    Why is this bad
    ---------------
    The number in the table cannot be had again, not by you either. Two settings cannot be compared
    when each also differs by chance, and a bug that shows once cannot be looked for.

    Example
    -------
        self.rng = np.random.default_rng()

    Use instead
    -----------
        self.rng = np.random.default_rng(seed)

    Or draw from the global generators of torch, numpy and random, which `seed_everything` seeds.

    When to ignore
    --------------
    A time or an id that is only logged or used in a name changes no weights and is not reported.
    """,
)

COPIED_GENERATOR = Mistake(
    "LTN405",
    "generator-copied-to-workers",
    ("REP05",),
    """A data set carries its own generator: every worker and every epoch draws the same.

    What it does
    ------------
    Asks the training data for one sample again and again, in one process and in the loader's
    workers over two epochs, and compares the draws.

    Why is this bad
    ---------------
    Each worker gets a copy of the data set, anew in each epoch, and with it a copy of the
    generator, which starts at the same place. Of 24 random crops 4 are different ones, and the
    second epoch repeats the first: there is far less augmentation than it seems, and nothing says
    so. `seed_everything(workers=True)` does not help, since it seeds the global generators only.
    A `worker_init_fn` that seeds with a constant, or with the worker's number alone, does the same.

    Example
    -------
        class Augmented(Dataset):
            def __init__(self, seed):
                self.rng = np.random.default_rng(seed)

    Use instead
    -----------
    The global generators (`torch.rand`, `random`, `np.random`), which every worker seeds for
    itself, or a generator made in the worker from its seed:

        rng = np.random.default_rng(torch.utils.data.get_worker_info().seed)

    When to ignore
    --------------
    Where the loader has no workers (`num_workers=0`); it is a note then.

    References
    ----------
    - https://pytorch.org/docs/stable/notes/faq.html#my-data-loader-workers-return-identical-random-numbers
    - https://github.com/Lightning-AI/pytorch-lightning/issues/20412
    """,
)

LEFT_BEHIND = Mistake(
    "LTN409",
    "state-outside-the-module",
    ("REP09",),
    """What one fit leaves in a module or a class changes the next one in the same process.

    What it does
    ------------
    Fits the module twice in one process, each time seeded and built anew. Where the second differs
    and a fit in another process does not, it names what the first has changed in the modules and
    classes of your code: counters, lists, caches, generators.

    Why is this bad
    ---------------
    Runs of a sweep, folds of a cross validation and tests then depend on what ran before them.
    No checkpoint holds that state, and every rank has its own.

    Example
    -------
        class Net(LightningModule):
            seen = []

            def training_step(self, batch, batch_idx):
                self.seen.append(...)

    Use instead
    -----------
    Make it in `__init__` (`self.seen = []`), and keep what has to outlive a run in a buffer or in
    the checkpoint.
    """,
)

SET_ORDER = Mistake(
    "LTN411",
    "order-of-a-set",
    ("REP11",),
    """Training depends on the order of a set or on the hash of a text.

    What it does
    ------------
    Fits the module in processes with two values of PYTHONHASHSEED. Fits with the same value are
    equal, those with different ones are not.

    Why is this bad
    ---------------
    Python draws a new hash seed for each process. `list(set(labels))` is another order each time,
    so class 0 is another class: a checkpoint of one run predicts nonsense in the next one, and on
    several processes each rank may have its own order. No seed governs it.

    Example
    -------
        self.index = {name: n for n, name in enumerate(set(names))}

    Use instead
    -----------
        self.index = {name: n for n, name in enumerate(sorted(set(names)))}

    For a seed made of a text, use `zlib.crc32(text.encode())` in place of `hash(text)`.
    """,
)
