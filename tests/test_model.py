"""The network: shapes, sizes, parameters, and what the paper's figure 1 says."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from unet_course.model import UNet, center_crop, count_parameters, double_conv, up_conv


@settings(max_examples=25)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 4), st.integers(1, 4))
@example(1, 1, 4, 4)
@example(33, 31, 4, 1)
@torch.no_grad()
def test_any_input_size_gives_exactly_that_output_size(height, width, depth, stem):
    model = UNet(width=2, depth=depth, stem=stem).eval()
    assert model(torch.zeros(2, 3, height, width)).shape == (2, 1, height, width)


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
@pytest.mark.parametrize("up", ["transposed", "bilinear"])
@pytest.mark.parametrize("growth, stem", [("double", 1), ("linear", 2)])
def test_every_variant_runs_and_trains(norm, up, growth, stem):
    torch.manual_seed(0)
    model = UNet(width=4, depth=2, norm=norm, up=up, growth=growth, stem=stem)
    logits = model(torch.randn(2, 3, 20, 28))
    assert logits.shape == (2, 1, 20, 28)
    logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_the_paper_s_network_maps_572_to_388_with_31_million_parameters():
    with torch.device("meta"):  # shapes without numbers: at once
        model = UNet.paper()
    assert count_parameters(model) == 31_030_658
    assert model(torch.zeros(1, 1, 572, 572, device="meta")).shape == (1, 2, 388, 388)


def test_the_default_network_has_the_parameters_that_one_counts_by_hand():
    def block(a: int, b: int) -> int:  # two convolutions without bias, two batch norms
        return 9 * a * b + 9 * b * b + 4 * b

    down = [(3, 16), (16, 32), (32, 64), (64, 128), (128, 256)]
    up = [(256, 128), (128, 64), (64, 32), (32, 16)]
    expected = sum(block(*pair) for pair in down)
    expected += sum(4 * a * b + b + block(a, b) for a, b in up) + 16 + 1
    assert count_parameters(UNet()) == expected == 1_942_577


def test_channels_double_from_level_to_level_or_grow_by_as_many():
    def channels(model: UNet) -> list[int]:
        return [b[0].out_channels for b in (*model.encoder, model.bottleneck, *model.decoder)]

    assert channels(UNet(width=4, depth=3)) == [4, 8, 16, 32, 16, 8, 4]
    assert channels(UNet(width=4, depth=3, growth="linear")) == [4, 8, 12, 16, 12, 8, 4]


@torch.no_grad()
def test_a_stem_is_a_network_on_squares_of_pixels():
    torch.manual_seed(0)
    folded = UNet(3, 2, width=4, depth=1, norm="none", stem=2)
    inner = UNet(12, 8, width=4, depth=1, norm="none")
    inner.load_state_dict(folded.state_dict())
    image = torch.randn(1, 3, 8, 12)
    # channel 4c + 2i + j of a position is pixel (i, j) of its square in channel c, in and out
    squares = torch.stack(
        [image[:, c, i::2, j::2] for c in range(3) for i in (0, 1) for j in (0, 1)], 1
    )
    answers, logits = inner(squares), folded(image)
    for c, i, j in [(0, 0, 0), (0, 1, 0), (1, 0, 1), (1, 1, 1)]:
        torch.testing.assert_close(logits[:, c, i::2, j::2], answers[:, 4 * c + 2 * i + j])


def test_a_stem_goes_with_padding_only():
    with pytest.raises(ValueError, match='stem=2: needs padding="same"'):
        UNet(stem=2, padding="valid")


@pytest.mark.parametrize("side", [3, 17, 100, 124, 140, 172, 571, 574, 580])
def test_unpadded_convolutions_refuse_a_size_that_does_not_fit(side):
    model = UNet(1, 1, width=1, norm="none", padding="valid")
    for height, width in ((side, 572), (572, side)):
        with pytest.raises(ValueError, match=rf"a {width}x{height} image cannot be halved evenly"):
            model(torch.zeros(1, 1, height, width))


@torch.no_grad()
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_unpadded_convolutions_accept_every_size_that_fits(depth):
    def trace(side: int) -> int | None:
        """What the layers make of a side, convolution by convolution; None where one fails."""
        sides = []
        for _ in range(depth):
            side -= 4
            if side < 2 or side % 2:
                return None
            sides.append(side)
            side //= 2
        for skip in (*reversed(sides), None):
            side -= 4
            if side < 1:
                return None
            if skip is not None:
                side *= 2
                assert side <= skip
        return side

    model = UNet(1, 1, width=1, depth=depth, norm="none", padding="valid")
    for side in range(1, 130):
        image = torch.zeros(1, 1, side, side)
        if (expected := trace(side)) is None:
            with pytest.raises(ValueError, match="cannot be halved"):
                model(image)
        else:
            assert model(image).shape[-2:] == (expected, expected)


@pytest.mark.parametrize("option", ["norm", "up", "padding", "growth"])
def test_an_unknown_option_is_refused_with_the_choices(option):
    with pytest.raises(ValueError, match=f"{option}='other': expected one of"):
        UNet(**{option: "other"})
    with pytest.raises(ValueError, match="at least 1"):
        UNet(depth=0)


def test_a_network_is_rebuilt_from_its_config():
    config = dict(
        in_channels=1,
        out_channels=3,
        width=4,
        depth=2,
        norm="group",
        up="bilinear",
        padding="same",
        growth="linear",
        stem=3,
    )
    model = UNet(**config)
    assert model.config == config
    UNet(**model.config).load_state_dict(model.state_dict())


def test_channels_double_on_the_way_down_and_halve_on_the_way_up():
    model = UNet(width=16, depth=4)
    assert [block[0].out_channels for block in model.encoder] == [16, 32, 64, 128]
    assert model.bottleneck[0].out_channels == 256
    assert [block[0].in_channels for block in model.decoder] == [256, 128, 64, 32]
    assert [block[0].out_channels for block in model.decoder] == [128, 64, 32, 16]


@torch.no_grad()
def test_skip_connections_carry_detail_that_the_bottleneck_loses():
    torch.manual_seed(0)
    model = UNet(1, 1, width=4, depth=2, norm="none").eval()
    for up in model.up:  # nothing comes up from below
        nn.init.zeros_(up.weight)
        nn.init.zeros_(up.bias)
    a, b = torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
    b[..., 8, 8] = 1
    assert (model(a) - model(b)).abs().max() > 0


@torch.no_grad()
def test_a_pixel_influences_only_its_receptive_field():
    torch.manual_seed(0)
    model = UNet(1, 1, width=2, depth=1, norm="none").eval()
    a = torch.randn(1, 1, 64, 64)
    b = a.clone()
    b[..., 32, 32] += 10
    rows, columns = (model(a) != model(b))[0, 0].nonzero(as_tuple=True)
    # 2 convolutions, 2 of stride 2, 2 again: 2 + 4 + 2 pixels, and one of the pooling cell
    assert 0 < max((rows - 32).abs().max(), (columns - 32).abs().max()) <= 9


@pytest.mark.parametrize("up", ["transposed", "bilinear"])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("stem", [1, 2, 3])
def test_the_reach_is_how_far_gradients_come_from(depth, up, stem):
    model = UNet(1, 1, width=1, depth=depth, up=up, stem=stem).eval()
    # weights above zero and means for maxima let through every gradient that any network may have
    model.pool = nn.AvgPool2d(2)
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.5)
    grid = stem * 2**depth
    start = -(-model.reach // grid) * grid  # far enough from the border, at a multiple of the grid
    image = torch.rand(1, 1, 2 * start + grid, 2 * start + grid, requires_grad=True)
    logits = model(image)[0, 0]
    distances = []
    for at in range(start, start + grid):
        (gradient,) = torch.autograd.grad(logits[at, at], image, retain_graph=True)
        rows, columns = (gradient[0, 0].any(side).nonzero() for side in (1, 0))
        assert torch.equal(rows, columns)
        distances.append((rows - at).abs().max().item())
    assert max(distances) == model.reach


def test_the_reach_of_the_networks_in_the_lessons():
    assert UNet().reach == 107
    assert UNet(up="bilinear").reach == 122
    assert UNet(stem=2).reach == 2 * 107 + 1
    # the paper's: 92 pixels of context on every side, and what the grid of 16 adds
    assert 92 < UNet.paper().reach == 107 < 92 + 16


@torch.no_grad()
def test_a_pixel_beyond_the_reach_changes_nothing_but_through_group_norm():
    torch.manual_seed(0)
    a = torch.randn(1, 3, 8, 80)
    for norm in ("none", "batch", "group"):
        model = UNet(width=4, depth=2, norm=norm).eval()
        b = a.clone()
        b[..., model.reach + 1 :] += 10
        changed = (model(a) != model(b))[0, 0, :, 0]
        assert changed.all() if norm == "group" else not changed.any()


@torch.no_grad()
def test_padding_to_a_multiple_does_not_move_the_prediction():
    torch.manual_seed(0)
    model = UNet(width=4, depth=2, norm="none").eval()
    image = torch.randn(1, 3, 40, 60)
    logits = model(image[..., :37, :53])
    # as if one had repeated the last row and column oneself
    padded = nn.functional.pad(image[..., :37, :53], (0, 3, 0, 3), mode="replicate")
    torch.testing.assert_close(logits, model(padded)[..., :37, :53])


def test_the_same_seed_draws_the_same_weights():
    models = []
    for _ in range(2):
        torch.manual_seed(3)
        models.append(UNet(width=4, depth=2).state_dict())
    assert all(torch.equal(models[0][k], models[1][k]) for k in models[0])


def test_weights_are_drawn_with_the_variance_of_he_et_al():
    torch.manual_seed(0)
    convolution = UNet(width=32, depth=2, norm="none").bottleneck[2]
    assert convolution.weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    assert convolution.bias.abs().max() == 0


@torch.no_grad()
def test_building_blocks_have_the_shapes_that_they_state():
    x = torch.zeros(1, 8, 12, 20)
    assert double_conv(8, 6)(x).shape == (1, 6, 12, 20)
    assert double_conv(8, 6, padding="valid")(x).shape == (1, 6, 8, 16)
    for up in ("transposed", "bilinear"):
        assert up_conv(8, 4, up=up)(x).shape == (1, 4, 24, 40)


def test_cropping_keeps_the_centre():
    x = torch.arange(36).reshape(1, 1, 6, 6)
    assert torch.equal(center_crop(x, torch.Size((2, 4))), x[..., 2:4, 1:5])
    assert torch.equal(center_crop(x, torch.Size((6, 6))), x)


def test_frozen_parameters_are_not_counted():
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    assert count_parameters(model) == 6
