"""Attribution of a latent model: who is found for whom, and what scores are held against."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from dima.data.images import load as load_images
from dima.errors import DataError, MemoryBudgetError, SettingError, ShapeError
from dima.latent.ddpm import DDPM
from dima.latent.retrain import retrained_losses
from dima.model.attribution import METHODS, attribute, influence, measure
from dima.model.latent_diffusion import LatentDiffusion

IMAGES = load_images("fashion-mnist-1000").images[:120]
SMALL = {"n_iter": 40, "hidden_dim": 8, "t_embed_dim": 4, "batch_size": 32}


@pytest.fixture(scope="module")
def model():
    return LatentDiffusion(PCA(3), prior=SMALL).fit(IMAGES)


@pytest.fixture(scope="module")
def clusters():
    """Two clusters far apart: a query of one can owe nothing to the other."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(-4, 1, (30, 2)), rng.normal(4, 1, (30, 2))])


@pytest.fixture(scope="module")
def prior(clusters):
    return DDPM(**SMALL, eps_root=1e-8).fit(clusters)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "random"])
def test_what_counts_is_of_the_query_s_own_cluster(clusters, prior, method):
    found = influence(prior, clusters, clusters[:5] + 0.1, method)
    assert found.shape == (5, 60)
    best = np.argsort(-found, axis=1)[:, :5]
    assert (best < 30).all()


def test_the_top_are_sorted_and_a_training_image_finds_itself(model):
    found = attribute(model, IMAGES, IMAGES[10:14], "posterior", k=6)
    assert found.ids[:, 0].tolist() == [10, 11, 12, 13]
    assert (np.diff(found.scores, axis=1) <= 0).all()
    whole = influence(model.fit_.prior, model.encode(IMAGES), model.encode(IMAGES[10:14]), "posterior")
    np.testing.assert_array_equal(found.scores, np.sort(whole, axis=1)[:, :-7:-1])


def test_a_distilled_model_is_told_of_by_its_teacher(model):
    quick = {"n_pairs": 64, "n_iter": 2, "batch_size": 8}
    found = attribute(model.distilled(**quick), IMAGES, IMAGES[10:12], k=2)
    np.testing.assert_array_equal(found.ids, attribute(model, IMAGES, IMAGES[10:12], k=2).ids)


@pytest.mark.slow
def test_scores_of_every_method_are_a_number_for_each_pair(clusters, prior):
    for method in METHODS:
        found = influence(prior, clusters, clusters[:2], method)
        assert found.shape == (2, 60), method
        assert np.isfinite(found).all(), method


@pytest.mark.slow
def test_removals_are_foretold_better_than_by_guessing(clusters):
    prior = DDPM(**SMALL | {"n_iter": 60}).fit(clusters)
    found = measure(prior, clusters, clusters[:6], ["posterior", "random"], subsets=24)
    assert found.losses.shape == (24, 6)
    assert found.lds["posterior"].mean > found.lds["random"].mean + 0.2
    assert 0 < found.ceiling <= 1


def test_halves_are_trained_from_two_seeds_that_the_prior_does_not_have(clusters):
    settings = SMALL | {"n_iter": 10}
    prior = DDPM(**settings, seed=4).fit(clusters)
    found = measure(prior, clusters, clusters[:3], ["random"], subsets=3)
    others = [DDPM(**settings, seed=seed).fit(clusters).fit_ for seed in (5, 6)]
    runs = [retrained_losses(fit, clusters, clusters[:3], found.masks.astype(float)) for fit in others]
    np.testing.assert_allclose(found.losses, np.mean(runs, axis=0), rtol=1e-5)


def test_what_cannot_be_told_is_refused(model, clusters):
    prior = model.fit_.prior
    with pytest.raises(SettingError, match=r"method must be one of cosine, .*; got 'shapley'"):
        influence(prior, np.zeros((4, 3)), np.zeros((1, 3)), "shapley")
    with pytest.raises(ShapeError, match=r"queries must have shape"):
        influence(prior, np.zeros((4, 3)), np.zeros((1, 2)))
    with pytest.raises(DataError, match=r"fitted to; got 3 of 4 outside their range\. Pass the data of"):
        influence(prior, prior.fit_.scale.restore(np.outer([0, 9, -9, 9], np.ones(3))), np.zeros((1, 3)))
    with pytest.raises(SettingError, match=r"k must be in 1\.\.120; got 121"):
        attribute(model, IMAGES, IMAGES[:1], k=121)
    with pytest.raises(SettingError, match=r"must have a DDPM as its prior; got NoneType"):
        attribute(LatentDiffusion(PCA(3), prior=None).fit(IMAGES), IMAGES, IMAGES[:1])
    with pytest.raises(SettingError, match=r"methods must be of .*; got shapley"):
        measure(prior, clusters, clusters, ["shapley"])
    with pytest.raises(MemoryBudgetError, match=r"subsets of 60 points must fit into .*\. Lower --subsets"):
        measure(prior, clusters, clusters, subsets=10**12)


@pytest.mark.parametrize(
    ("images", "fault", "told"),
    [
        (IMAGES[:0], DataError, r"^attribute: {} must .*\(0, 1, 28, 28\)"),
        ([IMAGES[0], IMAGES[0, 0]], ShapeError, r"^attribute: {} must .* unlike parts\. Pass"),
        (IMAGES[:4, :, 1:], ShapeError, r"must be of shape \(1, 28, 28\); got \(1, 27, 28\)"),
    ],
)
def test_images_are_checked_before_k(model, images, fault, told):
    with pytest.raises(fault, match=told.format("training")):
        attribute(model, images, IMAGES[:1], k=500)
    with pytest.raises(fault, match=told.format("queries")):
        attribute(model, IMAGES, images, k=500)
