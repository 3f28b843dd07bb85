"""What every program needs: a fresh module under a fresh Trainer, and its story as a record."""

from __future__ import annotations

import difflib
import inspect
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch

from pl_lint.facts.building import Building
from pl_lint.facts.events import CaseFacts, LoggerPoint, Note, RunError
from pl_lint.runtime import cases, watching
from pl_lint.runtime.data import (
    STAGE_HOOKS,
    Cut,
    Supply,
    as_list,
    cut_loader,
    like,
    samples_of,
)
from pl_lint.runtime.namespace import Namespace, namespace_of
from pl_lint.runtime.preparation import prepare_once
from pl_lint.runtime.programs.building import building_of
from pl_lint.runtime.programs.loggers import points_logger, tensorboard_logger
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.callsite import last_user_line, user_stack
from pl_lint.runtime.watching.saved.keepers import Places, placed_watchers
from pl_lint.runtime.worlds import as_before_meeting

# Of the case's own Trainer arguments only those that change what training does are kept; where it
# runs, for how long and where it writes is the kit's business.
KEPT_TRAINER_ARGUMENTS = (
    "callbacks",
    "gradient_clip_val",
    "gradient_clip_algorithm",
    "accumulate_grad_batches",
    "inference_mode",
    "reload_dataloaders_every_n_epochs",
    "deterministic",
    "sync_batchnorm",
)
WAITING = 0.75
"""The share of a run's time that a rank may wait for the others: what is left is for telling."""
STAGE_STEPS = {
    "train": "training_step",
    "validate": "validation_step",
    "test": "test_step",
    "predict": "predict_step",
}


_BUILT_WRONGLY = re.compile(r"^\S+\.__init__\(\) (missing|got|takes) ")
_HANDED_ON = re.compile(r"Caught (?P<kind>\w+) (?P<where>.*)\.\nOriginal Traceback ")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")  # torch.load's messages are in bold
WATCHERS = Path(watching.__file__).parent


@dataclass
class Subject:
    """A fresh module with its data, ready to be given to a Trainer."""

    namespace: Namespace
    module: Any
    supply: Supply
    arguments: Mapping[str, Any]
    options: cases.CaseOptions
    spec: RunSpec
    notes: list[Note] = field(default_factory=list)
    places: Places = field(default_factory=WeakKeyDictionary)
    """Where the callbacks were made that watch a key."""
    building: Building | None = None
    batches: dict[str, int] = field(default_factory=dict)
    """How many the user's own loaders have, by stage, where that is known."""
    workers: dict[str, int] = field(default_factory=dict)
    """How many the user's own loaders have at most, by stage."""

    @property
    def callbacks(self) -> list[Any]:
        """What the case gives its Trainer: Lightning takes one as well as several."""
        given = self.arguments.get("callbacks") or []
        return list(given) if isinstance(given, (list, tuple)) else [given]

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that the module has a step for and the data a loader."""
        return tuple(stage for stage in STAGE_STEPS if self._has(stage))

    def _has(self, stage: str) -> bool:
        step = self.namespace.overrides(STAGE_STEPS[stage], self.module)
        return step and self.supply.has(stage)

    def facts(self) -> CaseFacts:
        kind = type(self.module)
        return CaseFacts(
            module=kind.__qualname__,
            path=getattr(sys.modules.get(kind.__module__), "__file__", "") or "",
            line=_first_line(kind),
            namespace=self.namespace.name,
            stages=self.stages,
            expected_failures=dict(self.options.expected_failures),
            batch_dependent=dict(self.options.batch_dependent),
            tolerances=dict(self.options.tolerances),
            building=self.building,
            precision=str(self.arguments.get("precision", "")),
            loggers=_loggers(self.arguments.get("logger")),
            recorded=tuple(self.options.recorded),
        )


def _loggers(given: Any) -> tuple[str, ...] | None:
    """The classes of a case's loggers, by the names of Lightning's own where they extend those."""
    if given is None or given is True:
        return None
    if given is False:
        return ()
    return tuple(map(_lightnings_name, given if isinstance(given, (list, tuple)) else [given]))


def _lightnings_name(logger: Any) -> str:
    known = (kind.__name__ for kind in type(logger).__mro__ if ".loggers." in kind.__module__)
    return next(known, type(logger).__name__)


def _first_line(kind: type) -> int:
    try:
        return inspect.getsourcelines(kind)[1]
    except (OSError, TypeError):  # made by a program, or its file is gone
        return 1


def fresh(spec: RunSpec) -> Subject:
    """Build the case anew, after seeding, and as in a script: before ranks have met."""
    file = cases.import_file(spec.case.file)
    target = cases.find_target(file, spec.case.name)
    seed_all(spec.seed)
    places: Places = WeakKeyDictionary()
    with placed_watchers(places), as_before_meeting():
        built = cases.build(target)
    namespace = namespace_of(built.module)
    supply = Supply(namespace, built.module, built.data)
    _require_known(built.trainer_arguments, namespace)
    subject = Subject(
        namespace, built.module, supply, built.trainer_arguments, built.options, spec, places=places
    )
    # Now: what programs do to the data later is not the case's.
    kept = KEPT_TRAINER_ARGUMENTS
    subject.building = building_of(spec.case, built, supply, subject.stages, kept)
    return subject


def _require_known(arguments: Mapping[str, Any], namespace: Namespace) -> None:
    """A misspelled Trainer argument would be lost without a word."""
    known = list(inspect.signature(namespace.Trainer.__init__).parameters)
    for name in arguments:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise cases.CaseError(f"the Trainer has no argument {name!r}{hint}")


def with_module(spec: RunSpec, module: Any) -> Subject:
    """The case with its own fresh data, and this module in place of its own.

    What earlier programs have laid over the module's loader hooks is taken off again.
    """
    for name in (*STAGE_HOOKS.values(), "prepare_data"):
        vars(module).pop(name, None)
    subject = fresh(spec)
    supply = Supply(subject.namespace, module, subject.supply.data)
    return replace(subject, module=module, supply=supply)


def seed_all(seed: int) -> None:
    """Seed everything that a seeded script of the user's would seed.

    ``torch.manual_seed`` also leaves a call, with the text of its whole stack, for each accelerator
    that may be started later, which takes a millisecond: only CUDA is seeded, where a run has it.
    """
    import random

    import numpy

    random.seed(seed)
    numpy.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)


def make_trainer(
    subject: Subject,
    directory: Path,
    callbacks: Sequence[Any] = (),
    points: list[LoggerPoint] | None = None,
    **arguments: Any,
) -> Any:
    """A Trainer of the module's own Lightning in the specification's world, writing to the run.

    What Lightning hands to its loggers is collected in ``points``; the first logger is
    TensorBoard's, because most code that reaches for ``self.logger.experiment`` means that one.
    """
    own = {k: v for k, v in subject.arguments.items() if k in KEPT_TRAINER_ARGUMENTS}
    own |= _validation_within_epochs(subject.arguments.get("val_check_interval"))
    prepare_once(subject.supply.owner, subject.spec.case, directory.parent)
    settings = {
        **own,
        **subject.spec.world.trainer_arguments(subject.namespace, WAITING * subject.spec.timeout),
        "logger": [
            tensorboard_logger(subject.namespace, directory),
            points_logger(subject.namespace, [] if points is None else points),
        ],
        "default_root_dir": str(directory),
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "log_every_n_steps": 1,
        "callbacks": [_redirector(subject.namespace, directory), *callbacks, *subject.callbacks],
        **arguments,
    }
    return subject.namespace.Trainer(**settings)


def _redirector(namespace: Namespace, directory: Path) -> Any:
    """Lets every checkpoint be written into the run's directory, never into the user's tree: those
    of callbacks that the module itself configures, too, which are there at ``setup`` only.

    Callbacks that share a directory go on sharing one, and no others do.
    """

    class Redirector(namespace.Callback):  # type: ignore[misc, name-defined]
        def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
            folders: dict[str, Path] = {}
            for callback in trainer.checkpoint_callbacks:
                place = getattr(callback, "dirpath", None)
                if place is None or not Path(place).is_relative_to(directory):
                    name = f"checkpoints-{len(folders)}"
                    callback.dirpath = str(folders.setdefault(str(place), directory / name))

    return Redirector()


def _validation_within_epochs(interval: Any) -> dict[str, Any]:
    """A fraction of an epoch keeps its meaning on truncated data; a number of batches does not."""
    return {"val_check_interval": interval} if isinstance(interval, float) else {}


@contextmanager
def caught(errors: list[RunError], during: str) -> Iterator[None]:
    """Turn what the user's code raises into data. ``sys.exit`` inside a hook is an error too."""
    try:
        yield
    except (Exception, SystemExit) as error:
        errors.append(describe(error, during))


def describe(error: BaseException, during: str) -> RunError:
    message = _said_in_worker(str(error)) or repr(error)
    if isinstance(error, SystemExit):
        message = f"the code called sys.exit({error.code!r})"
    return RunError(
        kind=type(error).__name__,
        message=_ANSI.sub("", message).strip() + _if_ours(error),
        during=during,
        location=last_user_line(error.__traceback__),
        traceback="".join(traceback.format_exception(error))[-8000:],
        stack=user_stack(error.__traceback__),
        raised_in=_raised_in(error),
    )


def _said_in_worker(message: str) -> str:
    """What an exception says: of one that torch hands on from a worker, what that one said, without
    the text of its stack."""
    handed_on = _HANDED_ON.match(message)
    if handed_on is None:
        return message
    lines = re.split(rf"\n(?:\w+\.)*{handed_on['kind']}: ", message)
    return f"{lines[-1].strip()} ({handed_on['where']})" if len(lines) > 1 else message


def _raised_in(error: BaseException) -> str:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return str(frames[-1].f_globals.get("__name__", "")) if frames else ""


def _if_ours(error: BaseException) -> str:
    """Whose mistake an exception may be that came out of a watcher, and not of what it watches.
    Arguments that do not fit come from whoever builds a class, through the watcher of its
    construction."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or not Path(frames[-1].filename).is_relative_to(WATCHERS):
        return ""
    if isinstance(error, TypeError) and _BUILT_WRONGLY.match(str(error)):
        return ""
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    return (
        f" (it comes from pl-lint's own {place}: if the module runs without --pl-check, "
        "please report it)"
    )


def cut_stage(
    subject: Subject,
    stage: str,
    cut: Cut,
    limit: int,
    shard: tuple[int, int] = (0, 1),
) -> list[tuple[int, ...]]:
    """Replace a stage's loaders by the kit's own, cut as asked.

    ``shard`` is (which, of how many): the samples are dealt out in turn, as DistributedSampler
    does. Returns the batch sizes by dataloader; the list is filled when Lightning asks for them.
    """
    sizes: list[tuple[int, ...]] = []

    def change(loaders: Any) -> Any:
        sizes.clear()
        rebuilt = []
        for loader in as_list(loaders):
            samples = _share(samples_of(loader, limit), shard)
            sizes.append(cut.of(loader).sizes(len(samples)))
            rebuilt.append(cut_loader(loader, samples, cut))
        return like(loaders, rebuilt)

    subject.supply.change(stage, change)
    return sizes


def _share(samples: Sequence[Any], shard: tuple[int, int]) -> Sequence[Any]:
    which, of = shard
    if of == 1:
        return samples
    return torch.utils.data.Subset(samples, range(which, len(samples), of))


def load_weights(module: torch.nn.Module, state: Mapping[str, Any]) -> None:
    """Load a state dict into a module that may have been tested. Lightning tests under
    ``inference_mode``; a buffer that is assigned there is a tensor that nothing can be copied into
    afterwards, which is no fault of ours to stumble over."""
    for part in module.modules():
        for name, buffer in part._buffers.items():
            if buffer is not None and buffer.is_inference():
                part._buffers[name] = buffer.clone()
    module.load_state_dict(state)
