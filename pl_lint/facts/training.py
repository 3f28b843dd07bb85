"""What a run saw of training itself: gradients, modes, kept values, steps, samples. Plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pl_lint.findings import Location

NO_GRADIENT, ZERO_GRADIENT, GRADIENT = "none", "zero", "some"


@dataclass(frozen=True)
class ParameterStory:
    """One trainable parameter over a whole fit.

    ``gradient`` is the most that was seen of one after any backward; ``at_step`` whether one was
    there when an optimizer that holds the parameter made its step, ``rate`` the highest learning
    rate of such a step, and ``push`` the largest change that plain descent would have made with
    them, in units of the parameter's own rounding. ``optimizers`` counts those that hold it.
    """

    name: str
    part: str
    optimizers: int = 0
    gradient: str = NO_GRADIENT
    at_step: bool = False
    rate: float = 0.0
    push: float = 0.0
    moved: bool = False
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Part:
    """A submodule: whether its class comes from a library other than torch, and how it was run.

    ``first`` and ``last`` are the modes (train, eval) of its calls in the first and in the last
    training batch that called it, ``modes`` those of all; ``with_grad`` says whether any of its
    calls in training was recorded for a backward. ``chosen_mode`` says that a ``train`` method of
    the user's own decides its mode.
    """

    name: str
    kind: str
    foreign: bool = False
    ran: bool = False
    with_grad: bool = False
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    in_eval: bool = False
    sensitive: bool = False
    chosen_mode: bool = False


@dataclass(frozen=True)
class ModeChange:
    """A hook after which submodules were in another mode than before it; after one that Lightning
    has for the modes themselves, than it ought to leave them in.

    ``owner`` is the callback whose hook it is, nothing for the module itself. ``followed`` says
    that one of these submodules was then run in that mode, in an evaluation before its end, and
    ``ran`` are those among them that work differently in it.
    """

    hook: str
    to: str
    parts: tuple[str, ...]
    location: Location | None = None
    owner: str = ""
    followed: bool = False
    ran: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unregistered:
    """Parameters in a plain list, dict or object: no optimizer, device or checkpoint finds them.

    ``trained`` says that a backward gave them a gradient, ``optimized`` that an optimizer has them
    nevertheless.
    """

    attribute: str
    parameters: int
    trained: bool
    optimized: bool


@dataclass(frozen=True)
class Kept:
    """What an attribute holds: ``sizes`` after the first epoch and after the last.

    ``graphs`` counts tensors that keep the graph of their step alive, ``depth`` the most operations
    of one such graph, after two batches of the first epoch. ``flat`` says that the values lie in
    the list itself, not in tuples or lists of it. ``mentioned`` are the user's methods naming it,
    ``shortened`` those that take single items out or put others in their place, ``renewed`` those
    that clear it or make it anew.

    ``owner`` is the callback that holds it, nothing for the module itself, ``location`` a line of
    that callback. A tensor or an array is measured along the ``axis`` in which it grew; then
    ``appended`` are the methods that join something to it, and ``numbers`` says that it is an array
    of numbers in a row.
    """

    attribute: str
    sizes: tuple[int, int]
    tensors: int
    flat: bool = True
    graphs: tuple[int, int] = (0, 0)
    depth: tuple[int, int] = (0, 0)
    mentioned: tuple[str, ...] = ()
    shortened: tuple[str, ...] = ()
    renewed: tuple[str, ...] = ()
    owner: str = ""
    location: Location | None = None
    axis: int | None = None
    appended: tuple[str, ...] = ()
    numbers: bool = False


@dataclass(frozen=True)
class OptimizerStory:
    """One optimizer over a fit: its steps, those made inside ``training_step`` while Lightning was
    making one, those whose gradients had grown over several steps (``unzeroed``), and those made
    with the very gradients of the step before (``repeated``). ``rates`` is the learning rate of its
    first group at every step; ``strangers`` counts its tensors that are no parameter of the module;
    ``parts`` are the attributes of the module whose parameters it holds."""

    name: str
    steps: int
    nested: int = 0
    unzeroed: int = 0
    repeated: int = 0
    rates: tuple[float, ...] = ()
    strangers: int = 0
    held: int = 0
    maximize: bool = False
    parts: tuple[str, ...] = ()


def quarters(rates: Sequence[float]) -> tuple[float, ...]:
    """A trace at its start, at each quarter and at its end."""
    last = len(rates) - 1
    return tuple(rates[round(last * part / 4)] for part in range(5)) if rates else ()


@dataclass(frozen=True)
class Overlap:
    """Parameters that two optimizers hold, by the numbers of these: in how many batches both of
    them moved one. ``whole`` says that one of the two holds all that any optimizer holds, and the
    other one only a part of it."""

    first: int
    second: int
    parameters: tuple[str, ...]
    batches: int
    whole: bool


@dataclass(frozen=True)
class Tainted:
    """Steps of an optimizer on gradients into which a backward pass had gone that belonged to the
    step of another one (``by``). In those that are ``judging``, the optimizer's own loss left the
    other one's parameters out and used its own more often, as a discriminator's does."""

    optimizer: int
    by: int
    steps: int
    judging: int
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class TrainingStory:
    """All that a fit showed of its training.

    ``negated`` is the standard error that the loss is the negative of, ``from_batch`` whether its
    target is a tensor of the batch. ``predicting`` are the submodules that ``forward`` or
    ``predict_step`` names. ``configured`` is where ``configure_optimizers`` begins. After
    ``validated`` validations training went on, with the parameters ``moved_by_validation`` other
    than before; ``validating`` is the module's own hook of validation, or its step."""

    automatic: bool = True
    batches: int = 0
    empty_steps: int = 0
    backwards: int = 0
    negated: str = ""
    from_batch: bool = False
    predicting: tuple[str, ...] = ()
    parameters: tuple[ParameterStory, ...] = ()
    parts: tuple[Part, ...] = ()
    mode_changes: tuple[ModeChange, ...] = ()
    unregistered: tuple[Unregistered, ...] = ()
    kept: tuple[Kept, ...] = ()
    optimizers: tuple[OptimizerStory, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    tainted: tuple[Tainted, ...] = ()
    configured: Location | None = None
    validated: int = 0
    moved_by_validation: tuple[str, ...] = ()
    validating: Location | None = None
    hook_calls: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class CutGraph:
    """A call in a training step whose result no longer leads back to these parameters."""

    function: str
    location: Location
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class Overfitting:
    """The losses of one batch, trained on again and again from fresh weights. ``ascents`` counts
    the steps that went up the gradient of the returned loss, of those looked at.

    Its one epoch has ``steps`` steps, more than the small fit: ``horizons`` are those of its
    schedulers, by name, and tell which of them follow the length of a fit. So do the ``curves`` of
    those that name no horizon."""

    losses: tuple[float, ...] = ()
    ascents: int = 0
    descents: int = 0
    steps: int = 0
    horizons: tuple[tuple[str, int | None], ...] = ()
    curves: tuple[tuple[str, tuple[float, ...]], ...] = ()


@dataclass(frozen=True)
class OverBatch:
    """An operation over dimension 0 of a batch, and its line."""

    operation: str
    location: Location


@dataclass(frozen=True)
class Company:
    """What became of samples when another one in their batch was changed, by one call of a
    submodule (its name, or ``prediction``).

    ``mixed`` says that they changed, too, ``by`` which innermost submodule got them as before and
    gave them back changed, ``difference`` by how much, in values of ``size``. ``of_torch`` says
    that it is a layer of torch's own, ``over_batch`` which operation its code makes of the batch.
    ``lengths`` are those of the samples and of the one that was put among them, where that was a
    longer one: then only padding can tell them of it.
    """

    stage: str
    call: str
    mixed: bool
    by: str
    kind: str
    difference: float
    size: float
    by_design: str = ""
    location: Location | None = None
    of_torch: bool = False
    over_batch: OverBatch | None = None
    lengths: tuple[int, int] | None = None

    @property
    def is_mistake(self) -> bool:
        """Whether it is known how samples see each other, and nobody can have wanted it. A sample
        that sees its padding is judged by what stands beside it, however that came about."""
        known = self.of_torch or self.over_batch is not None or self.lengths is not None
        return known and not self.by_design


@dataclass(frozen=True)
class HookLike:
    """A method that is named nearly as a hook, and how often a run of all stages called it.

    ``unseen`` says why this proves nothing: what would call it was not run, or is the user's own
    code."""

    owner: str
    family: str
    name: str
    instead: str
    removed: bool
    calls: int
    location: Location | None = None
    unseen: str = ""
