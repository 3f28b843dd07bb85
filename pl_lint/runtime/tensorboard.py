"""TensorBoard's event files, read back through TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path

from pl_lint.facts.events import LoggerPoint


def read_points(directory: Path) -> tuple[LoggerPoint, ...]:
    """Every scalar point of every tag, in the order of the files. Values are float32 in the
    file."""
    if not directory.is_dir():
        return ()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    points: list[LoggerPoint] = []
    for path in sorted({file.parent for file in directory.rglob("events.out.tfevents.*")}):
        accumulator = EventAccumulator(
            str(path), size_guidance={"scalars": 0, "tensors": 0}, purge_orphaned_data=False
        )
        accumulator.Reload()
        for tag in accumulator.Tags()["scalars"]:
            points += [LoggerPoint(tag, e.step, e.value) for e in accumulator.Scalars(tag)]
    return tuple(points)
