"""A ResNet in a U-Net: shapes, the encoder's own numbers, and what it expects of a photo."""

import pytest
import torch
from torchvision.models import resnet34

from unet_course import data
from unet_course.model import count_parameters
from unet_course.pretrained import ResNetUNet


@pytest.fixture(scope="module")
def model() -> ResNetUNet:
    torch.manual_seed(0)
    return ResNetUNet().eval()


@torch.no_grad()
@pytest.mark.parametrize("height, width", [(64, 96), (33, 31), (1, 1)])
def test_any_input_size_gives_exactly_that_output_size(model, height, width):
    assert model(torch.zeros(2, 3, height, width)).shape == (2, 1, height, width)


@torch.no_grad()
def test_the_encoder_sees_what_resnet_sees(model):
    body = resnet34().eval()
    found = {}
    body.layer4.register_forward_hook(lambda *arguments: found.update(features=arguments[-1]))
    weights = torch.nn.Sequential(*model.encoder).state_dict().values()
    body.load_state_dict(
        dict(zip((k for k in body.state_dict() if "fc." not in k), weights, strict=True)),
        strict=False,
    )
    photo = torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8)
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 3, 1, 1)
    body((photo[None] / 255 - mean) / std)
    seen = []
    hook = model.encoder[-1].register_forward_hook(lambda *arguments: seen.append(arguments[-1]))
    model(data.normalise(photo)[None])
    hook.remove()
    torch.testing.assert_close(seen[0], found["features"], rtol=1e-3, atol=1e-3)


def test_it_learns(model):
    model.train().to(memory_format=torch.channels_last)
    torch.manual_seed(0)
    photos = torch.randn(2, 3, 64, 64)
    model(photos).square().mean().backward()
    gradients = [p.grad for p in model.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    model.zero_grad()
    model.eval()


def test_it_has_as_many_parameters_as_the_docstring_says(model):
    assert f"{count_parameters(model) / 1e6:.1f} million" in ResNetUNet.__doc__
