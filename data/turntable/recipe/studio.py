"""The round studio, its lamps and camera, and the two passes: the photo and its mask."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import bpy
import numpy as np
from PIL import Image

from cars import build
from fleet import VIEWS, Car
from meshes import lathe, make_object, material

SIZE = (480, 320)
WALL = 11.0  # radius of the curved wall, in metres
DISC = 3.35  # radius of the turntable
MASK_SAMPLES = 24


def lamp_colour(kelvin: float) -> tuple[float, float, float]:
    """The tint that is left after the camera was balanced for 5,800 K."""
    warm = (kelvin - 5800) / 1000
    return (1 - 0.045 * warm, 1.0, 1 + 0.06 * warm)


def concrete(name: str, grey: float, roughness: float) -> bpy.types.Material:
    """A grey with faint stains."""
    made = material(name, (grey,) * 3, Roughness=roughness)
    nodes, links = made.node_tree.nodes, made.node_tree.links
    noise, ramp = nodes.new("ShaderNodeTexNoise"), nodes.new("ShaderNodeValToRGB")
    where = nodes.new("ShaderNodeTexCoord")
    noise.inputs["Scale"].default_value = 0.9
    noise.inputs["Detail"].default_value = 3.0
    for element, share in zip(ramp.color_ramp.elements, (0.86, 1.1), strict=True):
        element.color = (grey * share, grey * share, grey * share * 0.985, 1)
    ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[1].position = 0.3, 0.7
    links.new(where.outputs["Object"], noise.inputs["Vector"])
    links.new(noise.outputs["Fac"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
    return made


def flat(name: str, colour: tuple[float, float, float]) -> bpy.types.Material:
    """A plain matte material, quicker to render than a principled one."""
    made = material(name, colour)
    nodes, links = made.node_tree.nodes, made.node_tree.links
    matte = nodes.new("ShaderNodeBsdfDiffuse")
    matte.inputs["Color"].default_value = (*colour, 1)
    links.new(matte.outputs["BSDF"], nodes["Material Output"].inputs["Surface"])
    return made


def area(name: str, where, look_at, size, power: float, colour) -> None:
    """A rectangular lamp."""
    light = bpy.data.lights.new(name, "AREA")
    light.shape, (light.size, light.size_y), light.energy = "RECTANGLE", size, power
    light.color = colour
    lamp = bpy.data.objects.new(name, light)
    lamp.location = where
    towards = np.subtract(look_at, where)
    lamp.rotation_euler = (math.atan2(math.hypot(*towards[:2]), -towards[2]), 0,
                           math.atan2(towards[1], towards[0]) - math.pi / 2)  # fmt: skip
    bpy.context.scene.collection.objects.link(lamp)


def lettering(text: str, turn: float) -> None:
    """Large letters, each tangent to the wall behind the car."""
    ink = flat("letters", (0.035, 0.037, 0.04))
    made = []
    for character in text:
        curve = bpy.data.curves.new("letter", "FONT")
        curve.body, curve.size, curve.extrude = character, 2.3, 0.02
        curve.offset, curve.align_x = 0.012, "CENTER"
        curve.materials.append(ink)
        letter = bpy.data.objects.new("letter", curve)
        bpy.context.scene.collection.objects.link(letter)
        made.append(letter)
    bpy.context.view_layer.update()
    widths = [
        0.7 if c == " " else letter.dimensions.x + 0.22
        for c, letter in zip(text, made, strict=True)
    ]
    squeeze = 12.2 / sum(widths)
    along = -6.1
    for letter, width in zip(made, widths, strict=True):
        angle = math.radians(90 + turn) - (along + width * squeeze / 2) / WALL
        letter.location = ((WALL - 0.06) * math.cos(angle), (WALL - 0.06) * math.sin(angle), 0.62)
        letter.rotation_euler = (math.pi / 2, 0, angle - math.pi / 2)
        letter.scale = (squeeze, 1, 1)
        along += width * squeeze


def room(car: Car) -> None:
    """Floor, turntable, wall, ceiling lamps and the light they give."""
    look = car.studio
    grey, wall = float(look["floor_grey"]), float(look["wall_grey"])
    colour = lamp_colour(float(look["lamp_kelvin"]))
    floor = concrete("floor", grey, 0.42)
    disc = concrete("turntable", grey * 1.07, 0.30)
    slot = flat("slot", (0.05, 0.05, 0.05))
    pale = flat("wall", (wall, wall, wall * 0.99))
    skirting = flat("skirting", (0.25, 0.25, 0.25))
    for name, profile, of in (
        ("floor", [(0.01, -0.006), (WALL + 0.5, -0.006)], floor),
        ("slot", [(DISC - 0.02, -0.003), (DISC + 0.025, -0.003)], slot),
        ("turntable", [(0.01, 0.0), (DISC - 0.02, 0.0)], disc),
        ("wall", [(WALL, -0.1), (WALL, 4.6)], pale),
        ("skirting", [(WALL - 0.02, -0.1), (WALL - 0.02, 0.05)], skirting),
    ):
        part = lathe(name, profile, of, steps=160, closed=False)
        part.rotation_euler.x = math.pi / 2
    bright = material("tube", (1, 1, 1), Emission_Color=(*colour, 1), Emission_Strength=5.0)
    bright.cycles.emission_sampling = "NONE"
    for angle in np.arange(0, 360, 24):
        turn = math.radians(angle + 12 + float(look["lettering_turn"]))
        ends = [turn - 0.10, turn + 0.10]
        strip = [((WALL - 0.3) * math.cos(a), (WALL - 0.3) * math.sin(a), z)
                 for a in ends for z in (2.92, 3.04)]  # fmt: skip
        make_object("wall lamp", strip, [(0, 1, 3, 2)], [bright])
    power = float(look["softbox"])
    area("softbox", (0, -0.5, 5.2), (0, 0, 0), (6.0, 3.6), 430 * power, colour)
    for side in (-1, 1):
        area("strip", (side * 6.5, -3.5, 4.2), (0, 0, 0.6), (0.7, 4.0), 120, colour)
    area("front", (0.5, -9.5, 4.3), (0, 0, 0.8), (6.0, 0.8), 150 * (2 - power), colour)
    area("back", (0, 6.5, 4.4), (0, 11, 1.8), (9.0, 0.6), 170, colour)
    world = bpy.context.scene.world or bpy.data.worlds.new("world")
    bpy.context.scene.world = world
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (*colour, 1)
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.26
    lettering(str(look["lettering"]), float(look["lettering_turn"]))


def camera_for(car: Car) -> bpy.types.Object:
    """The camera, slightly above the car and looking a little down."""
    lens = bpy.data.cameras.new("camera")
    lens.lens, lens.sensor_width, lens.clip_end = car.camera["focal_mm"], 36.0, 60.0
    made = bpy.data.objects.new("camera", lens)
    aim = 0.50 + 0.24 * car.size["height"]
    height, distance = car.camera["height"], car.camera["distance"]
    pan = car.camera["pan"]
    made.location = (pan, -distance, height)
    made.rotation_euler = (math.pi / 2 - math.atan2(height - aim, distance), 0, 0)
    bpy.context.scene.collection.objects.link(made)
    return made


def render_settings(scene: bpy.types.Scene, samples: int, threads: int) -> None:
    """What the photo and the mask have in common: size, filter, sampler."""
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y = SIZE
    render.resolution_percentage = 100
    render.image_settings.file_format = "PNG"
    render.use_persistent_data = True
    render.threads_mode, render.threads = "FIXED", threads
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.use_adaptive_sampling = False
    cycles.pixel_filter_type, cycles.filter_width = "BLACKMAN_HARRIS", 1.5
    cycles.caustics_reflective = cycles.caustics_refractive = False


class Set:
    """A studio with one car in it, ready to be photographed from the fixed camera."""

    def __init__(self, car: Car, *, samples: int, threads: int) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.car, self.photo = car, bpy.context.scene
        self.root = build(car)
        parts = [thing for thing in bpy.data.objects]
        room(car)
        self.photo.camera = camera_for(car)
        render_settings(self.photo, samples, threads)
        cycles = self.photo.cycles
        cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
        cycles.denoising_prefilter, cycles.denoising_quality = "FAST", "BALANCED"
        cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 4, 2, 3
        cycles.transmission_bounces = cycles.transparent_max_bounces = 1
        cycles.sample_clamp_indirect = 4.0
        cycles.use_fast_gi, cycles.fast_gi_method = True, "REPLACE"
        cycles.ao_bounces_render = 1
        self.photo.view_settings.view_transform = "Standard"
        self.photo.view_settings.exposure = float(car.studio["exposure"])
        # The mask is a scene of its own: the same car and camera, everything on the car opaque
        # and white (its windows too), nothing else there. No denoising, no tone curve.
        self.mask = bpy.data.scenes.new("mask")
        for thing in [*parts, self.photo.camera]:
            self.mask.collection.objects.link(thing)
        self.mask.camera = self.photo.camera
        render_settings(self.mask, MASK_SAMPLES, threads)
        self.mask.cycles.use_denoising = False
        self.mask.cycles.max_bounces = 0
        self.mask.view_settings.view_transform = "Raw"
        self.mask.render.image_settings.color_mode = "BW"
        self.mask.world = bpy.data.worlds.new("black")
        self.mask.world.use_nodes = True
        self.mask.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0
        white = material("white", (0, 0, 0), Emission_Color=(1, 1, 1, 1), Emission_Strength=1.0,
                         Roughness=1.0, Specular_IOR_Level=0.0)  # fmt: skip
        self.mask.view_layers[0].material_override = white

    def shoot(self, view: int, photo_file: Path, mask_file: Path) -> None:
        """Render view 1 to 16 to a JPEG and a GIF; a finished file never has a wrong content."""
        if not 1 <= view <= VIEWS:
            raise ValueError(f"view {view} does not exist: there are views 1 to {VIEWS}")
        turn = self.car.camera["first_angle"] - 90 - (view - 1) * 360 / VIEWS
        self.root.rotation_euler.z = math.radians(turn)
        with tempfile.TemporaryDirectory() as folder:
            shots = []
            for scene in (self.photo, self.mask):
                scene.cycles.seed = (int(self.car.studio["seed"]) + view) % 2**31
                scene.render.filepath = str(Path(folder) / f"{scene.name}.png")
                bpy.ops.render.render(write_still=True, scene=scene.name)
                shots.append(Image.open(scene.render.filepath))
            photo = shots[0].convert("RGB")
            covered = np.asarray(shots[1].convert("L")) >= 128
        mask = Image.fromarray(covered.astype(np.uint8), mode="P")
        mask.putpalette([0, 0, 0, 255, 255, 255])
        for image, file, options in (
            (mask, mask_file, {"format": "GIF"}),
            (
                photo,
                photo_file,
                {"format": "JPEG", "quality": 88, "optimize": True, "progressive": True},
            ),
        ):
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_name(file.name + ".partial")
            image.save(partial, **options)
            partial.replace(file)
