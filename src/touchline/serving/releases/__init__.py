"""The journal comes in, the loaded release that serves goes out."""
