"""Where a session's runs happen. Imported before the rest of the plugin, and so it imports little:
Lightning is being loaded in the background while pytest imports the checks and reads the project.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from pl_lint.runtime.isolation.runs import Runner


def is_beside_rank_zero(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether torchrun has started this process beside one of rank 0.

    Only torchrun is believed: a RANK that is left over in somebody's shell promises no other
    process, and then nobody would judge.
    """
    launched = "TORCHELASTIC_RUN_ID" in environment
    return launched and environment.get("RANK", "0") != "0"


@dataclass
class Running:
    """The session's Runner and its folder; under pytest-xdist its workers share the folder."""

    config: pytest.Config

    def start(self) -> None:
        """Have Lightning loaded, where this process is one that runs."""
        left_to_others = self._distributes or is_beside_rank_zero()
        if not self.config.option.collectonly and not left_to_others:
            self.runner.start()

    @cached_property
    def base(self) -> Path:
        """Where runs leave their records."""
        if self.is_worker:
            return Path(self.config.workerinput["pl_lint_base"])  # type: ignore[attr-defined]
        return Path(tempfile.mkdtemp(prefix="pl-lint-"))

    @cached_property
    def runner(self) -> Runner:
        """The workers of pytest-xdist share the cores, with one run at a time each."""
        base, root = self.base / "runs", self.config.invocation_params.dir
        lanes = {"lanes": 1} if self.is_worker else {}
        return Runner(base, root=root, servers=self.servers, **lanes)

    @property
    def servers(self) -> Path:
        """Where the workers of pytest-xdist meet, to have one server together."""
        return self.base / "servers"

    @property
    def is_worker(self) -> bool:
        """Whether this is one of pytest-xdist's workers."""
        return hasattr(self.config, "workerinput")

    @property
    def _distributes(self) -> bool:
        """Whether this is pytest-xdist's controller, which only hands out what its workers run."""
        return getattr(self.config.option, "dist", "no") != "no" and not self.is_worker

    def close(self) -> None:
        """End every run and leave nothing behind."""
        if "runner" in vars(self):
            self.runner.close()
        if "base" in vars(self) and not self.is_worker:
            shutil.rmtree(self.base, ignore_errors=True)
