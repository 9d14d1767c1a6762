"""What Argo CD, kstatus and Flux make of objects, asked of their own code."""
