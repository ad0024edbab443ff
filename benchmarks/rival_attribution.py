"""Attribution scores of public libraries for one diffusion model: `python rival_attribution.py FOLDER`.

FOLDER holds given.npz of `quality_attribution.py`: latents, queries, levels and noise of the loss, and the
parameters of the network, which is built again in torch and must give the same losses. found.npz beside it
takes the scores (q, n) of each method and its seconds. Runs in the environment of the libraries; what they
leave open is chosen over a grid by whoever asked, in their favour.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.utils.data import DataLoader, TensorDataset

BATCH = 100
TRAK_DIMS = 512  # the default of dattri, and half of the images
RIDGES = (0.01, 0.1, 1.0, 10.0)  # in units of the mean eigenvalue of the kernel


class Denoiser(nn.Module):
    """The network of `dima.latent.denoiser` with single blocks, at fixed levels."""

    def __init__(self, given):
        super().__init__()
        for name in sorted({key.split("/")[1] for key in given if key.startswith("network/")}):
            weight, bias = (torch.tensor(given[f"network/{name}/{part}"]) for part in "wb")
            layer = nn.Linear(*weight.shape)
            layer.weight.data, layer.bias.data = weight.T.contiguous(), bias
            self.add_module(name, layer)
        self.blocks = sorted(name for name, _ in self.named_children() if name.startswith("block"))
        log_snr = torch.tensor(given["log_snr"])
        width = self.level1.in_features
        rates = torch.tensor(np.geomspace(0.25, 16.0, width // 2), dtype=torch.float32)
        angles = log_snr[:, None] / 4 * rates
        self.register_buffer("waves", torch.cat([angles.sin(), angles.cos()], dim=1))
        self.register_buffer("alpha", torch.sigmoid(2 * log_snr).sqrt()[:, None])
        self.register_buffer("sigma", torch.sigmoid(-2 * log_snr).sqrt()[:, None])
        self.register_buffer("noise", torch.tensor(given["noise"]))

    def forward(self, x0):
        """Answers (l, d) to the noisy copies of a point (d,), and what they should be."""
        silu = nn.functional.silu
        films = self.film(silu(self.level2(silu(self.level1(self.waves)))))
        h = getattr(self, "in")(self.alpha * x0 + self.sigma * self.noise)
        films = films.reshape(len(h), len(self.blocks), 2, -1)
        for i, name in enumerate(self.blocks):
            h = h + getattr(self, name)(silu((1 + films[:, i, 0]) * h + films[:, i, 1]))
        return self.out(h), self.alpha * self.noise - self.sigma * x0


def outputs(model):
    """Functions of (parameters, (point,)), as dattri takes them: the loss, and the norm of D-TRAK."""

    def loss(parameters, data):
        answer, wanted = functional_call(model, parameters, (data[0],))
        return (answer - wanted).square().mean()

    def norm(parameters, data):
        return functional_call(model, parameters, (data[0],))[0].square().mean()

    return {"loss": loss, "norm": norm}


def loader(points):
    return DataLoader(TensorDataset(torch.tensor(points)), batch_size=BATCH, shuffle=False)


def dattri_scores(model, known, asked):
    """Names and scores, one at a time."""
    from dattri.algorithm.tracin import TracInAttributor
    from dattri.algorithm.trak import TRAKAttributor
    from dattri.task import AttributionTask

    tasks = {
        name: AttributionTask(loss_func=output, model=model, checkpoints=model.state_dict())
        for name, output in outputs(model).items()
    }
    for name, normalised in (("grad-dot", False), ("grad-cos", True)):
        tracin = TracInAttributor(tasks["loss"], torch.ones(1), normalised, projector_kwargs=None)
        tracin.projector_kwargs = None  # its default projects
        yield f"dattri {name}", lambda own=tracin: own.attribute(known, asked).T

    def never(parameters, data):  # the probability of a right answer: a regression has none
        return torch.zeros(())

    settings = {"proj_dim": TRAK_DIMS, "proj_max_batch_size": 32}
    for name, task in tasks.items():
        unit = kernel_unit(projected(TRAKAttributor(task, never, settings), known))
        for ridge in RIDGES:
            own = TRAKAttributor(task, never, settings, regularization=ridge * unit)
            yield f"dattri trak {name} {ridge:g}", lambda own=own: own.attribute(asked, known).T


def traker_scores(model, known, asked):
    """The same by traker, whose gradients come by its own means."""
    from dattri.task import AttributionTask
    from trak import TRAKer
    from trak.modelout_functions import AbstractModelOutput

    class Output(AbstractModelOutput):
        """The loss itself, so that nothing lies between output and loss."""

        def __init__(self):
            pass

        @staticmethod
        def get_output(model, weights, buffers, point):
            answer, wanted = functional_call(model, (weights, buffers), (point,))
            return (answer - wanted).square().mean()

        def get_out_to_loss_grad(self, model, weights, buffers, batch):
            return torch.ones(len(batch[0]), 1)

    task = AttributionTask(loss_func=outputs(model)["loss"], model=model, checkpoints=model.state_dict())
    gradients = point_gradients(task, known)
    # Its features are gradients over the root of their length, projected by numbers of variance one.
    unit = TRAK_DIMS * kernel_unit(gradients) * len(known.dataset) / gradients.shape[1]
    unit /= min(len(known.dataset), TRAK_DIMS)

    def scores(ridge):
        with tempfile.TemporaryDirectory() as folder:
            n, q = len(known.dataset), len(asked.dataset)
            settings = {
                "save_dir": folder,
                "device": "cpu",
                "proj_dim": TRAK_DIMS,
                "use_half_precision": False,
            }
            traker = TRAKer(model, Output(), n, lambda_reg=ridge, logging_level=40, **settings)
            traker.load_checkpoint(model.state_dict(), model_id=0)
            for (points,) in known:
                traker.featurize((points,), num_samples=len(points))
            traker.finalize_features()
            traker.start_scoring_checkpoint("asked", model.state_dict(), 0, q)
            for (points,) in asked:
                traker.score((points,), num_samples=len(points))
            return torch.tensor(np.array(traker.finalize_scores("asked"))).T

    for ridge in RIDGES:
        yield f"traker {ridge:g}", lambda ridge=ridge: scores(ridge * unit)


def kernel_unit(kept):
    """Mean eigenvalue of the second moment of features (n, p), where it is not zero."""
    return float(kept.square().sum()) / min(kept.shape)


def projected(attributor, known):
    """Features of the points as TRAK takes them."""
    from dattri.func.projection import random_project

    gradients = point_gradients(attributor.task, known) / attributor.norm_scaler
    return random_project(gradients, len(gradients), **attributor.projector_kwargs)(gradients, ensemble_id=0)


def point_gradients(task, known):
    gradient = task.get_grad_loss_func(in_dims=(None, 0))
    parameters, _ = task.get_param(ckpt_idx=0)
    return torch.cat([gradient(parameters, batch).detach() for batch in known])


def main():
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    given = np.load(folder / "given.npz", allow_pickle=False)
    model = Denoiser(given).eval()
    with torch.no_grad():
        losses = [
            outputs(model)["loss"](dict(model.named_parameters()), (x,))
            for x in torch.tensor(given["queries"])
        ]
    apart = np.abs(np.array(losses) / given["losses"] - 1).max()
    if apart > 1e-4:
        raise SystemExit(f"rival_attribution: losses must be those of given.npz to 1e-4; got {apart:.2g}.")
    print(f"the network in torch: losses differ by {apart:.1g} of their size at the most", flush=True)
    known, asked = loader(given["Z"]), loader(given["queries"])
    found = {}
    for name, task in (*dattri_scores(model, known, asked), *traker_scores(model, known, asked)):
        began = time.perf_counter()
        try:
            scores = task().detach().numpy()
        except (RuntimeError, ValueError, TypeError) as error:
            print(f"{name}: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
            continue
        found[f"seconds/{name}"] = time.perf_counter() - began
        found[f"scores/{name}"] = scores
        print(f"{name}: {found[f'seconds/{name}']:.1f} s", flush=True)
        np.savez(folder / "found.npz", **found)


if __name__ == "__main__":
    main()
