"""A U-Net whose encoder is torchvision's ResNet-34, which may come pretrained on ImageNet.

Sources: He et al. 2016, "Deep Residual Learning for Image Recognition", section 4.1, for the encoder;
Iglovikov and Shvets 2018, "TernausNet", for a pretrained encoder in a U-Net on Carvana.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import ResNet34_Weights, resnet34

from unet_course.data import MEAN, STD
from unet_course.model import double_conv, initialise, up_conv

CHANNELS = (64, 64, 128, 256, 512)  # of the five levels of ResNet-34, at 1/2 to 1/32 of the size


class ResNetUNet(nn.Module):
    """A U-Net for car or not car with the levels of ResNet-34 as its encoder, 24.4 million parameters.

    Its first level works on half the height and width, so the head answers for squares of 2x2 pixels,
    as that of `UNet(stem=2)` does.

    Args:
        pretrained: begin with the encoder's ImageNet weights, 87 MB that torchvision downloads once;
            otherwise with random ones.

    Raises:
        OSError: the weights cannot be downloaded.
    """

    def __init__(self, *, pretrained: bool = False) -> None:
        super().__init__()
        self.config = {"out_channels": 1}  # what prediction asks of a network
        body = resnet34(weights=ResNet34_Weights.IMAGENET1K_V1 if pretrained else None)
        self.encoder = nn.ModuleList([
            nn.Sequential(body.conv1, body.bn1, body.relu),
            nn.Sequential(body.maxpool, body.layer1),
            body.layer2, body.layer3, body.layer4,
        ])  # fmt: skip
        upward = CHANNELS[::-1]
        self.up = nn.ModuleList(up_conv(below, here) for below, here in pairwise(upward))
        self.decoder = nn.ModuleList(double_conv(2 * c, c) for c in upward[1:])
        self.head = nn.Conv2d(CHANNELS[0], 4, 1)
        for part in (self.up, self.decoder, self.head):
            part.apply(initialise)
        # the encoder knows photos normalised by ImageNet's mean and spread, not by the course's
        mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
        scale, shift = torch.tensor(STD) / std, (torch.tensor(MEAN) - mean) / std
        self.register_buffer("scale", scale.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", shift.view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map photos ``(N, 3, H, W)``, normalised as the course does, to logits ``(N, 1, H, W)``."""
        height, width = x.shape[-2:]
        x = x * self.scale + self.shift
        x = F.pad(x, (0, -width % 32, 0, -height % 32), mode="replicate")
        skips = []
        for level in self.encoder:  # 1/2, 1/4, 1/8, 1/16 and 1/32 of the height and width
            x = level(x)
            skips.append(x)
        skips.pop()  # the lowest level is not skipped but goes up
        for up, conv in zip(self.up, self.decoder, strict=True):
            x = conv(torch.cat([skips.pop(), up(x)], dim=1))
        return F.pixel_shuffle(self.head(x), 2)[..., :height, :width]
