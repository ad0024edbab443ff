import numpy as np
from sklearn.decomposition import PCA

from dima.model.latent_model import LatentModel
from dima.model.stages import collected, measured


def test_a_stage_knows_its_name_and_the_peak_so_far():
    with collected() as stages:
        with measured("small"):
            pass
        with measured("large"):
            np.ones(2**26).sum()
        with measured("after"):
            pass
    assert [stage.name for stage in stages] == ["small", "large", "after"]
    assert stages[2].peak_mb >= stages[1].peak_mb >= stages[0].peak_mb > 10
    assert all(stage.seconds >= 0 for stage in stages)


def test_each_collector_has_its_own():
    with collected() as outer, measured("one"), collected() as inner, measured("two"):
        pass
    assert ([stage.name for stage in outer], [stage.name for stage in inner]) == (["one"], ["two"])
    with measured("unheard"):  # nobody collects: nothing happens
        pass
    assert len(outer) == 1


def test_a_fit_leaves_the_peak_memory_of_the_process_as_it_is():
    with collected() as stages, measured("large"):
        np.ones(2**26).sum()  # 512 MB, given back before the fit
    model = LatentModel(PCA(1), prior=None).fit(np.random.default_rng(0).standard_normal((20, 2)))
    assert model.stages_[-1].peak_mb > stages[0].peak_mb - 10  # the kernel counts pages by the handful
