{{/* The image, by digest when one is given. */}}
{{- define "operator.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* One object of the base in the release's namespace: its own, and that of the service accounts that it names. */}}
{{- define "operator.placed" -}}
{{- $object := deepCopy .object -}}
{{- if hasKey $object.metadata "namespace" -}}
{{- $_ := set $object.metadata "namespace" .root.Release.Namespace -}}
{{- end -}}
{{- range $subject := $object.subjects -}}
{{- $_ := set $subject "namespace" $.root.Release.Namespace -}}
{{- end -}}
{{ toYaml $object }}
{{- end -}}

{{/* A rule or binding of the whole cluster as one of a namespace. */}}
{{- define "operator.namespaced" -}}
{{- $object := deepCopy .object -}}
{{- $_ := set $object "kind" (trimPrefix "Cluster" $object.kind) -}}
{{- if $object.roleRef -}}
{{- $_ := set $object.roleRef "kind" "Role" -}}
{{- end -}}
{{- $placed := include "operator.placed" (dict "object" $object "root" .root) | fromYaml -}}
{{- $_ := set $placed.metadata "namespace" .namespace -}}
{{ toYaml $placed }}
{{- end -}}

{{/* The operator's policy with metrics read in the watched namespaces only. */}}
{{- define "operator.policy" -}}
{{- $object := include "operator.placed" . | fromYaml -}}
{{- $label := "kubernetes.io/metadata.name" -}}
{{- $names := .root.Values.watchNamespaces -}}
{{- range $rule := $object.spec.egress -}}
{{- range $peer := $rule.to -}}
{{- if hasKey $peer "podSelector" -}}
{{- if eq (len $names) 1 -}}
{{- $_ := set $peer "namespaceSelector" (dict "matchLabels" (dict $label (first $names))) -}}
{{- else -}}
{{- $among := dict "key" $label "operator" "In" "values" $names -}}
{{- $_ := set $peer "namespaceSelector" (dict "matchExpressions" (list $among)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ toYaml $object }}
{{- end -}}

{{/* The Deployment of the base with what the values say. */}}
{{- define "operator.deployment" -}}
{{- $values := .root.Values -}}
{{- $object := include "operator.placed" . | fromYaml -}}
{{- if $values.replicas -}}
{{- $_ := set $object.spec "replicas" $values.replicas -}}
{{- end -}}
{{- $template := $object.spec.template -}}
{{- $_ := set $template.metadata "labels" (merge $template.metadata.labels $values.podLabels) -}}
{{- $_ := set $template.metadata "annotations" (mergeOverwrite $template.metadata.annotations $values.podAnnotations) -}}
{{- $pod := $template.spec -}}
{{- range $name := list "imagePullSecrets" "priorityClassName" "nodeSelector" "tolerations" "affinity" -}}
{{- with get $values $name -}}
{{- $_ := set $pod $name . -}}
{{- end -}}
{{- end -}}
{{- $container := index $pod.containers 0 -}}
{{- $_ := set $container "image" (include "operator.image" .root) -}}
{{- with $values.image.pullPolicy -}}
{{- $_ := set $container "imagePullPolicy" . -}}
{{- end -}}
{{- with $values.resources -}}
{{- $_ := set $container "resources" . -}}
{{- end -}}
{{- $wanted := merge (dict "WATCH_NAMESPACES" (join "," $values.watchNamespaces)) $values.env -}}
{{- $env := list -}}
{{- range $variable := $container.env -}}
{{- if hasKey $wanted $variable.name -}}
{{- $variable = dict "name" $variable.name "value" (get $wanted $variable.name) -}}
{{- $wanted = omit $wanted $variable.name -}}
{{- end -}}
{{- $env = append $env $variable -}}
{{- end -}}
{{- range $name, $value := $wanted -}}
{{- $env = append $env (dict "name" $name "value" $value) -}}
{{- end -}}
{{- $_ := set $container "env" $env -}}
{{ toYaml $object }}
{{- end -}}
