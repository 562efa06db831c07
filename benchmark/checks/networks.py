"""Check that the networks of a plug-in predict in evaluation mode."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmark.checks.subject import Failure


@contextmanager
def require_evaluation_mode(method: str) -> Iterator[None]:
    """Fail if a layer of torch is in training mode within the context.

    Only layers that then behave differently are considered: dropout and batch normalisation.

    Parameters
    ----------
    method : str
        Name of the method that is called within the context, for the message.

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
                f"the network's {in_training[0]} is in training mode in {method}, so that its "
                "output for an image depends on chance or on the other images: call network.eval() "
                f"in {method} first"
            )
