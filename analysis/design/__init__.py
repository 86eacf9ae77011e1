"""What runs to train next: how precise a grid will be, calculated before any of it is trained."""
