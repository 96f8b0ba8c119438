"""An evaluated model comes in, its model card and plots go out."""
