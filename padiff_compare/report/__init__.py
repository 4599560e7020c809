"""Reports: rows and how much they cover, whether they pass, what a reader must know beside them."""
