"""The journal comes in, the loaded release that answers goes out."""
