"""Chance where there should be none: validation that differs each time that it runs."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import augmentations
from pl_lint.facts.origins import FunctionCall, Origin, sure_parts
from pl_lint.facts.sites import NO, CallSite, LoaderSite, ProjectFacts, ReachSite, made_of
from pl_lint.facts.values import Known, Made, Value, must_be
from pl_lint.facts.words import words_of
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Fix, SetArgument
from pl_lint.rules.data.drawn import DRAWS
from pl_lint.rules.data.parted import overridden
from pl_lint.rules.data.sharing import feeds
from pl_lint.rules.registry import Rule, rule

SPLIT = "torch.utils.data.random_split"
SUBSET = "torch.utils.data.Subset"
SDPA = "torch.nn.functional.scaled_dot_product_attention"
DROPOUTS = tuple(f"torch.nn.functional.dropout{kind}" for kind in ("", "1d", "2d", "3d"))
LAYERS = tuple(f"torch.nn.Dropout{kind}" for kind in ("", "1d", "2d", "3d"))


TWICE = "build the data set twice, with and without augmentation, and split indices"


@rule(
    "LTN803",
    "evaluation-augmented",
    rows=("DAT03",),
    status=Status.SUSPECTED,
    calls=(SPLIT, SUBSET, *DRAWS),
    condition="if that part of the data is meant to measure, not to train",
)
def evaluation_augmented(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Validation or test data go through random augmentation.

    What it does
    ------------
    Finds a validation or test loader whose data set is built with random transforms, of a library
    or of a class of the project whose `__call__` draws under no condition, and a `random_split` of
    such a data set, or a Subset where training takes another one of it: both parts share the one
    object, transforms included, also where these are set on one part
    (`self.train_set.dataset.transform = ...`), unless LTN812 says so. Silent where a part is given
    another data set afterwards; a part has no transform of its own that could be set.

    Why is this bad
    ---------------
    The metric is measured on images that were cropped, flipped and recoloured at random. It is
    too low, moves from epoch to epoch, and the checkpoint is chosen by luck.

    Example
    -------
        def setup(self, stage):
            augment = torchvision.transforms.RandomHorizontalFlip()
            data = torchvision.datasets.CIFAR10(".", transform=augment)
            self.train_set, self.val_set = torch.utils.data.random_split(data, [45000, 5000])

    Use instead
    -----------
        def setup(self, stage):
            augment = torchvision.transforms.RandomHorizontalFlip()
            generator = torch.Generator().manual_seed(0)
            order = torch.randperm(50000, generator=generator).tolist()
            train = torchvision.datasets.CIFAR10(".", transform=augment)
            plain = torchvision.datasets.CIFAR10(".")
            self.train_set = torch.utils.data.Subset(train, order[:45000])
            self.val_set = torch.utils.data.Subset(plain, order[45000:])

    When to ignore
    --------------
    With test-time augmentation that averages several looks at each sample.

    References
    ----------
    - https://pytorch.org/docs/stable/data.html#torch.utils.data.random_split
    """
    for loader in facts.loaders:
        transform = _augmentation(facts, loader.dataset)
        measures = loader.stage in ("validate", "test") and not feeds(facts, loader, "train")
        if measures and transform:
            stage = "validation" if loader.stage == "validate" else "test"
            yield self.finding(
                loader.location,
                f"the {stage} data go through {transform}: the metric is measured on images that "
                "are changed at random",
                remedy="build this data set with transforms that draw nothing",
            )
    for split in facts.calls_of(SPLIT):
        transform = _augmentation(facts, split.argument("dataset", 0))
        if transform and _only_split(facts, split):
            yield self.finding(
                split.location,
                f"both parts share one data set, so that what is held out goes through {transform}",
                remedy=TWICE,
            )
    for loader in facts.loaders:
        transform = _of_a_shared_whole(facts, loader)
        if transform:
            yield self.finding(
                loader.location,
                "training takes a Subset of the same data set: what is held out goes through "
                f"{transform}, too",
                remedy=TWICE,
            )
    told = {last.location for split in facts.parted for last, _, _ in overridden(split)}
    for reach in facts.reaches:
        alone = reach.location not in told and _is_of_parts(facts, reach)
        transform = _augmentation(facts, reach.value) if alone else ""
        if transform:
            yield self.finding(
                reach.location,
                "both parts of the split share this data set, so that what is held out goes "
                f"through {transform} too",
                remedy=TWICE,
            )


def _is_of_parts(facts: ProjectFacts, reach: ReachSite) -> bool:
    """Whether it is the transform of the data set behind a part of the only split, set once: nobody
    gives a part another data set, or its data set another transform afterwards; and whether a part
    is there to evaluate on."""
    beside = [one for one in facts.reaches if one.owner == reach.owner and one != reach]
    retouched = any(one.attribute in ("dataset", reach.attribute) for one in beside)
    whole = reach.receiver.endswith(".dataset") and reach.attribute in ("transform", "transforms")
    alone = len(_splits_of(facts, reach)) == 1 and not _lends_indices(facts, reach)
    held_out = _is_split(reach.origin) and _holds_out(facts, reach.owner)
    return whole and held_out and alone and not retouched


def _holds_out(facts: ProjectFacts, owner: str) -> bool:
    """Whether a class evaluates on a part of what it splits."""
    parts = {
        f"self.{site.attribute}"
        for known in facts.classes
        if known.name == owner
        for site in known.assignments
        if _is_split(site.origin)
    }
    return any(
        loader.owner == owner and loader.stage != "train" and loader.source in parts
        for loader in facts.loaders
    )


def _augmentation(facts: ProjectFacts, data: Value) -> str:
    """A random transform that a data set is built with, of a library or one of the project that
    draws whenever it is called; empty where none is seen."""
    found = made_of(data, augmentations.LIBRARIES) if isinstance(data, Made) else ()
    drawn = (one for one in found if augmentations.is_random(one) or _draws(facts, one, data))
    return next((one.name.rpartition(".")[2] for one in drawn), "")


def _draws(facts: ProjectFacts, transform: Made, data: Value) -> bool:
    """Whether an object of the project that a data set is given draws for whatever it is called
    with, and was not told to do nothing (``p=0``)."""
    idle = any(value in (NO, Known(0)) for _, value in transform.arguments)
    task = not TASKS.isdisjoint(words_of(transform.name.rpartition(".")[2]))
    if transform is data or idle or task:
        return False
    draws = (one for one in facts.calls_of(*DRAWS) if one.object_of == transform.name)
    return any(not (one.guards or one.within or one.gives("generator")) for one in draws)


TASKS = frozenset(
    "mask masks masking masker sampler sampling negatives collate collator tokenizer span spans "
    "view views pair pairs crops contrastive simclr byol dino corrupt corruption".split()
)
"""Words of an object that draws what a network has to find out, and disturbs nothing."""


def _only_split(facts: ProjectFacts, split: CallSite) -> bool:
    """Whether no other split stands beside: two data sets may be split in the same way, and one
    part of each be used. Nor does the code reach for the transform of what is behind a part, give
    it another data set, or take the indices of one for another data set."""
    beside = [one for one in _splits_of(facts, split) if one != split]
    retouched = any(reach.owner == split.owner and _retouches(reach) for reach in facts.reaches)
    return not beside and not retouched and not _lends_indices(facts, split)


def _retouches(reach: ReachSite) -> bool:
    """Whether a part may go through other transforms afterwards. A part has none of its own:
    nothing reads what is put there (``self.val_set.transform = plain``)."""
    of_part = _is_split(reach.origin) and not reach.receiver.endswith("dataset")
    return reach.attribute == "dataset" or ("transform" in reach.attribute and not of_part)


def _of_a_shared_whole(facts: ProjectFacts, loader: LoaderSite) -> str:
    """The random transform of a data set of which one Subset is trained on and another one, that of
    this loader, is there to evaluate on; empty where that is not seen."""
    whole = _whole_of(loader) if loader.stage in ("validate", "test") else None
    trained = (
        one
        for one in facts.loaders
        if one.stage == "train" and one.owner == loader.owner and _whole_of(one) == whole
    )
    if whole is None or not any(trained) or feeds(facts, loader, "train"):
        return ""
    if _augmentation(facts, loader.dataset):
        return ""  # said of the loader already
    retouched = (one for one in facts.reaches if one.owner == loader.owner and _retouches(one))
    return "" if any(retouched) else _augmentation(facts, whole)


def _whole_of(loader: LoaderSite) -> Made | None:
    """What a Subset is taken of."""
    part = loader.dataset
    if not isinstance(part, Made) or part.name != SUBSET:
        return None
    given = dict(part.arguments)
    whole = given.get("dataset", given.get("0"))
    return whole if isinstance(whole, Made) else None


def _splits_of(facts: ProjectFacts, site: CallSite | ReachSite) -> list[CallSite]:
    """The splits that stand in the same class, or beside it in a file without one."""
    place = (site.owner, site.location.path)
    return [one for one in facts.calls_of(SPLIT) if (one.owner, one.location.path) == place]


def _lends_indices(facts: ProjectFacts, split: CallSite | ReachSite) -> bool:
    """``Subset(plain, held_out.indices)``: what is held out is taken from another data set."""
    return any(
        _is_split(call.origin("indices", 1)) and not _is_split(call.origin("dataset", 0))
        for call in facts.calls_of(SUBSET)
        if (call.owner, call.location.path) == (split.owner, split.location.path)
    )


def _is_split(origin: Origin) -> bool:
    return any(isinstance(part, FunctionCall) and part.name == SPLIT for part in sure_parts(origin))


@rule(
    "LTN804",
    "dropout-while-validating",
    rows=("DAT04",),
    observers="both",
    calls=(*DROPOUTS, SDPA, *LAYERS, *(f"{name}()" for name in LAYERS)),
    fixable=True,
)
def dropout_while_validating(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A functional dropout drops while validating.

    What it does
    ------------
    Reading finds calls of `F.dropout` and its like that do not say `training=`,
    `F.scaled_dot_product_attention` with a constant `dropout_p`, and layers that are made where
    they are called (`nn.Dropout(0.5)(x)`), outside of training hooks. A layer whose `forward`
    returns a loss is left alone: training alone may run it. Running watches validation for such
    calls, where a logged value changes with the seed.

    Why is this bad
    ---------------
    `F.dropout` drops by default, whatever `model.eval()` says: only `nn.Dropout` knows the mode of
    its module. The validated model is another one than the one that will be used, its scores are
    lower, and they change from one evaluation to the next.

    Example
    -------
        def forward(self, x):
            return torch.nn.functional.dropout(self.encode(x), 0.5)

    Use instead
    -----------
        def forward(self, x):
            return torch.nn.functional.dropout(self.encode(x), 0.5, training=self.training)

    When to ignore
    --------------
    Monte Carlo dropout says `training=True`, which is not reported.

    References
    ----------
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
    """
    for call in facts.calls_of(*DROPOUTS):
        left_out = call.complete and not call.gives("training", 2)
        # Of public code one such layer was judged, and only training ran it.
        trains = (call.location.path, call.home) in facts.giving_losses and not call.owner
        drops = left_out and not trains and not must_be(call.argument("p", 1), 0)
        if drops and not _only_in_training(call):
            yield self.finding(
                call.location,
                "this dropout drops in validation and prediction, too: training= is left out, and "
                "True by default",
                remedy="pass training=self.training",
                fix=_by_mode(facts, call),
            )
    for call in facts.calls_of(SDPA):
        if _drops(call.argument("dropout_p", 4)) and not _only_in_training(call):
            yield self.finding(
                call.location,
                "this attention drops in validation and prediction, too",
                remedy="pass dropout_p=p if self.training else 0.0",
            )
    made = {_start(call): call for call in facts.calls_of(*LAYERS)}
    for used in facts.calls_of(*(f"{name}()" for name in LAYERS)):
        layer = made.get(_start(used))
        drops = layer is not None and not must_be(layer.argument("p", 0), 0)
        if drops and not _only_in_training(used):
            yield self.finding(
                used.location,
                "this layer drops in validation and prediction, too: it is made anew, in training "
                "mode, and no part of the module",
                remedy="make the layer in __init__, as self.dropout",
            )


def _start(call: CallSite) -> tuple[str, int, int]:
    """Where a call begins: what is called there and then begins with it."""
    return call.location.source, call.location.line, call.location.column


def _by_mode(facts: ProjectFacts, call: CallSite) -> Fix | None:
    """In a method of a LightningModule, which surely knows its mode."""
    methods = (method for module in facts.modules() for method in module.own_methods)
    place = (call.function, call.location.path)
    if all((one.name, one.location.path) != place for one in methods):
        return None
    change = SetArgument(call.location, "training", "self.training", 2)
    return Fix("pass training=self.training", (change,))


def _drops(probability: Value) -> bool:
    given = probability.value if isinstance(probability, Known) else None
    return isinstance(given, float) and given > 0


def _only_in_training(call: CallSite) -> bool:
    """Whether a condition asks for it, or the name of the function says that chance is meant, or
    that of the class that it samples."""
    words = ("training", "mc", "monte", "augment", "perturb", "uncertain", "sampl", "noisy")
    words += ("add_noise", "with_noise")
    text = " ".join((*call.guards, call.function)).lower()
    if call.stage == "train" or "sampl" in call.home.lower():
        return True
    return any(word in text for word in words)
