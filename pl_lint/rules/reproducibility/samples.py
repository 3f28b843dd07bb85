"""What each sample of the training data draws."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import seeding
from pl_lint.facts.sites import CallSite, ProjectFacts
from pl_lint.facts.values import Known, Made
from pl_lint.findings import Finding, Status
from pl_lint.rules.registry import Rule, rule

FIXING = {
    **dict.fromkeys(seeding.OF_PYTHON, "a"),
    "random.Random": "x",
    **dict.fromkeys((*seeding.OF_NUMPY, *seeding.OF_TORCH), "seed"),
    "numpy.random.RandomState": "seed",
    "numpy.random.default_rng": "seed",
    "torch.Generator.manual_seed": "seed",
}
"""What begins a sequence of random numbers, and how its argument is called."""
RESTORING = ("random.setstate", "numpy.random.set_state", "torch.set_rng_state")
"""Whoever puts the global state back has drawn the same on purpose."""


@rule(
    "LTN414",
    "every-sample-draws-the-same",
    rows=(),
    status=Status.SUSPECTED,
    default=False,
    condition="if what is drawn is meant to differ from sample to sample",
    calls=(*FIXING, *RESTORING),
)
def every_sample_draws_the_same(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Training data seed with a number for each sample: all samples get the same draw.

    What it does
    ------------
    Finds `__getitem__` of a data set that a training loader reads, and methods that it calls, which
    seed a global generator with a constant (`random.seed(0)`) or make a generator with one
    (`np.random.RandomState(0)`). Silent under a condition, since it may ask for the part of the
    data, where the sample's number is in the seed, and where the state is put back afterwards.

    Why is this bad
    ---------------
    Each sample begins the same sequence of numbers: every image is turned by the same angle and cut
    at the same place, in every epoch. What was to be augmentation is one fixed change. A global
    generator is seeded anew for all that comes after it in that process as well.

    Example
    -------
        class Images(torch.utils.data.Dataset):
            def __getitem__(self, index):
                random.seed(0)
                return turned(self.images[index], random.uniform(-30, 30))

        loader = DataLoader(Images())
        Trainer().fit(model, loader)

    Use instead
    -----------
        class Images(torch.utils.data.Dataset):
            def __getitem__(self, index):
                return turned(self.images[index], random.uniform(-30, 30))

        loader = DataLoader(Images())
        Trainer().fit(model, loader)

    When to ignore
    --------------
    Where all samples are to have the same: one mask, one choice of points.

    References
    ----------
    - https://pytorch.org/docs/stable/notes/randomness.html#dataloader
    """
    trained = {
        one.dataset.name.rpartition(".")[2]
        for one in facts.loaders
        if one.stage == "train" and isinstance(one.dataset, Made)
    }
    put_back = {(one.home, one.function) for one in facts.calls_of(*RESTORING)}
    for call in facts.calls_of(*FIXING):
        deliberate = (call.home, call.function) in put_back or facts.in_tests(call.location)
        if call.home in trained and _is_fixed_anew(call) and not deliberate:
            yield self.finding(
                call.location,
                "each sample begins the same sequence of random numbers: all of them get the same "
                "draw",
                remedy="seed once, before training, or put the sample's number into the seed",
            )


def _is_fixed_anew(call: CallSite) -> bool:
    """Whether each sample seeds with the same number, whatever it is."""
    seed = call.argument(FIXING[call.name], 0)
    always = bool(call.items_of) and not call.guards and not call.arms and not call.within
    return always and isinstance(seed, Known) and isinstance(seed.value, int)
