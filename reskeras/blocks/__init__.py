"""The blocks of the papers as data, one kind of network a file; architectures and layers are both written with them."""
