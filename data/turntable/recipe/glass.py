"""Windows: openings in the greenhouse, panes that one sees through, black borders and posts."""

from __future__ import annotations

from itertools import pairwise

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

from body import Kit, cabin_bow, prism, subtract
from fleet import Car
from meshes import cast, decal, make_object, material, ring_faces, rounded_outline
from shapes import Shape
from styles import TALL

POST = 0.034  # half the width of a post between two side windows


def glazing(name: str, tint: float) -> bpy.types.Material:
    """Glass as a film: it mirrors by Fresnel and lets the share `tint` of the light through.

    A pane is a single sheet, so its back mirrors nothing: from inside, Cycles would take it for
    the surface of a solid block of glass and give total reflection.
    """
    made = material(name, (0, 0, 0))
    nodes, links = made.node_tree.nodes, made.node_tree.links
    through, mirror = nodes.new("ShaderNodeBsdfTransparent"), nodes.new("ShaderNodeBsdfGlossy")
    through.inputs["Color"].default_value = (0.96 * tint, tint, 0.985 * tint, 1)
    mirror.inputs["Roughness"].default_value = 0.08
    fresnel, side = nodes.new("ShaderNodeFresnel"), nodes.new("ShaderNodeNewGeometry")
    front, mix = nodes.new("ShaderNodeMath"), nodes.new("ShaderNodeMixShader")
    fresnel.inputs["IOR"].default_value = 1.45
    front.operation, front.inputs[0].default_value = "SUBTRACT", 1.0
    links.new(side.outputs["Backfacing"], front.inputs[1])
    share = nodes.new("ShaderNodeMath")
    share.operation = "MULTIPLY"
    links.new(fresnel.outputs["Fac"], share.inputs[0])
    links.new(front.outputs["Value"], share.inputs[1])
    links.new(share.outputs["Value"], mix.inputs["Fac"])
    links.new(through.outputs["BSDF"], mix.inputs[1])
    links.new(mirror.outputs["BSDF"], mix.inputs[2])
    links.new(mix.outputs["Shader"], nodes["Material Output"].inputs["Surface"])
    return made


def side_outline(car: Car, shape: Shape) -> np.ndarray:
    """All side windows together, seen from the side: a convex polygon (x, z) from the front's foot.

    Its points are: front low, front high, some along the roof, rear low.
    """
    bow = cabin_bow(car, shape)
    pillar = {"sedan": 0.22, "coupe": 0.10, "sports car": 0.10, "pickup": 0.06, "convertible": 0.16,
              "off-roader": 0.07}.get(car.style, 0.10)  # fmt: skip
    if car.style in ("hatchback", "city car") and car.extras["side_windows"] == 2:
        pillar = 0.26
    if car.extras["soft_top"]:
        pillar = 0.34

    def low(x: float) -> float:
        return float(shape.belt_at(x)) + 0.03

    def front(share: float) -> float:
        return float(shape.ends_at(share)[0]) - 1.15 * bow[0] - 0.055

    def rear(share: float) -> float:
        return float(shape.ends_at(share)[1]) + 1.1 * bow[1] + pillar

    along = np.linspace(front(0.90), max(rear(0.88), rear(0.06) + 0.02), 8)
    top = [(x, float(shape.rim_at(x)) - 0.045) for x in along]
    if car.extras["cargo"]:
        stop = front(0.5) - 1.0
        return np.array([(front(0.05), low(front(0.05))), *[p for p in top if p[0] > stop],
                         (stop, float(shape.rim_at(stop)) - 0.045), (stop, low(stop))])  # fmt: skip
    return np.array([(front(0.05), low(front(0.05))), *top, (rear(0.06), low(rear(0.06)) + 0.015)])


def posts(car: Car, outline: np.ndarray) -> list[float]:
    """Where the posts between the side windows stand, from the front."""
    if car.extras["cargo"] or car.extras["side_windows"] == 1:
        return []
    two_doors = {2: [0.64], 3: [0.45, 0.75]}
    shares = {2: [0.51], 3: [0.41, 0.78]}
    if car.style in TALL:
        shares[3] = [0.37, 0.70]
    chosen = (two_doors if car.extras["doors"] == 2 else shares)[int(car.extras["side_windows"])]
    front, rear = outline[0, 0], outline[-1, 0]
    return [front + share * (rear - front) for share in chosen]


def clip(outline: np.ndarray, low: float, high: float) -> np.ndarray:
    """The part of a convex polygon with x between `low` and `high`."""
    for bound, sign in ((low, 1), (high, -1)):
        kept = []
        for first, second in zip(outline, np.roll(outline, -1, 0), strict=True):
            inside = sign * (first[0] - bound) >= 0
            if inside:
                kept.append(first)
            if inside != (sign * (second[0] - bound) >= 0):
                kept.append(first + (second - first) * (bound - first[0]) / (second[0] - first[0]))
        outline = np.array(kept)
    return outline


def rounded(corners: np.ndarray, radius: float) -> np.ndarray:
    """A closed polygon with rounded corners and evenly spaced points, fit to be moved outwards."""
    points = rounded_outline(corners, radius)
    points = np.concatenate([points, points[:1]])
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.linspace(0, along[-1], int(along[-1] / 0.03), endpoint=False)
    return np.column_stack([np.interp(at, along, points[:, i]) for i in (0, 1)])


def grown(outline: np.ndarray, by: float) -> np.ndarray:
    """A closed outline moved outwards by so many metres (inwards if negative)."""
    along = np.roll(outline, -1, 0) - np.roll(outline, 1, 0)
    normal = np.column_stack([along[:, 1], -along[:, 0]])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    away = np.sign(((outline - outline.mean(0)) * normal).sum())
    return outline + by * away * normal


def drawn_in(tree: BVHTree, side: str, outline: np.ndarray, lift: float) -> list[np.ndarray]:
    """An outline laid on a surface; a point beside the surface is drawn in until it hits."""
    centre, points = outline.mean(axis=0), []
    for point in outline:
        hit = cast(tree, side, *point)
        while hit is None:
            point = centre + 0.97 * (point - centre)
            hit = cast(tree, side, *point)
        points.append(np.array(hit[0] + lift * hit[1]))
    return points


def band(name: str, tree: BVHTree, side: str, outline: np.ndarray, edges: tuple[float, float],
         of: bpy.types.Material) -> None:  # fmt: skip
    """A seal along an outline, between two distances from it (outwards is positive)."""
    points = [p for edge in edges for p in drawn_in(tree, side, grown(outline, edge), 0.002)]
    make_object(name, points, ring_faces(2, len(outline), closed=True), [of])


def pane(tree: BVHTree, side: str, outline: np.ndarray, glass: bpy.types.Material,
         ceramic: bpy.types.Material, border: float) -> None:  # fmt: skip
    """A sheet of glass within the wall, its edge printed black over `border` metres."""
    inner = grown(outline, -border)
    centre = inner.mean(axis=0)
    rings = [grown(outline, 0.012), inner]
    rings += [centre + scale * (inner - centre) for scale in (0.8, 0.6, 0.4, 0.2)]
    points = [p for ring in rings for p in drawn_in(tree, side, ring, -0.011)]
    count = len(outline)
    faces: list[tuple[int, ...]] = list(ring_faces(len(rings), count, closed=True))
    faces.append(tuple(range(len(points) - count, len(points))))
    kinds = [1] * count + [0] * (len(faces) - count)
    made = make_object("pane", points, faces, [glass, ceramic], face_materials=kinds, part="glass")
    towards = "xyz".index(side[1])
    if made.data.polygons[-1].normal[towards] * (1 if side[0] == "+" else -1) < 0:
        made.data.flip_normals()


def end_outline(car: Car, shape: Shape, lower: BVHTree, end: int) -> np.ndarray:
    """Windscreen (`end` 1) or rear window (-1), seen from that end: polygon of (y, z)."""
    foot_x = shape.glass_front[0] if end > 0 else shape.glass_rear[0]
    head_x = shape.glass_front[1] if end > 0 else shape.glass_rear[1]
    inside = float(shape.ends_at(0.08)[0 if end > 0 else 1])
    deck = cast(lower, "+z", inside + 0.03 * end, 0.0)
    low = max(float(shape.belt_at(foot_x)) + 0.025, deck[0].z + 0.015 if deck else 0.0)
    spread = 0.88 if end > 0 else 0.60 if car.extras["soft_top"] else 0.81
    top = spread * shape.base_width * (1 - shape.tumble)
    across = np.linspace(1, -1, 7)
    down = 0.012 if end > 0 else 0.035
    if car.extras["soft_top"] and end < 0:
        down = 0.10
    upper = [(top * a, float(shape.rim_at(head_x, spread * a)) - down) for a in across]
    if end < 0 and car.style in TALL:
        low += 0.03
    return np.array([(-spread * shape.base_width, low), (spread * shape.base_width, low), *upper])


def windows(car: Car, shape: Shape, shell: bpy.types.Object, upper: BVHTree, lower: BVHTree,
            kit: Kit) -> None:  # fmt: skip
    """Cut the openings into the thick shell and glaze them."""
    sides = side_outline(car, shape)
    cuts, ends = [], []
    panes = []
    if not car.extras["open"]:
        edges = [sides[0, 0] + 1.0, *posts(car, sides), sides[:, 0].min() - 1.0]
        for index, (start, stop) in enumerate(pairwise(edges)):
            corners = clip(sides, stop + POST, start - POST)
            panes.append((rounded(corners, 0.05), index))
            cuts.append(prism(panes[-1][0], "y", -shape.width - 0.3, shape.width + 0.3))
    else:
        (foot_x, foot_z), (head_x, head_z) = sides[0], sides[1]
        far, high = shape.rear - 1, shape.roof + 1
        behind = np.array([(foot_x, 0.2), (foot_x, foot_z), (head_x, head_z), (head_x, high),
                           (far, high), (far, 0.2)])  # fmt: skip
        cuts.append(prism(behind, "y", -2.0, 2.0))
    middle = 0.5 * (shape.glass_front[1] + shape.glass_rear[1])
    screens = [(1, "+x", kit["front glass"], (middle + 0.05, shape.front))]
    if not (car.extras["open"] or (car.extras["cargo"] and car.style == "van")):
        screens.append((-1, "-x", kit["rear glass"], (shape.rear - 0.3, middle - 0.05)))
    for end, side, glass, reach in screens:
        outline = rounded(end_outline(car, shape, lower, end), 0.06)
        ends.append(prism(outline, "x", *reach))
        pane(upper, side, outline, glass, kit["gloss"], 0.045)
        band("seal", upper, side, outline, (-0.004, 0.016), kit["gap"])
    subtract(shell, cuts, kit["gloss"])
    subtract(shell, ends, kit["gloss"])
    for side in ("+y", "-y"):
        for outline, index in panes:
            glass = kit["front glass"] if index == 0 else kit["rear glass"]
            pane(upper, side, outline, glass, kit["gloss"], 0.006)
            band("seal", upper, side, outline, (-0.006, 0.018), kit["gloss"])
        for x in posts(car, sides) if panes else ():
            corners = clip(sides, x - POST, x + POST)
            decal("post", upper, side, corners, kit["gloss"], lift=0.0035, radius=0.004)
