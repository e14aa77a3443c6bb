"""Scores, against torchmetrics, scikit-learn, hand-worked numbers and brute force."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score
from torch import Tensor
from torchmetrics.classification import (
    BinaryAccuracy,
    BinaryF1Score,
    BinaryJaccardIndex,
    MulticlassJaccardIndex,
)

from unet_course import metrics


def bools(text: str) -> Tensor:
    """A mask ``(1, H, W)`` from rows of ``#`` and ``.``."""
    return torch.tensor([[c == "#" for c in row] for row in text.split()])[None]


# 4x4, worked by hand: truth has 4 pixels, the prediction 4, they share 2
TRUTH = bools(".... .##. .##. ....")
PREDICTION = bools(".... ..## ..## ....")
EMPTY, FULL = torch.zeros(1, 4, 4, dtype=torch.bool), torch.ones(1, 4, 4, dtype=torch.bool)

MASKS = hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))
PAIRS = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
)


def random_masks(n: int = 6, height: int = 12, width: int = 17) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return tuple(torch.rand(n, height, width, generator=rng) > 0.6 for _ in range(2))


def test_the_hand_worked_example():
    assert [c.item() for c in metrics.confusion(PREDICTION, TRUTH)] == [2, 2, 2, 10]
    assert metrics.dice(PREDICTION, TRUTH).item() == 0.5  # 2·2 / (2·2 + 2 + 2)
    assert metrics.iou(PREDICTION, TRUTH).item() == pytest.approx(1 / 3)  # 2 / 6
    assert metrics.accuracy(PREDICTION, TRUTH).item() == 0.75  # 12 / 16


def test_every_image_has_a_score_of_its_own():
    prediction, truth = torch.cat([TRUTH, PREDICTION]), torch.cat([TRUTH, TRUTH])
    assert metrics.dice(prediction, truth).tolist() == [1, 0.5]
    assert metrics.boundary_f1(prediction, truth).shape == (2,)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (metrics.dice, BinaryF1Score(multidim_average="samplewise")),
        (metrics.accuracy, BinaryAccuracy(multidim_average="samplewise")),
    ],
)
def test_scores_equal_those_of_torchmetrics(ours, theirs):
    prediction, truth = random_masks()
    torch.testing.assert_close(ours(prediction, truth).float(), theirs(prediction, truth))


def test_iou_equals_that_of_torchmetrics():
    prediction, truth = random_masks()
    theirs = [BinaryJaccardIndex()(p, t).item() for p, t in zip(prediction, truth, strict=True)]
    assert metrics.iou(prediction, truth).tolist() == pytest.approx(theirs)


def test_pooled_dice_equals_torchmetrics_over_all_pixels():
    prediction, truth = random_masks()
    tp, fp, fn, _ = metrics.confusion(prediction, truth)
    theirs = BinaryF1Score()(prediction, truth).item()
    assert metrics.pooled_dice(tp, fp, fn) == pytest.approx(theirs)


@given(PAIRS)
def test_scores_equal_those_of_scikit_learn(pair):
    prediction, truth = (torch.from_numpy(mask)[None] for mask in pair)
    flat = pair[1].ravel(), pair[0].ravel()
    for ours, theirs in (
        (metrics.dice, f1_score(*flat, zero_division=1)),
        (metrics.iou, jaccard_score(*flat, zero_division=1)),
        (metrics.accuracy, accuracy_score(*flat)),
    ):
        if not pair[0].any() and not pair[1].any():
            theirs = 1.0  # our rule for two empty masks
        assert ours(prediction, truth).item() == pytest.approx(theirs)


@given(PAIRS)
def test_dice_is_twice_iou_over_one_plus_iou(pair):
    prediction, truth = (torch.from_numpy(mask)[None] for mask in pair)
    iou = metrics.iou(prediction, truth).item()
    assert metrics.dice(prediction, truth).item() == pytest.approx(2 * iou / (1 + iou))


@given(PAIRS)
def test_scores_are_symmetric_between_zero_and_one(pair):
    a, b = (torch.from_numpy(mask)[None] for mask in pair)
    for score in (metrics.dice, metrics.iou, metrics.accuracy, metrics.boundary_f1):
        value = score(a, b).item()
        assert 0 <= value <= 1
        assert score(b, a).item() == pytest.approx(value)


@given(MASKS)
def test_a_perfect_prediction_scores_one(mask):
    mask = torch.from_numpy(mask)[None]
    for score in (metrics.dice, metrics.iou, metrics.accuracy, metrics.boundary_f1):
        assert score(mask, mask).item() == 1


@given(PAIRS)
def test_counts_add_up_to_the_pixels(pair):
    prediction, truth = (torch.from_numpy(mask)[None] for mask in pair)
    assert sum(metrics.confusion(prediction, truth)).item() == truth.numel()


@pytest.mark.parametrize("score", [metrics.dice, metrics.iou, metrics.boundary_f1])
def test_two_empty_masks_score_one_and_a_single_empty_one_zero(score):
    assert score(EMPTY, EMPTY).item() == 1
    assert score(EMPTY, TRUTH).item() == 0
    assert score(TRUTH, EMPTY).item() == 0


def test_accuracy_flatters_where_background_is_most_of_the_photo():
    assert metrics.accuracy(EMPTY, TRUTH).item() == 0.75


def test_pooled_dice_weighs_large_cars_more_and_hides_an_image_that_fails():
    tp, fp, fn, _ = metrics.confusion(torch.cat([FULL, EMPTY]), torch.cat([FULL, TRUTH]))
    assert metrics.pooled_dice(tp, fp, fn) == pytest.approx(32 / 36)  # mean over images: 0.5
    assert metrics.pooled_dice(*torch.zeros(3, 2, dtype=torch.int64)) == 1


def test_masks_of_two_sizes_are_refused_with_both_sizes():
    with pytest.raises(ValueError, match=r"\(1, 4, 4\) but truth is \(1, 2, 2\)"):
        metrics.dice(TRUTH, TRUTH[:, :2, :2])


def test_masks_that_are_not_boolean_are_refused_with_advice():
    for pair in ((TRUTH.float(), TRUTH), (TRUTH, TRUTH.int())):
        with pytest.raises(ValueError, match="threshold first"):
            metrics.boundary_f1(*pair)


# Outlines


def brute_force_boundary_f1(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Boundary F1 as its definition reads, pixel by pixel."""
    height, width = truth.shape

    def outline(mask: np.ndarray) -> list[tuple[int, int]]:
        def touches_background(i: int, j: int) -> bool:
            around = ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1))
            return any(0 <= y < height and 0 <= x < width and not mask[y, x] for y, x in around)

        pixels = product(range(height), range(width))
        return [(i, j) for i, j in pixels if mask[i, j] and touches_background(i, j)]

    def share(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> float:
        tolerance = max(1.0, 0.002 * math.hypot(height, width))
        near = [any(math.dist(p, q) <= tolerance for q in others) for p in some]
        return sum(near) / len(near)

    a, b = outline(prediction), outline(truth)
    if not a or not b:
        return float((prediction == truth).all())
    precision, recall = share(a, b), share(b, a)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@given(PAIRS)
def test_boundary_f1_equals_brute_force(pair):
    prediction, truth = (torch.from_numpy(mask)[None] for mask in pair)
    assert metrics.boundary_f1(prediction, truth).item() == pytest.approx(
        brute_force_boundary_f1(*pair)
    )


def test_boundary_f1_of_the_hand_worked_example():
    # every pixel of both 2x2 squares is outline, and has one of the other within one pixel
    assert metrics.boundary_f1(PREDICTION, TRUTH).item() == 1
    # one pixel of the prediction is far off: precision 4/5, recall 1
    far = TRUTH.clone()
    far = torch.nn.functional.pad(far, (0, 4))
    prediction = far.clone()
    prediction[0, 0, 7] = True
    assert metrics.boundary_f1(prediction, far).item() == pytest.approx(2 * 0.8 / 1.8)


def test_a_hole_costs_boundary_f1_more_than_dice():
    truth = torch.zeros(1, 40, 40, dtype=torch.bool)
    truth[:, 5:35, 5:35] = True
    prediction = truth.clone()
    prediction[:, 18:21, 18:21] = False
    assert metrics.dice(prediction, truth) > 0.99
    assert metrics.boundary_f1(prediction, truth) < 0.96


def test_the_image_border_is_not_an_outline():
    left = torch.zeros(1, 8, 8, dtype=torch.bool)
    left[..., :4] = True
    assert metrics.boundary_f1(FULL, FULL).item() == 1
    wide = torch.zeros(1, 8, 8, dtype=torch.bool)
    wide[..., :6] = True  # two pixels off everywhere: no outline pixel within one
    assert metrics.boundary_f1(left, wide).item() == 0


def test_the_tolerance_is_a_500th_of_the_diagonal_and_at_least_a_pixel():
    assert metrics.boundary_tolerance(320, 480) == pytest.approx(1.1538, abs=1e-4)
    assert metrics.boundary_tolerance(1280, 1918) == pytest.approx(4.6117, abs=1e-3)
    assert metrics.boundary_tolerance(40, 60) == 1
    shifted, truth = torch.zeros(2, 1, 1280, 1918, dtype=torch.bool)
    truth[:, 100:900, 100:1500], shifted[:, 104:904, 100:1500] = True, True
    assert metrics.boundary_f1(shifted, truth).item() == 1


# Bootstrap


def test_the_interval_is_that_of_a_bootstrap_over_cars_done_by_hand():
    values, cars = [0.9, 0.8, 0.7, 0.6, 0.95], ["a", "a", "b", "c", "c"]
    rng, means = np.random.default_rng(1), []
    for _ in range(4000):
        drawn = rng.choice(["a", "b", "c"], 3)
        means.append(
            np.mean(
                [v for car in drawn for v, c in zip(values, cars, strict=True) if c == car],
            )
        )
    interval = metrics.bootstrap_interval(values, cars, repeats=4000)
    assert interval == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.01)


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 4)),
        min_size=2,
        max_size=30,
    )
)
def test_an_interval_lies_within_the_values_or_is_nan_for_one_car(rows):
    values, cars = [v for v, _ in rows], [str(c) for _, c in rows]
    low, high = metrics.bootstrap_interval(values, cars, repeats=200)
    if len(set(cars)) == 1:
        assert math.isnan(low) and math.isnan(high)
    else:
        assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


def test_an_interval_over_cars_is_wider_than_one_over_near_duplicate_views():
    values = [0.9, 0.8, 0.7, 0.6] * 16
    cars, views = ["a", "b", "c", "d"] * 16, [str(i) for i in range(64)]
    by_car, by_view = (metrics.bootstrap_interval(values, c) for c in (cars, views))
    assert by_car[1] - by_car[0] > 2 * (by_view[1] - by_view[0])


def test_the_interval_is_the_same_each_time_and_differs_by_seed():
    values, cars = np.linspace(0, 1, 30).tolist(), [str(i % 7) for i in range(30)]
    first = metrics.bootstrap_interval(values, cars)
    assert metrics.bootstrap_interval(values, cars) == first
    assert metrics.bootstrap_interval(values, cars, seed=1) != first


def test_values_and_cars_of_different_number_are_refused():
    with pytest.raises(ValueError, match="2 values but 1 cars"):
        metrics.bootstrap_interval([0.5, 0.6], ["a"])


# Several classes


def classes_of(text: str) -> Tensor:
    """A mask of classes ``(1, H, W)`` from rows of digits."""
    return torch.tensor([[int(c) for c in row] for row in text.split()])[None]


# 4x4, worked by hand: class 1 has 6 pixels of which 4 are found, class 2 has 2 and both are found
CLASS_TRUTH = classes_of("0000 0111 0111 0220")
CLASS_PREDICTION = classes_of("0000 0011 0011 2222")


def random_classes(n: int = 6, classes: int = 4) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return tuple(torch.randint(0, classes, (n, 9, 13), generator=rng) for _ in range(2))


def test_the_hand_worked_example_of_classes():
    counts = metrics.class_confusion(CLASS_PREDICTION, CLASS_TRUTH, 4)
    expected = [[6, 0, 2, 0], [2, 4, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]]
    assert counts.tolist() == [expected]
    # 6 of 6 + 2 + 2; 4 of 6; 2 of 4; class 3 does not occur
    assert metrics.class_iou(counts)[:3].tolist() == pytest.approx([6 / 10, 4 / 6, 2 / 4])
    assert metrics.class_iou(counts)[3].isnan()
    assert metrics.mean_iou(counts) == pytest.approx((6 / 10 + 4 / 6 + 2 / 4) / 3)


def test_the_confusion_of_classes_is_scikit_learn_s():
    prediction, truth = random_classes()
    counts = metrics.class_confusion(prediction, truth, 4)
    assert (counts.shape, counts.dtype) == ((6, 4, 4), torch.int64)
    for found, p, t in zip(counts, prediction, truth, strict=True):
        expected = confusion_matrix(t.flatten(), p.flatten(), labels=range(4))
        assert found.tolist() == expected.tolist()


def test_iou_of_classes_is_pooled_as_torchmetrics_and_scikit_learn_have_it():
    prediction, truth = random_classes()
    counts = metrics.class_confusion(prediction, truth, 4)
    found = metrics.class_iou(counts)
    reference = MulticlassJaccardIndex(4, average=None)(prediction, truth)
    torch.testing.assert_close(found.float(), reference)
    flat = truth.flatten().numpy(), prediction.flatten().numpy()
    assert found.tolist() == pytest.approx(jaccard_score(*flat, average=None).tolist())
    assert metrics.mean_iou(counts) == pytest.approx(jaccard_score(*flat, average="macro"))


def test_two_classes_have_the_binary_scores():
    prediction, truth = random_masks()
    counts = metrics.class_confusion(prediction.long(), truth.long(), 2)
    tp, fp, fn, tn = metrics.confusion(prediction, truth)
    assert torch.equal(counts, torch.stack([tn, fp, fn, tp], 1).reshape(-1, 2, 2))
    alone = torch.stack([metrics.class_iou(c[None])[1] for c in counts])
    torch.testing.assert_close(alone, metrics.iou(prediction, truth))


def test_masks_of_classes_may_be_bytes():
    mask = CLASS_TRUTH.to(torch.uint8)
    assert metrics.class_confusion(mask, CLASS_TRUTH, 200).sum() == 16


@pytest.mark.parametrize(
    ("prediction", "truth", "said"),
    [
        (CLASS_TRUTH, CLASS_TRUTH[:, :2], r"prediction is \(1, 4, 4\) and truth \(1, 2, 4\)"),
        (torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4), "take the argmax"),
        (CLASS_TRUTH.float(), CLASS_TRUTH, "prediction is torch.float32"),
        (CLASS_TRUTH, CLASS_TRUTH + 1, "truth is torch.int64, 1 to 3: expected integers from 0 to 2"),
        (CLASS_TRUTH - 1, CLASS_TRUTH, "prediction is torch.int64, -1 to 1"),
    ],
)  # fmt: skip
def test_masks_that_are_not_of_these_classes_are_refused(prediction, truth, said):
    with pytest.raises(ValueError, match=said):
        metrics.class_confusion(prediction, truth, 3)


def test_class_intervals_are_those_of_a_bootstrap_over_cars_done_by_hand():
    prediction, truth = random_classes()
    counts, cars = metrics.class_confusion(prediction, truth, 4), list("aabbbc")
    found, of_mean = metrics.class_iou_intervals(counts, cars, repeats=300, seed=4)
    draws = np.random.default_rng(4).integers(3, size=(300, 3))
    members = [torch.tensor([i for i, car in enumerate(cars) if car == name]) for name in "abc"]
    drawn = [counts[torch.cat([members[k] for k in draw])] for draw in draws]
    expected = np.percentile([metrics.class_iou(d).numpy() for d in drawn], [2.5, 97.5], axis=0)
    np.testing.assert_allclose(found.numpy(), expected.T)
    means = np.percentile([metrics.mean_iou(d) for d in drawn], [2.5, 97.5])
    np.testing.assert_allclose(of_mean.numpy(), means)
    assert (found[:, 0] <= metrics.class_iou(counts)).all()


def test_a_class_that_only_one_car_has_gets_its_interval_from_the_draws_with_that_car():
    counts = torch.zeros(3, 3, 3, dtype=torch.int64)
    counts[:, 0, 0] = 10
    counts[0, 1, 1] = counts[0, 1, 0] = 5
    found, of_mean = metrics.class_iou_intervals(counts, list("abc"))
    assert found[1].tolist() == [0.5, 0.5]
    assert found[2].isnan().all()  # never occurs
    assert of_mean.isfinite().all()


def test_one_car_has_no_class_intervals():
    counts = metrics.class_confusion(*random_classes(), 4)
    found, of_mean = metrics.class_iou_intervals(counts, ["a"] * 6)
    assert found.shape == (4, 2) and found.isnan().all() and of_mean.isnan().all()
    with pytest.raises(ValueError, match="6 values but 2 cars"):
        metrics.class_iou_intervals(counts, ["a", "b"])
