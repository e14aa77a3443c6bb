"""Prediction at a photo's own size, tile by tile, and the scores of an evaluation."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from unet_course import inference, metrics
from unet_course.checkpoints import Checkpoint
from unet_course.data import read_mask
from unet_course.model import UNet
from unet_course.parts import PARTS

# what DESIGN promises to other programs
CONTRACT = {
    "n_images", "n_cars", "resolution", "accuracy", "dice", "iou", "dice_pooled", "dice_ci95",
    "boundary_f1", "worst",
}  # fmt: skip


def photo(height: int, width: int, seed: int = 0) -> Tensor:
    """A random photo, smooth enough to look like something."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (1, 3, height // 4 + 1, width // 4 + 1), generator=rng)
    return nn.functional.interpolate(coarse.float(), (height, width)).to(torch.uint8)[0]


def constant_checkpoint(logit: float) -> Checkpoint:
    """A network that says the same of every pixel."""
    model = UNet(width=1, depth=1).eval()
    nn.init.zeros_(model.head.weight)
    nn.init.constant_(model.head.bias, logit)
    return Checkpoint(model, (16, 16), (0.5,) * 3, (0.5,) * 3, {})


@settings(max_examples=15)
@given(st.integers(1, 90), st.integers(1, 90))
def test_prediction_has_the_size_of_the_image(height, width):
    probability = inference.predict(constant_checkpoint(0.0), photo(height, width))
    assert (probability.shape, probability.dtype) == ((height, width), torch.float32)
    torch.testing.assert_close(probability, torch.full((height, width), 0.5))


def test_probabilities_lie_between_zero_and_one(checkpoint):
    nn.init.constant_(checkpoint.model.head.weight, 50.0)
    for size in ((37, 53), (32, 48), (320, 481)):
        probability = inference.predict(checkpoint, photo(*size))
        assert 0 <= probability.min() < probability.max() <= 1


def test_a_photo_is_normalised_as_the_checkpoint_says(checkpoint):
    checkpoint.mean, checkpoint.std = (0.0, 0.5, 1.0), (1.0, 0.5, 2.0)
    white = torch.full((3, 2, 2), 255, dtype=torch.uint8)
    prepared = inference.prepare_image(white, checkpoint)
    assert prepared.shape == (1, 3, 2, 2)
    assert prepared[0, :, 0, 0].tolist() == [1, 1, 0]


def test_at_the_training_size_prediction_is_the_network_s_sigmoid(checkpoint):
    image = photo(32, 48)
    with torch.no_grad():
        logits = checkpoint.model((image[None] / 255 - 0.5) / 0.5)
    torch.testing.assert_close(inference.predict(checkpoint, image), logits.sigmoid()[0, 0])


def test_probabilities_are_upsampled_before_they_are_thresholded(checkpoint):
    nn.init.constant_(checkpoint.model.head.weight, 3.0)
    image = photo(32, 48)
    large = nn.functional.interpolate(image[None], (320, 480))[0]
    values = inference.predict(checkpoint, large).unique()
    assert ((values > 0.01) & (values < 0.99)).sum() > 1000  # not a staircase of decisions


def test_flipping_averages_the_photo_and_its_mirror_image(checkpoint):
    image = photo(32, 48)
    plain, mirrored = (inference.predict(checkpoint, i) for i in (image, image.flip(-1)))
    flipped = inference.predict(checkpoint, image, flip=True)
    torch.testing.assert_close(flipped, (plain + mirrored.flip(-1)) / 2)
    torch.testing.assert_close(
        inference.predict(checkpoint, image.flip(-1), flip=True).flip(-1), flipped
    )


def test_predicting_changes_neither_the_photo_nor_the_network(checkpoint):
    image = photo(37, 53)
    before = image.clone(), {k: v.clone() for k, v in checkpoint.model.state_dict().items()}
    inference.predict(checkpoint, image)
    inference.predict_tiled(checkpoint, image, tile=(32, 32), flip=True)
    assert torch.equal(image, before[0])
    for name, value in checkpoint.model.state_dict().items():
        assert torch.equal(value, before[1][name])


# Tiles


@torch.no_grad()
def seen_at_once(checkpoint: Checkpoint, image: Tensor, *, flip: bool = False) -> Tensor:
    """What the network says of a whole photo that is not resized."""
    batch = (image[None] / 255 - 0.5) / 0.5
    logits = checkpoint.model(batch)
    mirrored = checkpoint.model(batch.flip(-1)).flip(-1) if flip else logits
    if checkpoint.binary:
        return ((logits.sigmoid() + mirrored.sigmoid()) / 2)[0, 0]
    return ((logits.softmax(1) + mirrored.softmax(1)) / 2)[0]


def random_checkpoint(out_channels: int = 1, **options: object) -> Checkpoint:
    """An untrained network whose answers differ from pixel to pixel."""
    torch.manual_seed(0)
    model = UNet(3, out_channels, width=4, **options).eval()
    classes = tuple("abcdefg"[: max(2, out_channels)])
    return Checkpoint(model, (48, 32), (0.5,) * 3, (0.5,) * 3, {}, classes)


@pytest.mark.parametrize("tile", [(48, 32), (64, 64), (480, 320)])
def test_one_tile_equals_the_whole_prediction(checkpoint, tile):
    image = photo(32, 48)
    torch.testing.assert_close(
        inference.predict_tiled(checkpoint, image, tile=tile), inference.predict(checkpoint, image)
    )


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("up", ["transposed", "bilinear"])
@pytest.mark.parametrize("stem", [1, 2])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("out_channels", [1, 4])
def test_tiles_agree_with_the_photo_seen_at_once(norm, up, stem, flip, out_channels):
    checkpoint = random_checkpoint(out_channels, depth=2, norm=norm, up=up, stem=stem)
    image = photo(151, 205)  # no multiple of the grid of 4·stem, and tiles are none either
    whole = seen_at_once(checkpoint, image, flip=flip)
    tiled = inference.predict_tiled(checkpoint, image, tile=(50, 37), flip=flip)
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)  # the photo's borders included
    # a test that can fail: without their surroundings, or with less, tiles do not agree
    for halo, least in ((0, 0.05), (checkpoint.model.reach // 2, 1e-3)):
        less = inference.predict_tiled(checkpoint, image, tile=(50, 37), flip=flip, halo=halo)
        assert (less - whole).abs().max() > least


@settings(max_examples=25)
@given(
    st.integers(1, 90), st.integers(1, 90), st.integers(5, 40), st.integers(5, 40), st.booleans()
)  # fmt: skip
def test_tiles_of_any_size_agree_on_photos_of_any_size(height, width, tile_w, tile_h, flip):
    checkpoint, image = random_checkpoint(depth=1), photo(height, width)
    tiled = inference.predict_tiled(checkpoint, image, tile=(tile_w, tile_h), flip=flip)
    whole = seen_at_once(checkpoint, image, flip=flip)
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


def test_group_norm_keeps_tiles_from_agreeing():
    checkpoint, image = random_checkpoint(depth=1, norm="group"), photo(64, 96)
    tiled = inference.predict_tiled(checkpoint, image, tile=(32, 32))
    assert (tiled - seen_at_once(checkpoint, image)).abs().max() > 1e-3


def jump(probability: Tensor, tile: tuple[int, int]) -> float:
    """Mean absolute difference of the pixels on either side of the tiles' borders, ``(H, W)``."""
    across = probability.diff(dim=1)[:, tile[0] - 1 :: tile[0]]
    down = probability.diff(dim=0)[tile[1] - 1 :: tile[1]]
    return torch.cat([across.flatten(), down.flatten()]).abs().mean().item()


def test_the_prediction_jumps_no_more_across_tiles_than_it_does_there_anyway():
    checkpoint, tile = random_checkpoint(depth=3, norm="none"), (40, 40)
    # slow waves of brightness: what a network says of them is as smooth as they are
    y, x = torch.meshgrid(torch.arange(160), torch.arange(240), indexing="ij")
    image = (
        (128 + 60 * torch.sin(x / 40) + 60 * torch.sin(y / 30)).to(torch.uint8).expand(3, -1, -1)
    )
    usual = jump(seen_at_once(checkpoint, image), tile)
    ratio = jump(inference.predict_tiled(checkpoint, image, tile=tile), tile) / usual
    assert ratio == pytest.approx(1, abs=1e-3)
    bare = jump(inference.predict_tiled(checkpoint, image, tile=tile, halo=0), tile) / usual
    assert bare > 1.5


@settings(max_examples=40)
@given(
    st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(1, 40),
    st.integers(0, 9), st.booleans(),
)  # fmt: skip
def test_windows_cover_every_pixel_once(height, width, tile_w, tile_h, halo, flip):
    checkpoint, image = constant_checkpoint(1.5), photo(height, width)
    tiles = inference.predict_tiles(checkpoint, image, tile=(tile_w, tile_h), halo=halo, flip=flip)
    times = torch.zeros(height, width)
    for window, probability in tiles:
        times[window] += 1
        assert torch.is_grad_enabled()  # between tiles the caller may train
        assert probability.shape == times[window].shape
        assert probability.shape[0] <= tile_h and probability.shape[1] <= tile_w
        torch.testing.assert_close(probability, torch.full_like(probability, 1.5).sigmoid())
    assert (times == 1).all()


@pytest.mark.parametrize(("tile", "halo"), [((0, 32), None), ((48, -1), None), ((48, 32), -1)])
def test_an_empty_tile_and_a_negative_halo_are_refused(checkpoint, tile, halo):
    with pytest.raises(ValueError, match=r"tile \(.*\), halo .*: must be at least 1x1 pixel"):
        inference.predict_tiled(checkpoint, photo(64, 64), tile=tile, halo=halo)


def test_a_network_that_answers_for_its_centre_only_is_refused():
    checkpoint = random_checkpoint(depth=1, padding="valid")
    with pytest.raises(ValueError, match='tiles need a network of padding="same"'):
        inference.predict_tiled(checkpoint, photo(64, 64))


def test_tiled_prediction_with_flips_is_symmetric(checkpoint):
    image = photo(32, 48)
    a, b = (
        inference.predict_tiled(checkpoint, i, tile=(16, 16), flip=True)
        for i in (image, image.flip(-1))
    )
    torch.testing.assert_close(a, b.flip(-1))


def test_the_network_never_sees_more_than_a_tile_with_its_halo():
    checkpoint, sizes = random_checkpoint(depth=2, stem=2), []
    checkpoint.model.register_forward_pre_hook(lambda _, batch: sizes.append(batch[0].shape))
    most = 64 + 2 * checkpoint.model.reach + 8 - 1  # back to a multiple of the grid of 2·2²
    largest = []
    for side in (200, 400):
        for _ in inference.predict_tiles(checkpoint, photo(side, side), tile=(64, 64), flip=True):
            pass
        assert all(shape[:2] == (1, 3) for shape in sizes)
        largest.append(max(max(shape[2:]) for shape in sizes))
    assert largest[0] == largest[1] <= most


def peak_of_tensors(predict: Callable[[], object]) -> int:
    """The most bytes that tensors made while it predicts take at one time, as PyTorch counts them."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        predict()
    events = sorted(record.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    changes = [event.nbytes() for event in events if event.name() == "[memory]"]
    return np.cumsum(changes).max().item()


def test_memory_does_not_grow_with_the_photo():
    checkpoint, tiles, answers = random_checkpoint(depth=1, stem=2), [], []
    sides = (256, 384)
    for side in sides:
        image = torch.zeros(3, 1, 1, dtype=torch.uint8).expand(3, side, side)  # takes no memory

        def go_through(image=image):
            for _ in inference.predict_tiles(checkpoint, image, tile=(64, 64)):
                pass

        def collect(image=image):
            inference.predict_tiled(checkpoint, image, tile=(64, 64))

        tiles.append(peak_of_tensors(go_through))
        answers.append(peak_of_tensors(collect))
    assert tiles[0] == tiles[1] > 4 * 64 * 64
    # the answer of predict_tiled does grow, by a float32 a pixel, and nothing else does
    assert answers[1] - answers[0] == 4 * (sides[1] ** 2 - sides[0] ** 2)


# Evaluation


def fixed(probabilities: dict[int, Tensor]):
    """A predictor that gives a fixed map for each photo, told apart by its first byte."""
    return lambda _checkpoint, image: probabilities[image[0, 0, 0].item()]


def scored() -> tuple[list[tuple[str, str, Tensor, Tensor]], dict[int, Tensor]]:
    """Five photos of three cars in two sizes with random maps and masks."""
    rng = torch.Generator().manual_seed(0)
    photos, maps = [], {}
    for i, (car, size) in enumerate(zip("aabcc", [(12, 18)] * 3 + [(20, 30)] * 2, strict=True)):
        mask = (torch.rand(size, generator=rng) > 0.5).to(torch.uint8)
        maps[i] = (0.6 * torch.rand(size, generator=rng) + 0.4 * mask).clamp(0, 1)
        photos.append((f"{car}_{i}", car, torch.full((3, *size), i, dtype=torch.uint8), mask))
    return photos, maps


def test_an_evaluation_gives_what_is_promised_and_survives_json(checkpoint):
    photos, maps = scored()
    scores = inference.evaluate(checkpoint, photos, predictor=fixed(maps))
    assert scores.keys() >= CONTRACT
    assert (scores["n_images"], scores["n_cars"]) == (5, 3)
    assert scores["resolution"] == "18x12, 30x20"
    assert json.loads(json.dumps(scores)) == scores


def test_the_scores_are_means_over_images_as_scikit_learn_has_them(checkpoint):
    photos, maps = scored()
    scores = inference.evaluate(checkpoint, photos, predictor=fixed(maps), threshold=0.45)
    flat = [
        (mask.flatten().bool().numpy(), (maps[i] > 0.45).flatten().numpy())
        for i, (_, _, _, mask) in enumerate(photos)
    ]
    for key, score in (("dice", f1_score), ("iou", jaccard_score), ("accuracy", accuracy_score)):
        assert scores[key] == pytest.approx(np.mean([score(*pair) for pair in flat]))
    everything = [np.concatenate(side) for side in zip(*flat, strict=True)]
    assert scores["dice_pooled"] == pytest.approx(f1_score(*everything))
    assert scores["threshold"] == 0.45
    outlines = [
        metrics.boundary_f1((maps[i] > 0.45)[None], (mask > 0)[None]).item()
        for i, (_, _, _, mask) in enumerate(photos)
    ]
    assert scores["boundary_f1"] == pytest.approx(np.mean(outlines))


def test_the_worst_images_come_worst_first_and_the_interval_is_over_cars(checkpoint):
    photos, maps = scored()
    scores = inference.evaluate(checkpoint, photos, predictor=fixed(maps))
    by_dice = sorted(scores["images"], key=lambda row: row["dice"])
    assert scores["worst"] == [row["id"] for row in by_dice]
    values = [row["dice"] for row in scores["images"]]
    expected = metrics.bootstrap_interval(values, list("aabcc"))
    assert scores["dice_ci95"] == list(expected)
    assert expected[0] <= scores["dice"] <= expected[1]


def test_a_perfect_prediction_scores_one(checkpoint):
    photos, _ = scored()
    maps = {i: mask.float() for i, (_, _, _, mask) in enumerate(photos)}
    scores = inference.evaluate(checkpoint, photos, predictor=fixed(maps))
    for key in ("accuracy", "dice", "iou", "dice_pooled", "boundary_f1"):
        assert scores[key] == 1
    assert scores["dice_ci95"] == [1, 1]


def test_one_car_alone_has_no_interval(checkpoint):
    photos, maps = scored()
    scores = inference.evaluate(checkpoint, photos[:2], predictor=fixed(maps))
    assert scores["dice_ci95"] is None


def test_an_evaluation_of_nothing_is_refused(checkpoint):
    with pytest.raises(ValueError, match="no photos to evaluate"):
        inference.evaluate(checkpoint, [])


def test_a_trained_network_scores_far_above_an_untrained_one(finished_run, checkpoint):
    from unet_course import data
    from unet_course.checkpoints import load_checkpoint

    samples = data.load_split(finished_run.data)["test"]
    dices = [
        inference.evaluate(c, ((s.id, s.car, *data.read_pair(s)) for s in samples))["dice"]
        for c in (load_checkpoint(finished_run.checkpoint), checkpoint)
    ]
    assert dices[0] > 0.9 > dices[1] + 0.2


def test_a_saved_mask_is_black_and_white_at_its_own_size(tmp_path):
    mask = torch.rand(7, 11, generator=torch.Generator().manual_seed(0)) > 0.5
    inference.save_mask(tmp_path / "out" / "m.png", mask)
    with Image.open(tmp_path / "out" / "m.png") as file:
        assert (file.size, file.mode) == ((11, 7), "L")
        assert set(np.unique(np.asarray(file))) == {0, 255}
    assert torch.equal(read_mask(tmp_path / "out" / "m.png") > 0, mask)


# Parts


def sharpened(checkpoint: Checkpoint) -> Checkpoint:
    """A network whose classes differ clearly from pixel to pixel."""
    nn.init.normal_(checkpoint.model.head.weight, std=3.0)
    return checkpoint


@pytest.mark.parametrize("size", [(32, 48), (37, 53), (90, 20)])
def test_probabilities_of_parts_have_the_size_of_the_image_and_add_up(part_checkpoint, size):
    probability = inference.predict(sharpened(part_checkpoint), photo(*size))
    assert (probability.shape, probability.dtype) == ((7, *size), torch.float32)
    assert 0 <= probability.min() < probability.max() <= 1
    torch.testing.assert_close(probability.sum(0), torch.ones(size))
    assert len(probability.argmax(0).unique()) > 1


def test_at_the_training_size_parts_are_the_network_s_softmax(part_checkpoint):
    image = photo(32, 48)
    with torch.no_grad():
        logits = part_checkpoint.model((image[None] / 255 - 0.5) / 0.5)
    torch.testing.assert_close(inference.predict(part_checkpoint, image), logits.softmax(1)[0])


def test_parts_are_averaged_over_flips_and_predicted_in_tiles_as_cars_are(part_checkpoint):
    image, checkpoint = photo(32, 48), sharpened(part_checkpoint)
    plain, mirrored = (inference.predict(checkpoint, i) for i in (image, image.flip(-1)))
    flipped = inference.predict(checkpoint, image, flip=True)
    torch.testing.assert_close(flipped, (plain + mirrored.flip(-1)) / 2)
    whole = inference.predict_tiled(checkpoint, image, tile=(64, 64), flip=True)
    torch.testing.assert_close(whole, flipped)
    tiled = inference.predict_tiled(checkpoint, photo(50, 70), tile=(32, 32))
    assert tiled.shape == (7, 50, 70)
    torch.testing.assert_close(tiled.sum(0), torch.ones(50, 70))


def test_the_car_is_all_that_is_not_background():
    probability = torch.tensor([0.4, 0.3, 0.3]).reshape(3, 1, 1)
    assert inference.car_probability(probability).item() == pytest.approx(0.6)
    assert inference.car_probability(probability[0]).item() == pytest.approx(0.4)


def scored_parts() -> tuple[list[tuple[str, str, Tensor, Tensor]], dict[int, Tensor]]:
    """Five photos of three cars with random part masks, without plates, and probabilities."""
    rng = torch.Generator().manual_seed(0)
    photos, maps = [], {}
    for i, car in enumerate("aabcc"):
        mask = torch.randint(0, 5, (12, 18), generator=rng, dtype=torch.uint8)
        logits = torch.randn(7, 12, 18, generator=rng)
        logits += 2 * nn.functional.one_hot(mask.long(), 7).permute(2, 0, 1)
        logits[5:] = -99
        maps[i] = logits.softmax(0)
        photos.append((f"{car}_{i}", car, torch.full((3, 12, 18), i, dtype=torch.uint8), mask))
    return photos, maps


def test_an_evaluation_of_parts_scores_the_car_as_ever_and_the_parts_besides(part_checkpoint):
    photos, maps = scored_parts()
    scores = inference.evaluate(part_checkpoint, photos, predictor=fixed(maps), parts=True)
    cars = [(name, car, image, (mask > 0).to(torch.uint8)) for name, car, image, mask in photos]
    without = inference.evaluate(part_checkpoint, cars, predictor=fixed(maps))
    assert scores.keys() - without.keys() == {"parts"}
    assert all(scores[key] == without[key] for key in CONTRACT)
    truth = np.concatenate([mask.flatten().numpy() for *_, mask in photos])
    union = np.concatenate([(1 - maps[i][0] > 0.5).flatten().numpy() for i in range(5)])
    assert scores["dice_pooled"] == pytest.approx(f1_score(truth > 0, union))

    predicted = np.concatenate([maps[i].argmax(0).flatten().numpy() for i in range(5)])
    found = scores["parts"]
    assert list(found["iou"]) == list(PARTS)
    known = jaccard_score(truth, predicted, average=None)
    assert list(found["iou"].values())[:5] == pytest.approx(known.tolist())
    assert found["iou"]["plate"] is found["iou_ci95"]["plate"] is None
    assert found["mean_iou"] == pytest.approx(known.mean())
    low, high = found["iou_ci95"]["glass"]
    assert low <= found["iou"]["glass"] <= high
    assert found["mean_iou_ci95"][0] <= found["mean_iou"] <= found["mean_iou_ci95"][1]
    expected = confusion_matrix(truth, predicted, normalize="true")
    assert [row[:5] for row in found["confusion"].values()][:5] == pytest.approx(expected)
    assert found["confusion"]["plate"] == [None] * 7
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_perfect_parts_score_one_and_one_car_has_no_interval(part_checkpoint):
    photos, _ = scored_parts()
    maps = {
        i: nn.functional.one_hot(mask.long(), 7).permute(2, 0, 1).float()
        for i, (*_, mask) in enumerate(photos)
    }
    options = dict(predictor=fixed(maps), parts=True)
    scores = inference.evaluate(part_checkpoint, photos, **options)
    assert scores["dice"] == scores["parts"]["mean_iou"] == 1
    alone = inference.evaluate(part_checkpoint, photos[:2], **options)["parts"]
    assert alone["mean_iou_ci95"] is alone["iou_ci95"]["body"] is None


def test_a_network_without_parts_is_not_asked_for_them(checkpoint):
    photos, maps = scored_parts()
    with pytest.raises(ValueError, match="a network for background, car has no parts to score"):
        inference.evaluate(checkpoint, photos, predictor=fixed(maps), parts=True)


def test_what_is_no_mask_of_the_car_is_not_saved_as_one(part_checkpoint, tmp_path):
    probability = inference.predict(part_checkpoint, photo(32, 48))
    for wrong in (probability > 0.5, probability, probability.argmax(0)):
        with pytest.raises(ValueError, match=r"m\.png: expected a boolean mask \(H, W\).*car_prob"):
            inference.save_mask(tmp_path / "m.png", wrong)
    assert not list(tmp_path.iterdir())
