"""What was handed to the logger, and what its file holds, in a script that runs by itself."""

from __future__ import annotations

from pl_lint.checks.scripts.parts import head, run, script
from pl_lint.facts.building import Building

_LOGGER = '''\
class Handed(TensorBoardLogger):
    """Notes what Lightning hands over, and writes it as ever."""

    points = ()

    def log_metrics(self, metrics, step=None):
        if {tag!r} in metrics:
            self.points += ((step, float(metrics[{tag!r}])),)
        super().log_metrics(metrics, step)


logger = Handed(tempfile.mkdtemp())
run("fit", logger=logger)
logger.experiment.flush()
reader = EventAccumulator(logger.log_dir, size_guidance={{"scalars": 0}})
reader.Reload()
tags = reader.Tags()["scalars"]
held = [(each.step, each.value) for each in reader.Scalars({tag!r})] if {tag!r} in tags else []
'''
_POINTS = """\
print("handed over:", logger.points)
print("in the file:", held)
print(f"points of {tag}: handed over {{len(logger.points)}}, in the file {{len(held)}}")
"""
_AXIS = """\
steps = [step for step, _ in held]
print(f"steps of {tag}: as written {{steps}}, going forward {{sorted(set(steps))}}")
"""


def points(building: Building | None, said: str, tag: str, axis: bool) -> str:
    """The points of one curve, or its ``axis`` that does not go forward."""
    if building is None:
        return ""
    others = (
        f"from {building.namespace}.loggers import TensorBoardLogger",
        "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator",
    )
    main = _LOGGER.format(tag=tag) + (_AXIS if axis else _POINTS).format(tag=tag)
    return script(head(building, said, others=others), run(building), main)
