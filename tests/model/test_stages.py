import numpy as np

from dima.model.stages import Stages


def test_a_stage_knows_its_name_and_the_memory_it_took():
    stages = Stages()
    with stages.measured("small"):
        pass
    with stages.measured("large"):
        np.ones(2**25).sum()
    assert [stage.name for stage in stages] == ["small", "large"]
    assert stages[1].peak_mb > stages[0].peak_mb + 200
    assert all(stage.seconds >= 0 for stage in stages)
