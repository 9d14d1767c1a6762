module hogwarts.edu/maraudersmap/dev/gateway

go 1.26

require (
	github.com/traefik/traefik/v3 v3.6.12
	sigs.k8s.io/gateway-api v1.4.0
)
