"""What a script is told of where the project's modules stand."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from pl_lint.runtime.programs.building import _beside


def test_a_script_looks_where_the_run_found_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases, project, unused = (tmp_path / name for name in ("tests", "src", "unused"))
    for name, folder in (("cases_of_wine", cases), ("wine_of_ours", project)):
        module = ModuleType(name)
        module.__file__ = str(folder / f"{name}.py")
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(sys, "path", [*map(str, (cases, project, unused)), *sys.path])
    assert list(_beside(str(cases)))[:1] == [str(project)]
    assert str(unused) not in _beside(str(cases))
