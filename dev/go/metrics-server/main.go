// Command metrics-server is the published one, unchanged, built with nodebin's version of the Kubernetes libraries: it takes
// seconds to build beside nodebin instead of minutes alone.
package main

import (
	"os"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"
	"sigs.k8s.io/metrics-server/cmd/metrics-server/app"
)

func main() {
	os.Exit(cli.Run(app.NewMetricsServerCommand(genericapiserver.SetupSignalHandler())))
}
