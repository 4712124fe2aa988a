"""MLflow: every training, every fit and every model under one set of names. docs/mlflow.md lists them."""
