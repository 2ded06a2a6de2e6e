"""Networks that keras-hub builds: with its own numbers, trained, watched and kept like our own."""

import sys
import zipfile

import keras
import numpy as np
import pytest
from tiny_runs import sets as sets
from tiny_runs import trained
from weights import randomise

import reskeras
from reskeras.builder import build
from reskeras.catalogue import plan
from reskeras.options import OptionError
from reskeras.request import check_request
from reskeras.runs import RunError
from reskeras.steps import PlanError

keras_hub = pytest.importorskip("keras_hub", reason="keras-hub is not installed: pip install 'reskeras[text]'")

SIZES = {"depth": 2, "width": 8, "heads": 2, "feed_forward": 3, "dropout": 0.0, "positions": 9}
MAKERS = {"keras_hub_bert": keras_hub.models.BertBackbone, "keras_hub_gpt2": keras_hub.models.GPT2Backbone}


def network(name, **options):
    options |= {"vocabulary": 11} if name == "keras_hub_bert" else {}
    return build(name, input_shape=(7,), classes=11, **SIZES, **options)


def backbone(name, **sizes):
    settings = {"num_layers": 2, "hidden_dim": 8, "num_heads": 2, "intermediate_dim": 24, "max_sequence_length": 9}
    return MAKERS[name](**{"vocabulary_size": 11, **settings, **sizes})


@pytest.mark.parametrize("name", MAKERS)
def test_weights_of_a_file_or_preset_give_the_numbers_of_the_backbone(name, tmp_path):
    theirs = backbone(name)
    randomise(theirs)
    theirs.save_weights(tmp_path / "some.weights.h5")
    theirs.save_to_preset(str(tmp_path / "preset"))
    x = np.array([[3, 1, 4, 1, 5, 9, 2], [6, 5, 3, 5, 0, 0, 0]], "int32")
    given = {"token_ids": x, "padding_mask": (x > 0).astype("int32"), "segment_ids": np.zeros_like(x)}
    wanted = theirs.predict({key: given[key] for key in theirs.input}, verbose=0)
    for path in ("some.weights.h5", "preset"):
        ours = network(name, weights=str(tmp_path / path))
        if name == "keras_hub_bert":
            found = keras.Model(ours.input, ours.get_layer("head_dense1").input).predict(x, verbose=0)
            np.testing.assert_allclose(found, wanted["pooled_output"], rtol=1e-4, atol=1e-5)
        else:
            table = keras.ops.convert_to_numpy(theirs.token_embedding.embeddings)
            found = ours.predict(x, verbose=0)
            np.testing.assert_allclose(found[0], wanted[0] @ table.T, rtol=1e-4, atol=1e-5)
    options = {"vocabulary": 11} if name == "keras_hub_bert" else {}
    assert plan(name, (7,), 11, **SIZES, **options).parameters() == ours.count_params()


def test_weights_of_other_sizes_are_refused(tmp_path):
    backbone("keras_hub_gpt2", vocabulary_size=12).save_weights(tmp_path / "more.weights.h5")
    backbone("keras_hub_gpt2", num_layers=1).save_weights(tmp_path / "flat.weights.h5")
    (tmp_path / "no.weights.h5").write_bytes(b"nothing")
    with pytest.raises(PlanError, match=r"more\.weights\.h5 are for 12 token numbers, and .* has 11: .*_size=8"):
        network("keras_hub_gpt2", weights=str(tmp_path / "more.weights.h5"))
    for name in ("flat", "no"):
        with pytest.raises(PlanError, match=r"holds no weights of a backbone of these sizes \(vocabulary 11, depth 2"):
            network("keras_hub_gpt2", weights=str(tmp_path / f"{name}.weights.h5"))


@pytest.mark.any_backend
def test_weights_of_other_tokens_than_the_data_are_refused_before_a_run(tmp_path, sets):
    file = tmp_path / "tale.weights.h5"
    for name, data in (("keras_hub_bert", "texts"), ("keras_hub_gpt2", "language")):
        for vocabulary in (10, 1000):
            backbone(name, vocabulary_size=vocabulary).save_weights(file)
            asked = {**SIZES, "weights": str(file)}, {"data": f"made-up-{data}"}
            if vocabulary == 10:
                assert check_request(name, *asked).plan.backbone.weights
                continue
            with pytest.raises(OptionError) as caught:
                check_request(name, *asked)
            assert "are for 1,000 token numbers, and" in caught.value.problems["weights"]
            assert "has 10: the two must be the same tokens" in caught.value.problems["weights"]


@pytest.mark.parametrize(("name", "data"), [("keras_hub_bert", "texts"), ("keras_hub_gpt2", "language")])
def test_a_backbone_is_watched_layer_by_layer_and_kept_without_us(name, data, tmp_path, monkeypatch):
    run = trained(name, f"made-up-{data}", tmp_path, telemetry="probes", steps=12)
    assert run.series("backward_norm").names == ("embeddings_add", "transformer_layer_0")
    assert np.isfinite(run.series("backward_norm").median[0]).all()
    assert {"token_embedding", "transformer_layer_0"} <= set(run.series("gradient_norm", "block").names)
    assert reskeras.verdicts.of(run)
    with zipfile.ZipFile(run.model_path) as file:
        config = file.read("config.json").decode()
    assert '"keras_hub' in config and '"reskeras' not in config
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(RunError, match=r'layers of keras-hub.*pip install "reskeras\[text\]"'):
        reskeras.load(run)
