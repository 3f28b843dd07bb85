"""Which Lightning the code is written for: pins near it, and what only old versions have.

A hook that 2.0 removed is no mistake in a project that is pinned to 1.7. What counts is the newest
version that the project admits, since that is the one where its code breaks.

In this order: the target that the user asks about, the version that the settings name, the pins of
the project, the Lightning 1.x that is installed beside pl-lint, signs of 1.x or 0.x in the code.
Where pins leave it open, the torch that the project is pinned to may lower it: no Lightning is
newer than the newest that can be installed beside that torch.
"""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

from pl_lint.config import Config
from pl_lint.facts import lightning
from pl_lint.facts.floors import newest_beside
from pl_lint.plain import frozen
from pl_lint.static.surroundings import Surroundings
from pl_lint.trail import Trail

PIN = re.compile(
    r"""(?<![\w/.-])(?:pytorch[-_]lightning|lightning)(?![\w./-])["']?\s*(?:\[[\w,\s-]*\])?
    \s*(?:=\s*\{[^}]*?version\s*=\s*|["']?\s*:\s*\{[^}]*?"version"\s*:\s*)?(?:=\s*(?=["']))?["'(]?\s*
    (?P<spec>(?:[=<>!~^]{1,3}\s*\d[\w.*]*|\d+\.[\w.*]+)(?:\s*,\s*[=<>!~]{1,3}\s*\d[\w.*]*)*)""",
    re.VERBOSE,
)
LOCKED = re.compile(
    r"""name\s*=\s*"(?:pytorch-lightning|lightning)"\s*\nversion\s*=\s*"(?P<spec>[\d.]+)"""
)
PIN_OF_METRICS = re.compile(
    PIN.pattern.replace("pytorch[-_]lightning|lightning", "torchmetrics"), re.VERBOSE
)
LOCKED_METRICS = re.compile(LOCKED.pattern.replace("pytorch-lightning|lightning", "torchmetrics"))
TOLD = re.compile(
    r"""pytorch[-_ ]lightning[\s|:=@*`(]{1,12}v?(?P<version>\d+\.\d+\.\d+)(?![\w+])""",
    re.IGNORECASE,
)
"""What a README says of its environment: ``pytorch-lightning       1.7.0``, no ``1.7+``."""
FROM_GIT = re.compile(r"""(?:pytorch[-_]lightning|lightning)(?:\.git)?@v?(?P<spec>\d+(?:\.\d+)+)""")
"""A tag in the address of a repository: ``git+https://.../pytorch-lightning.git@1.5.10``."""
PIN_OF_TORCH = re.compile(
    PIN.pattern.replace("(?:pytorch[-_]lightning|lightning)", r"(?P<name>pytorch|torch(?:vision)?)")
    + r"(?P<rest>[^\n]*)",
    re.VERBOSE,
)
LOCKED_TORCH = re.compile(
    r"""name\s*=\s*"(?P<name>torch(?:vision)?)"\s*\nversion\s*=\s*"(?P<spec>[\d.]+)(?P<rest>)"""
)
ANY_TORCH = re.compile(
    r"""^[\s'"-]*(?:torch|pytorch)["']?\s*(?:>=?[^,;\n]*|["'*=\s]*)?["']?,?[ \t]*(?:;.*)?$""",
    re.MULTILINE,
)
"""A line that asks for torch, without saying which is too new."""
LIGHTNING = re.compile(r"(?<![\w/.-])(?:pytorch[-_]lightning|lightning)(?![\w./-])")
CHANNELS = re.compile(r"^channels:[ \t]*\n(?:[ \t]*-[^\n]*\n)*", re.MULTILINE)
"""Where conda looks; one place is called pytorch."""
LIBRARY = ("setup.py", "setup.cfg", "pyproject.toml")
"""What says with which versions a package may work; which are installed, other files say."""
ONE = re.compile(r"(?P<op>[=<>!~^]*)\s*(?<![\w.])(?P<version>\d+(?:\.\d+)*)(?P<star>\.\*)?")
"""One bound; not the 0 of ``2.5.0.post0``."""

INSTALLED = re.compile(r"(?:pytorch_)?lightning-(\d+\.\d+).*\.dist-info")
"""The folder of a distribution; its name is normalised since pip writes wheels."""

OLD = re.compile(
    r"from_argparse_args|add_argparse_args|pytorch_lightning\.metrics|\bpl\.metrics\.|"
    r"self\.hparams\s*=[^=]|\boptimizer_idx\b|\bEvalResult\b|\bTrainResult\b|"
    r"get_progress_bar_dict|LightningLoggerBase|\bgpus\s*=|resume_from_checkpoint\s*=|"
    r"progress_bar_refresh_rate|distributed_backend|checkpoint_callback\s*=\s*(?:True|False|\w+,)|"
    r"weights_summary|pytorch_lightning\.core\.lightning|tpu_cores\s*="
)
"""What a program can only say to Lightning 1.x or older."""
OLD_WORDS = (
    *("argparse_args", "metrics", "hparams", "optimizer_idx", "EvalResult", "TrainResult"),
    *("progress_bar", "LoggerBase", "gpus", "resume_from_checkpoint", "distributed_backend"),
    *("checkpoint_callback", "weights_summary", "core.lightning", "tpu_cores"),
)
"""One of these stands in each of them."""
OLDER = re.compile(
    r"^\s*from pytorch_lightning import [^\n]*\bdata_loader\b|^\s*@(?:pl\.|ptl\.)?data_loader\b|"
    r"\bLearningRateLogger\b|"
    r"\bTrainer\((?:[^()]|\([^()]*\))*\b(?:early_stop_callback|(?:train|val|test)_percent_check|"
    r"overfit_pct|m(?:ax|in)_nb_epochs|nb_gpu_nodes|nb_sanity_val_steps|row_log_interval|"
    r"log_save_interval|print_nan_grads)\s*=",
    re.MULTILINE,
)
"""What could only be said to Lightning before 1.0."""
LOGS = re.compile(r"\bself\.log(?:_dict)?\(")
NEW = re.compile(r"^\s*(?:import lightning\b|from lightning\b)", re.MULTILINE)
"""The package ``lightning`` came with 2.0 (as a shell around the old name, shortly before)."""
OLD_SETTINGS = re.compile(
    r"^\s*(?:gpus|resume_from_checkpoint|progress_bar_refresh_rate|weights_summary|tpu_cores|"
    r"distributed_backend|terminate_on_nan|checkpoint_callback|auto_scale_batch_size)\s*:",
    re.MULTILINE,
)
NEW_SETTINGS = re.compile(r"""(?:_target_|class_path)\s*:\s*["']?lightning\.""")
"""The same of settings in YAML."""
SETTINGS = (".yaml", ".yml")
ENVIRONMENT = re.compile(r"^dependencies:\s*\n\s*-\s", re.MULTILINE)
UNDATED_OLD = "1.5.0"
"""Old code without a pin is taken for one that still had every hook of the 1.x years; 1.6 began to
say goodbye to them. Three numbers say that it is a guess: what pins say has two."""
UNDATED_OLDER = "0.9.0"
"""The same of code that was written before there was a 1.0."""

Version = tuple[int, ...]


@frozen
class Judged:
    """By which Lightning a file is judged: ``version`` is empty where there is no limit, and
    ``because`` where nothing says so."""

    version: str = ""
    because: str = ""


@frozen
class _Pinned:
    """What the files of a folder say of Lightning: the newest that they admit, and the oldest."""

    judged: Judged
    oldest: Version = ()


class ReadFile(Protocol):
    """What is asked of a file: Python or settings."""

    @property
    def path(self) -> str: ...

    @property
    def text(self) -> str: ...


class Versions:
    """The newest Lightning that the code around a file admits."""

    def __init__(
        self, sources: Sequence[ReadFile], config: Config, around: Surroundings | None = None
    ) -> None:
        self._around = around or Surroundings(Trail())
        self._pinned: dict[tuple[str, bool], _Pinned | None] = {}
        self._beside_torch: dict[str, Judged | None] = {}
        self._metrics: dict[str, tuple[str, ...]] = {}
        self._sources = sources
        self._configured = asked_for(config)
        self._common = _common_folder(sources)
        self._guessed: dict[Path, Judged] = {}
        self._own = {
            source.path: limit
            for source in sources
            if (limit := _pinned_inside(source)) is not None
        }
        self._new = {source.path for source in sources if _is_new(source)}
        self._environments = {
            os.path.dirname(os.path.abspath(source.path)): source
            for source in sources
            if _is_environment(source)
        }

    def newest(self, path: str) -> str:
        """As text (``1.7``); empty where there is no limit."""
        return self.judged(path).version

    def says(self, path: str) -> str:
        """What says so; empty where nothing does."""
        return self.judged(path).because

    def judged(self, path: str) -> Judged:
        """The newest version, and what says so."""
        if self._configured is not None:
            return self._configured
        if path in self._own:
            return Judged(self._own[path], "what the notebook installs")
        for folder in self._around.folders(path):
            pinned = self._newest_pinned(folder, path in self._new)
            if pinned is not None:
                return self._lowered(pinned.judged, path, folder, pinned.oldest)
        if path not in self._new and (told := self._told(path)):
            return told
        if self._old_installed:
            return Judged(self._old_installed, "installed beside pl-lint")
        return self._lowered(self._guessed_of(path), path)

    def _guessed_of(self, path: str) -> Judged:
        """What the code alone says."""
        project = self.project_of(path)
        young = path in self._new or (path.endswith(SETTINGS) and project in self._young)
        return Judged() if young else self._guess(project)

    def _lowered(self, judged: Judged, path: str, last: str = "", oldest: Version = ()) -> Judged:
        """The same, or the newest Lightning beside the torch that the nearest folder pins, up to
        the ``last`` one to look in, where that is older and the project may have it.

        One that is too old for what the project says or imports means that one of two pins was
        left behind; who knows which?
        """
        for folder in self._around.folders(path):
            found = self._newest_beside_torch(folder)
            if found is not None:
                newest = _numbers(found.version)
                possible = newest >= oldest[:2] and not (path in self._new and newest < (2,))
                older = newest < (_numbers(judged.version)[:2] or lightning.LATEST)
                return found if possible and older else judged
            if folder == last:
                break
        return judged

    def _newest_beside_torch(self, folder: str) -> Judged | None:
        """The newest Lightning beside the torch that the files of a folder ask for; None where
        they ask for none."""
        if folder not in self._beside_torch:
            files = [(os.path.join(folder, name), t) for name, t in self._around.pins(folder)]
            if beside := self._environments.get(folder):
                files.append((beside.path, beside.text))
            limits = [_beside_torch(file, text) for file, text in files]
            known = [one for one in limits if one is not None]
            self._beside_torch[folder] = max(known, key=_newness, default=None)
        return self._beside_torch[folder]

    def _told(self, path: str) -> Judged | None:
        """The version that the nearest README names, where no file pins one."""
        for folder in self._around.folders(path):
            texts = self._around.readmes(folder)
            told = [match["version"] for text in texts for match in TOLD.finditer(text)]
            if told:
                version = ".".join(min(told, key=_numbers).split(".")[:2])
                return Judged(version, _shown(os.path.join(folder, "README")))
        return None

    def keeps_metrics_below(self, path: str, version: Version) -> bool:
        """Whether the nearest pin of torchmetrics around a file is below a version."""
        for folder in self._around.folders(path):
            found = self._specifiers(folder)
            if found:
                return any(_is_below(spec, version) for spec in found)
        return False

    def _specifiers(self, folder: str) -> tuple[str, ...]:
        """What the files of a folder say of torchmetrics; a lock file is long."""
        if folder not in self._metrics:
            texts = self._around.pin_texts(folder)
            found = (spec for text in texts for spec in _specifiers_of_metrics(text))
            self._metrics[folder] = tuple(found)
        return self._metrics[folder]

    def _guess(self, project: Path) -> Judged:
        """By the code of a project that does not say what it needs: one old file makes it old, and
        the others need not be searched."""
        if project not in self._guessed:
            sources = self._by_project[project]
            guess = Judged()
            if any(map(_is_old, sources)):
                guess = Judged(UNDATED_OLD, "signs of 1.x in the code")
                if any(map(_is_older, sources)) and not any(map(_logs, sources)):
                    guess = Judged(UNDATED_OLDER, "signs of 0.x in the code")
            self._guessed[project] = guess
        return self._guessed[project]

    @cached_property
    def _by_project(self) -> Mapping[Path, list[ReadFile]]:
        found: dict[Path, list[ReadFile]] = defaultdict(list)
        for source in self._sources:
            found[self.project_of(source.path)].append(source)
        return found

    @cached_property
    def _young(self) -> set[Path]:
        """The projects with Python that can only be for Lightning 2, and none that is for 1.x: old
        settings are a mistake there."""
        programs = [one for one in self._sources if not _holds_settings(one)]
        young = {self.project_of(one.path) for one in programs if one.path in self._new}
        return young - {self.project_of(one.path) for one in programs if _is_old(one)}

    def project_of(self, path: str) -> Path:
        """Where the project of a file begins; without any sign, where the reading begins."""
        return self._around.project(path) or self._common

    def inner(self, path: str) -> str:
        """The project inside the project that a file stands in; empty where there is none."""
        return self._around.inner(path)

    @cached_property
    def _old_installed(self) -> str:
        """The Lightning 1.x that is installed where pl-lint runs; empty where there is none.

        A Lightning 2 says nothing: without any limit the newest is meant anyway, and code with
        signs of 1.x is code for 1.x, whatever stands beside pl-lint. Where pl-lint has an
        environment of its own (pre-commit, pipx) there is nothing to find.
        """
        present = installed(self._around, package_folders())
        return present if present is not None and _numbers(present) < (2,) else ""

    def _newest_pinned(self, folder: str, new: bool) -> _Pinned | None:
        """The newest version that the files of a folder admit; None where they do not say.

        Where both packages are pinned, that one counts which a file imports: the pin of the other
        was left behind. ``new``: it imports ``lightning``.
        """
        if (folder, new) not in self._pinned:
            files = [(os.path.join(folder, name), t) for name, t in self._around.pins(folder)]
            pins = [(file, *pin) for file, text in files for pin in _pins(text)]
            if not pins and (beside := self._environments.get(folder)):
                pins = [(beside.path, *pin) for pin in _pins(beside.text)]
            pins = [one for one in pins if one[1] is new] or pins
            limits = [(limit, file) for file, _, limit, _ in pins if limit is not None]
            limits = limits or [("", file) for file, *_ in pins]
            newest = min(limits, key=lambda one: _numbers(one[0]), default=None)
            oldest = max((oldest for *_, oldest in pins), default=())
            judged = newest and Judged(newest[0], _shown(newest[1]))
            self._pinned[folder, new] = judged and _Pinned(judged, oldest)
        return self._pinned[folder, new]


def asked_for(config: Config) -> Judged | None:
    """The version that the user names, as far as it is known: ``2`` is the newest 2.x, and so is
    what is newer."""
    if config.target:
        return Judged(_known(config.target), f"target {config.target}")
    named = config.lightning_version
    return Judged(_known(named), f"lightning-version {named}") if named else None


def _known(version: str) -> str:
    numbers = _numbers(version)
    if numbers[:2] > lightning.LATEST:
        return _text(lightning.LATEST)
    if len(numbers) > 1:
        return version
    same = [one for one in lightning.versions() if one[:1] == numbers]
    return _text(max(same)) if same else version


def doubts(config: Config) -> Iterator[str]:
    """What is said of versions that the user names and nobody knows."""
    newest = _text(lightning.LATEST)
    for key, given in (("target", config.target), ("lightning-version", config.lightning_version)):
        version = _numbers(given)[:2] if given else ()
        if version > lightning.LATEST:
            yield (
                f"`{key}`: Lightning {given} is newer than what this pl-lint knows: code is judged"
                f" as code for {newest}"
            )
        elif len(version) > 1 and version not in lightning.versions():
            known = ", ".join(map(_text, lightning.versions()))
            yield f"`{key}`: there was no Lightning {given}; known: {known}"


def _shown(path: str) -> str:
    """A path as it is told: from the working directory where it lies below."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative.replace(os.sep, "/")


def package_folders() -> list[str]:
    """Where packages are installed for the Python that runs this."""
    return [one for one in sys.path if one.endswith(("site-packages", "dist-packages"))]


def installed(around: Surroundings, folders: Sequence[str]) -> str | None:
    """The Lightning that lies in the first of these folders that has one, as ``1.7``.

    By the names of what was installed alone: ``importlib.metadata`` would cost more than reading a
    small project.
    """
    names = (name for folder in folders for name in around.names(folder))
    found = (match for name in names if (match := INSTALLED.fullmatch(name)) is not None)
    return next((match[1] for match in found), None)


def _common_folder(sources: Sequence[ReadFile]) -> Path:
    """The deepest folder that holds everything that is read."""
    folders = [Path(source.path).absolute().parent for source in sources]
    try:
        return Path(os.path.commonpath(folders))
    except ValueError:  # nothing, or different drives
        return Path.cwd()


def _pinned_inside(source: ReadFile) -> str | None:
    """The newest version that a notebook installs for itself; None where it does not say."""
    text = getattr(source, "installs", "")
    limits = [newest_admitted(match["spec"]) for match in PIN.finditer(text)]
    return min((limit for limit in limits if limit is not None), key=_numbers, default=None)


def _is_old(source: ReadFile) -> bool:
    if _holds_settings(source):
        return OLD_SETTINGS.search(source.text) is not None
    known = any(word in source.text for word in OLD_WORDS)  # a tenth of the time of the pattern
    return known and OLD.search(source.text) is not None


def _is_older(source: ReadFile) -> bool:
    return not _holds_settings(source) and OLDER.search(source.text) is not None


def _logs(source: ReadFile) -> bool:
    """Whether code logs as one can since 0.10."""
    return LOGS.search(source.text) is not None


def _is_new(source: ReadFile) -> bool:
    signs = NEW_SETTINGS if _holds_settings(source) else NEW
    return signs.search(source.text) is not None


def _holds_settings(source: ReadFile) -> bool:
    return source.path.endswith(SETTINGS)


def _is_environment(source: ReadFile) -> bool:
    """Whether a YAML file is an environment of conda's, whatever it is called."""
    return _holds_settings(source) and ENVIRONMENT.search(source.text) is not None


def _pins(text: str) -> Iterator[tuple[bool, str | None, Version]]:
    """Whether each mention of Lightning is of the package ``lightning``, the newest version that
    it admits (None for no limit), and the oldest."""
    text = re.sub(r"(?m)^\s*#.*$", "", text)
    for pattern in (LOCKED, PIN, FROM_GIT):
        for match in pattern.finditer(text):
            spec = match["spec"]
            yield "pytorch" not in match[0], newest_admitted(spec), _oldest_admitted(spec)


def _oldest_admitted(specifier: str) -> Version:
    """The minor version from which on a specifier admits any; empty where it does not say."""
    least = (_numbers(one["version"])[:2] for one in ONE.finditer(specifier) if _is_least(one))
    return max(least, default=())


def _is_least(one: re.Match[str]) -> bool:
    return one["op"] not in ("<", "<=", "!=")


def _beside_torch(file: str, text: str) -> Judged | None:
    """The newest Lightning beside the torch and the torchvision that a file asks for; None where
    it asks for none, or for any without asking for Lightning (others install that), or says that a
    package works with any.

    Of several for one package (of extras, of platforms) the newest counts, and none that only some
    platform needs.
    """
    if "torch" not in text:
        return None
    text = re.sub(r"(?m)(?:^|\s)#.*$", "", CHANNELS.sub("", text))
    asked = list(LOCKED_TORCH.finditer(text)) or list(PIN_OF_TORCH.finditer(text))
    pins = [_beside_pin(one, file) for one in asked if ";" not in (one["rest"] or "")]
    visions = [pin for one, pin in pins if one == "torchvision"]
    torches = [pin for one, pin in pins if one != "torchvision"]
    if ANY_TORCH.search(text) and not LOCKED_TORCH.search(text):
        torches.append(Judged(_text(lightning.LATEST)))
    newest = [max(of, key=_newness) for of in (torches, visions) if of]
    found = min(newest, key=_newness, default=None)
    is_open = found is not None and _newness(found) == lightning.LATEST
    installs = LIGHTNING.search(text) and os.path.basename(file) not in LIBRARY
    return None if is_open and not installs else found


def _beside_pin(one: re.Match[str], file: str) -> tuple[str, Judged]:
    """Which package is pinned, and the newest Lightning beside it."""
    name, spec = one["name"], one["spec"]
    newest = newest_beside(partial(_is_below, spec), vision=name == "torchvision")
    said = name + ("==" if spec[0].isdigit() else "") + spec.replace(" ", "")
    return name, Judged(_text(newest or min(lightning.versions())), f"{said} in {_shown(file)}")


def _newness(judged: Judged) -> Version:
    return _numbers(judged.version)


def _specifiers_of_metrics(text: str) -> Iterator[str]:
    text = re.sub(r"(?m)^\s*#.*$", "", text)
    for pattern in (LOCKED_METRICS, PIN_OF_METRICS):
        yield from (match["spec"] for match in pattern.finditer(text))


def _is_below(specifier: str, version: Version) -> bool:
    """Whether all that a specifier admits is below a version."""
    return any(_ends_below(one, version) for one in ONE.finditer(specifier))


def _ends_below(one: re.Match[str], version: Version) -> bool:
    given = _numbers(one["version"])
    leading = next((n for n, part in enumerate(given) if part), len(given) - 1)
    if one["op"] == "=" or (one["star"] and one["op"] in ("", "==", "===")):  # any of these
        return _next(given) <= version
    match one["op"]:
        case "" | "==" | "===" | "<=":
            return given < version
        case "<":
            return given <= version
        case "~=":
            return _next(given[:-1]) <= version
        case "~":
            return _next(given[:2]) <= version
        case "^":  # up to the next change of the first number that is not zero
            return _next(given[: leading + 1]) <= version
    return False


def _next(version: Version) -> Version:
    return (*version[:-1], version[-1] + 1) if version else (1,)


def newest_admitted(specifier: str) -> str | None:
    """The newest minor version that a specifier such as ``>=1.5,<1.8`` admits."""
    limits = [limit for one in ONE.finditer(specifier) if (limit := _limit(one)) is not None]
    return min(limits, key=_numbers) if limits else None


def _limit(one: re.Match[str]) -> str | None:
    version = _numbers(one["version"])
    match one["op"]:
        case "" | "=" | "==" | "===" | "<=":
            return _text(version) if len(version) > 1 else _below((version[0] + 1,))
        case "<":
            return _below(version)
        case "~=" | "~":
            return _below((version[0] + 1,)) if len(version) < 3 else _text(version)
        case "^":
            return _below((version[0] + 1,))
    return None


def _below(bound: Version) -> str | None:
    """The newest known minor version below a bound; no limit where all known ones are below."""
    while len(bound) > 2 and bound[-1] == 0:  # 2.0.0 is 2.0
        bound = bound[:-1]
    known = [version for version in lightning.versions() if version < bound]
    if not known or max(known) == lightning.LATEST:
        return None
    return _text(max(known))


def _numbers(text: str) -> Version:
    return tuple(int(part) for part in text.split(".") if part)


def _text(version: Version) -> str:
    return ".".join(map(str, version[:2]))
