"""The seams: where the code of a library meets the world. Each seam replaces one module while a run lasts."""
