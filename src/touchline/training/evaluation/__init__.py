"""Predictions and labels come in; metrics, losses, diagnostics and attributions go out."""
