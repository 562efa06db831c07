"""EfficientNet-Lite0 as a fixed map from images to features.

The architecture is that of timm. Each batch norm is folded into the convolution before it.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.padding import pad_same
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.network import Pixels
from models.weights import load_weights, read_state_dict

ARCHITECTURE = "tf_efficientnet_lite0"


class EfficientNetLite(nn.Module):
    """The first stages of EfficientNet-Lite0.

    Parameters
    ----------
    network : timm.models.efficientnet.EfficientNet
        It is changed, and must not be used afterwards.
    n_stages : int
        Number of stages, of 7.
    """

    def __init__(self, network: Any, n_stages: int = 6) -> None:
        super().__init__()
        normalisation = network.pretrained_cfg
        self.pixels = Pixels(mean=normalisation["mean"], std=normalisation["std"])
        self.stem = nn.Sequential(network.conv_stem, network.bn1)
        self.stages = network.blocks[:n_stages]
        self.eval().requires_grad_(False)
        _fold_batch_norms(self)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Mean and standard deviation over the pixels of the maps after each stage.

        Parameters
        ----------
        images : (n, h, w, 1 or 3) uint8

        Returns
        -------
        (n, d) float32
            All means, then all standard deviations, each from the first stage to the last.
        """
        maps = self.stem(self.pixels(images).contiguous(memory_format=torch.channels_last))
        means, deviations = [], []
        for stage in self.stages:
            maps = stage(maps)
            variance, mean = torch.var_mean(maps, dim=(2, 3), correction=0)
            means.append(mean)
            deviations.append(variance.sqrt())
        return torch.cat([*means, *deviations], dim=1)

    @torch.inference_mode()
    def compute_features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of images, (n, h, w, 1 or 3) to (n, d)."""
        return self(torch.tensor(images)).numpy()


class Convolution(nn.Module):
    """Convolution whose result for an image has the same bits in a batch of any size.

    ``torch.nn.functional.conv2d`` chooses an implementation by the number of images and of threads,
    and these round differently. Here oneDNN computes all convolutions on a CPU.

    Parameters
    ----------
    convolution : torch.nn.Conv2d
        If it is timm's ``Conv2dSame``, it pads images as TensorFlow does.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        self.pads_as_tensorflow = isinstance(convolution, Conv2dSame)
        self.padding = cast(tuple[int, ...], convolution.padding)
        self.stride, self.groups = convolution.stride, convolution.groups

    def forward(self, maps: Tensor) -> Tensor:
        """(n, n_in, h, w) to (n, n_out, h / stride, w / stride)."""
        if self.pads_as_tensorflow:
            maps = pad_same(maps, list(self.weight.shape[2:]), list(self.stride))
        if maps.device.type == "cpu" and torch.backends.mkldnn.is_available():
            return torch.mkldnn_convolution(
                maps, self.weight, self.bias, self.padding, self.stride, (1, 1), self.groups
            )
        return conv2d(maps, self.weight, self.bias, self.stride, self.padding, groups=self.groups)


def _fold_batch_norms(module: nn.Module) -> None:
    """Replace each convolution and the batch norm after it by a `Convolution`."""
    for child in module.children():
        _fold_batch_norms(child)
    for (name, convolution), (next_name, norm) in pairwise(list(module.named_children())):
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            fused = fuse_conv_bn_eval(convolution, norm)
            setattr(module, name, Convolution(fused))
            setattr(module, next_name, norm.act)


def load_network(file: str | Path) -> EfficientNetLite:
    """Build the network with the weights in a file; see ``load_timm_network``."""
    return EfficientNetLite(load_timm_network(file))


def load_timm_network(file: str | Path) -> Any:
    """Build the whole network of timm with the weights in a file.

    Parameters
    ----------
    file : str or Path
        State dictionary with the names of timm, or with those of efficientnet-lite-pytorch, which
        come in the same order.

    Returns
    -------
    timm.models.efficientnet.EfficientNet
        In evaluation mode.

    Raises
    ------
    ValueError
        The file is missing or damaged, or holds the weights of another network.
    """
    network, state = _make_timm_network(), read_state_dict(file)
    names = list(network.state_dict())
    if "_conv_stem.weight" in state and len(state) == len(names):
        state = dict(zip(names, state.values(), strict=True))
    load_weights(network, state, f"weights={str(file)!r}")
    return network.eval()


def restore_network(state: dict[str, Tensor]) -> EfficientNetLite:
    """Build the network with its own state dictionary.

    Raises
    ------
    ValueError
        It is that of another network.
    """
    network = EfficientNetLite(_make_timm_network())
    load_weights(network, state, "the weights")
    return network


def _make_timm_network() -> Any:
    """Make a network whose weights have no values yet, without drawing random ones."""
    with torch.device("meta"):
        network = timm.create_model(ARCHITECTURE)
    return network.to_empty(device="cpu")
