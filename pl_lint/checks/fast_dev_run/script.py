"""One batch of a stage, in a script that ends with the traceback."""

from __future__ import annotations

from pl_lint.checks.scripts.parts import head, run, script
from pl_lint.facts.building import Building


def one_batch(building: Building | None, said: str, method: str) -> str:
    if building is None:
        return ""
    call = f'run("{method}", fast_dev_run=True)'
    return script(head(building, said), run(building, (method,)), call)
