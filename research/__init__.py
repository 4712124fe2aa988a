"""Offline shell: data, training, sweeps, statistics, reports."""
