"""Going forward: the stages that a candidate goes through, and what each does to pods and traffic."""
