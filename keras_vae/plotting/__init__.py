"""Pictures: grids of images, and charts."""

from keras_vae.plotting.charts import (
    save_bar_chart,
    save_captioned_images,
    save_histograms,
)
from keras_vae.plotting.grids import (
    image_grid,
    sample_columns,
    save_grid,
    save_labelled_rows,
    save_png,
    side_by_side,
    to_uint8,
)

__all__ = [
    "image_grid",
    "sample_columns",
    "save_bar_chart",
    "save_captioned_images",
    "save_grid",
    "save_histograms",
    "save_labelled_rows",
    "save_png",
    "side_by_side",
    "to_uint8",
]
