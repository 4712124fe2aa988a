"""Lifecycle shell: experiment tracking, continuous learning, gates, registry."""
