"""Facts of a model agree with its parts and with its arrays."""

import json

from dima.cli.facts import facts, readable, settings
from dima.manifold.dmap import DMAP
from dima.model import persist


def test_facts_agree_with_what_is_saved(desk):
    model = persist.load(desk / "model")
    known, (saved, arrays) = facts(model), model.to_arrays()
    assert json.loads(json.dumps(known)) == known
    assert (known["rows"], known["columns"], known["d"]) == (90, 6, 2)
    assert known["decoder"]["m"] == len(arrays["gplm/z_mx"])
    assert known["predicted_error"] == saved["gplm"]["fit"]["press"]["error"]
    assert known["prior"] == {"T": 60, "n_iter": 20, "loss": model.prior_.losses_[-1, 1]}


def test_words_for_a_model_with_and_without_a_prior(desk):
    words = [readable(facts(persist.load(desk / name))) for name in ("model", "bare")]
    assert words[0]["prior"].startswith("20 training steps, T = 60, loss ")
    assert words[1]["prior"] == "none"
    assert words[0]["training rows"] == "90 x 6"


def test_a_prior_that_was_not_trained_has_no_loss(desk):
    model = persist.load(desk / "model")
    model.prior_.losses_ = model.prior_.losses_[:0]
    assert facts(model)["prior"]["loss"] is None
    assert readable(facts(model))["prior"] == "20 training steps, T = 60"


def test_settings_by_the_names_of_their_flags(desk):
    assert list(settings(persist.load(desk / "model"))) == ["dmap", "gplm", "ddpm"]
    assert list(settings(persist.load(desk / "bare"))) == ["dmap", "gplm"]
    assert settings(DMAP(d=3))["dmap"]["d"] == 3
