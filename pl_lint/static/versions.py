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
from functools import cached_property
from pathlib import Path

from pl_lint.config import Config
from pl_lint.facts import lightning
from pl_lint.places import SETTINGS
from pl_lint.plain import frozen
from pl_lint.static.eras import (
    ReadFile,
    ceiling_of,
    floor_of,
    holds_settings,
    is_environment,
    is_new,
    is_old,
    is_older,
    logs,
)
from pl_lint.static.pins import Bound, beside_torch, newest_of, pins_of, specifiers_of
from pl_lint.static.specifiers import Version, is_below, numbers, text_of
from pl_lint.static.surroundings import Surroundings
from pl_lint.trail import Trail

TOLD = re.compile(
    r"""pytorch[-_ ]lightning[\s|:=@*`(]{1,12}v?(?P<version>\d+\.\d+\.\d+)(?![\w+])""",
    re.IGNORECASE,
)
"""What a README says of its environment: ``pytorch-lightning       1.7.0``, no ``1.7+``."""
INSTALLED = re.compile(r"(?:pytorch_)?lightning-(\d+\.\d+).*\.dist-info")
"""The folder of a distribution; its name is normalised since pip writes wheels."""
FIRST: Version = (1, 0)
UNDATED_OLDER = "0.9.0"
"""What code is judged by that was written before there was a 1.0; a guess, with three numbers."""


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


class Versions:
    """The newest Lightning that the code around a file admits."""

    def __init__(
        self, sources: Sequence[ReadFile], config: Config, around: Surroundings | None = None
    ) -> None:
        self._around = around or Surroundings(Trail())
        self._pinned: dict[tuple[str, bool], _Pinned | None] = {}
        self._beside_torch: dict[str, Judged | None] = {}
        self._specified: dict[tuple[str, str], tuple[str, ...]] = {}
        self._sources = sources
        self._configured = asked_for(config)
        self._common = _common_folder(sources)
        self._guessed: dict[Path, Judged] = {}
        self._own = {
            source.path: limit
            for source in sources
            if (limit := newest_of(getattr(source, "installs", ""))) is not None
        }
        self._new = {source.path for source in sources if is_new(source, self._around.is_own)}
        self._environments = {
            os.path.dirname(os.path.abspath(source.path)): source
            for source in sources
            if is_environment(source)
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
            return Judged(self._own[path], "what the file itself installs")
        for folder, pinned in self._pins_above(path):
            return self._lowered(pinned.judged, path, folder, pinned.oldest)
        if path not in self._new and (told := self._told(path)):
            return told
        if self._old_installed:
            return Judged(self._old_installed, "installed beside pl-lint")
        return self._lowered(self._guessed_of(path), path)

    def _pins_above(self, path: str) -> Iterator[tuple[str, _Pinned]]:
        """The folders around a file that say which Lightning they need, the nearest first."""
        for folder in self._around.folders(path):
            pinned = self._newest_pinned(folder, path in self._new)
            if pinned is not None:
                yield folder, pinned

    def _guessed_of(self, path: str) -> Judged:
        """What the code alone says."""
        project = self.project_of(path)
        young = path in self._new or (path.endswith(SETTINGS) and project in self._young)
        guess = Judged() if young else self._guess(project)
        beside = self._needed_below(project) if guess.version and path.endswith(".ipynb") else None
        return beside or guess

    def _lowered(self, judged: Judged, path: str, last: str = "", oldest: Version = ()) -> Judged:
        """The same, or the newest Lightning beside the torch that the nearest folder pins, up to
        the ``last`` one to look in, where that is older and the project may have it.

        One that is too old for what the project says or imports means that one of two pins was
        left behind; who knows which?
        """
        for folder in self._around.folders(path):
            found = self._newest_beside_torch(folder)
            if found is not None:
                newest = numbers(found.version)
                possible = newest >= oldest[:2] and not (path in self._new and newest < (2,))
                older = newest < (numbers(judged.version)[:2] or lightning.LATEST)
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
            found = [(one, file) for file, text in files if (one := beside_torch(file, text))]
            newest = max(found, key=lambda one: one[0].version, default=None)
            self._beside_torch[folder] = _beside(*newest) if newest is not None else None
        return self._beside_torch[folder]

    def _told(self, path: str) -> Judged | None:
        """The version that the nearest README names, where no file pins one."""
        for folder in self._around.folders(path):
            texts = self._around.readmes(folder)
            told = [match["version"] for text in texts for match in TOLD.finditer(text)]
            if told:
                version = ".".join(min(told, key=numbers).split(".")[:2])
                return Judged(version, _shown(os.path.join(folder, "README")))
        return None

    def keeps_below(self, package: str, path: str, version: Version) -> bool:
        """Whether the nearest pin of a package around a file is below a version."""
        for folder in self._around.folders(path):
            found = self._specifiers(package, folder)
            if found:
                return any(is_below(spec, version) for spec in found)
        return False

    def _specifiers(self, package: str, folder: str) -> tuple[str, ...]:
        """What the files of a folder say of a package; a lock file is long."""
        if (package, folder) not in self._specified:
            texts = self._around.pin_texts(folder)
            found = (spec for text in texts for spec in specifiers_of(package, text))
            self._specified[package, folder] = tuple(found)
        return self._specified[package, folder]

    def _guess(self, project: Path) -> Judged:
        """By the code of a project that does not say what it needs: one old file makes it old, and
        the others need not be searched."""
        if project not in self._guessed:
            sources = self._by_project[project]
            old = any(map(is_old, sources))
            self._guessed[project] = _by_signs(sources) if old else Judged()
        return self._guessed[project]

    def _needed_below(self, project: Path) -> Judged | None:
        """The one 1.x that all packages of a project need, whose notebooks lie outside of them."""
        inside = (
            one.path for one in self._sources if project in Path(os.path.abspath(one.path)).parents
        )
        nearest = (next(self._pins_above(path), None) for path in inside)
        needed = {found[1].judged for found in nearest if found is not None}
        old = [one for one in needed if one.version and (1,) <= numbers(one.version) < (2,)]
        return old[0] if len(old) == len(needed) == 1 else None

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
        programs = [one for one in self._sources if not holds_settings(one)]
        young = {self.project_of(one.path) for one in programs if one.path in self._new}
        return young - {self.project_of(one.path) for one in programs if is_old(one)}

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
        return present if present is not None and numbers(present) < (2,) else ""

    def _newest_pinned(self, folder: str, new: bool) -> _Pinned | None:
        """The newest version that the files of a folder admit; None where they do not say.

        Where both packages are pinned, that one counts which a file imports: the pin of the other
        was left behind. ``new``: it imports ``lightning``.
        """
        if (folder, new) not in self._pinned:
            files = [(os.path.join(folder, name), t) for name, t in self._around.pins(folder)]
            pins = [(file, *pin) for file, text in files for pin in pins_of(text)]
            if not pins and (beside := self._environments.get(folder)):
                pins = [(beside.path, *pin) for pin in pins_of(beside.text)]
            pins = [one for one in pins if one[1] is new] or pins
            limits = [(limit, file) for file, _, limit, _ in pins if limit is not None]
            limits = limits or [("", file) for file, *_ in pins]
            newest = min(limits, key=lambda one: numbers(one[0]), default=None)
            oldest = max((oldest for *_, oldest in pins), default=())
            judged = newest and Judged(newest[0], _shown(newest[1]))
            self._pinned[folder, new] = judged and _Pinned(judged, oldest)
        return self._pinned[folder, new]


def _by_signs(sources: Sequence[ReadFile]) -> Judged:
    if any(map(is_older, sources)) and not any(map(logs, sources)):
        return Judged(UNDATED_OLDER, "signs of 0.x in the code")
    floor = floor_of(sources)
    if floor >= (2,):
        return Judged()
    if floor:
        since = text_of(floor)
        return Judged(f"{since}.0", f"signs of 1.x in the code, and of {since}")
    newest = ceiling_of(sources)
    if newest and newest < lightning.UNDATED[:2]:
        until = text_of(max(newest, FIRST))
        return Judged(f"{until}.0", f"signs of 1.x in the code, and of none after {until}")
    return Judged(".".join(map(str, lightning.UNDATED)), "signs of 1.x in the code")


def _beside(bound: Bound, file: str) -> Judged:
    return Judged(text_of(bound.version), f"{bound.said} in {_shown(file)}")


def asked_for(config: Config) -> Judged | None:
    """The version that the user names, as far as it is known: ``2`` is the newest 2.x, and so is
    what is newer."""
    if config.target:
        return Judged(_known(config.target), f"target {config.target}")
    named = config.lightning_version
    return Judged(_known(named), f"lightning-version {named}") if named else None


def _known(version: str) -> str:
    """With two numbers, as what pins say: ``1.5.0`` that somebody names is no guess."""
    named = numbers(version)
    if named[:2] > lightning.LATEST:
        return text_of(lightning.LATEST)
    if len(named) > 1:
        return text_of(named)
    same = [one for one in lightning.versions() if one[:1] == named]
    return text_of(max(same)) if same else version


def doubts(config: Config) -> Iterator[str]:
    """What is said of versions that the user names and nobody knows."""
    newest = text_of(lightning.LATEST)
    for key, given in (("target", config.target), ("lightning-version", config.lightning_version)):
        version = numbers(given)[:2] if given else ()
        if version > lightning.LATEST:
            yield (
                f"`{key}`: Lightning {given} is newer than what this pl-lint knows: code is judged"
                f" as code for {newest}"
            )
        elif len(version) > 1 and version not in lightning.versions():
            known = ", ".join(map(text_of, lightning.versions()))
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
