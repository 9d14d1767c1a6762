"""A Gateway API on the local cluster, for what needs an HTTPRoute with weights: Traefik, as it is published.

Its program and the API's CRDs come from Go modules (`go/go.mod` pins both, `go/go.sum` their contents), so no image and
no file has to be downloaded from elsewhere. Not part of `make test` and `make demo`: building it the first time is long.
"""
