"""Lanes: each runs one module at a time, from templates of its own below shared servers.

As many lanes as cores work at the same time. A template forks one run after another, so each lane
has its own; the user's file is imported once for each lane that meets it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from pl_lint.runtime.isolation import process
from pl_lint.runtime.isolation.client import (
    Limits,
    RunnerError,
    ServerProcess,
    ServerSettings,
    Template,
    absolute_import_path,
)
from pl_lint.runtime.isolation.outcome import Observed, RunOutcome, judge
from pl_lint.runtime.isolation.request import Request
from pl_lint.runtime.isolation.supervise import Supervision
from pl_lint.runtime.isolation.wire import Files, Place, RunOrder, TemplateOrder

TEMPLATES = 4
"""How many case files stay imported at a time; tests come file by file."""
PORTS = 3
"""How often a run is tried when another program takes its port before it can."""
PORT_TAKEN = ("address already in use", "eaddrinuse")

TemplateKey = tuple[ServerSettings, str, str, str]


@dataclass
class Servers:
    """The servers of all lanes, by their settings; a new one if the old one died."""

    modules: list[str]
    base: Path
    limits: Limits
    _alive: dict[ServerSettings, ServerProcess] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def start(self, settings: ServerSettings) -> ServerProcess:
        """Have one load in the background, if there is none yet."""
        with self._lock:
            if self._closed:
                raise RunnerError("the session is over")
            server = self._alive.get(settings)
            if server is not None and server.alive:
                return server
            if server is not None:
                server.close()
            self.base.mkdir(parents=True, exist_ok=True)
            server = ServerProcess(settings, self.modules, self.base, self.limits)
            self._alive[settings] = server
            return server

    def get(self, settings: ServerSettings) -> ServerProcess:
        """One that has loaded everything. Whoever has started it may be gone before that, and then
        so is the server."""
        while not (server := self.start(settings)).is_ready():
            pass
        return server

    def close(self) -> None:
        with self._lock:
            self._closed = True
            while self._alive:
                self._alive.popitem()[1].close()


@dataclass
class Failed:
    """An import that failed, and where its output is: the outcome of every run of that file."""

    observed: Observed
    files: Files


@dataclass
class Lane:
    """One run after another, each forked from a template that has its case file imported."""

    name: str
    servers: Servers
    base: Path
    root: Path
    limits: Limits
    _templates: OrderedDict[TemplateKey, Template] = field(init=False, default_factory=OrderedDict)
    _failed: dict[TemplateKey, Failed] = field(init=False, default_factory=dict)
    _threaded: set[TemplateKey] = field(init=False, default_factory=set)

    def run(self, request: Request, files: Files) -> RunOutcome:
        for _ in range(PORTS):
            outcome = self._attempt(request, files)
            if not lost_its_port(outcome):
                break
        return outcome

    def close(self) -> None:
        while self._templates:
            self._templates.popitem()[1].close()

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
        server = self._living_server(key[0])
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
        directory = self.base / "templates" / f"{name}-{os.getpid()}-{self.name}"
        shutil.rmtree(directory, ignore_errors=True)
        said = process.of_pytest(process.without_launchers(os.environ))
        place = Place(str(self.root), absolute_import_path(), said)
        return TemplateOrder(str(directory), place, key[1] or None, key[2])

    def _living_server(self, settings: ServerSettings) -> ServerProcess:
        """The server with these settings. Templates of one that died have died with it."""
        server = self.servers.get(settings)
        for key, template in list(self._templates.items()):
            if key[0] == settings and template.server is not server:
                self._templates.pop(key).close()
        return server

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
