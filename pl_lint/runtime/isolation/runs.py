"""One isolated, memoised run of a user's module: a specification in, an outcome out.

Every run is a process group of its own below a server that has Lightning loaded (``server.py``),
and leaves its outcome and records in a directory named by the hash of what was asked for. Whoever
asks again, in this process or in another one of pytest-xdist's, reads it from there.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import socket
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from filelock import FileLock

import pl_lint
from pl_lint.runtime.isolation.client import (
    Limits,
    RunnerError,
    ServerProcess,
    ServerSettings,
    Template,
    absolute_import_path,
)
from pl_lint.runtime.isolation.outcome import Observed, RunOutcome, judge
from pl_lint.runtime.isolation.supervise import Supervision
from pl_lint.runtime.isolation.wire import Files, Place, RunOrder, TemplateOrder, write_atomically

__all__ = ["Limits", "RunOutcome", "Runner", "RunnerError"]

ENTRY = "pl_lint.runtime.programs:run"
IMPORTER = "pl_lint.runtime.cases:import_file"
NAMESPACES = ("lightning.pytorch", "pytorch_lightning")
TEMPLATES = 4
"""How many case files stay imported at a time; tests come file by file."""
PORTS = 3
"""How often a run is tried when another program takes its port before it can."""
PORT_TAKEN = ("address already in use", "eaddrinuse")


class HasDict(Protocol):
    def to_dict(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Request:
    """What this layer reads of a specification; the program gets all of it.

    ``fresh_import`` has each rank import the case file anew, so that two runs share nothing of
    what the import drew at random. ``hash_seed`` and ``cuda`` choose the server. ``entry`` names
    the function that runs in the child.
    """

    spec: dict[str, Any]
    case_file: str | None = None
    ranks: int = 1
    timeout: float = 60.0
    fresh_import: bool = False
    hash_seed: str = "0"
    cuda: bool = False
    entry: str = ENTRY
    importer: str = IMPORTER

    @classmethod
    def of(cls, spec: HasDict | Mapping[str, Any]) -> Request:
        data = dict(spec if isinstance(spec, Mapping) else spec.to_dict())
        known = set(cls.__dataclass_fields__) - {"spec"}
        given = {name: data[name] for name in known & set(data)}
        if given.get("case_file") is not None:
            given["case_file"] = os.path.abspath(given["case_file"])
        given["hash_seed"] = str(given.get("hash_seed", cls.hash_seed))
        return cls(data, **given)

    @property
    def settings(self) -> ServerSettings:
        return ServerSettings(self.hash_seed, self.cuda)

    def salt(self) -> str:
        """Changes with the case file."""
        content = Path(self.case_file).read_bytes() if self.case_file else b""
        return hashlib.blake2b(content, digest_size=8).hexdigest()

    def key(self) -> str:
        """The name of this run: equal for equal specifications of an unchanged case file."""
        parts = [self.spec, self.entry, self.importer, self.salt(), pl_lint.__version__]
        canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


TemplateKey = tuple[ServerSettings, str, str, str]


@dataclass
class Failed:
    """An import that failed, and where its output is: the outcome of every run of that file."""

    observed: Observed
    files: Files


@dataclass
class Runner:
    """Runs modules, one at a time, in directories below ``base``; one Runner per pytest session.

    ``base`` should not outlive the session: a run's name knows the case file's content but not
    that of what it imports. ``root`` is the user's directory, where runs start, so that relative
    paths to data hold.
    """

    base: Path
    root: Path = field(default_factory=Path.cwd)
    namespaces: Iterable[str] = NAMESPACES
    preload: Iterable[str] = ("torch", "torchmetrics", "pl_lint.runtime.programs")
    limits: Limits = field(default_factory=Limits)
    _servers: dict[ServerSettings, ServerProcess] = field(init=False, default_factory=dict)
    _templates: OrderedDict[TemplateKey, Template] = field(init=False, default_factory=OrderedDict)
    _failed: dict[TemplateKey, Failed] = field(init=False, default_factory=dict)
    _threaded: set[TemplateKey] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.base = Path(self.base).resolve()
        self.root = Path(self.root).resolve()

    def run(self, spec: HasDict | Mapping[str, Any]) -> RunOutcome:
        """The outcome of ``spec``: read back if there is one already, otherwise run now."""
        request = Request.of(spec)
        key = request.key()
        self.base.mkdir(parents=True, exist_ok=True)
        files = Files(self.base / key)
        with FileLock(self.base / f"{key}.lock"):
            if files.outcome.exists():
                return RunOutcome.from_dict(json.loads(files.outcome.read_text("utf-8")))
            outcome = self._attempts(request, files)
            write_atomically(files.outcome, outcome.to_dict())
            return outcome

    def close(self) -> None:
        """End every process that was started here."""
        while self._templates:
            self._templates.popitem()[1].close()
        while self._servers:
            self._servers.popitem()[1].close()

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def _attempts(self, request: Request, files: Files) -> RunOutcome:
        for _ in range(PORTS):
            outcome = self._attempt(request, files)
            if not lost_its_port(outcome):
                break
        return outcome

    def _attempt(self, request: Request, files: Files) -> RunOutcome:
        shutil.rmtree(files.directory, ignore_errors=True)
        files.directory.mkdir(parents=True)
        template = self._template_for(request)
        case = self._shown(request.case_file)
        if isinstance(template, Failed):
            return judge(template.observed, files, template.files, str(self.root), case)
        observed = self._watch(template, self._order(request, files, template), request.timeout)
        trim(files, request.ranks, self.limits.output_bytes)
        return judge(observed, files, files, str(self.root), case)

    def _watch(self, template: Template, order: RunOrder, timeout: float) -> Observed:
        """Supervise a run. A template that is not known to be idle afterwards is given up."""
        supervision = Supervision(template, order, timeout)
        idle = False
        try:
            observed = supervision.watch()
            idle = supervision.usable
        finally:
            if not idle:
                self._forget(template)
        return observed

    def _order(self, request: Request, files: Files, template: Template) -> RunOrder:
        imported = template.order.case_file is not None
        return RunOrder(
            directory=str(files.directory),
            entry=request.entry,
            spec=request.spec,
            ranks=request.ranks,
            port=free_port() if request.ranks > 1 else 0,
            case_file=None if imported else request.case_file,
            importer=request.importer,
        )

    def _template_for(self, request: Request) -> Template | Failed:
        """The process to fork from: one that has the case file imported, or a bare one.

        A file that starts threads when it is imported cannot be forked from (``template.py``),
        nor can one that starts CUDA.
        """
        key = (request.settings, request.case_file or "", request.importer, request.salt())
        alone = request.fresh_import or request.cuda or key in self._threaded
        if request.case_file is None or alone:
            return self._template((request.settings, "", "", ""))
        if key in self._failed:
            return self._failed[key]
        template = self._template(key)
        if isinstance(template, Template) and template.threads > 1:
            self._forget(template)
            self._threaded.add(key)
            return self._template((request.settings, "", "", ""))
        return template

    def _template(self, key: TemplateKey) -> Template | Failed:
        server = self._server(key[0])
        if key in self._templates:
            self._templates.move_to_end(key)
            return self._templates[key]
        while len(self._templates) >= TEMPLATES:
            self._templates.popitem(last=False)[1].close()
        template = server.template(self._template_order(key))
        failure = template.prepare()
        if failure is not None:
            template.close()
            self._failed[key] = Failed(failure, template.files)
            return self._failed[key]
        self._templates[key] = template
        return template

    def _template_order(self, key: TemplateKey) -> TemplateOrder:
        name = hashlib.blake2b(repr(key).encode(), digest_size=8).hexdigest()
        directory = self.base / "templates" / f"{name}-{os.getpid()}"
        shutil.rmtree(directory, ignore_errors=True)
        place = Place(str(self.root), absolute_import_path())
        return TemplateOrder(str(directory), place, key[1] or None, key[2])

    def _server(self, settings: ServerSettings) -> ServerProcess:
        """The server with these settings; a new one if the old one, and its templates, died."""
        server = self._servers.get(settings)
        if server is not None and server.alive:
            return server
        if server is not None:
            server.close()
            for key in [key for key in self._templates if key[0] == settings]:
                self._templates.pop(key).close()
        self.base.mkdir(parents=True, exist_ok=True)
        modules = [*self.preload, *installed(self.namespaces)]
        self._servers[settings] = ServerProcess(settings, modules, self.base, self.limits)
        return self._servers[settings]

    def _forget(self, template: Template) -> None:
        for key in [key for key, value in self._templates.items() if value is template]:
            del self._templates[key]
        template.close()

    def _shown(self, case_file: str | None) -> str:
        path = Path(case_file or "the module")
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)


def lost_its_port(outcome: RunOutcome) -> bool:
    """Whether another program took the port between our choice and the run's use of it."""
    messages = [ending.message.lower() for ending in outcome.endings if ending is not None]
    return any(sign in message for message in messages for sign in PORT_TAKEN)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def trim(files: Files, ranks: int, size: int) -> None:
    """A flood may have gone over its limit before it was seen: keep the beginning only."""
    for rank in range(ranks):
        for path in (files.output(rank), files.errors(rank)):
            if path.exists() and path.stat().st_size > size:
                os.truncate(path, size)


def installed(names: Iterable[str] = NAMESPACES) -> list[str]:
    """Those Lightning namespaces that can be imported here."""
    return [name for name in names if importlib.util.find_spec(name.partition(".")[0])]
