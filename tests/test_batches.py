"""What a batch of training samples is: weights of classes, and images moved and mirrored, the same each time."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from comparing import check_same
from task_sets import ALL
from tiny_runs import sets as sets
from tiny_runs import trained
from workbench import events

from reskeras.layers.making import make_layer
from reskeras.options import OptionError
from reskeras.request import check_request
from reskeras.runs import control
from reskeras.runs.settings import CHANGES
from reskeras.steps import Change

pytest_plugins = ["workbench"]


def batches(data, size=16, **further):
    from reskeras.training.batches import Batches

    return Batches(data, np.arange(len(data.x_train) // 2), size, seed=3, **further)


@pytest.mark.any_backend
def test_each_image_is_moved_and_mirrored_by_itself():
    from reskeras.training.augmenting import Augmentation

    generator = np.random.default_rng(0)
    images = generator.normal(size=(2000, 4, 5, 2)).astype("float32")
    changed = Augmentation(1, True, (7.0, -7.0)).changed(images, generator)
    assert changed.shape == images.shape and changed.dtype == np.float32
    padded = np.stack(
        [np.pad(images[..., c], ((0, 0), (1, 1), (1, 1)), constant_values=v) for c, v in ((0, 7), (1, -7))], -1
    )
    # How often each of the 3 x 3 places, mirrored or not, gives the image that came out.
    counts = [
        sum(
            np.array_equal(found, window if not mirrored else window[:, ::-1])
            for found, window in zip(changed, windows, strict=True)
        )
        for windows in (padded[:, top : top + 4, left : left + 5] for top in range(3) for left in range(3))
        for mirrored in (False, True)
    ]
    assert sum(counts) == 2000 and min(counts) > 60 and max(counts) < 170
    alone = Augmentation(0, True, ()).changed(images, generator)
    assert 900 < sum(map(np.array_equal, alone, images)) < 1100


@pytest.mark.any_backend
def test_rare_words_are_read_as_unknown_more_often():
    from reskeras.training.augmenting import WordDropout

    tokens = np.repeat([0, 4, 5, 6], [50, 1, 4, 400])
    dropout = WordDropout.fit(tokens, 9, 4.0)
    np.testing.assert_allclose(dropout.shares, [0, 0, 0, 0, 4 / 5, 4 / 8, 4 / 404, 1, 1])
    changed = dropout.changed(np.full((4, 5000), [[0], [4], [5], [6]], "int32"), np.random.default_rng(0))
    assert changed.dtype == np.int32 and set(changed[1]) == {1, 4}
    np.testing.assert_allclose((changed == 1).mean(1), [0, 0.8, 0.5, 0.0099], atol=0.02)
    # The characters of a word stay.
    spelled = np.repeat(np.array([[[4, 4, 5]]], "int32"), 99, 1)
    changed = dropout.changed(spelled, np.random.default_rng(0))
    assert set(changed[0, :, 0]) == {1, 4} and (changed[0, :, 1:] == [4, 5]).all() and (spelled[0, :, 0] == 4).all()


@pytest.mark.any_backend
def test_a_batch_is_the_same_whenever_it_is_asked_for():
    from reskeras.training.augmenting import Augmentation

    data = ALL["image"].load()
    plain, changing = batches(data), batches(data, augmentation=Augmentation(2, True, (0.0,)))
    again = batches(data, augmentation=Augmentation(2, True, (0.0,))).starting_at(0, skipped=3)
    np.testing.assert_array_equal(changing[4][0], again[1][0])
    assert len(again) == len(changing) - 3
    np.testing.assert_array_equal(changing[4][1], plain[4][1])
    assert not np.array_equal(changing[4][0], plain[4][0])
    before = changing[0][0]
    changing.on_epoch_end()
    assert not np.array_equal(changing[0][0], before)


@pytest.mark.any_backend
def test_balanced_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    from reskeras.training.objectives import balanced

    data = ALL["vector"].load()
    labels = np.where(np.arange(100) % 5, 0, 1)
    found = balanced(replace(data, y_train=np.concatenate([labels, data.y_train[100:]])), np.arange(100))
    np.testing.assert_allclose(found, compute_class_weight("balanced", classes=np.arange(2), y=labels), rtol=1e-6)
    assert found[labels].mean() == pytest.approx(1)


def test_weighted_samples_and_tokens_count_as_formulas_say():
    import keras

    from reskeras.training.objectives import objective, weights_of_classes

    generator = np.random.default_rng(0)
    for name, wanted in (("vector", "1=3,0=0.25"), ("tags", "balanced"), ("tags", "B-late=3")):
        data = ALL[name].load()
        weights = weights_of_classes(data, np.arange(9), wanted)
        if wanted != "balanced":
            assert weights.tolist() == [0.25 if name == "vector" else 1, 3]
        _, y, each = batches(data, class_weights=weights)[0]
        logits = generator.normal(size=(*y.shape, 2)).astype("float32")
        model = keras.Sequential([keras.Input(logits.shape[1:]), keras.layers.Identity()])
        model.compile(**objective(data.task))
        found = model.evaluate(logits, y, sample_weight=each, verbose=0, return_dict=True, batch_size=16)
        losses = -np.take_along_axis(logits - np.log(np.exp(logits).sum(-1, keepdims=True)), y[..., None], -1)[..., 0]
        counted = np.ones(y.shape, bool) if name == "vector" else each > 0
        if name == "vector":
            # As Keras does with `class_weight`.
            wanted = (losses * weights[y]).mean()
        else:
            assert 0 < counted.mean() < 1
            wanted = (losses * weights[y])[counted].sum() / weights[y][counted].sum()
        assert found["loss"] == pytest.approx(wanted, rel=1e-5)
        assert found["accuracy"] == pytest.approx((logits.argmax(-1) == y)[counted].mean(), rel=1e-5)


@pytest.mark.any_backend
def test_a_training_takes_the_weights_that_were_asked_for():
    from reskeras.training.preparation import prepare

    asked = {"data": "made-up-texts", "class_weight": "late=3"}
    settings = check_request("bert", {"depth": 1, "width": 8, "heads": 1}, asked).settings
    _, y, weights = prepare(settings).batches[0]
    assert set(y) == {0, 1} and np.array_equal(weights, np.where(y == 1, 3, 1))


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("data", "given", "said"),
    [
        ("made-up-texts", "balence", "cannot be 'balence' (choices: none, balanced, or weights such as"),
        ("made-up-texts", "balence", "Did you mean balanced?"),
        (
            "made-up-texts",
            "Lte=2",
            "'Lte', and made-up-texts has no such class (classes: early, late). Did you mean late?",
        ),
        ("made-up-texts", "late=2,early", "weights such as cat=2,dog=0.5)."),
        ("made-up-texts", "late=two", "gives 'late' the weight 'two'; a weight is a number from 0 to 1,000,000."),
        ("made-up-texts", "late=-1", "the weight '-1'"),
        ("made-up-texts", "late=nan", "the weight 'nan'"),
        ("made-up-texts", "late=1,late=2", "gives 'late' two weights, 1 and 2"),
        ("made-up-texts", "late=0, early=0", "every class count 0"),
        ("made-up-texts", "", "cannot be empty. Did you mean none?"),
        ("digits", "10=2", "'10', and digits has no such class (classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)"),
        ("python_text", "emial=2", "Did you mean email?"),
        ("imdb", "god=2", "(classes: bad, good). Did you mean good?"),
        ("made-up-tags", "b-late=2", "Did you mean B-late?"),
    ],
)
def test_weights_of_no_class_are_refused_with_the_nearest(data, given, said):
    network = {"digits": "resnet", "made-up-tags": "lstm_tagger"}.get(data, "bert")
    with pytest.raises(OptionError) as caught:
        check_request(network, {}, {"data": data, "class_weight": given})
    assert said in caught.value.problems["class_weight"]


@pytest.mark.any_backend
def test_names_of_classes_may_hold_commas_and_equals_signs():
    from reskeras.class_weights import parsed, several

    assert parsed(",=2, .=3,a=b=1e-1 ") == {",": 2, ".": 3, "a=b": 0.1}
    assert several("none, balanced,a=2,b=3") == ["none", "balanced", "a=2,b=3"]
    assert parsed("none") == parsed("balanced") == {}


def test_a_run_with_changed_images_and_weights_goes_on_to_the_last_bit(bench, tmp_path):
    generator = np.random.default_rng(0)
    y = (generator.uniform(size=300) < 0.2).astype("int32")
    x = (generator.normal(size=(300, 8, 8, 1)) + y[:, None, None, None]).astype("float32")
    np.savez(tmp_path / "images.npz", x_train=x[:200], y_train=y[:200], x_test=x[200:], y_test=y[200:])
    asked = {"data": str(tmp_path / "images.npz"), "pad_crop": 2, "flip": True, "class_weight": "1=4"}
    asked |= {"rotate": 0.1, "zoom": 0.2, "contrast": 0.3, "brightness": 0.1}
    asked |= {"epochs": 3, "batch_size": 16}
    whole, run = bench.train(**asked), bench.prepare(**asked)
    control.send(run.commands_path, "stop")
    assert bench.start(run).wait() == 0 and run.state() == "stopped"
    assert 0 < events(run, "stopping")[0]["step"] < 33
    assert bench.start(run).wait() == 0, run.log_path.read_text()
    check_same(run, whole)


def test_images_that_validate_are_as_they_are(tmp_path):
    """A training that learns nothing has the same validation loss whatever its training images go through."""
    quiet = {"epochs": 1, "learning_rate": 1e-30, "validation_split": 0.5}
    asked = ({}, {"pad_crop": 3, "flip": True}, {"rotate": 0.5, "zoom": 0.9, "contrast": 1.0, "brightness": 1.0})
    runs = [trained("plain", "made-up-image", tmp_path, **quiet, **each) for each in asked]
    plain, *changed = (next(event for event in run.events() if event["event"] == "epoch") for run in runs)
    for each in changed:
        assert plain["validation_loss"] == pytest.approx(each["validation_loss"], rel=1e-6)
        assert plain["loss"] != pytest.approx(each["loss"], rel=1e-3)
    # Keras's own layers, which do nothing in prediction, are kept with the network.
    names = [layer.name for layer in keras.models.load_model(runs[-1].model_path).layers]
    assert [name for name in names if "change" in name] == [f"stem_change{number}" for number in range(1, 5)]


def test_each_change_is_of_one_image_and_in_training_alone():
    draw = np.random.default_rng(0)
    images = draw.uniform(0, 255, (6, 16, 16, 3)).astype("float32")
    images[0] = 100
    for kind in CHANGES:
        layer = make_layer(Change(kind, 0.25, 0.0, 255.0, 7), images.shape[1:], "changed", dtype="mixed_bfloat16")
        found = keras.ops.convert_to_numpy(layer(images, training=True))
        assert found.shape == images.shape and found.dtype == np.float32
        assert found.min() >= 0 and found.max() <= 255.001
        assert len({round(float(np.abs(each).sum()), 3) for each in found[1:] - images[1:]}) == 5
        # A picture of one colour is the same however it is turned, and a lighter or darker one is of one colour too.
        assert np.ptp(found[0], (0, 1)).max() < 0.01
        assert (np.abs(found[0] - 100).max() < 0.01) == (kind != "brightness")
        assert np.array_equal(keras.ops.convert_to_numpy(layer(images, training=False)), images)


@pytest.mark.any_backend
def test_what_does_not_fit_the_data_is_refused_with_what_does():
    for network, data, asked in (
        ("residual_mlp", "vector", {"pad_crop": 4}),
        ("alphago_zero", "game", {"flip": True}),
        ("alphago_zero", "game", {"rotate": 0.1}),
        ("highway", "vector", {"brightness": 0.1}),
        ("gpt", "language", {"class_weight": "balanced"}),
        ("translator", "translation", {"word_dropout": 0.3}),
    ):
        with pytest.raises(OptionError) as caught:
            check_request(network, {}, {"data": f"made-up-{data}", **asked})
        [(name, text)] = caught.value.problems.items()
        assert name in asked and f"Did you mean {name}=" in text
