"""Controls of the training pipeline: it must find an edge that was planted, and none where there is none."""
