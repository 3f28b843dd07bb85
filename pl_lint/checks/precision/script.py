"""A value in half precision beside that in fp32, in a script that runs by itself.

Under fp16 there is none: Lightning refuses 16-mixed on a CPU, where pl-lint puts a real GradScaler
into its place.
"""

from __future__ import annotations

from pl_lint.checks.scripts.parts import MODEL, head, run, script
from pl_lint.facts.building import Building

ON_CPU = "bf16-mixed"
_EVALUATED = """\
_, module = run("fit")
full, _ = run("{stage}", model=copy.deepcopy(module))
half, _ = run("{stage}", model=module, precision="bf16-mixed")
"""
_FITTED = """\
full, _ = run("fit")
half, _ = run("fit", precision="bf16-mixed")
"""
_VALUES = """\
one, other = (float(each.callback_metrics.get({key!r}, "nan")) for each in (full, half))
print(f"{key}: in fp32 {{one!r}}, in bf16-mixed {{other!r}}")
"""
_STATES = '''\
class States(L.Callback):
    """The types of the numbers that metrics keep, after each batch."""

    def __init__(self):
        self.kept = set()

    def look(self, trainer, module, *args):
        metrics = [each for each in module.modules() if isinstance(each, Metric)]
        states = [state for each in metrics for state in tree_leaves(each.metric_state)]
        self.kept |= {str(state.dtype) for state in states if state.is_floating_point()}

    on_train_batch_end = on_validation_batch_end = look


states = States()
run("fit", callbacks=[states], precision="bf16-mixed")
full = {name for name in states.kept if name not in ("torch.float16", "torch.bfloat16")}
print(f"metric states: expected {sorted(full)}, kept {sorted(states.kept)}")
'''


def values(building: Building | None, said: str, spelling: str, key: str, stage: str = "") -> str:
    """A logged value of an evaluation ``stage``, or of the fit where there is none."""
    if building is None or spelling != ON_CPU:
        return ""
    shown = _VALUES.format(key=key)
    if not stage:
        return script(head(building, said), run(building), _FITTED + shown)
    start = head(building, said, ("import copy",))
    main = _EVALUATED.format(stage=stage) + shown
    return script(start, run(building, ("fit", stage), (MODEL,)), main)


def states(building: Building | None, said: str, spelling: str) -> str:
    """States of metrics that are not in fp32."""
    if building is None or spelling != ON_CPU:
        return ""
    others = ("from torch.utils._pytree import tree_leaves", "from torchmetrics import Metric")
    return script(head(building, said, others=others), run(building), _STATES)
