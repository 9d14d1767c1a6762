"""The images that the cluster starts from: the public ones where they can be pulled, else made here."""
