"""The round studio around the car: floor, turntable, wall, lettering and lamps, in three kinds."""

from __future__ import annotations

import math
import random

import bpy
import numpy as np

from fleet import Car
from meshes import box, lathe, make_object, material

DISC = 3.35  # radius of the turntable, in metres
HUES = {"none": (1.0, 1.0, 0.99), "brick": (1.25, 0.86, 0.70), "green": (0.85, 1.08, 0.92),
        "blue": (0.80, 0.96, 1.22)}  # fmt: skip


def lamp_colour(kelvin: float) -> tuple[float, float, float]:
    """The tint that is left after the camera was balanced for 5,800 K."""
    warm = (kelvin - 5800) / 1000
    return (1 - 0.045 * warm, 1.0, 1 + 0.06 * warm)


def tinted(grey: float, tint: float) -> tuple[float, float, float]:
    """A grey that leans to beige (`tint` above 0) or to blue."""
    return (grey * (1 + tint), grey, grey * (1 - 1.3 * tint))


def stained(name: str, colour, roughness: float, scale: float, depth: float) -> bpy.types.Material:
    """A floor with faint stains: `depth` is how far the darkest and brightest are from `colour`."""
    made = material(name, colour, Roughness=roughness, Specular_IOR_Level=0.35)
    nodes, links = made.node_tree.nodes, made.node_tree.links
    noise, ramp = nodes.new("ShaderNodeTexNoise"), nodes.new("ShaderNodeValToRGB")
    where = nodes.new("ShaderNodeTexCoord")
    noise.inputs["Scale"].default_value = scale
    noise.inputs["Detail"].default_value = 4.0
    for element, share in zip(ramp.color_ramp.elements, (1 - depth, 1 + 0.7 * depth), strict=True):
        element.color = (*(channel * share for channel in colour), 1)
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


def lettering(look: dict, wall: float, frame: float) -> None:
    """Large letters, each tangent to the wall; thin, regular or bold. `frame`: metres in view."""
    text, grey = str(look["lettering"]), float(look["letters_grey"])
    ink = flat("letters", (grey, grey * 1.01, grey * 1.04))
    weight = {"thin": (-0.045, -0.045), "regular": (0.0, 0.0), "bold": (0.05, 0.05),
              "thin-bold": (-0.045, 0.05)}[str(look["weights"])]  # fmt: skip
    made = []
    for index, character in enumerate(text):
        curve = bpy.data.curves.new("letter", "FONT")
        curve.body, curve.size, curve.extrude = character, 2.35, 0.02
        curve.offset, curve.align_x = weight[2 * index >= len(text)], "CENTER"
        curve.materials.append(ink)
        letter = bpy.data.objects.new("letter", curve)
        bpy.context.scene.collection.objects.link(letter)
        made.append(letter)
    bpy.context.view_layer.update()
    widths = [
        0.7 if c == " " else letter.dimensions.x + 0.26
        for c, letter in zip(text, made, strict=True)
    ]
    whole = float(look["lettering_share"]) * frame
    squeeze, along = whole / sum(widths), -whole / 2
    for letter, width in zip(made, widths, strict=True):
        turn = math.radians(90 + float(look["lettering_turn"]))
        angle = turn - (along + width * squeeze / 2) / wall
        letter.location = ((wall - 0.05) * math.cos(angle), (wall - 0.05) * math.sin(angle), 0.03)
        if look["studio"] == "grey":
            letter.location.z = 0.6
        letter.rotation_euler = (math.pi / 2, 0, angle - math.pi / 2)
        letter.scale = (squeeze, min(1.1, 0.4 + 0.6 * squeeze), 1)
        along += width * squeeze


def arc(name: str, wall: float, ends: tuple[float, float], height: tuple[float, float], of):
    """A strip of the wall between two angles (radians) and two heights, just before it."""
    turns = np.linspace(*ends, max(2, int(abs(ends[1] - ends[0]) / 0.02)))
    points = [(wall * math.cos(a), wall * math.sin(a), z) for a in turns for z in height]
    faces = [(2 * i, 2 * i + 2, 2 * i + 3, 2 * i + 1) for i in range(len(turns) - 1)]
    return make_object(name, points, faces, [of])


def floor(look: dict, wall: float, rng: random.Random) -> None:
    """The floor, the turntable let into it, its seams, tyre marks and the edge of the stage."""
    grey, share = float(look["floor_grey"]), float(look["disc_share"])
    hall = look["studio"] == "hall"
    outer = stained("floor", tinted(grey, float(look["floor_tint"])), 0.38, 0.5, 0.10)
    inner = stained("turntable", tinted(min(0.6, grey * share), float(look["disc_tint"])),
                    rng.uniform(0.22, 0.36), 0.9, 0.16)  # fmt: skip
    line = rng.uniform(0.25, 0.9) * grey
    slot = flat("slot", (line,) * 3)
    radius = DISC * rng.uniform(0.92, 1.08)
    for name, profile, of in (
        ("floor", [(0.01, -0.006), (wall + 0.5, -0.006)], outer),
        ("slot", [(radius - 0.02, -0.003), (radius + 0.02, -0.003)], slot),
        ("turntable", [(0.01, 0.0), (radius - 0.02, 0.0)], inner),
    ):
        part = lathe(name, profile, of, steps=160, closed=False)
        part.rotation_euler.x = math.pi / 2
    if look["seams"]:
        for turn in np.arange(8) * math.pi / 4 + rng.uniform(0, 0.7):
            seam = box("seam", (0.5 * radius, 0, 0.0005), (radius, 0.012, 0.001), slot)
            seam.rotation_euler.z = turn
    mark = flat("tyre mark", (0.72 * grey,) * 3)
    for _ in range(int(look["tyre_marks"])):
        at, turn = rng.uniform(1.2, 6.0), rng.uniform(math.pi, 2 * math.pi)
        size = (rng.uniform(0.1, 0.9), rng.uniform(0.02, 0.07), 0.001)
        spot = box("mark", (0, 0, 0), size, mark)
        spot.location = (at * math.cos(turn), at * math.sin(turn), 0.001)
        spot.rotation_euler.z = rng.uniform(0, math.pi)
    if look["stage_edge"]:
        dark = flat("stage edge", (0.02, 0.02, 0.02))
        pale = flat("stage trim", (0.55, 0.53, 0.5))
        y = -rng.uniform(3.75, 4.2)
        box("trim", (0, y, 0.002), (16, 0.10, 0.01), pale)
        box("stage", (0, y - 0.85, 0.002), (16, 1.6, 0.01), dark)
    if hall:
        stripe = flat("stripe", (0.55, 0.42, 0.05))
        band = lathe("stripe", [(radius + 0.35, -0.004), (radius + 0.45, -0.004)], stripe,
                     steps=160, closed=False)  # fmt: skip
        band.rotation_euler.x = math.pi / 2


def walls(look: dict, wall: float, rng: random.Random) -> None:
    """The wall with what is on it: seams, a door, a skirting, piers in the hall."""
    grey, hall = float(look["wall_grey"]), look["studio"] == "hall"
    hue = HUES[str(look["wall_hue"])]
    colour = tuple(grey * channel for channel in hue)
    pale = stained("wall", colour, 0.9, 1.5, 0.15) if hall else flat("wall", colour)
    made = lathe("wall", [(wall, -0.1), (wall, 7.0)], pale, steps=200, closed=False)
    made.rotation_euler.x = math.pi / 2
    seam = flat("wall seam", tuple(0.86 * channel for channel in colour))
    front = math.pi / 2
    if look["studio"] == "pale":
        left, wide, high = front + rng.uniform(-0.35, 0.15), 0.22, rng.uniform(2.3, 3.0)
        if rng.random() < 0.6:  # the outline of a door
            for ends, height in (((left, left + 0.003), (0, high)),
                                 ((left + wide, left + wide + 0.003), (0, high)),
                                 ((left, left + wide), (high, high + 0.02))):  # fmt: skip
                arc("door", wall - 0.02, ends, height, seam)
    else:
        for turn in np.arange(-0.8, 0.81, 0.2 if hall else 0.27) + rng.uniform(0, 0.2):
            arc("seam", wall - 0.01, (front + turn, front + turn + 0.004), (0, 7), seam)
        dark = flat("skirting", (0.25 * grey + 0.03,) * 3)
        arc("skirting", wall - 0.02, (0, 2 * math.pi), (-0.1, rng.uniform(0.05, 0.2)), dark)
    if hall:
        pier = flat("pier", tuple(0.55 * channel for channel in colour))
        for turn in np.arange(-0.9, 0.91, 0.36) + rng.uniform(-0.1, 0.1):
            arc("pier", wall - 0.15, (front + turn, front + turn + 0.03), (0, 7), pier)


def lamps(look: dict, wall: float) -> None:
    """What lights the car; the hall has spots instead of a bright ceiling."""
    colour, power = lamp_colour(float(look["lamp_kelvin"])), float(look["softbox"])
    kind = look["studio"]
    if kind != "pale":
        bright = material("tube", (1, 1, 1), Emission_Color=(*colour, 1), Emission_Strength=5.0)
        bright.cycles.emission_sampling = "NONE"
        for angle in np.arange(0, 360, 24):
            turn = math.radians(angle + 12 + float(look["lettering_turn"]))
            height = (2.92, 3.04) if kind == "grey" else (2.5, 2.55)
            arc("wall lamp", wall - 0.3, (turn - 0.10, turn + 0.10), height, bright)
    fill = {"pale": 0.55, "grey": 0.26, "hall": 0.10}[kind]
    strength = {"pale": 1.0, "grey": 0.9, "hall": 0.8}[kind]
    area("softbox", (0, -0.5, 5.4), (0, 0, 0), (6.0, 3.6), 430 * power * strength, colour)
    for side in (-1, 1):
        area("strip", (side * 6.5, -3.5, 4.2), (0, 0, 0.6), (0.7, 4.0), 120 * strength, colour)
    area("front", (0.5, -9.5, 4.3), (0, 0, 0.8), (6.0, 0.8), 150 * (2 - power) * strength, colour)
    back = {"pale": 520, "grey": 170, "hall": 110}[kind]
    area("back", (0, 5.5, 6.0), (0, 11, 1.8), (11.0, 0.8), back, colour)
    world = bpy.context.scene.world or bpy.data.worlds.new("world")
    bpy.context.scene.world = world
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (*colour, 1)
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = fill


def furnish(car: Car) -> None:
    """Put everything but the car into the scene."""
    look, wall = car.studio, float(car.studio["wall_radius"])
    rng = random.Random(f"room {look['seed']}")
    floor(look, wall, rng)
    walls(look, wall, rng)
    frame = (wall + car.camera["distance"]) * 36 / car.camera["focal_mm"]
    lettering(look, wall, frame)
    lamps(look, wall)
