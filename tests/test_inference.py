"""Prediction at a photo's own size, tile by tile, and the scores of an evaluation."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score
from torch import Tensor, nn

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
    inference.predict_tiled(checkpoint, image, tile=(32, 32), overlap=8)
    assert torch.equal(image, before[0])
    for name, value in checkpoint.model.state_dict().items():
        assert torch.equal(value, before[1][name])


# Tiles


@pytest.mark.parametrize("tile", [(48, 32), (64, 64), (480, 320)])
def test_one_tile_equals_the_whole_prediction(checkpoint, tile):
    image = photo(32, 48)
    torch.testing.assert_close(
        inference.predict_tiled(checkpoint, image, tile=tile, overlap=8),
        inference.predict(checkpoint, image),
    )


def test_tiles_agree_with_the_whole_prediction_away_from_their_borders():
    torch.manual_seed(0)
    model = UNet(width=4, depth=2, norm="none").eval()
    image = photo(160, 256)
    checkpoint = Checkpoint(model, (256, 160), (0.5,) * 3, (0.5,) * 3, {})
    whole = inference.predict(checkpoint, image)
    # tiles of 128x96 begin every 64 and 32 pixels, both multiples of 4: each pools the same pixels
    tiled = inference.predict_tiled(checkpoint, image, tile=(128, 96), overlap=64)
    difference = (tiled - whole).abs()

    # 2 convolutions at strides 1, 2, 4, 2, 1 reach 2·(1 + 2 + 4 + 2 + 1) = 20 pixels, and pooling
    # and upsampling cells add fewer than 2·(1 + 3): a pixel sees nothing farther than 28 away
    reach = 28
    rows = torch.tensor([min(abs(y - edge) for edge in (32, 64, 96, 128)) for y in range(160)])
    columns = torch.tensor([min(abs(x - edge) for edge in (64, 128, 192)) for x in range(256)])
    far = (rows > reach)[:, None] & (columns > reach)[None, :]
    assert far.sum() > 300
    torch.testing.assert_close(tiled[far], whole[far], atol=1e-5, rtol=0)
    assert difference.max() > 1e-3  # nearer to them, tiles do lack context


@settings(max_examples=40)
@given(
    st.integers(1, 60), st.integers(1, 60), st.integers(2, 40), st.integers(2, 40), st.data()
)  # fmt: skip
def test_tiles_cover_every_pixel_with_weights_that_add_up(height, width, tile_w, tile_h, data):
    overlap = data.draw(st.integers(0, min(tile_w, tile_h) - 1))
    probability = inference.predict_tiled(
        constant_checkpoint(1.5), photo(height, width), tile=(tile_w, tile_h), overlap=overlap
    )
    assert probability.shape == (height, width)
    torch.testing.assert_close(probability, torch.full((height, width), 1.5).sigmoid())


def test_blending_weights_rise_from_the_edges_and_are_never_zero():
    ramp = inference._ramp(10, 3)
    assert ramp.tolist() == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 0.75, 0.5, 0.25])
    for overlap in range(10):
        assert inference._ramp(10, overlap).min() > 0


@pytest.mark.parametrize("overlap", [-1, 32, 100])
def test_an_overlap_as_large_as_the_tile_is_refused(checkpoint, overlap):
    with pytest.raises(ValueError, match=rf"overlap {overlap}: must be at least 0 and smaller"):
        inference.predict_tiled(checkpoint, photo(64, 64), tile=(48, 32), overlap=overlap)


def test_tiled_prediction_with_flips_is_symmetric(checkpoint):
    image = photo(32, 48)
    a, b = (
        inference.predict_tiled(checkpoint, i, tile=(32, 32), overlap=16, flip=True)
        for i in (image, image.flip(-1))
    )
    torch.testing.assert_close(a, b.flip(-1))


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
    whole = inference.predict_tiled(checkpoint, image, tile=(64, 64), overlap=8, flip=True)
    torch.testing.assert_close(whole, flipped)
    tiled = inference.predict_tiled(checkpoint, photo(50, 70), tile=(32, 32), overlap=16)
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
