"""Estimators: exact infinite-width kernels, finite networks and label quality, by the conventions of scikit-learn."""
