"""A table of anyone, understood as it is written: files, columns, numbers, states, and what tells rows apart."""
