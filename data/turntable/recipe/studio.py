"""The camera and the passes: the photo, the masks of the parts, and the development of the photo."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import bpy
import numpy as np
from PIL import Image

from cars import build
from fleet import VIEWS, Car
from room import furnish

MASK_SAMPLES = 16
COLOURS = ((0, 0, 0), (150, 150, 150), (86, 180, 233), (230, 159, 0), (240, 228, 66),
           (0, 158, 115), (204, 121, 167))  # of background, then of meshes.PART in its order  # fmt: skip


def camera_for(car: Car) -> bpy.types.Object:
    """The camera, slightly above the car and looking a little down."""
    lens = bpy.data.cameras.new("camera")
    lens.lens, lens.sensor_width, lens.clip_end = car.camera["focal_mm"], 36.0, 60.0
    made = bpy.data.objects.new("camera", lens)
    aim = 0.50 + 0.24 * car.size["height"]
    height, distance = car.camera["height"], car.camera["distance"]
    made.location = (car.camera["pan"], -distance, height)
    down = math.atan2(height - aim, distance) + math.radians(car.camera["tilt"])
    made.rotation_euler = (math.pi / 2 - down, math.radians(car.camera["roll"]), 0)
    bpy.context.scene.collection.objects.link(made)
    return made


def render_settings(
    scene: bpy.types.Scene, size: tuple[int, int], samples: int, threads: int
) -> None:
    """What the photo and the masks have in common: size, filter, sampler."""
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y = size
    render.resolution_percentage = 100
    render.image_settings.file_format = "PNG"
    render.use_persistent_data = True
    render.threads_mode, render.threads = "FIXED", threads
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.use_adaptive_sampling = False
    cycles.pixel_filter_type, cycles.filter_width = "BLACKMAN_HARRIS", 1.5
    cycles.caustics_reflective = cycles.caustics_refractive = False


def code(first: int) -> bpy.types.Material:
    """Opaque, and glowing in red, green or blue where the part is number `first`, the next or the third."""
    made = bpy.data.materials.new(f"parts from {first}")
    made.use_nodes = True
    nodes, links = made.node_tree.nodes, made.node_tree.links
    nodes.clear()
    which, colour = nodes.new("ShaderNodeObjectInfo"), nodes.new("ShaderNodeCombineColor")
    for channel in range(3):
        same = nodes.new("ShaderNodeMath")
        same.operation = "COMPARE"
        same.inputs[1].default_value, same.inputs[2].default_value = first + channel, 0.5
        links.new(which.outputs["Object Index"], same.inputs[0])
        links.new(same.outputs[0], colour.inputs[channel])
    glow, output = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
    links.new(colour.outputs[0], glow.inputs["Color"])
    links.new(glow.outputs[0], output.inputs["Surface"])
    return made


def mask_scene(name: str, parts: list, camera, first: int) -> bpy.types.Scene:
    """The same car and camera, everything on the car opaque (windows too), nothing else there."""
    scene = bpy.data.scenes.new(name)
    for thing in [*parts, camera]:
        scene.collection.objects.link(thing)
    scene.camera = camera
    scene.cycles.use_denoising = False
    scene.cycles.max_bounces = 0
    scene.view_settings.view_transform = "Raw"
    scene.world = bpy.data.worlds.new("black")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0
    scene.view_layers[0].material_override = code(first)
    return scene


def develop(photo: np.ndarray, car: Car, view: int) -> Image.Image:
    """What a camera adds to a clean picture of 0…255: its tone curve, dark corners, and noise."""
    look = car.studio
    rng = np.random.default_rng([int(look["seed"]), view])
    height, width = photo.shape[:2]
    value = photo.astype(np.float32) / 255
    value += float(look["contrast"]) * value * (1 - value) * (2 * value - 1)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    value *= (1 - float(look["vignette"]) * (x**2 + y**2) / 2)[..., None]
    grain = rng.normal(size=value.shape).astype(np.float32)
    grain = 0.7 * grain.mean(axis=2, keepdims=True) * math.sqrt(3) + 0.5 * grain
    value = value * 255 + float(look["noise"]) * grain * (1.3 - value)
    return Image.fromarray(np.clip(np.rint(value), 0, 255).astype(np.uint8))


def label(shots: list[np.ndarray]) -> np.ndarray:
    """Turn the shares of the six parts (0…255 each) into part numbers of 0…6.

    A pixel is car if its parts cover half of it together, and then the part that covers most.
    """
    share = np.concatenate(shots, axis=2).astype(np.int32)
    return np.where(share.sum(axis=2) >= 128, share.argmax(axis=2) + 1, 0).astype(np.uint8)


class Set:
    """A studio with one car in it, ready to be photographed from the fixed camera."""

    def __init__(self, car: Car, *, size: tuple[int, int], samples: int, threads: int) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.car, self.photo = car, bpy.context.scene
        self.root = build(car)
        parts = list(bpy.data.objects)
        furnish(car)
        self.photo.camera = camera_for(car)
        cycles = self.photo.cycles
        cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
        cycles.denoising_prefilter, cycles.denoising_quality = "ACCURATE", "BALANCED"
        cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 4, 2, 3
        cycles.transmission_bounces, cycles.transparent_max_bounces = 1, 8
        cycles.sample_clamp_indirect = 4.0
        cycles.use_fast_gi, cycles.fast_gi_method = True, "REPLACE"
        cycles.ao_bounces_render = 1
        self.photo.view_settings.view_transform = "Standard"
        self.photo.view_settings.exposure = float(car.studio["exposure"])
        self.masks = [mask_scene(f"mask {n}", parts, self.photo.camera, n) for n in (1, 4)]
        render_settings(self.photo, size, samples, threads)
        for scene in self.masks:
            render_settings(scene, size, MASK_SAMPLES, threads)

    def shoot(self, view: int, files: tuple[Path, Path, Path]) -> None:
        """Render view 1 to 16: photo, mask and parts; a finished file never has a wrong content."""
        if not 1 <= view <= VIEWS:
            raise ValueError(f"view {view} does not exist: there are views 1 to {VIEWS}")
        turn = self.car.camera["first_angle"] - 90 - (view - 1) * 360 / VIEWS
        self.root.rotation_euler.z = math.radians(turn)
        with tempfile.TemporaryDirectory() as folder:
            shots = []
            for scene in (self.photo, *self.masks):
                scene.cycles.seed = (int(self.car.studio["seed"]) + view) % 2**31
                scene.render.filepath = str(Path(folder) / f"{scene.name}.png")
                bpy.ops.render.render(write_still=True, scene=scene.name)
                shots.append(np.asarray(Image.open(scene.render.filepath).convert("RGB")))
        part = label(shots[1:])
        mask = Image.fromarray((part > 0).astype(np.uint8), mode="P")
        mask.putpalette([0, 0, 0, 255, 255, 255])
        parts = Image.fromarray(part, mode="P")
        parts.putpalette([value for colour in COLOURS for value in colour])
        jpeg = {"format": "JPEG", "quality": 88, "optimize": True, "progressive": True}
        for image, file, options in zip(
            (mask, parts, develop(shots[0], self.car, view)),
            (files[1], files[2], files[0]),  # the photo last: it is what others look for
            ({"format": "GIF"}, {"format": "PNG", "optimize": True}, jpeg),
            strict=True,
        ):
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_name(file.name + ".partial")
            image.save(partial, **options)
            partial.replace(file)
