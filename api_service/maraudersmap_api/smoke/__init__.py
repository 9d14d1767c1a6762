"""`smoke`: is a revision fit for traffic? Asked of it before users do, beside the one that serves them."""
