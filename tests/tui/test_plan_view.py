"""The picture of a plan: every architecture, every skip, every width."""

from dataclasses import replace

import pytest
from reskeras_tui.plan_drawing import draw_plan, line_text, plain_glyphs
from textual.widgets import Button, Label, Select
from watching import text_of, until

from reskeras.catalogue import ARCHITECTURES, plan
from reskeras.options import describe
from reskeras.plan import Block, Head, Plan, Skip, Stage
from reskeras.request import default_data
from reskeras.steps import Activation, Conv, CrossAttention, Dense, Embedding, FirstToken, GlobalPool, Norm

pytestmark = pytest.mark.any_backend

CHOICES = [
    (name, skip)
    for name, entry in ARCHITECTURES.items()
    for option in describe(entry.options)
    if option.name == "skip"
    for skip in option.choices
]
SHAPES = {"image": (8, 8, 1), "sequence": (12, 5), "vector": (6,), "tokens": (6,)}


def drawing(name, width, **options):
    entry = ARCHITECTURES[name]
    network = plan(name, SHAPES[entry.inputs[0]], 10, **options)
    return network, [line_text(line) for line in draw_plan(network, width)]


@pytest.mark.parametrize(("name", "skip"), CHOICES)
def test_formula_shapes_and_parameters_are_drawn(name, skip):
    for width in (44, 48, 78, 110):
        _check_drawing(name, skip, width)


def _check_drawing(name, skip, width):
    network, lines = drawing(name, width, skip=skip)
    text = "\n".join(lines)
    formulas = {"y = " + replace(block.skip, path=()).text() for _, block in network.blocks()}
    assert all(formula in text for formula in formulas)
    assert skip in {block.skip.kind for _, block in network.blocks()}
    assert max(map(len, lines)) <= width
    for _, shape in network.shapes()[:-1]:
        if list(network.shapes()).count(shape) == 1:
            assert "x".join(map(str, shape)) in text
    for step in (*network.stem, *network.head):
        assert step.text() in text
    counted = sum(
        int(word.replace(",", ""))
        for line in lines
        for word, following in zip(line.split(), line.split()[1:], strict=False)
        if following.startswith("parameter")
    )
    stem = network.parameters() - counted
    assert 0 <= stem < network.parameters()


JOINED = Block(
    (Norm("layer"), CrossAttention(2, 7)), Skip("scaled", carry=2.25, scale=1.0, trained=False), label="cross"
)
FURTHER = Head("value", (FirstToken(), Dense(1), Activation("tanh")))
SHRUNK = Block((Conv(8, stride=2),), Skip("add", (Conv(8, 1, 2),)), before=(Norm(), Activation("relu")))


@pytest.mark.parametrize("width", (44, 110))
def test_encoders_further_heads_and_shared_steps_are_drawn(width):
    encoder = Plan("reader", (7,), 11, (Embedding(11, 8),), (Stage((Block((Dense(8),)),) * 3),), ())
    stem = (Embedding(11, 8, shared=True),)
    network = Plan("writer", (5,), 11, stem, (Stage((JOINED,) * 2),), (Dense(11),), (FURTHER,), encoder)
    lines = [line_text(line) for line in draw_plan(network, width)]
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    wanted = (
        *("encoder input 7", "3 × ┤", "input 5", "2 × ┤", "y = 2.25 x + 1 f", "┌─┴─ head", "11 classes · 99 par"),
        *("┌─┴─ value", "first token · dense 1 · tanh", "1 · 9 parameters"),
    )
    places = [text.index(words) for words in wanted]
    assert places == sorted(places)
    shrinking = Plan("shrinking", (8, 8, 3), 2, (), (Stage((SHRUNK,)),), (GlobalPool(), Dense(2)))
    assert "│ x = batch norm · relu" in "\n".join(line_text(line) for line in draw_plan(shrinking, width))


def _has_equal_blocks(name: str) -> bool:
    """Return whether depth adds blocks; in a skip-layer MLP it makes the one branch longer."""
    deep, _ = drawing(name, 80, depth=list(ARCHITECTURES[name].options().depths())[-1])
    return len(list(deep.blocks())) > 1


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if _has_equal_blocks(name)])
def test_equal_blocks_are_drawn_once(name):
    entry = ARCHITECTURES[name]
    *shallow, deepest = entry.options().depths()
    lines = [len(drawing(name, 80, depth=depth)[1]) for depth in shallow[:4]]
    _, deep = drawing(name, 80, depth=deepest)
    assert len(deep) <= max(lines) + 4
    assert any(" × " in line for line in deep)


def test_a_skip_that_changes_shape_shows_how():
    for width in (44, 110):
        network, lines = drawing("resnet", width)
        steps = [step.text() for _, block in network.blocks() for step in block.skip.path]
        assert steps and all(any(step in line for line in lines) for step in steps)


def test_the_picture_can_be_drawn_in_ascii():
    for name, skip in CHOICES:
        _, lines = drawing(name, 60, skip=skip)
        assert all(plain_glyphs(line).isascii() for line in lines)


def test_the_screen_shows_every_skip(bench):
    async def story(app, pilot):
        form = app.screen.query_one("#form")
        on_digits = [each for each in CHOICES if default_data(ARCHITECTURES[each[0]]) == "digits"]
        # One architecture for each kind of skip: the pictures themselves are tested above.
        for skip, name in {skip: name for name, skip in reversed(on_digits)}.items():
            app.screen.query_one("#architecture", Select).value = name
            await until(pilot, lambda name=name: form.architecture == name)
            app.screen.query_one("#option-skip", Select).value = skip
            network = plan(name, (8, 8, 1), 10, skip=skip)
            title = app.screen.query_one("#plan-title", Label)
            wanted = f"{network.parameters():,} parameters"
            await until(pilot, lambda wanted=wanted, title=title: wanted in str(title.content), wanted)
            formulas = {"y = " + replace(block.skip, path=()).text() for _, block in network.blocks()}
            await until(pilot, lambda those=formulas: any(each in text_of(app) for each in those), formulas)
            assert not app.screen.query_one("#start", Button).disabled

    bench(story, size=(160, 48))
