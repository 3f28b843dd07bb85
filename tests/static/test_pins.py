"""What files of requirements ask for."""

from __future__ import annotations

import pytest

from pl_lint.static.pins import beside_torch, pins_of, specifiers_of

NEW = """
[[package]]
name = "pytorch-lightning"
version = "1.4.9"
description = "..."
"""
FIRST = """
[[package]]
category = "main"
name = "pytorch-lightning"
optional = false
python-versions = ">=3.6"
version = "0.9.1rc4"

[[package]]
name = "torch"
optional = false
version = "1.6.0"
"""
OPEN = """
[[package]]
name = "pytorch-lightning"
optional = false

[package.dependencies]
version = "1.2.0"
"""


@pytest.mark.parametrize(("text", "newest"), [(NEW, ["1.4"]), (FIRST, ["0.9"]), (OPEN, [])])
def test_a_lock_file_says_a_version_anywhere_in_its_package(text: str, newest: list[str]) -> None:
    assert [one for _, one, _ in pins_of(text)] == newest


def test_two_pins_in_one_line_count_both() -> None:
    found = beside_torch("setup.cfg", 'install_requires = ["torch==1.8.0", "torchvision==0.7.0"]')
    assert found is not None and found.version == (1, 5)


def test_pins_of_torch_are_those_of_torch_itself() -> None:
    text = "torch==2.5.1+cu121\ntorchvision==0.20.1\ntorchmetrics==1.8.2\n"
    assert list(specifiers_of("torch", text)) == ["==2.5.1"]
