"""Labels and model outputs come in; losses of rows and metrics of samples go out."""
