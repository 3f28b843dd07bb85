"""Files of each kind, ready to be edited."""

from __future__ import annotations

import codecs
from pathlib import Path

from pl_lint.static.configs.files import is_config
from pl_lint.static.fixing.notebooks import NotebookDocument
from pl_lint.static.fixing.settings import SettingsDocument
from pl_lint.static.fixing.text import Document


def opened(path: Path, data: bytes) -> Document:
    """What a file holds. Python says how it is encoded; JSON and YAML are UTF-8."""
    encoding = "utf-8-sig" if data.startswith(codecs.BOM_UTF8) else "utf-8"
    if path.suffix == ".ipynb":
        return NotebookDocument.opened(data.decode(encoding), encoding)
    if is_config(path):
        return SettingsDocument(data.decode(encoding), encoding)
    return Document.of(data)
