"""What the cars are made of: paints, metals, rubber, plastic and lamp glass."""

from __future__ import annotations

from collections.abc import Sequence

import bpy

from fleet import Car
from meshes import material, srgb

Kit = dict[str, bpy.types.Material]

RIMS = {
    "silver": (0.70, 0.71, 0.73), "polished": (0.80, 0.81, 0.82), "grey": (0.16, 0.165, 0.17),
    "black": (0.012, 0.012, 0.013), "two-tone": (0.70, 0.71, 0.72),
}  # fmt: skip


def paint_of(car: Car) -> bpy.types.Material:
    """Car paint: a base under a clear coat. Metallic and pearl paints hold flakes, matte no coat."""
    base = srgb(car.paint_hex)
    light = sum(base) / 3
    if light > 0.6:  # white paint gives back about three quarters of the light, not all of it
        base = tuple(value * 0.75 / light for value in base)
    dark = light < 0.03
    if car.finish == "matte":
        return material("paint", base, Metallic=0.25, Roughness=0.5, Coat_Weight=0.15,
                        Coat_Roughness=0.4)  # fmt: skip
    # A black paint mirrors the white studio: with a full coat it would come out as dark grey.
    made = material("paint", base, Roughness=0.5, Specular_IOR_Level=0.02 if dark else 0.08,
                    Coat_Weight=0.8 if dark else 0.9, Coat_Roughness=0.015,
                    Coat_IOR=1.30 if dark else 1.5)  # fmt: skip
    pearl = car.finish == "pearl" or car.paint.startswith("pearl")
    if pearl:
        flakes(made, base, flop=(0.93, 0.95, 1.0), sparkle=0.03)
    elif car.finish == "metallic":
        shader = made.node_tree.nodes["Principled BSDF"]
        shader.inputs["Metallic"].default_value = 0.45 if dark else 0.7
        shader.inputs["Roughness"].default_value = 0.36
        flakes(made, base, flop=(0.55, 0.56, 0.58), sparkle=0.10)
    return made


def flakes(
    made: bpy.types.Material, base: Sequence[float], *, flop: Sequence[float], sparkle: float
) -> None:
    """Vary the base colour: by `flop` towards a grazing view, by `sparkle` from flake to flake."""
    nodes, links = made.node_tree.nodes, made.node_tree.links
    where, noise = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = 420.0, 0.0
    facing, turn = nodes.new("ShaderNodeLayerWeight"), nodes.new("ShaderNodeMix")
    turn.data_type = "RGBA"
    facing.inputs["Blend"].default_value = 0.3
    turn.inputs["A"].default_value = (*base, 1)
    turn.inputs["B"].default_value = (*(b * f for b, f in zip(base, flop, strict=True)), 1)
    grain = nodes.new("ShaderNodeMapRange")
    grain.inputs["To Min"].default_value = 1 - 2 * sparkle
    grain.inputs["To Max"].default_value = 1 + 2 * sparkle
    shade = nodes.new("ShaderNodeVectorMath")
    shade.operation = "SCALE"
    links.new(where.outputs["Object"], noise.inputs["Vector"])
    links.new(noise.outputs["Fac"], grain.inputs["Value"])
    links.new(facing.outputs["Facing"], turn.inputs["Factor"])
    links.new(turn.outputs["Result"], shade.inputs[0])
    links.new(grain.outputs["Result"], shade.inputs["Scale"])
    links.new(shade.outputs["Vector"], nodes["Principled BSDF"].inputs["Base Color"])


def cover(name: str, tint: Sequence[float]) -> bpy.types.Material:
    """A thin clear or tinted cover: straight through, or mirrored at a grazing view."""
    made = material(name, tint)
    nodes, links = made.node_tree.nodes, made.node_tree.links
    through, mirror = nodes.new("ShaderNodeBsdfTransparent"), nodes.new("ShaderNodeBsdfGlossy")
    share, mix = nodes.new("ShaderNodeFresnel"), nodes.new("ShaderNodeMixShader")
    through.inputs["Color"].default_value = (*tint, 1)
    mirror.inputs["Roughness"].default_value = 0.03
    links.new(share.outputs["Fac"], mix.inputs["Fac"])
    links.new(through.outputs["BSDF"], mix.inputs[1])
    links.new(mirror.outputs["BSDF"], mix.inputs[2])
    links.new(mix.outputs["Shader"], nodes["Material Output"].inputs["Surface"])
    return made


def netting(name: str, ground: Sequence[float], wire: Sequence[float]) -> bpy.types.Material:
    """A dark grille with a fine net of cells (about 2 cm) drawn on it."""
    made = material(name, ground, Roughness=0.4)
    nodes, links = made.node_tree.nodes, made.node_tree.links
    where, cells = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeTexVoronoi")
    cells.feature, cells.inputs["Scale"].default_value = "DISTANCE_TO_EDGE", 48.0
    cells.inputs["Randomness"].default_value = 0.0
    ramp = nodes.new("ShaderNodeValToRGB")
    ramp.color_ramp.elements[0].color, ramp.color_ramp.elements[1].color = (*wire, 1), (*ground, 1)
    ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[1].position = 0.10, 0.16
    links.new(where.outputs["Object"], cells.inputs["Vector"])
    links.new(cells.outputs["Distance"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
    return made


def materials(car: Car, paint: bpy.types.Material) -> Kit:
    """The materials of a car, by name."""
    metal = 0.25 if car.extras["rim"] == "black" else 0.55
    kit = {
        "paint": paint,
        "plastic": material("plastic", (0.014, 0.014, 0.015), Roughness=0.6,
                            Specular_IOR_Level=0.35),
        "well": material("well", (0.008, 0.008, 0.008), Roughness=0.9),
        "glass": material("glass", (0.012, 0.016, 0.017), Roughness=0.06,
                          Specular_IOR_Level=0.28),
        "gap": material("gap", (0.006, 0.006, 0.006), Roughness=0.8),
        "gloss": material("gloss black", (0.006, 0.006, 0.007), Roughness=0.12),
        "net": netting("net", (0.004, 0.004, 0.004), (0.05, 0.05, 0.053)),
        "rubber": material("rubber", (0.010, 0.010, 0.010), Roughness=0.8, Specular_IOR_Level=0.25),
        "ribs": material("rubber ribs", (0.035, 0.035, 0.035), Roughness=0.6),
        "rim": material("rim", RIMS[str(car.extras["rim"])], Metallic=metal, Roughness=0.26,
                        Coat_Weight=0.4),
        "rim dark": material("rim, dark side", (0.03, 0.03, 0.032), Metallic=0.4, Roughness=0.4),
        "barrel": material("barrel", (0.16, 0.16, 0.165), Metallic=0.6, Roughness=0.45),
        "disc": material("brake disc", (0.42, 0.41, 0.40), Metallic=0.5, Roughness=0.4),
        "caliper": material("caliper", srgb(str(car.extras["caliper"])), Roughness=0.4),
        "chrome": material("chrome", (0.75, 0.76, 0.78), Metallic=1.0, Roughness=0.12),
        "satin": material("satin silver", (0.42, 0.43, 0.44), Metallic=0.7, Roughness=0.4),
        "lamp": material("lamp", (0.80, 0.82, 0.84), Metallic=0.6, Roughness=0.18, Coat_Weight=1.0),
        "housing": material("lamp housing", (0.22, 0.225, 0.23), Metallic=0.8, Roughness=0.3)
        if car.extras["lamp_housing"] == "chrome"
        else material("lamp housing", (0.012, 0.012, 0.013), Roughness=0.25),
        "lens": material("projector lens", (0.05, 0.055, 0.06), Metallic=0.5, Roughness=0.03),
        "beam": material("beam", (1, 1, 1), Roughness=0.1, Emission_Color=(1, 0.98, 0.95, 1),
                         Emission_Strength=0.8),
        "red": material("tail lamp", (0.33, 0.004, 0.008), Roughness=0.15, Coat_Weight=1.0,
                        Emission_Color=(0.4, 0.003, 0.006, 1), Emission_Strength=0.15),
        "red dark": material("tail lamp housing", (0.16, 0.005, 0.008), Metallic=0.3, Roughness=0.3),
        "red bright": material("tail lamp glow", (0.75, 0.02, 0.02), Roughness=0.2,
                               Emission_Color=(0.8, 0.02, 0.02, 1), Emission_Strength=0.25),
        "amber": material("amber", (0.78, 0.20, 0.02), Roughness=0.15, Coat_Weight=1.0),
        "clear": cover("clear cover", (0.93, 0.94, 0.95)),
        "red cover": cover("red cover", (0.85, 0.30, 0.28)),
        "mirror": material("mirror", (0.22, 0.23, 0.25), Metallic=1.0, Roughness=0.02),
        "plate": material("plate", (0.80, 0.81, 0.80), Roughness=0.4),
        "card": material("card", (0.78, 0.85, 0.90), Roughness=0.5),
        "ink": material("ink", (0.02, 0.03, 0.10), Roughness=0.5),
        "blue": material("blue ink", (0.03, 0.28, 0.62), Roughness=0.5),
    }  # fmt: skip
    for name in ("beam", "red", "red bright"):  # they glow, but light nothing up: quicker to render
        kit[name].cycles.emission_sampling = "NONE"
    return kit
