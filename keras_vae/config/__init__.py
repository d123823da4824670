"""Settings of models and of training, as plain data.

Nothing here imports TensorFlow: the apps read these to answer `--help`.
"""

from keras_vae.config.model_config import PIXELS, ModelConfig
from keras_vae.config.model_configs import (
    MODEL_CONFIGS,
    HierarchicalConfig,
    NVAEConfig,
    VAEConfig,
    model_config_class,
    model_config_from_dict,
)
from keras_vae.config.nvae_presets import PRESETS
from keras_vae.config.training_config import (
    DISTRIBUTIONS,
    PRECISIONS,
    TrainingConfig,
)
from keras_vae.config.validation import (
    check_choice,
    check_number,
    differences,
    is_whole,
)

__all__ = [
    "DISTRIBUTIONS",
    "MODEL_CONFIGS",
    "PIXELS",
    "PRECISIONS",
    "PRESETS",
    "HierarchicalConfig",
    "ModelConfig",
    "NVAEConfig",
    "TrainingConfig",
    "VAEConfig",
    "check_choice",
    "check_number",
    "differences",
    "is_whole",
    "model_config_class",
    "model_config_from_dict",
]
