"""Protobuf to model and back, one module for each subject."""
