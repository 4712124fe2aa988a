"""Ablation: the full chain against the same with a module or group OFF; what each earns, costs, or never touches."""
