"""Do the loggers hold what was logged, and does the module run with each of them?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pl_lint.checks.loggers.contents import (
    DELETED,
    WANDBS_OWN,
    Problem,
    curves,
    problems,
)
from pl_lint.checks.loggers.origins import unrecorded
from pl_lint.checks.loggers.use import Use
from pl_lint.checks.proving import found
from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.facts.events import CaseFacts, Note, RunError, sentence
from pl_lint.facts.loggers import CSV, MLFLOW, NONE, OPTIONAL, TENSORBOARD, WANDB, Held, LoggedRun
from pl_lint.facts.records import LoggersRecord
from pl_lint.findings import Finding, Location, Status

TENSORBOARDS = ("'add_", " add_")


@check("loggers", place=120)
def loggers(runs: Runs) -> Result:
    """Each logger holds what was logged, and the module runs with each of them.

    What it promises:
    What CSV files, W&B and MLflow hold after a small run is what Lightning handed over: each value
    once, at its step, under its key. (`event-file` says so of TensorBoard's numbers.) Images,
    histograms, texts and graphs that the module writes by hand are there, at steps that go forward,
    and none of the sanity check at the step of a later one. Hyper-parameters that were logged are
    there. The module trains with TensorBoard and CSV files together, with CSV files alone and with
    `logger=False`.

    How it is judged:
    Two epochs of two batches, and a test, run under Lightning's own loggers; what these have
    written is read with TensorBoard's reader, from W&B's offline log and with MLflow's client. What
    code writes past Lightning is noted with its line, also where `mlflow.log_metric` takes a run
    that is not the logger's. Only where the code asks for its logger the run is repeated with CSV
    files alone and without a logger: others cannot tell the difference.

    Which loggers count:
    Those of the case's Trainer, or else those that the project builds. With a logger that the user
    does not have, what goes wrong is a note and no failure: a module that is written for
    TensorBoard and trained with TensorBoard passes. W&B and MLflow are run where the user has them,
    and where `--pl-loggers wandb,mlflow` asks for them; they are offline, and write into the run's
    folder.

    What a case may ask for:
    `@pl_lint.case(recorded=("seed", "versions", "revision"))` wants to find, among the logged
    hyper-parameters, one that is named like a seed, the versions of torch and Lightning, and the
    commit of git that the case's file is in. Only what the module, its data and its callbacks log
    is seen, and nothing that a script logs.

    When it cannot say:
    Where wandb or mlflow is not installed, and where so short a run fails with any logger. What was
    uploaded to W&B's server is not looked at, and of files that MLflow keeps only the names.

    No script stands under:
    What another logger refuses: `Trainer(logger=CSVLogger("logs"))` shows it.
    """
    gathering, case = Gathering(), runs.case()
    if "train" not in case.stages:
        return gathering.result("the module has no training that could log")
    if "fit" in runs.smoke().errors:
        gathering.undecided.append(sentence("fit fails with any logger; see fast-dev-run"))
        return gathering.result("")
    use = Use.of(runs)
    _judge(runs.logged_to(), use, runs, gathering)
    for name in OPTIONAL:
        if name in use.names or name in runs.loggers_asked_for():
            _judge(runs.logged_to(name), _also(use, name), runs, gathering)
        else:
            gathering.notes += _foreign_keys(runs, name)
    return gathering.result("the module logs nothing")


def _also(use: Use, name: str) -> Use:
    """What is asked for is used, and what breaks there counts where nothing else is used."""
    return Use(use.first or name, use.names | {name})


def _judge(record: LoggersRecord, use: Use, runs: Runs, into: Gathering) -> None:
    case = runs.case()
    if record.missing:
        into.undecided += [sentence(f"{package} is not installed") for package in record.missing]
        return
    if record.error is not None or record.broken:
        error = record.error or record.runs[0].error
        why = f"{error.kind}: {_first_line(error)}"
        into.undecided.append(sentence(f"a run of a few batches failed: {why}; see logged-values"))
        return
    into.findings += _refusals(record.runs, use, case)
    into.passed += sum(run.error is None for run in record.runs) if record.asked else 0
    _note_what_has_no_line(record.runs, use, into)
    for held in record.runs[0].held:
        _judge_contents(held, record.runs[0].lines, use, case, into)
    _judge_origins(record, case, into)
    _note_changes(record.runs[0], into)


# --- what a logger refuses ------------------------------------------------------------------------


def _refusals(tried: Sequence[LoggedRun], use: Use, case: CaseFacts) -> Iterator[Finding]:
    """One finding for each line, with all the loggers that it raises with."""
    for line in dict.fromkeys(map(_line, tried)):
        if line is None:
            continue
        mine = [run for run in tried if _line(run) == line]
        status = use.when_first(*(run.first for run in mine))
        told = next((run for run in mine if run.first == use.first), mine[0])
        error, firsts = told.error, " or ".join(run.first for run in mine)
        assert error is not None and error.location is not None
        place = error.location
        text = f"with {firsts} {error.during} raises {error.kind}: {_first_line(error)}"
        if status is Status.SUSPECTED:
            text += f" (line {place.line})"
        condition = "" if status is Status.PROVED else f"if the run has {firsts}"
        yield found(case, _code(told), text, ASK, place, status=status, condition=condition)


def _line(run: LoggedRun) -> tuple[str, int] | None:
    place = run.error.location if run.error is not None else None
    return (place.path, place.line) if place is not None else None


def _code(run: LoggedRun) -> str:
    message = run.error.message if run.error is not None else ""
    if run.first == NONE:
        return "LTN901" if "'experiment'" in message else "loggers"
    writes_tensorboard = any(word in message for word in TENSORBOARDS)
    return "LTN901" if run.first != TENSORBOARD and writes_tensorboard else "LTN904"


def _note_what_has_no_line(tried: Sequence[LoggedRun], use: Use, into: Gathering) -> None:
    """A callback of Lightning's that needs a logger says so itself."""
    for run in tried:
        if run.error is not None and run.error.location is None:
            note = Note(run.first, f"{run.error.kind}: {_first_line(run.error)}")
            used = use.when_first(run.first) is Status.PROVED
            (into.undecided if used else into.notes).append(note)


def _first_line(error: RunError) -> str:
    return error.message.splitlines()[0]


# --- what a logger holds --------------------------------------------------------------------------


def _judge_contents(
    held: Held, lines: Mapping[str, Location], use: Use, case: CaseFacts, into: Gathering
) -> None:
    wrong = list(problems(held))
    for problem in wrong:
        key = problem.key if problem.key in lines else _stem(problem.key)
        place = problem.location or lines.get(key)
        into.findings.append(_finding(problem, place, held.logger, use, case))
    right = curves(held) - {problem.key for problem in wrong}
    into.passed += len(right) + bool(held.given) + bool(held.written)


def _stem(key: str) -> str:
    return key.removesuffix("_step").removesuffix("_epoch")


def _finding(
    problem: Problem, place: Location | None, logger: str, use: Use, case: CaseFacts
) -> Finding:
    status = use.when_there(logger) if problem.certain else Status.SUSPECTED
    text, condition = problem.text, ""
    if status is Status.SUSPECTED:
        text += f" (line {place.line})" if place is not None else ""
        condition = f"if {logger} is used" if problem.certain else "if that is not meant"
    code, remedy = problem.code, problem.remedy
    return found(case, code, text, remedy, place, status=status, condition=condition)


def _foreign_keys(runs: Runs, logger: str) -> Iterator[Note]:
    """Keys that would not do for a logger that is not run."""
    held = [held for run in runs.logged_to().runs[:1] for held in run.held if held.logger == CSV]
    keys = sorted(key for each in held for key in curves(each))
    if logger == MLFLOW and (changed := [key for key in keys if DELETED.search(key)]):
        names = ", ".join(f"{key!r} as {DELETED.sub('', key)!r}" for key in changed)
        yield sentence(f"MLflow would hold {names}")
    if logger == WANDB and (own := WANDBS_OWN.intersection(keys)):
        yield sentence(f"W&B has values of its own under {', '.join(sorted(own))}")


# --- hyper-parameters -----------------------------------------------------------------------------


def _judge_origins(record: LoggersRecord, case: CaseFacts, into: Gathering) -> None:
    if not case.recorded or not record.runs[0].held:
        return
    given = {name: value for held in record.runs[0].held for name, value in held.given.items()}
    for text in unrecorded(case.recorded, given, record.origins):
        into.findings.append(found(case, "loggers", text, RECORD))
    if "revision" in case.recorded and not record.origins.get("revision"):
        into.undecided.append(sentence("the case is in no repository of git: it has no revision"))


def _note_changes(run: LoggedRun, into: Gathering) -> None:
    for name, (logged, used) in run.changed.items():
        text = f"loggers have {logged} for the hyper-parameter {name!r}, the module now has {used}"
        into.notes.append(sentence(text))


ASK = "ask for the logger first: isinstance(logger, ...) for each of self.loggers"
RECORD = "log it: self.save_hyperparameters(), or self.logger.log_hyperparams before training"
