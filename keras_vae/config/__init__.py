"""Settings of parts, of models and of training, as plain data.

Nothing here imports TensorFlow: the apps read these to answer `--help`.
"""

from keras_vae.config.architecture_configs import (
    ConvolutionalConfig,
    DenseConfig,
    ResidualConfig,
)
from keras_vae.config.likelihood_configs import (
    AutoLikelihoodConfig,
    BernoulliConfig,
    ContinuousBernoulliConfig,
    DiscretizedLogisticMixtureConfig,
    LikelihoodConfig,
    NormalFixedConfig,
    NormalPerPixelConfig,
    NormalSharedConfig,
)
from keras_vae.config.model_config import PIXELS, ModelConfig
from keras_vae.config.model_configs import (
    AutoencoderConfig,
    AutoregressiveConfig,
    HierarchicalConfig,
    NVAEConfig,
    VAEConfig,
)
from keras_vae.config.nvae_presets import PRESETS
from keras_vae.config.objective_configs import (
    BetaTCVAEConfig,
    ELBOConfig,
    ImportanceWeightedConfig,
    LogLikelihoodConfig,
    ObjectiveConfig,
    SquaredErrorConfig,
)
from keras_vae.config.posterior_configs import (
    DiagonalConfig,
    FullConfig,
    InverseAutoregressiveConfig,
    PosteriorConfig,
)
from keras_vae.config.prior_configs import (
    MixturePriorConfig,
    StandardNormalConfig,
    VampPriorConfig,
)
from keras_vae.config.registry import (
    BuildContext,
    PartConfig,
    part,
    register,
)
from keras_vae.config.resolution import resolve_classes, resolve_likelihood
from keras_vae.config.settings import setting
from keras_vae.config.training_config import (
    DISTRIBUTIONS,
    PRECISIONS,
    TrainingConfig,
)
from keras_vae.config.validation import (
    check_bool,
    check_choice,
    check_number,
    differences,
    is_whole,
)

__all__ = [
    "DISTRIBUTIONS",
    "PIXELS",
    "PRECISIONS",
    "PRESETS",
    "AutoLikelihoodConfig",
    "AutoencoderConfig",
    "AutoregressiveConfig",
    "BernoulliConfig",
    "BetaTCVAEConfig",
    "BuildContext",
    "ContinuousBernoulliConfig",
    "ConvolutionalConfig",
    "DenseConfig",
    "DiagonalConfig",
    "DiscretizedLogisticMixtureConfig",
    "ELBOConfig",
    "FullConfig",
    "HierarchicalConfig",
    "ImportanceWeightedConfig",
    "InverseAutoregressiveConfig",
    "LikelihoodConfig",
    "LogLikelihoodConfig",
    "MixturePriorConfig",
    "ModelConfig",
    "NVAEConfig",
    "NormalFixedConfig",
    "NormalPerPixelConfig",
    "NormalSharedConfig",
    "ObjectiveConfig",
    "PartConfig",
    "PosteriorConfig",
    "ResidualConfig",
    "SquaredErrorConfig",
    "StandardNormalConfig",
    "TrainingConfig",
    "VAEConfig",
    "VampPriorConfig",
    "check_bool",
    "check_choice",
    "check_number",
    "differences",
    "is_whole",
    "part",
    "register",
    "resolve_classes",
    "resolve_likelihood",
    "setting",
]
