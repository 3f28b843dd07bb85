"""The examples of a rule's page as programs that can be read.

An example shows as little as it can: methods without their class, names without their imports. What
it leaves out is what everybody has: a LightningModule around methods, the usual imports, and in
"Use instead" the ``__init__`` that the first example shows.
"""

from __future__ import annotations

import ast
import textwrap

IMPORTS = {
    "lightning.pytorch": (
        *("LightningModule", "LightningDataModule", "Callback", "Trainer", "seed_everything"),
    ),
    "lightning.pytorch.callbacks": (
        *("ModelCheckpoint", "EarlyStopping", "LearningRateMonitor", "StochasticWeightAveraging"),
    ),
    "lightning.pytorch.loggers": (
        *("TensorBoardLogger", "CSVLogger", "WandbLogger", "MLFlowLogger", "CometLogger"),
    ),
    "torch.utils.data": (
        *("DataLoader", "Dataset", "DistributedSampler", "IterableDataset", "random_split"),
        *("Subset", "TensorDataset", "WeightedRandomSampler"),
    ),
    "torch.optim.lr_scheduler": ("OneCycleLR", "ReduceLROnPlateau", "CosineAnnealingLR", "StepLR"),
    "sklearn.model_selection": ("train_test_split",),
    "sklearn.preprocessing": ("StandardScaler",),
    "pathlib": ("Path",),
    "torch": ("nn",),
}
"""Where names come from that examples use without saying so."""
AS = {"L": "lightning", "pl": "lightning.pytorch", "np": "numpy", "F": "torch.nn.functional"}
MODULES = (
    "torch",
    "torchmetrics",
    "torchvision",
    "wandb",
    "os",
    "random",
    "sklearn",
    "transformers",
)
USUAL = """\
def __init__(self):
    super().__init__()
    self.net = torch.nn.Linear(8, 2)
"""
FORWARD = """\
def forward(self, x):
    return self.net(x)
"""
LOSS = """\
def loss(self, batch):
    x, y = batch
    return torch.nn.functional.cross_entropy(self(x), y)
"""
OPTIMIZER = """\
def configure_optimizers(self):
    return torch.optim.SGD(self.parameters(), lr=0.1)
"""


def program(example: str, beside: str = "") -> str:
    """A file around an example; ``beside`` is the one whose ``__init__`` it may leave out."""
    nodes = ast.parse(example).body
    methods = {_name(node): _lines(example, node) for node in nodes if _is_method(node)}
    pieces = [_lines(example, node) for node in nodes if not _is_method(node)]
    if methods:
        pieces.insert(0, _module(methods, beside))
    text = "\n\n".join(pieces)
    return _imports(text) + text + "\n"


def _lines(text: str, node: ast.stmt) -> str:
    """The whole lines of a statement, comments included."""
    decorators = [one.lineno for one in getattr(node, "decorator_list", [])]
    first = min([node.lineno, *decorators])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])


def _is_method(node: ast.stmt) -> bool:
    arguments = node.args.args if isinstance(node, ast.FunctionDef) else []
    return bool(arguments) and arguments[0].arg == "self"


def _name(node: ast.stmt) -> str:
    return node.name if isinstance(node, ast.FunctionDef) else ""


def _module(methods: dict[str, str], beside: str) -> str:
    """A LightningModule with the methods, and with those that they lean on."""
    shown = {_name(node): _lines(beside, node) for node in ast.parse(beside).body}
    leaning = {"__init__": shown.get("__init__", USUAL), "forward": FORWARD, "loss": LOSS}
    if "training_step" in methods:
        leaning["configure_optimizers"] = OPTIMIZER
    bodies = (leaning | methods).values()
    return "class Example(LightningModule):\n" + textwrap.indent("\n\n".join(bodies), "    ")


def _imports(text: str) -> str:
    """The imports of the names that are used and not made."""
    nodes = list(ast.walk(ast.parse(text)))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    made = {alias.asname or alias.name.partition(".")[0] for one in nodes for alias in _names(one)}
    wanted = used - made
    lines = ["import lightning", *(f"import {name}" for name in MODULES if name in wanted)]
    lines += [f"import {home} as {name}" for name, home in AS.items() if name in wanted]
    lines += [
        f"from {home} import {name}"
        for home, names in IMPORTS.items()
        for name in names
        if name in wanted
    ]
    return "".join(f"{line}\n" for line in lines) + "\n\n"


def _names(node: ast.AST) -> list[ast.alias]:
    return node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else []
