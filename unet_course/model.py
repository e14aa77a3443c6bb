"""U-Net on one page: a contracting path, an expanding path, and skip connections between them.

Source: Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", MICCAI 2015, section 2 and figure 1 (https://arxiv.org/abs/1505.04597).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def double_conv(
    in_channels: int, out_channels: int, *, norm: str = "batch", padding: str = "same"
) -> nn.Sequential:
    """Two 3x3 convolutions, each followed by a normalisation (if any) and a ReLU.

    Maps ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``; with ``padding="valid"`` each
    convolution trims one pixel from every side, so the output is ``(…, H - 4, W - 4)``.
    """
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers.append(
            nn.Conv2d(
                channels, out_channels, 3, padding=int(padding == "same"), bias=norm == "none"
            )
        )
        if norm == "batch":
            layers.append(nn.BatchNorm2d(out_channels))
        elif norm == "group":
            layers.append(nn.GroupNorm(math.gcd(8, out_channels), out_channels))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def up_conv(in_channels: int, out_channels: int, *, up: str = "transposed") -> nn.Module:
    """Double the height and width: ``(N, in_channels, H, W)`` to ``(N, out_channels, 2H, 2W)``."""
    if up == "transposed":
        return nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
        nn.Conv2d(in_channels, out_channels, 1),
    )


def center_crop(x: Tensor, size: torch.Size) -> Tensor:
    """Crop the last two dimensions of ``x`` around their centre to ``size`` (height, width)."""
    top, left = (x.shape[-2] - size[0]) // 2, (x.shape[-1] - size[1]) // 2
    return x[..., top : top + size[0], left : left + size[1]]


class UNet(nn.Module):
    """A U-Net that returns logits, one channel per class (one channel: foreground against the rest).

    Args:
        in_channels: channels of the image (3 for RGB).
        out_channels: channels of the logits: 1 for car or not car, 7 for the parts of a car.
        width: channels of the first level.
        depth: number of times the resolution is halved.
        norm: ``"batch"``, ``"group"`` or ``"none"`` (as in the paper).
        up: ``"transposed"`` convolution (as in the paper) or ``"bilinear"`` upsampling + 1x1 convolution.
        padding: ``"same"``: the output has the input's height and width, whatever they are;
            ``"valid"``: unpadded convolutions as in the paper, the output is smaller.
        growth: ``"double"``: every level down has twice the channels of the one above (16, 32, 64, 128,
            256), as in the paper; ``"linear"``: it has ``width`` more (16, 32, 48, 64, 80).
        stem: side of the square of pixels that becomes one position of the first level, so that the
            network works on ``H/stem x W/stem`` positions and still gives a logit per pixel (space
            to depth and back: Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution
            Using an Efficient Sub-Pixel Convolutional Neural Network", section 3.2). 1: none.

    Raises:
        ValueError: an argument has none of the values above, or ``stem`` is not 1 with
            ``padding="valid"``.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        *,
        width: int = 16,
        depth: int = 4,
        norm: Literal["batch", "group", "none"] = "batch",
        up: Literal["transposed", "bilinear"] = "transposed",
        padding: Literal["same", "valid"] = "same",
        growth: Literal["double", "linear"] = "double",
        stem: int = 1,
    ) -> None:
        super().__init__()
        for name, value, allowed in (
            ("norm", norm, ("batch", "group", "none")),
            ("up", up, ("transposed", "bilinear")),
            ("padding", padding, ("same", "valid")),
            ("growth", growth, ("double", "linear")),
        ):
            if value not in allowed:
                raise ValueError(f"{name}={value!r}: expected one of {', '.join(allowed)}")
        if min(in_channels, out_channels, width, depth, stem) < 1:
            raise ValueError("in_channels, out_channels, width, depth and stem must be at least 1")
        if stem > 1 and padding == "valid":
            raise ValueError(f'stem={stem}: needs padding="same"')
        self.config = dict(
            in_channels=in_channels, out_channels=out_channels, width=width, depth=depth,
            norm=norm, up=up, padding=padding, growth=growth, stem=stem,
        )  # fmt: skip
        levels = range(depth + 1)
        channels = [width * (2**i if growth == "double" else i + 1) for i in levels]
        block = {"norm": norm, "padding": padding}
        self.encoder = nn.ModuleList(
            double_conv(c_in, c_out, **block)
            for c_in, c_out in zip([in_channels * stem**2, *channels], channels[:-1], strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.bottleneck = double_conv(channels[-2], channels[-1], **block)
        upward = channels[::-1]
        self.up = nn.ModuleList(up_conv(below, here, up=up) for below, here in pairwise(upward))
        self.decoder = nn.ModuleList(double_conv(2 * c, c, **block) for c in upward[1:])
        self.head = nn.Conv2d(width, out_channels * stem**2, 1)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Map images ``(N, in_channels, H, W)`` to logits ``(N, out_channels, H, W)``.

        With ``padding="valid"`` the logits are smaller than the image (572 to 388 in the paper).

        Raises:
            ValueError: with ``padding="valid"``, the size cannot be halved evenly at every level, or
                is too small.
        """
        height, width = x.shape[-2:]
        same = self.config["padding"] == "same"
        if not same and not (self._fits(height) and self._fits(width)):
            raise ValueError(
                f"a {width}x{height} image cannot be halved evenly at every level of this network "
                'without padding; crop or pad it (572x572 fits the paper), or use padding="same"'
            )
        stem = self.config["stem"]
        if same:  # pad right and bottom so that every level halves evenly
            multiple = stem * 2 ** self.config["depth"]
            x = F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        x = F.pixel_unshuffle(x, stem)  # (N, C, H, W) to (N, C·stem², H/stem, W/stem)
        skips = []
        for conv in self.encoder:  # down: more channels, half the height and width
            x = conv(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        for up, conv in zip(self.up, self.decoder, strict=True):  # and up again
            x = up(x)
            skip = center_crop(skips.pop(), x.shape[-2:])
            x = conv(torch.cat([skip, x], dim=1))  # skip connection: detail from the encoder
        x = F.pixel_shuffle(self.head(x), stem)  # every position answers for its square of pixels
        return x[..., :height, :width] if same else x

    @property
    def reach(self) -> int:
        """How many pixels a pixel of the image can lie from a logit, along x or y, and still change it.

        The receptive field, worked out backwards along one side as in lesson 02, section 9. How far
        it goes depends on how a pixel lies on the grid of the pools; this is the farthest of all.
        It holds in evaluation mode. It is void with ``norm="group"``, whose mean and variance are
        those of the whole image, so that every pixel changes every logit a little.
        """
        stem, depth = self.config["stem"], self.config["depth"]
        blend = int(self.config["up"] == "bilinear")  # a value from two neighbours along each side
        farthest = 0
        for pixel in range(stem * 2**depth):  # the next ones lie on the grid as these do
            low, high = pixel // stem - 2, pixel // stem + 2  # two 3x3 convolutions
            for _ in range(depth):  # back down the decoder to the bottleneck
                low, high = (low - blend) // 2 - 2, (high + blend) // 2 + 2
            for _ in range(depth):  # and back up the encoder
                low, high = 2 * low - 2, 2 * high + 1 + 2
            low, high = stem * low, stem * high + stem - 1  # positions to pixels
            farthest = max(farthest, pixel - low, high - pixel)
        return farthest

    def _fits(self, side: int) -> bool:
        """Whether an unpadded image of this height or width halves evenly and leaves any output."""
        for _ in range(self.config["depth"]):  # two convolutions trim 4 pixels, then halve
            side -= 4
            if side < 2 or side % 2:
                return False
            side //= 2
        for _ in range(self.config["depth"]):  # trim 4, then double
            side = (side - 4) * 2
        return side > 4

    @classmethod
    def paper(cls) -> UNet:
        """The network of figure 1 in the paper: 572x572 grey image in, 388x388 logits of 2 classes out.

        31.0 million parameters. (The paper also mentions drop-out at the end of the contracting
        path, which has no parameters; it is left out here.)
        """
        return cls(1, 2, width=64, depth=4, norm="none", padding="valid")


def initialise(module: nn.Module) -> None:
    """Draw convolution weights from a normal of variance 2/N (He et al. 2015; paper, section 3)."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def count_parameters(model: nn.Module) -> int:
    """The number of trainable parameters of ``model``."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
