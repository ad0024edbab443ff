"""Images drawn by a public package: `python rival_images.py FOLDER SECONDS`, in an environment with it.

The package is lucidrains' denoising-diffusion-pytorch: its U-Net of dim 32 and mults (1, 2), one channel, its
GaussianDiffusion with the defaults and DDIM. FOLDER holds given.npy, images (n, 1, 28, 28) in [-1, 1], and
takes found.npy, as many as `DRAWN`; a line of JSON says the images trained on a second. It asks torchvision
for the transforms of image folders alone: where there is none, an empty module stands in for it.
"""

import copy
import importlib.util
import json
import sys
import time
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch

DRAWN, STEPS, BATCH = 1000, 20, 32
RATE, DECAY = 1e-3, 0.995  # 8e-5 of its own example leaves noise after so few steps; the decay is its own


def trained(diffusion, images, seconds):
    """The running mean of the weights, and the images looked at a second."""
    optimiser = torch.optim.Adam(diffusion.parameters(), lr=RATE, betas=(0.9, 0.99))
    mean, steps, began = copy.deepcopy(diffusion), 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        loss = diffusion(images[torch.randint(len(images), (BATCH,))])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(diffusion.parameters(), 1.0)
        optimiser.step()
        steps += 1
        with torch.no_grad():
            for kept, now in zip(mean.parameters(), diffusion.parameters(), strict=True):
                kept.lerp_(now, 1 - min(DECAY, steps / (steps + 10)))
    return mean, steps * BATCH / (time.perf_counter() - began)


def main():
    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
    if importlib.util.find_spec("torchvision") is None:
        sys.modules["torchvision"] = MagicMock()
    from denoising_diffusion_pytorch.denoising_diffusion_pytorch import GaussianDiffusion, Unet

    torch.manual_seed(0)
    images = torch.from_numpy((np.load(folder / "given.npy") + 1) / 2)
    network = Unet(dim=32, dim_mults=(1, 2), channels=1)
    diffusion = GaussianDiffusion(network, image_size=28, sampling_timesteps=STEPS)
    diffusion, images_per_second = trained(diffusion, images, seconds)
    began = time.perf_counter()
    drawn = torch.cat([diffusion.sample(batch_size=100) for _ in range(DRAWN // 100)])
    np.save(folder / "found.npy", drawn.numpy() * 2 - 1)
    drawn_per_second = DRAWN / (time.perf_counter() - began)
    print(json.dumps({"images_per_second": images_per_second, "drawn_per_second": drawn_per_second}))


if __name__ == "__main__":
    main()
