"""Commands of the research shell: click objects here, heavy imports inside the functions."""
