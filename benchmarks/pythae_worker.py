"""Trains Pythae's VAE and prints how many images it trains on in a second.

Pythae pins nothing and needs PyTorch, so this runs in an environment of its
own, which `benchmarks/throughput.py` makes; it imports nothing of the project.
The model is Pythae's `VAE`, trained by Pythae's `BaseTrainer` with its defaults
but for what both sides of the comparison fix: the network
784-512-(16, 16), 16-512-784, Adam at 1e-3, batches of 128, Bernoulli
cross-entropy, no evaluation set, no checkpoints.

    python pythae_worker.py images.npz --epochs 5
"""

import argparse
import json
import resource
import tempfile
import time
from typing import Any

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback

__all__ = ["Decoder", "Encoder", "EpochTimer", "main", "train"]

IMAGE_DIM = 784
HIDDEN_DIM = 512
LATENT_DIM = 16


class Encoder(BaseEncoder):
    """784 -> 512 (ReLU) -> mean and log variance of 16 latents."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(IMAGE_DIM, HIDDEN_DIM)
        self.mean = torch.nn.Linear(HIDDEN_DIM, LATENT_DIM)
        self.log_variance = torch.nn.Linear(HIDDEN_DIM, LATENT_DIM)

    def forward(self, x: torch.Tensor) -> ModelOutput:
        """Maps images [batch, 784] to the posterior's parameters."""
        hidden = torch.relu(self.hidden(x))
        return ModelOutput(
            embedding=self.mean(hidden),
            log_covariance=self.log_variance(hidden),
        )


class Decoder(BaseDecoder):
    """16 -> 512 (ReLU) -> 784 (sigmoid)."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(LATENT_DIM, HIDDEN_DIM)
        self.image = torch.nn.Linear(HIDDEN_DIM, IMAGE_DIM)

    def forward(self, z: torch.Tensor) -> ModelOutput:
        """Maps latents [batch, 16] to pixel probabilities [batch, 784]."""
        hidden = torch.relu(self.hidden(z))
        return ModelOutput(reconstruction=torch.sigmoid(self.image(hidden)))


class EpochTimer(TrainingCallback):
    """Times each epoch with the trainer's own hooks.

    Attributes:
        seconds: One number for each epoch.
        losses: Mean training loss of each epoch, nats per image.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.losses: list[float] = []
        self._start = 0.0

    def on_epoch_begin(
        self, training_config: BaseTrainerConfig, **kwargs: Any
    ) -> None:
        """Starts the clock."""
        self._start = time.perf_counter()

    def on_epoch_end(
        self, training_config: BaseTrainerConfig, **kwargs: Any
    ) -> None:
        """Stops the clock."""
        self.seconds.append(time.perf_counter() - self._start)

    def on_log(
        self,
        training_config: BaseTrainerConfig,
        logs: dict[str, float],
        **kwargs: Any,
    ) -> None:
        """Keeps the loss."""
        self.losses.append(float(logs["train_epoch_loss"]))


def train(images: np.ndarray, epochs: int) -> dict[str, float]:
    """Trains and measures.

    Args:
        images: uint8 [num_images, 784].
        epochs: Number of epochs, at least 2: the first is not measured.

    Returns:
        `images_per_second` over the epochs after the first, `epochs`,
        `peak_rss_mb` of this process (10^6 bytes) and `final_loss`, the mean
        negative ELBO of the last epoch in nats per image.
    """
    timer = EpochTimer()
    data = torch.from_numpy(images.astype(np.float32) / 255.0)
    model = VAE(
        VAEConfig(
            input_dim=(IMAGE_DIM,),
            latent_dim=LATENT_DIM,
            reconstruction_loss="bce",
        ),
        encoder=Encoder(),
        decoder=Decoder(),
    )
    # The trainer saves its final model, outside of the epochs that are timed.
    with tempfile.TemporaryDirectory() as folder:
        BaseTrainer(
            model=model,
            train_dataset=BaseDataset(data, torch.ones(len(data))),
            training_config=BaseTrainerConfig(
                output_dir=folder,
                num_epochs=epochs,
                per_device_train_batch_size=128,
                learning_rate=1e-3,
                optimizer_cls="Adam",
                no_cuda=True,
            ),
            callbacks=[timer],
        ).train()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "images_per_second": len(images)
        * (epochs - 1)
        / sum(timer.seconds[1:]),
        "epochs": epochs,
        "peak_rss_mb": peak * 1024 / 1e6,
        "final_loss": timer.losses[-1],
    }


def main() -> None:
    """Trains Pythae's VAE and prints one line of JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("data", help=".npz with `images`, uint8 [N, 784]")
    parser.add_argument("--epochs", type=int, default=5, help="at least 2")
    flags = parser.parse_args()
    if flags.epochs < 2:
        parser.error(
            "--epochs must be at least 2, the first is not measured. "
            f"Received: {flags.epochs}."
        )
    with np.load(flags.data, allow_pickle=False) as arrays:
        images = arrays["images"]
    print(json.dumps(train(images, flags.epochs)), flush=True)


if __name__ == "__main__":
    main()
