"""Arguments of toy diffusion that stand in each other's place are refused in one sentence."""

import jax
import numpy as np
import pytest

from close import assert_close
from dima.errors import DataTypeError, SettingError, ShapeError
from dima.latent import toy
from dima.latent.toy_checks import key_of

Z = np.random.default_rng(0).standard_normal((6, 2)).astype(np.float32)
STEPS = np.zeros(6, int)
MODEL, PROCESS = toy.DiffusionModel(2, 4, 2, 0), toy.DiffusionProcess(5)
PARAMS, OTHER = MODEL.init_params(), toy.DiffusionModel(3, 4, 3, 0)
TRAINER, SAMPLER = toy.Trainer(MODEL, PROCESS, Z, 0), toy.Sampler(MODEL, PROCESS, 0)
ORDER = r"Check the order of the arguments\.$"


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda: toy.DiffusionModel(2, 4, 2, PROCESS), SettingError, "key must be .*; got DiffusionProcess"),
        (
            lambda: toy.Trainer(MODEL, PROCESS, Z, PROCESS),
            SettingError,
            "key must be .* got DiffusionProcess",
        ),
        (lambda: toy.Sampler(MODEL, PROCESS, PARAMS), SettingError, "key must be a JAX key .*; got dict"),
        (lambda: toy.Trainer(PROCESS, MODEL, Z, 0), SettingError, f"model must have 'forward'; .* {ORDER}"),
        (
            lambda: toy.Trainer(MODEL, Z, PROCESS, 0),
            SettingError,
            f"process must have 'q_sample'; .* {ORDER}",
        ),
        (lambda: toy.Sampler(PROCESS, MODEL, 0), SettingError, f"model must have 'forward'; .* {ORDER}"),
        (lambda: toy.Sampler(MODEL, MODEL, 0), SettingError, f"process must have 'q_sample'; .* {ORDER}"),
        (
            lambda: toy.Sampler(toy.DiffusionModel(2, 4, 3, 0), PROCESS, 0),
            SettingError,
            "^toy.Sampler: the model's output_dim must be input_dim = 2",
        ),
        (lambda: SAMPLER.sample(OTHER.init_params(), 3), SettingError, r"shape \(21, 4\), not \(14, 4\)"),
        (lambda: SAMPLER.sample(TRAINER.init_optimizer(), 3), SettingError, "params must .*; got OptState"),
        (lambda: MODEL.forward(Z, PARAMS, STEPS), SettingError, "params must be those .*; got ndarray"),
        (
            lambda: MODEL.forward(PARAMS, STEPS, Z),
            ShapeError,
            r"x must have shape \(b, 2\); got shape \(6,\)",
        ),
        (lambda: MODEL.forward(PARAMS, np.eye(3), STEPS), ShapeError, r"x must have shape \(b, 2\)"),
        (lambda: MODEL.forward(PARAMS, Z, STEPS[:4]), ShapeError, r"t must be one step or 6, .* \(4,\)"),
        (lambda: PROCESS.q_sample("a", 1, Z), DataTypeError, "x0 must be an array of numbers; got str"),
        (
            lambda: PROCESS.q_sample(Z[0], 1, Z[0]),
            ShapeError,
            r"x0 must have shape \(b, d\); got shape \(2,\)",
        ),
        (lambda: TRAINER.loss_fn(PARAMS, Z, STEPS + 5, Z), SettingError, r"t must be in 0\.\.4; got 5 to 5"),
        (lambda: TRAINER.train_step(PARAMS, Z), SettingError, f"opt_state must have 'params'; .* {ORDER}"),
    ],
)
def test_swapped_and_wrong_arguments_are_one_sentence(call, error, told):
    with pytest.raises(error, match=told) as refused:
        call()
    assert str(refused.value).startswith("toy.")


def test_a_key_is_a_whole_number_or_what_jax_makes_of_one():
    wanted = jax.random.normal(jax.random.key(3), (2,))
    for key in (3, np.int64(3), jax.random.key(3), jax.random.PRNGKey(3)):
        assert_close(jax.random.normal(key_of("toy", key), (2,)), wanted)
    for key in (None, 1.5, "a", True, 2**70, np.zeros(3)):
        with pytest.raises(
            SettingError, match=r"^toy: key must be a JAX key or a whole number; got .* Pass 0"
        ):
            key_of("toy", key)
