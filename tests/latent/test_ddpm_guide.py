import numpy as np
import pytest

from close import assert_close
from dima.errors import DataError, SettingError, ShapeError
from dima.latent.ddpm import DDPM

# One set of sizes for every trained model: one compilation.
SIZES = {"hidden_dim": 32, "t_embed_dim": 16, "n_iter": 1000, "learning_rate": 3e-3}
CENTERS = {"left": -4.0, "right": 4.0, "up": 0.0}


def three(n=900):
    """Three round Gaussians, and their names."""
    random, names = np.random.default_rng(0), np.array(list(CENTERS))
    labels = names[np.arange(n) % 3]
    center = np.stack([[CENTERS[name] for name in labels], 4.0 * (labels == "up")], axis=1)
    return center + random.standard_normal((n, 2)), labels


def line(n=1000):
    """y = 2 x + noise of .3, and x as what is known."""
    random = np.random.default_rng(1)
    x = random.standard_normal(n)
    y = 2.0 * x + 0.3 * random.standard_normal(n)
    return np.stack([y, random.standard_normal(n)], axis=1), x


@pytest.fixture(scope="module")
def labelled():
    Z, labels = three()
    return DDPM(100, **SIZES).fit(Z, condition=labels)


@pytest.fixture(scope="module")
def along():
    Z, x = line()
    return DDPM(100, **SIZES).fit(Z, condition=x)


@pytest.fixture(scope="module")
def gaussian():
    random = np.random.default_rng(2)
    return DDPM(100, **SIZES).fit(random.standard_normal((1000, 2)) @ [[1.5, 0.8], [0.0, 0.4]] + [3.0, -1.0])


def test_samples_are_of_the_class_asked_for(labelled):
    asked = np.repeat(["right", "up", "left"], 200)
    drawn = labelled.sample(600, condition=asked)
    for name in CENTERS:
        own = drawn[asked == name]
        assert_close(own.mean(axis=0), [CENTERS[name], 4.0 * (name == "up")], atol=0.3)
        assert_close(own.std(axis=0), [1.0, 1.0], atol=0.2)


def test_without_a_condition_all_classes_are_drawn(labelled):
    drawn = labelled.sample(900)
    nearest = np.abs(drawn[:, None] - [[-4, 0], [4, 0], [0, 4]]).sum(axis=2).argmin(axis=1)
    assert np.bincount(nearest).min() > 200


def test_guidance_leads_further_from_the_other_classes(labelled):
    plain, strong = (labelled.sample(300, condition="right", guidance=w)[:, 0] for w in (1.0, 3.0))
    assert strong.mean() > plain.mean() + 0.3
    assert strong.std() < plain.std()


def test_guidance_of_nothing_is_the_model_of_all(labelled):
    assert_close(labelled.sample(50, condition="up", guidance=0.0), labelled.sample(50), atol=1e-4)


def test_clipping_holds_what_is_asked_far_out_to_the_range_of_the_data(along):
    Z, x = line()
    asked = [1.3 * x.max()]
    assert along.sample(300, condition=asked)[:, 0].max() > Z[:, 0].max()
    for clip in ("range", "dynamic"):
        held = along.sample(300, condition=asked, clip=clip)
        assert (held <= Z.max(axis=0) + 1e-3).all()
        assert (held >= Z.min(axis=0) - 1e-3).all()


def test_samples_follow_a_vector(along):
    for x in (-1.0, 0.5):
        drawn = along.sample(400, condition=[x])
        assert abs(drawn[:, 0].mean() - 2 * x) < 0.15
        assert abs(drawn[:, 0].std() - 0.3) < 0.12


def test_the_density_is_that_given_the_condition(along):
    Z, x = line(200)
    exact = -0.5 * ((Z[:, 0] - 2 * x) / 0.3) ** 2 - 0.5 * Z[:, 1] ** 2 - np.log(2 * np.pi * 0.3)
    found = along.score_samples(Z, condition=x)
    assert abs((found - exact).mean()) < 0.15
    assert along.score_samples(Z).mean() < found.mean() - 1.0


def test_a_saved_model_keeps_its_conditions(labelled, along):
    for model, asked in ((labelled, "up"), (along, [0.3])):
        again = DDPM.from_arrays(*model.to_arrays())
        assert_close(
            again.sample(5, condition=asked, clip="range"), model.sample(5, condition=asked, clip="range")
        )


def test_refining_and_clean_estimates_keep_to_the_condition(labelled):
    start = np.zeros((300, 2))  # between "left" and "right"
    for name, x in (("left", CENTERS["left"]), ("right", CENTERS["right"])):
        refined = labelled.refine(start, t_start=80, condition=name)
        assert abs(refined[:, 0].mean() - x) < 1
        assert np.sign(labelled.denoise(start[:1], 80, condition=name)[0, 0]) == np.sign(x)
    each = np.where(np.arange(300) % 2, "left", "right")
    assert (
        np.sign(labelled.refine(start, t_start=80, condition=each)[:, 0]) == np.where(each == "left", -1, 1)
    ).mean() > 0.9
    with pytest.raises(SettingError, match="condition must be left out with 'auto'"):
        labelled.refine(start, "auto", noise=0.3, condition="left")


def test_known_coordinates_are_kept_and_the_others_follow_them(gaussian):
    # The law of y given x: mean -1 + .8 / 1.5 (x - 3), spread .4
    Z = np.column_stack([np.repeat([1.5, 4.5], 400), np.full(800, np.nan)])
    drawn = gaussian.inpaint(Z, steps=40)
    assert (drawn[:, 0] == np.float32(Z[:, 0])).all()
    for x in (1.5, 4.5):
        y = drawn[Z[:, 0] == x, 1]
        assert abs(y.mean() - (-1 + 0.8 / 1.5 * (x - 3))) < 0.15
        assert abs(y.std() - 0.4) < 0.08


def test_going_back_up_lets_free_coordinates_agree(gaussian):
    Z = np.column_stack([np.full(800, 6.0), np.full(800, np.nan)])
    exact = -1 + 0.8 / 1.5 * 3
    off = {
        repeats: abs(gaussian.inpaint(Z, steps=20, repeats=repeats)[:, 1].mean() - exact)
        for repeats in (1, 8)
    }
    assert off[8] < off[1]


def test_points_of_which_nothing_is_known_are_samples(gaussian):
    drawn = gaussian.inpaint(np.full((7, 2), np.nan), solver="ddim", steps=20, seed=3)
    assert_close(drawn, gaussian.sample(7, steps=20, seed=3))


def test_bad_input(gaussian, labelled):
    Z, labels = three()
    for work, error, told in [
        (lambda: gaussian.sample(3, condition=1), DataError, "condition must be left out"),
        (lambda: gaussian.inpaint([[np.inf, np.nan]]), DataError, "Z must be finite"),
        (lambda: gaussian.inpaint([[1.0, 2.0, np.nan]]), ShapeError, "2"),
        (lambda: gaussian.inpaint([[1.0, np.nan]], solver="ddim", repeats=3), SettingError, "repeats"),
        (lambda: gaussian.sample(3, clip="hard"), SettingError, "clip must be one of"),
        (lambda: labelled.sample(3, condition="down"), DataError, "There are: left, right, up."),
        (lambda: DDPM(condition_dropout=1.0).fit(Z, condition=labels), SettingError, "condition_dropout"),
        (lambda: DDPM().fit(Z, condition=labels[:5]), ShapeError, "one for each of 900 points"),
    ]:
        with pytest.raises(error) as caught:
            work()
        assert told in str(caught.value)


def test_the_share_of_dropped_conditions_is_used():
    Z, labels = three()
    few = {**SIZES, "n_iter": 300}
    never = DDPM(100, condition_dropout=0.0, **few).fit(Z, condition=labels)
    often = DDPM(100, condition_dropout=0.9, **few).fit(Z, condition=labels)

    def gap(model):  # of the class asked for
        return np.abs(model.sample(200, condition="right")[:, 0] - 4.0).mean()

    assert gap(never) < gap(often) - 0.05
    # It has never seen points without their condition.
    for asked in ({}, {"condition": "right", "guidance": 2.0}):
        with pytest.raises(SettingError, match="condition_dropout must be above 0 for draws without"):
            never.sample(3, **asked)
