"""The steps of one bar that write State. Only ``qt_core.pipeline`` calls them, in the order that stands there."""
