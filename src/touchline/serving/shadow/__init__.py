"""Rows that one version has answered come in, what the other version predicts of them goes to the prediction log."""
