"""Artifact Registry, and the images that a program builds."""
