"""TensorBoard's event files, with everything in them that is no scalar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pl_lint.facts.events import LoggerPoint
from pl_lint.facts.loggers import TENSORBOARD, Medium
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.programs.tracked.stores import Noting, read_hparams
from pl_lint.runtime.watching.logged.tensorboard import read_points

METHODS: Mapping[str, tuple[str, str, int]] = {
    "add_image": ("images", "", 2),
    "add_images": ("images", "", 2),
    "add_image_with_boxes": ("images", "", 3),
    "add_figure": ("images", "", 2),
    "add_video": ("images", "", 2),
    "add_histogram": ("histograms", "", 2),
    "add_audio": ("audio", "", 2),
    "add_text": ("tensors", "/text_summary", 2),
}
"""Methods of ``SummaryWriter``: where the reader finds what they write, what they put behind its
tag, and which argument is the step (``torch/utils/tensorboard/writer.py``, 2.13)."""


class TensorBoardStore:
    name = TENSORBOARD

    def __init__(self, namespace: Namespace, directory: Path) -> None:
        self.logger = namespace.part("loggers.TensorBoardLogger")(directory, name="", version="tb")

    @contextmanager
    def watching(self, noting: Noting) -> Iterator[None]:
        writer = self.logger.experiment
        added = {
            name: _noted(getattr(writer, name), *told, noting) for name, told in METHODS.items()
        }
        graph = writer.add_graph

        def add_graph(*args: Any, **kwargs: Any) -> None:
            noting("graph", "graph", None)
            graph(*args, **kwargs)

        with patch.multiple(writer, add_graph=add_graph, **added):
            yield

    def close(self) -> None:
        self.logger.experiment.flush()

    def points(self) -> Iterator[LoggerPoint]:
        return iter(read_points(Path(self.logger.log_dir)))

    def media(self) -> Iterator[Medium]:
        tags = self._events.Tags()
        for kind, read in self._readers.items():
            for tag in tags[kind]:
                yield from (Medium(kind, tag, event.step) for event in read(tag))
        if tags["graph"]:
            yield Medium("graph", "graph", 0)

    def hyperparameters(self) -> Mapping[str, Any]:
        """Those of ``hparams.yaml``, and those that the HPARAMS tab shows: of the first time that
        any were logged."""
        from tensorboard.plugins.hparams import metadata

        kept = read_hparams(Path(self.logger.log_dir, "hparams.yaml"))
        plugin = self._events.summary_metadata.get(metadata.SESSION_START_INFO_TAG)
        if plugin is None:
            return kept
        values = metadata.parse_session_start_info_plugin_data(plugin.plugin_data.content).hparams
        tab = {name: getattr(v, v.WhichOneof("kind") or "", None) for name, v in values.items()}
        return {**tab, **kept}

    @property
    def _readers(self) -> Mapping[str, Callable[[str], Any]]:
        events = self._events
        return {
            "images": events.Images,
            "histograms": events.Histograms,
            "audio": events.Audio,
            "tensors": events.Tensors,
        }

    @cached_property
    def _events(self) -> Any:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        everything = dict.fromkeys(("images", "histograms", "audio", "tensors", "scalars"), 0)
        events = EventAccumulator(
            self.logger.log_dir, size_guidance=everything, purge_orphaned_data=False
        )
        events.Reload()
        return events


def _noted(
    method: Callable[..., None], kind: str, behind: str, place: int, noting: Noting
) -> Callable[..., None]:
    def add(tag: str, *args: Any, **kwargs: Any) -> None:
        step = kwargs.get("global_step", args[place - 1] if len(args) >= place else None)
        method(tag, *args, **kwargs)
        noting(kind, f"{tag}{behind}", step)  # what raises has written nothing

    return add
