"""Case files in which a twin takes the place of its original when the case imports it.

Nothing of a corpus is copied or changed: Python's import is asked for the file, and given another.
"""

from __future__ import annotations

from pathlib import Path

_SHADOW = '''\
"""A case of a corpus, with one file of it replaced when it is imported."""

import importlib.abc
import importlib.util
import os
import sys

ORIGINAL, TWIN = {original!r}, {twin!r}


class Shadow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        others = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(name, path, target) for finder in others)
        spec = next((each for each in specs if each is not None), None)
        if spec is None or spec.origin is None or os.path.realpath(spec.origin) != ORIGINAL:
            return None
        inside = spec.submodule_search_locations
        return importlib.util.spec_from_file_location(
            name, TWIN, submodule_search_locations=inside
        )


sys.meta_path.insert(0, Shadow())
'''
_CASE = """
sys.path.insert(0, {folder!r})
from {module} import {function}  # noqa: E402
"""
_TRACED = '''\
"""A case of a corpus that writes down the lines it runs, each once."""

import sys

sys.path.insert(0, {folder!r})
import {module} as corpus  # noqa: E402

SEEN = set()
OUT = open({trace!r}, "a", buffering=1)


def tracer(frame, event, argument):
    if "site-packages/torch/" in frame.f_code.co_filename:
        return None
    line = (frame.f_code.co_filename, frame.f_lineno)
    if line not in SEEN:
        SEEN.add(line)
        OUT.write(f"{{line[0]}}:{{line[1]}}\\n")
    return tracer


def {function}():
    sys.settrace(tracer)
    return corpus.{function}()


{function}.__dict__.update(corpus.{function}.__dict__)
'''


def shadow_case(file: Path, function: str, original: Path, twin: Path) -> str:
    """The text of a case file that builds ``function`` of ``file`` with ``twin`` for a file."""
    shadow = _SHADOW.format(original=str(original.resolve()), twin=str(twin))
    case = _CASE.format(folder=str(file.parent), module=file.stem, function=function)
    return shadow + case


def traced_case(file: Path, function: str, trace: Path) -> str:
    """The same without a twin, that appends ``path:line`` to ``trace`` for each line it runs."""
    return _TRACED.format(
        folder=str(file.parent), module=file.stem, function=function, trace=str(trace)
    )
