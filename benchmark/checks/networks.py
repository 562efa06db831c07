"""Whether the networks of a plug-in are in evaluation mode when they predict."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmark.checks.subject import Failure


@contextmanager
def require_evaluation_mode(method: str) -> Iterator[None]:
    """Fail if a network of torch drops out, or normalises by the batch, during a call of a method.

    Raises
    ------
    Failure
        A layer was in training mode.
    """
    if "torch" not in sys.modules:
        yield
        return
    from torch import nn
    from torch.nn.modules.module import register_module_forward_pre_hook

    layers = (
        nn.BatchNorm1d,
        nn.BatchNorm2d,
        nn.BatchNorm3d,
        nn.Dropout,
        nn.Dropout2d,
        nn.AlphaDropout,
    )
    in_training: list[str] = []

    def record_layer(module: nn.Module, _: Any) -> None:
        if module.training and isinstance(module, layers):
            in_training.append(type(module).__name__)

    handle = register_module_forward_pre_hook(record_layer)
    try:
        yield
    finally:
        handle.remove()
        if in_training:
            raise Failure(
                f"the network's {in_training[0]} is in training mode in {method}, so what it gives "
                "for an image depends "
                f"on chance or on the other images: call network.eval() in {method} first"
            )
