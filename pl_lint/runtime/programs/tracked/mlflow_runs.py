"""A run of MLflow's in a local store, read through its client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pl_lint.facts.events import LoggerPoint
from pl_lint.facts.loggers import ELSEWHERE, MLFLOW, Medium
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.programs.tracked.stores import Noting

METHODS = ("log_text", "log_dict", "log_figure", "log_image")
"""Methods of ``MlflowClient`` that write one file, which the third argument names or
``artifact_file`` (``mlflow/tracking/client.py``, 3.17); ``mlflow.log_text`` and its sisters call
them."""
VALUES = ("log_metric", "log_param", "log_batch")
"""Those that write numbers and parameters, to the run that their first argument names."""


class MLflowStore:
    name = MLFLOW

    def __init__(self, namespace: Namespace, directory: Path) -> None:
        make = namespace.part("loggers.MLFlowLogger")
        self.logger = make("pl-lint", tracking_uri=(directory / "mlruns").as_uri())

    @contextmanager
    def watching(self, noting: Noting) -> Iterator[None]:
        """Also ``mlflow.log_metric`` and its sisters, which take the run that is active: it is not
        the logger's, unless somebody has made it that."""
        from mlflow import MlflowClient

        noted = {
            name: self._noted(getattr(MlflowClient, name), noting) for name in (*METHODS, *VALUES)
        }
        with patch.multiple(MlflowClient, **noted):
            yield

    def _noted(self, method: Any, noting: Noting) -> Any:
        def log(client: Any, run_id: str, *args: Any, **kwargs: Any) -> Any:
            result = method(client, run_id, *args, **kwargs)
            names = list(_names(method.__name__, args, kwargs))
            if run_id != self.logger.run_id:
                for name in names:
                    noting(ELSEWHERE, name, None)
            elif method.__name__ in METHODS:
                for name in names:
                    noting("artifact", name, None)
            return result

        return log

    def close(self) -> None:
        """Every call is written at once."""

    def points(self) -> Iterator[LoggerPoint]:
        client, run = self.logger.experiment, self.logger.run_id
        for key in client.get_run(run).data.metrics:
            for each in client.get_metric_history(run, key):
                yield LoggerPoint(key, each.step, each.value)

    def media(self) -> Iterator[Medium]:
        return (Medium("artifact", path, 0) for path in self._files(None))

    def hyperparameters(self) -> Mapping[str, Any]:
        params: Mapping[str, Any] = self.logger.experiment.get_run(self.logger.run_id).data.params
        return params

    def _files(self, folder: str | None) -> Iterator[str]:
        for each in self.logger.experiment.list_artifacts(self.logger.run_id, folder):
            if each.is_dir:
                yield from self._files(each.path)
            else:
                yield each.path


def _names(method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[str]:
    """Of files, metrics or parameters that a call writes; ``args`` are those behind the run."""
    if method in METHODS:
        file = kwargs.get("artifact_file", args[1] if len(args) > 1 else None)
        yield from [file] if isinstance(file, str) else []
    elif method == "log_batch":
        for each in (*args, *kwargs.values()):
            parts = each if isinstance(each, (list, tuple)) else ()
            yield from (part.key for part in parts if hasattr(part, "key"))
    else:
        yield str(kwargs.get("key", next(iter(args), "")))
