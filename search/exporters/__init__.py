"""Exporters write a trained network as a model that loads without this project, one module per format."""
