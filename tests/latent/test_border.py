import jax
import jax.numpy as jnp
import numpy as np
import pytest

from close import assert_close
from dima.errors import BackendError
from dima.latent import border


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_the_cpu_unless_asked(name):
    assert border.device(name).platform == "cpu"


@pytest.mark.skipif(jax.default_backend() == "gpu", reason="the error is that of a missing GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(BackendError, match=r"^DIMA: .*'gpu', which is not there\. Install JAX"):
        border.device("gpu", "DIMA")


def test_numbers_arrive_as_float32():
    values = np.arange(6.0).reshape(2, 3)
    arrived = border.to_jax(values, "cpu")
    assert isinstance(arrived, jax.Array)
    assert arrived.dtype == jnp.float32
    assert_close(arrived, values)
