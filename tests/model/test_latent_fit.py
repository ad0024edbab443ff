"""What a fitted latent model draws: treated columns, scatter around the sheet, classes as asked."""

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm, rankdata, spearmanr, zscore
from sklearn.decomposition import PCA

from close import assert_close
from dima.errors import SettingError, ShapeError
from dima.model.latent_model import LatentModel


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(3)
    return rng.standard_normal((200, 5)) * [3.0, 2.0, 0.5, 0.1, 0.1] + 4.0


@pytest.fixture(scope="module")
def unlike():
    """Rows in units that differ by nine orders, one of them skewed."""
    rng = np.random.default_rng(8)
    latent = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 5)) + 0.2 * rng.standard_normal((200, 5))
    latent[:, 1] = np.exp(latent[:, 1])
    return latent * [1e-4, 1.0, 1e5, 10.0, 3.0] + [0.0, 0.0, 1e6, 0.0, -40.0]


@pytest.fixture(scope="module", params=["standard", "rank"])
def treated(request, unlike):
    return LatentModel(PCA(3), columns=request.param).fit(unlike)


def test_treated_columns_are_pca_of_the_scores(treated, unlike):
    of_scipy = norm.ppf((rankdata(unlike, axis=0) - 0.5) / len(unlike))
    scores = of_scipy if treated.columns == "rank" else zscore(unlike)
    assert_close(treated.numbers(unlike), scores, atol=1e-9)
    codes = PCA(3).fit_transform(scores)
    assert_close(np.abs(treated.transform(unlike)), np.abs(codes / codes.std(axis=0)), atol=1e-8)
    kept = PCA(3).fit(scores).explained_variance_ratio_.sum()
    assert treated.score(unlike) == pytest.approx(kept)


def test_no_column_is_lost_for_its_unit(treated, unlike):
    rebuilt = treated.inverse_transform(treated.transform(unlike))
    assert (1 - ((unlike - rebuilt) ** 2).mean(axis=0) / unlike.var(axis=0) > 0.5).all()


def test_drawn_rows_have_the_marginals_of_the_data(treated, unlike):
    rows = treated.sample(4000, seed=2)
    for drawn, seen in zip(rows.T, unlike.T, strict=True):
        assert ks_2samp(drawn, seen).statistic < 0.06
    if treated.columns == "rank":
        assert_close(spearmanr(rows).statistic, spearmanr(unlike).statistic, atol=0.12)


def test_drawn_rows_stay_within_the_seen_range(treated, unlike):
    rows = treated.sample(4000, seed=3)
    assert (rows >= unlike.min(axis=0)).all()
    assert (rows <= unlike.max(axis=0)).all()


def test_without_scatter_rows_are_decoded_latents(treated):
    sheet = treated.sample(50, seed=4, residual=False)
    assert_close(sheet, treated.inverse_transform(treated.sample(50, seed=4, decode=False)))
    scattered = treated.sample(50, seed=4)
    for rows, is_on_it in ((sheet, True), (scattered, False)):
        off = np.abs(treated.numbers(rows) - treated.decoded(treated.transform(rows)))
        assert (off.max() < 1e-6) == is_on_it


def test_auto_is_a_mixture_gaussian_scatter_and_marginals(treated, unlike):
    assert treated.facts()["prior"] == "gmm"
    given = {"columns": treated.columns, "prior": "gmm"}
    spelt = LatentModel(PCA(3), residual="gaussian", match="marginals", **given).fit(unlike)
    assert_close(spelt.sample(20, seed=1), treated.sample(20, seed=1))
    plain = LatentModel(PCA(3), residual=None, match=None, **given).fit(unlike)
    assert_close(plain.sample(20, seed=1), treated.sample(20, seed=1, residual=False))


def test_auto_leaves_raw_rows_on_the_sheet(X):
    raw = LatentModel(PCA(3), prior="gmm").fit(X)
    assert_close(raw.sample(20), raw.sample(20, residual=False))
    none = LatentModel(PCA(3), prior="gmm", residual=None, match=None).fit(X)
    assert_close(raw.sample(20), none.sample(20))
    asked = LatentModel(PCA(3), prior="gmm", residual="gaussian", match="moments").fit(X)
    rows = asked.sample(20_000)
    assert_close(np.cov(rows, rowvar=False), np.cov(X, rowvar=False), atol=0.6)
    assert_close(rows.std(axis=0) / X.std(axis=0), np.ones(5), atol=0.05)


def test_classes_are_drawn_as_asked(unlike):
    y = np.repeat(["a", "b", "c"], [100, 60, 40])
    shifted = unlike + 30.0 * unlike.std(axis=0) * (y == "c")[:, None]
    model = LatentModel(PCA(3), columns="standard").fit(shifted, y)
    assert model.classes_ == ["a", "b", "c"]

    def of_c(rows):
        return (rows[:, 2] > 1e6 + 10 * unlike[:, 2].std()).sum()

    assert of_c(model.sample(200)) == 40
    assert of_c(model.sample(30, y="c")) == 30
    asked = np.array(["c", "a", "b", "c", "c"])
    assert of_c(model.sample(5, y=asked)) == 3
    assert of_c(model.sample(5, y=asked)[asked == "c"]) == 3
    assert of_c(model.sample(9, y={"a": 5, "c": 4})[5:]) == 4
    with pytest.raises(ShapeError, match="one for each of 9 rows; got shape"):
        model.sample(9, y={"a": 5})


@pytest.mark.parametrize("y", [None, np.arange(200) % 2])
@pytest.mark.parametrize("prior", ["gmm", "bootstrap", None])
def test_a_run_folder_that_nothing_is_kept_in_is_told(X, tmp_path, prior, y):
    model, seen = LatentModel(PCA(2), prior=prior), []
    rule = "must be left out with a prior that is not trained"
    got = "none" if prior is None else repr(prior)
    said = f"LatentModel: checkpoint and watch {rule}; got {got}, and nothing is kept or shown."
    with pytest.warns(UserWarning, match=rule) as told:
        model.fit(X, y, checkpoint=tmp_path / "run", watch=lambda *shown: seen.append(shown))
    assert [str(one.message) for one in told] == [said]
    assert (seen, (tmp_path / "run").exists()) == ([], False)


@pytest.mark.parametrize("y", [None, np.arange(200) % 2])
def test_a_prior_that_is_trained_keeps_its_run(X, tmp_path, y):
    tiny = {"n_iter": 5, "hidden_dim": 8, "t_embed_dim": 4}
    LatentModel(PCA(2), prior=tiny).fit(X, y, checkpoint=tmp_path / "run")
    folders = [tmp_path / "run"] if y is None else [tmp_path / "run" / f"class-{place}" for place in (0, 1)]
    assert all((folder / "metrics.jsonl").is_file() for folder in folders)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"columns": "ranks"}, "columns must be one of"),
        ({"residual": "normal"}, "residual must be"),
        ({"match": "all"}, "match must be"),
        ({"match": "none"}, "match must be one of 'auto', 'moments', 'marginals' or None; got 'none'"),
        ({"residual": "none"}, "residual must be one of 'auto', 'gaussian' or None; got 'none'"),
        ({"impute": "mean"}, "impute must be"),
    ],
)
def test_unknown_treatments_are_refused(X, given, message):
    with pytest.raises(SettingError, match=message):
        LatentModel(PCA(2), prior=None, **given).fit(X)
