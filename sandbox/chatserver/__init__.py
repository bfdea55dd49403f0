"""A small site with one page for each audience that ws4redis knows."""
