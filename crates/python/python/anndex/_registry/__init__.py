"""Records and their registries: what an instance knows of artifacts, collections and runs."""
