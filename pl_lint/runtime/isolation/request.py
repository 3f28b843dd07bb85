"""What the isolation layer reads of a specification; the program that runs gets all of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pl_lint
from pl_lint.runtime.isolation.client import ServerSettings

ENTRY = "pl_lint.runtime.programs:run"
IMPORTER = "pl_lint.runtime.cases:import_file"


class HasDict(Protocol):
    def to_dict(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Request:
    """What this layer reads of a specification; the program gets all of it.

    ``fresh_import`` has each rank import the case file anew, so that two runs share nothing of
    what the import drew at random. ``hash_seed`` and ``cuda`` choose the server. ``entry`` names
    the function that runs in the child.
    """

    spec: dict[str, Any]
    case_file: str | None = None
    ranks: int = 1
    timeout: float = 60.0
    fresh_import: bool = False
    hash_seed: str = "0"
    cuda: bool = False
    entry: str = ENTRY
    importer: str = IMPORTER

    @classmethod
    def of(cls, spec: HasDict | Mapping[str, Any]) -> Request:
        data = dict(spec if isinstance(spec, Mapping) else spec.to_dict())
        known = set(cls.__dataclass_fields__) - {"spec"}
        given = {name: data[name] for name in known & set(data)}
        if given.get("case_file") is not None:
            given["case_file"] = os.path.abspath(given["case_file"])
        given["hash_seed"] = str(given.get("hash_seed", cls.hash_seed))
        return cls(data, **given)

    @property
    def settings(self) -> ServerSettings:
        return ServerSettings(self.hash_seed, self.cuda)

    def salt(self) -> str:
        """Changes with the case file."""
        content = Path(self.case_file).read_bytes() if self.case_file else b""
        return hashlib.blake2b(content, digest_size=8).hexdigest()

    def key(self) -> str:
        """The name of this run: equal for equal specifications of an unchanged case file."""
        parts = [self.spec, self.entry, self.importer, self.salt(), pl_lint.__version__]
        canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()
