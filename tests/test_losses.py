"""Losses, against hand-worked numbers and independent formulas."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from unet_course import losses, metrics


def example() -> tuple[Tensor, Tensor]:
    """Probabilities 0.9, 0.6, 0.3, 0.1 for a 2x2 mask of 1, 1, 0, 0."""
    probability = torch.tensor([0.9, 0.6, 0.3, 0.1]).reshape(1, 1, 2, 2)
    return torch.logit(probability), torch.tensor([1.0, 1, 0, 0]).reshape(1, 1, 2, 2)


def test_bce_of_the_hand_worked_example():
    expected = -(math.log(0.9) + math.log(0.6) + math.log(0.7) + math.log(0.9)) / 4
    assert losses.bce(*example()).item() == pytest.approx(expected, abs=1e-6)


def test_soft_dice_of_the_hand_worked_example():
    # overlap 0.9 + 0.6 = 1.5; probabilities sum to 1.9, the mask to 2; one pixel of smoothing
    assert losses.soft_dice(*example()).item() == pytest.approx(1 - (3 + 1) / (3.9 + 1), abs=1e-6)
    assert losses.soft_dice(*example(), smooth=0).item() == pytest.approx(1 - 3 / 3.9, abs=1e-6)


def test_bce_dice_is_their_sum():
    total = losses.bce(*example()) + losses.soft_dice(*example())
    assert losses.bce_dice(*example()).item() == pytest.approx(total.item())


def test_boundary_weights_of_the_hand_worked_example():
    # shares of car in squares of 3x3 within the 4x4 photo: corner 1/4, edge 2/6, car pixel 4/9
    target = torch.zeros(1, 1, 4, 4)
    target[..., 1:3, 1:3] = 1
    corner, edge, inner = (1 + 12 * 4 * s * (1 - s) for s in (1 / 4, 1 / 3, 4 / 9))
    mean = (4 * corner + 8 * edge + 4 * inner) / 16
    quarter = torch.tensor([[corner, edge], [edge, inner]]) / mean
    weights = losses.boundary_weights(target, window=3)[0, 0]
    torch.testing.assert_close(weights[:2, :2], quarter)
    torch.testing.assert_close(weights, weights.flip(0))
    torch.testing.assert_close(weights, weights.flip(1))


def test_boundary_weights_are_one_where_there_is_no_boundary_and_have_mean_one_in_each_photo():
    target = torch.zeros(3, 1, 40, 60)
    target[1] = 1
    target[2, :, 10:30, 20:50] = 1
    weights = losses.boundary_weights(target)
    assert torch.equal(weights[:2], torch.ones(2, 1, 40, 60))
    assert weights.mean((1, 2, 3)).allclose(torch.ones(3))
    inside, far, outline = weights[2, 0, 20, 35], weights[2, 0, 0, 0], weights[2, 0, 20, 20]
    assert inside == far < 1 < outline < 13 * far


def test_boundary_bce_dice_is_weighted_bce_plus_soft_dice():
    logits, target = torch.randn(2, 1, 9, 12), (torch.rand(2, 1, 9, 12) > 0.5).float()
    each = -torch.where(target > 0, torch.sigmoid(logits), torch.sigmoid(-logits)).log()
    weighted = (losses.boundary_weights(target) * each).mean()
    expected = weighted + losses.soft_dice(logits, target)
    torch.testing.assert_close(losses.boundary_bce_dice(logits, target), expected)
    everywhere = torch.ones_like(target)
    torch.testing.assert_close(
        losses.boundary_bce_dice(logits, everywhere), losses.bce_dice(logits, everywhere)
    )


def test_boundary_bce_dice_of_a_batch_is_the_mean_over_its_photos():
    # so that accumulated and shared batches have the gradient of the whole
    logits, target = torch.randn(3, 1, 20, 20), torch.zeros(3, 1, 20, 20)
    target[0, :, 5:15, 5:15] = target[1, :, 2:4, 2:18] = 1
    alone = [losses.boundary_bce_dice(logits[i : i + 1], target[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(losses.boundary_bce_dice(logits, target), sum(alone) / 3)


def test_undecided_logits_cost_log_two():
    assert losses.bce(torch.zeros(2, 1, 3, 3), torch.ones(2, 1, 3, 3)).item() == pytest.approx(
        math.log(2)
    )


SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(1, 3), st.integers(1, 8), st.integers(1, 8))
def test_sure_logits_cost_one_minus_the_dice_score(seed, n, height, width):
    rng = torch.Generator().manual_seed(seed)
    predicted, truth = (torch.rand(n, 1, height, width, generator=rng) > 0.5 for _ in range(2))
    predicted[..., 0, 0] = True  # not both empty
    logits = torch.where(predicted, 1e4, -1e4)
    expected = 1 - metrics.dice(predicted[:, 0], truth[:, 0]).mean()
    assert losses.soft_dice(logits, truth, smooth=0).item() == pytest.approx(
        expected.item(), abs=1e-5
    )


@given(SEEDS, st.floats(0, 50))
def test_losses_are_never_negative_and_soft_dice_never_above_one(seed, scale):
    rng = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(2, 1, 5, 7, generator=rng)
    target = (torch.rand(2, 1, 5, 7, generator=rng) > 0.5).float()
    assert losses.bce(logits, target) >= 0
    assert 0 <= losses.soft_dice(logits, target) <= 1


def test_soft_dice_counts_each_image_the_same_whatever_its_foreground():
    target = torch.zeros(2, 1, 4, 4)
    target[0], target[1, 0, 0, 0] = 1, 1
    logits = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    alone = [losses.soft_dice(logits[i : i + 1], target[i : i + 1]) for i in range(2)]
    assert losses.soft_dice(logits, target).item() == pytest.approx((sum(alone) / 2).item())


def test_a_perfect_prediction_costs_nothing_with_and_without_foreground():
    for target in (torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)):
        logits = torch.where(target > 0, 1e4, -1e4)
        for loss in (losses.bce_dice, losses.boundary_bce_dice):
            assert loss(logits, target).item() == pytest.approx(0, abs=1e-6)


def test_an_image_without_foreground_has_a_finite_gradient_that_lowers_its_logits():
    logits = torch.zeros(1, 1, 4, 4, requires_grad=True)
    losses.soft_dice(logits, torch.zeros(1, 1, 4, 4)).backward()
    assert logits.grad.isfinite().all()
    assert (logits.grad > 0).all()


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_extreme_logits_have_finite_losses_and_gradients(scale):
    logits = (scale * torch.tensor([-1.0, 1, 1, -1]).reshape(1, 1, 2, 2)).requires_grad_()
    loss = losses.bce_dice(logits, example()[1]) + losses.boundary_bce_dice(logits, example()[1])
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    "loss", [losses.bce, losses.soft_dice, losses.bce_dice, losses.boundary_bce_dice]
)
def test_losses_compute_in_float32_even_in_half_precision(loss):
    torch.manual_seed(0)
    logits = torch.randn(1, 1, 300, 300).bfloat16()
    target = torch.rand(1, 1, 300, 300) > 0.5
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(logits, target)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(logits.float(), target.float()))


# Several classes


def class_example() -> tuple[Tensor, Tensor]:
    """Probabilities of three classes for four pixels of the classes 0, 0, 1, 1; class 2 is absent."""
    probability = torch.tensor([[0.8, 0.6, 0.1, 0.3], [0.1, 0.2, 0.9, 0.5], [0.1, 0.2, 0.0, 0.2]])
    logits = probability.clamp(min=1e-9).log().reshape(1, 3, 2, 2)
    return logits, torch.tensor([0, 0, 1, 1]).reshape(1, 2, 2)


def test_cross_entropy_of_the_hand_worked_example():
    expected = -(math.log(0.8) + math.log(0.6) + math.log(0.9) + math.log(0.5)) / 4
    assert losses.cross_entropy(*class_example()).item() == pytest.approx(expected, abs=1e-6)


def test_class_dice_of_the_hand_worked_example():
    # class 0: overlap 1.4, probabilities 1.8, pixels 2; class 1: 1.4, 1.7, 2; class 2 is left out
    expected = 1 - (2 * 1.4 / 3.8 + 2 * 1.4 / 3.7) / 2
    assert losses.class_dice(*class_example()).item() == pytest.approx(expected, abs=1e-6)


def test_cross_entropy_dice_is_their_sum():
    total = losses.cross_entropy(*class_example()) + losses.class_dice(*class_example())
    assert losses.cross_entropy_dice(*class_example()).item() == pytest.approx(total.item())


def random_classes(seed: int, classes: int = 4, n: int = 2) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, classes, 5, 7, generator=rng)
    return logits, torch.randint(0, classes, (n, 5, 7), generator=rng)


@given(SEEDS)
def test_cross_entropy_of_two_classes_is_bce_of_their_difference(seed):
    logits, target = random_classes(seed, classes=2)
    binary = losses.bce(logits[:, 1:] - logits[:, :1], target[:, None].float())
    torch.testing.assert_close(losses.cross_entropy(logits, target), binary)


@given(SEEDS)
def test_sure_classes_cost_one_minus_the_mean_dice_score_of_those_present(seed):
    prediction, target = random_classes(seed)[0].argmax(1), random_classes(seed + 1)[1]
    target[0][target[0] == 3] = 0  # absent from the first image
    logits = 1e4 * torch.nn.functional.one_hot(prediction, 4).permute(0, 3, 1, 2)
    scores = [
        torch.stack([metrics.dice((p == c)[None], (t == c)[None])[0] for c in t.unique()]).mean()
        for p, t in zip(prediction, target, strict=True)
    ]
    expected = 1 - torch.stack(scores).mean()
    assert losses.class_dice(logits, target).item() == pytest.approx(expected.item(), abs=1e-5)


@given(SEEDS)
def test_class_losses_are_means_over_images_and_bounded(seed):
    logits, target = random_classes(seed, n=3)
    for loss in (losses.cross_entropy, losses.class_dice, losses.cross_entropy_dice):
        alone = [loss(logits[i : i + 1], target[i : i + 1]) for i in range(3)]
        torch.testing.assert_close(loss(logits, target), torch.stack(alone).mean())
        assert loss(logits, target) >= 0
    assert losses.class_dice(logits, target) <= 1


def test_class_losses_fall_along_their_gradient_and_stay_in_float32():
    logits, target = random_classes(0)
    logits = logits.bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        before = losses.cross_entropy_dice(logits, target)
    assert before.dtype == torch.float32
    before.backward()
    assert losses.cross_entropy_dice(logits - logits.grad, target) < before


def test_an_image_of_one_class_has_a_finite_loss_and_gradient():
    logits = torch.zeros(1, 7, 4, 4, requires_grad=True)
    loss = losses.cross_entropy_dice(logits, torch.zeros(1, 4, 4, dtype=torch.int64))
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()
