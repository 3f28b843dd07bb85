"""What plotting libraries draw: pictures, whose numbers nobody logs."""

from __future__ import annotations

import re

from pl_lint.static.interpreter.abstract import NOTHING, Abstract, Instance, Sequence

OF_PLOTLY = Instance("plotly.graph_objects.Figure")
OF_MATPLOTLIB = Instance("matplotlib.figure.Figure")
PLOTLY = re.compile(r"plotly\.(express\.[a-z]\w*|figure_factory\.create_\w+|\w+\.make_subplots)")
FIGURES = re.compile(r"matplotlib\.pyplot\.(figure|gcf)")
WITH_AXES = re.compile(r"matplotlib\.pyplot\.(subplots|subplot_mosaic)")
AXES = re.compile(r"seaborn\.(\w+plot|heatmap|clustermap)")
"""Functions that give axes, or a grid of them, whose attribute is the figure."""
MEDIA = re.compile(
    r"wandb\.(data_types\.|sdk\.data_types\.)?"
    r"(Audio|Graph|Histogram|Html|Image|Molecule|Object3D|Plotly|Table|Video)"
)
"""Classes of W&B for what is no number."""


def is_picture(value: Abstract) -> bool:
    """Whether a value is surely something to look at."""
    figures = (OF_PLOTLY.name, OF_MATPLOTLIB.name)
    made = value.name if isinstance(value, Instance) else ""
    return made in figures or MEDIA.fullmatch(made) is not None


def drawn(name: str) -> Abstract | None:
    """What a function from outside draws; None where that is no picture."""
    if PLOTLY.fullmatch(name):
        return OF_PLOTLY
    if FIGURES.fullmatch(name):
        return OF_MATPLOTLIB
    if WITH_AXES.fullmatch(name):
        return Sequence((OF_MATPLOTLIB, NOTHING))
    return Instance(name) if AXES.fullmatch(name) else None


def around(axes: Abstract, attribute: str) -> Abstract | None:
    """The figure of what seaborn has drawn."""
    is_axes = isinstance(axes, Instance) and AXES.fullmatch(axes.name)
    return OF_MATPLOTLIB if is_axes and attribute in ("figure", "fig") else None
