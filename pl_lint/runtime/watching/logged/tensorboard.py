"""TensorBoard's event files, read back through TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path

from pl_lint.facts.events import LoggerPoint


def read_points(directory: Path) -> tuple[LoggerPoint, ...]:
    """Every scalar point of every tag, in the order of the files; values are float32 there.

    Files in folders below (``add_scalars`` makes one for each curve) are curves of their own.
    """
    if not directory.is_dir():
        return ()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    points: list[LoggerPoint] = []
    for folder in sorted({file.parent for file in directory.rglob("events.out.tfevents.*")}):
        accumulator = EventAccumulator(
            str(folder), size_guidance={"scalars": 0, "tensors": 0}, purge_orphaned_data=False
        )
        accumulator.Reload()
        below = "" if folder == directory else f"{folder.relative_to(directory)}: "
        for tag in accumulator.Tags()["scalars"]:
            points += [LoggerPoint(below + tag, e.step, e.value) for e in accumulator.Scalars(tag)]
    return tuple(points)
