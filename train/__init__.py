"""The bundled GPT-2: model, order of the windows, trainer, checkpoints and generation."""
